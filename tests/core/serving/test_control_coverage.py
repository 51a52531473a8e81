"""The control API has what the command line has; what it leaves out, the documentation says why."""

import argparse
from pathlib import Path

import pytest

from console.cli.main import build_parser

SERVING_PAGE = Path(__file__).parents[3] / "docs" / "serving.md"

MOVES = "post /api/v1/models/{model}/moves"
ROLLOUT = "post /api/v1/rollouts/{rollout_id}/requests"
SESSION = "post /api/v1/sessions/{session_id}/requests"
VERSION = "/api/v1/models/{model}/versions/{version}"
LEFT_OUT = ""
PATHS = {
    "run": "post /api/v1/sessions",
    "serve token create": "post /api/v1/tokens",
    "serve token list": "get /api/v1/tokens",
    "serve token revoke": "delete /api/v1/tokens/{token_id}",
    "init": LEFT_OUT,
    "status": "get /api/v1/status",
    "session list": "get /api/v1/sessions",
    "session show": "get /api/v1/sessions/{session_id}",
    "session start": "post /api/v1/sessions",
    "session pause": SESSION,
    "session resume": SESSION,
    "session stop": SESSION,
    "runs list": "get /api/v1/runs",
    "runs show": "get /api/v1/runs/{run_id}",
    "runs compare": "get /api/v1/runs/compare",
    "runs tag": "patch /api/v1/runs/{run_id}/tags",
    "runs prune": "post /api/v1/prunes/runs",
    "runs import-mlflow": LEFT_OUT,
    "runs export-mlflow": LEFT_OUT,
    "registry list": "get /api/v1/models/{model}/versions",
    "registry show": f"get {VERSION}",
    "registry diff": "get /api/v1/models/{model}/diff",
    "registry promote": MOVES,
    "registry rollback": MOVES,
    "registry undo": MOVES,
    "registry archive": MOVES,
    "registry verify": "get /api/v1/models/{model}/integrity",
    "registry register": LEFT_OUT,
    "registry prune": "post /api/v1/prunes/versions",
    "registry lineage": "get /api/v1/models/{model}/lineage",
    "registry alias": "put /api/v1/models/{model}/aliases/{alias}",
    "registry approve": f"post {VERSION}/approvals",
    "registry tag": f"patch {VERSION}/tags",
    "registry policy": "get /api/v1/policy",
    "rollout list": "get /api/v1/rollouts",
    "rollout show": "get /api/v1/rollouts/{rollout_id}",
    "rollout start": "post /api/v1/rollouts",
    "rollout hold": ROLLOUT,
    "rollout resume": ROLLOUT,
    "rollout advance": ROLLOUT,
    "rollout promote": ROLLOUT,
    "rollout abort": ROLLOUT,
    "alerts list": "get /api/v1/alerts",
    "alerts acknowledge": "post /api/v1/alerts/{fingerprint}/acknowledge",
    "data generate bonds": LEFT_OUT,
    "audit tail": "get /api/v1/audit",
    "audit verify": "get /api/v1/audit/verification",
    "doctor": "get /api/v1/doctor",
}


def commands(parser: argparse.ArgumentParser, *above: str) -> list[str]:
    """Name every command that does something by itself."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        return [" ".join(above)]
    return [found for name, inner in below[0].choices.items() for found in commands(inner, *above, name)]


@pytest.fixture(scope="module")
def operations(server) -> set[str]:
    document = server.ask("/api/v1/openapi.json").json
    return {f"{method} {path}" for path, methods in document["paths"].items() for method in methods}


@pytest.mark.parametrize("command", commands(build_parser()))
def test_every_command_has_a_path_or_a_reason_why_not(command, operations):
    path = PATHS[command]
    if path == LEFT_OUT:
        assert f"`bondx {command}`" in SERVING_PAGE.read_text()
    else:
        assert path in operations
