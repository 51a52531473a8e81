"""Schemathesis sends what the OpenAPI document allows and forbids; every answer must be one that the document has."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.serving.access import Role, Tokens
from tests.waiting import PATIENCE_SECONDS

SEED = "1"
N_OPERATIONS = 60
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# Most operations take a model, and only a model that exists leads beyond 404.
PARAMETERS = """
[parameters]
"path.model" = "spread"
"path.version" = "1.0.0"
"path.label" = "production"
"""
EXCLUDED = (
    "/labels/",  # the same operations as without a label
    "/api/v1/resources",  # Schemathesis 4.32 spells its tuples as Draft 4 does, and reads them as 2020-12
)


@pytest.fixture
def schemathesis(tmp_path):
    """Run Schemathesis against a server; the deterministic phase, which tries each constraint of each parameter."""

    def run(port: int, *more: str) -> subprocess.CompletedProcess[str]:
        settings = tmp_path / "schemathesis.toml"
        settings.write_text(PARAMETERS)
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            *("--config-file", str(settings), "run", f"http://127.0.0.1:{port}/api/v1/openapi.json"),
            *("--phases", "coverage", "--seed", SEED, "--checks", ",".join(CHECKS), "--no-color", "--warnings", "off"),
            *("--request-timeout", str(PATIENCE_SECONDS)),
            *("--exclude-path-regex", "|".join(EXCLUDED), "--continue-on-failure", *more),
        ]
        # It is at work all the time: a slow machine alone needs more than what any other test waits for.
        return subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE_SECONDS, cwd=tmp_path)

    return run


@pytest.mark.journey
def test_every_answer_is_as_documented(schemathesis, workspace, artifacts, put_live, register, running, ana):
    for add in (put_live, register):
        add(workspace, "spread", artifacts / "spread")
    _, secret = Tokens(workspace).create("schemathesis", Role.ADMIN, actor=ana)
    with running(workspace) as server:
        done = schemathesis(server.port, "--header", f"Authorization: Bearer {secret}")
    assert done.returncode == 0, done.stdout + done.stderr
    (n_tested,) = re.findall(r"Tested: (\d+)", done.stdout)
    assert int(n_tested) >= N_OPERATIONS
