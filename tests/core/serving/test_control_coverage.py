"""Coverage of core: every verb is on the console, on the command line and in the control API, or has a reason here.

A new verb of core fails here until every face has it, or until its row says why one does without. What the control API
leaves out of the command line, the documentation says why.
"""

import argparse
import inspect
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from litestar import Router

from console.cli.main import build_parser
from console.mlops.cli import build_parser as build_mlops_parser
from console.verbs.catalog import VERBS
from core.alerts import Alerts
from core.governance.grants import Grants
from core.registry import Registry
from core.retraining.retrainings import Retrainings
from core.rollout import Rollouts
from core.serving.access import Tokens
from core.serving.control.application import _DATA_ROUTES, _ROUTES
from core.tracking import Runs
from core.training.sessions import Sessions

SERVING_PAGE = Path(__file__).parents[3] / "docs" / "serving.md"

MOVES = "post /api/v1/models/{model}/moves"
ROLLOUT = "post /api/v1/rollouts/{rollout_id}/requests"
RETRAINING = "post /api/v1/retrainings/{retraining_id}/requests"
SESSION = "post /api/v1/sessions/{session_id}/requests"
VERSION = "/api/v1/models/{model}/versions/{version}"
LEFT_OUT = ""
PATHS = {
    "run": "post /api/v1/sessions",
    "serve token create": "post /api/v1/tokens",
    "serve predictions": "get /api/v1/predictions/usage",
    "serve token list": "get /api/v1/tokens",
    "serve token revoke": "delete /api/v1/tokens/{token_id}",
    "attach": LEFT_OUT,
    "init": LEFT_OUT,
    "status": "get /api/v1/status",
    "show": LEFT_OUT,
    "session list": "get /api/v1/sessions",
    "session show": "get /api/v1/sessions/{session_id}",
    "session wait": "get /api/v1/sessions/{session_id}",
    "session start": "post /api/v1/sessions",
    "session pause": SESSION,
    "session resume": SESSION,
    "session stop": SESSION,
    "session trials": "get /api/v1/sessions/{session_id}/trials",
    "session stop-tuning": "post /api/v1/sessions/{session_id}/tuning/stop",
    "runs list": "get /api/v1/runs",
    "runs experiments": "get /api/v1/runs/experiments",
    "runs show": "get /api/v1/runs/{run_id}",
    "runs metrics": "get /api/v1/runs/{run_id}/metrics",
    "runs compare": "get /api/v1/runs/compare",
    "runs tag": "patch /api/v1/runs/{run_id}/tags",
    "runs prune": "post /api/v1/prunes/runs",
    "runs import-mlflow": LEFT_OUT,
    "runs export-mlflow": LEFT_OUT,
    "registry export": LEFT_OUT,
    "registry list": "get /api/v1/models/{model}/versions",
    "registry show": f"get {VERSION}",
    "registry diff": "get /api/v1/models/{model}/diff",
    "registry promote": MOVES,
    "registry rollback": MOVES,
    "registry undo": MOVES,
    "registry archive": MOVES,
    "registry verify": "get /api/v1/models/{model}/integrity",
    "registry register": LEFT_OUT,
    "registry member": f"post {VERSION}/members",
    "registry prune": "post /api/v1/prunes/versions",
    "registry bom": "get /api/v1/models/{model}/versions/{version}/bom",
    "registry provenance": "get /api/v1/models/{model}/versions/{version}/provenance",
    "registry signature": "get /api/v1/models/{model}/versions/{version}/file-signature",
    "registry lineage": "get /api/v1/models/{model}/lineage",
    "registry alias": "put /api/v1/models/{model}/aliases/{alias}",
    "registry approve": f"post {VERSION}/approvals",
    "registry release": f"delete {VERSION}/quarantine",
    "registry tag": f"patch {VERSION}/tags",
    "registry policy": "get /api/v1/policy",
    "rollout list": "get /api/v1/rollouts",
    "rollout show": "get /api/v1/rollouts/{rollout_id}",
    "rollout status": "get /api/v1/rollouts/{rollout_id}",
    "rollout start": "post /api/v1/rollouts",
    "rollout hold": ROLLOUT,
    "rollout resume": ROLLOUT,
    "rollout advance": ROLLOUT,
    "rollout promote": ROLLOUT,
    "rollout abort": ROLLOUT,
    "policy rehearse": "post /api/v1/policy/rehearsals",
    "retrain now": "post /api/v1/retrainings",
    "retrain plan": "get /api/v1/retrainings/plans/{model}",
    "retrain leaderboard": "get /api/v1/retrainings/leaderboards/{model}",
    "retrain list": "get /api/v1/retrainings",
    "retrain show": "get /api/v1/retrainings/{retraining_id}",
    "retrain hold": RETRAINING,
    "retrain resume": RETRAINING,
    "retrain cancel": RETRAINING,
    "retrain approve": "post /api/v1/retrainings/{retraining_id}/approvals",
    "alerts list": "get /api/v1/alerts",
    "alerts check": LEFT_OUT,
    "alerts test": LEFT_OUT,
    "alerts rules": "get /api/v1/rules",
    "alerts eval": "get /api/v1/rules/eval",
    "alerts notifications": "get /api/v1/notifications",
    "alerts receivers list": "get /api/v1/notifications/receivers",
    "alerts receivers test": "post /api/v1/notifications/receivers/{receiver}/test",
    "alerts resolve": "post /api/v1/alerts/{fingerprint}/resolve",
    "alerts acknowledge": "post /api/v1/alerts/{fingerprint}/acknowledge",
    "alerts silence list": "get /api/v1/silences",
    "alerts silence add": "post /api/v1/silences",
    "alerts silence expire": "post /api/v1/silences/{silence_id}/expire",
    "alerts silence preview": "post /api/v1/silences/preview",
    "alerts oncall": "get /api/v1/oncall",
    "alerts routes": "get /api/v1/silences/routes",
    "webhooks list": "get /api/v1/webhooks",
    "webhooks deliveries": "get /api/v1/webhooks/deliveries",
    "webhooks test": "post /api/v1/webhooks/{name}/test",
    "view list": "get /api/v1/views",
    "view show": "get /api/v1/views/{name}",
    "view save": "put /api/v1/views/{name}",
    "view check": LEFT_OUT,
    "view import": "put /api/v1/views/{name}",
    "view export": "get /api/v1/views/{name}",
    "view delete": "delete /api/v1/views/{name}",
    "alerts show": "get /api/v1/alerts/{fingerprint}",
    "alerts snooze": "post /api/v1/alerts/{fingerprint}/snooze",
    "alerts comment": "post /api/v1/alerts/{fingerprint}/comments",
    "data generate bonds": LEFT_OUT,
    "data generate etrm": LEFT_OUT,
    "data reproduce": LEFT_OUT,
    "data classify": LEFT_OUT,
    "data anonymise": LEFT_OUT,
    "data seal": LEFT_OUT,
    "data unseal": LEFT_OUT,
    "compliance check": LEFT_OUT,
    "compliance ecl": LEFT_OUT,
    "drift check": "post /api/v1/models/{model}/drift",
    "drift profile": "post /api/v1/models/{model}/profile",
    "stress run": "post /api/v1/stress",
    "stress list": "get /api/v1/stress",
    "stress show": "get /api/v1/stress/{test_id}",
    "stress compare": "get /api/v1/stress/compare",
    "stress scenarios": "get /api/v1/stress/scenarios",
    "stress check": LEFT_OUT,
    "stress reverse": "post /api/v1/stress/reverse",
    "explain": "post /api/v1/models/{model}/explain",
    "performance show": "get /api/v1/models/{model}/performance",
    "drift status": "get /api/v1/monitoring",
    "drift history": "get /api/v1/models/{model}/monitoring/history",
    "drift why": "get /api/v1/models/{model}/monitoring",
    "telemetry traffic": "get /api/v1/predictions/traffic",
    "telemetry export": LEFT_OUT,
    "performance estimate": "post /api/v1/models/{model}/estimates",
    "labels wanted": "post /api/v1/models/{model}/labels",
    "labels judge": "get /api/v1/models/{model}/labels",
    "data list": "get /api/v1/sessions/{session_id}/datasets",
    "audit tail": "get /api/v1/audit",
    "audit anchor": "get /api/v1/audit/anchor",
    "audit epochs": "get /api/v1/audit/epochs/{session_id}",
    "audit prove": "get /api/v1/audit/epochs/{session_id}/{epoch}/proof",
    "audit list": "get /api/v1/audit",
    "audit verify": "get /api/v1/audit/verification",
    "logs": LEFT_OUT,
    "workspaces": LEFT_OUT,
    "config show": LEFT_OUT,
    "config validate": LEFT_OUT,
    "config schema": LEFT_OUT,
    "config keys": LEFT_OUT,
    "completion": LEFT_OUT,
    "man": LEFT_OUT,
    "cluster start": LEFT_OUT,
    "text corpus": LEFT_OUT,
    "text tokenizer": LEFT_OUT,
    "text train": LEFT_OUT,
    "text judge": LEFT_OUT,
    "text shrink": LEFT_OUT,
    "text register": LEFT_OUT,
    "text sample": LEFT_OUT,
    "text serve": LEFT_OUT,
    "text draft": "post /api/v1/evidence/drafts",
    "cluster show": "get /api/v1/cluster",
    "doctor": "get /api/v1/doctor",
    "health": "get /api/v1/health",
    "shift": "get /api/v1/shift",
    "prune": "post /api/v1/prunes",
    "evidence build version": "post /api/v1/evidence",
    "evidence build session": "post /api/v1/evidence",
    "evidence build rollout": "post /api/v1/evidence",
    "evidence build stress": "post /api/v1/evidence",
    "evidence build model": "post /api/v1/evidence",
    "evidence list": "get /api/v1/evidence",
    "evidence keys": "get /api/v1/evidence/keys",
    "evidence rotate-key": "post /api/v1/evidence/keys",
    "evidence drafts": "get /api/v1/evidence/drafts",
    "evidence show": "get /api/v1/evidence/{pack_id}",
    "evidence verify": "get /api/v1/evidence/{pack_id}/verification",
    "backup": "post /api/v1/backups",
    "backup list": "get /api/v1/backups",
    "backup verify": "get /api/v1/backups/{backup_id}/verification",
    "restore": LEFT_OUT,
    "access who": "get /api/v1/access",
    "access whoami": "get /api/v1/access/whoami",
    "access verbs": "get /api/v1/access/verbs",
    "access check": "get /api/v1/access/check",
    "access grant": "post /api/v1/access/grants",
    "access revoke": "delete /api/v1/access/grants/{grant_id}",
    "access break-glass": "post /api/v1/access/emergencies",
    "access role list": "get /api/v1/access/roles",
    "access role define": "put /api/v1/access/roles/{name}",
    "access role remove": "delete /api/v1/access/roles/{name}",
    "access token create": "post /api/v1/tokens",
    "access token list": "get /api/v1/tokens",
    "access token revoke": "delete /api/v1/tokens/{token_id}",
    "access token rotate": "post /api/v1/tokens/{token_id}/rotation",
    "serve token rotate": "post /api/v1/tokens/{token_id}/rotation",
}


def commands(parser: argparse.ArgumentParser, *above: str) -> list[str]:
    """Return every command that is not a group."""
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


@dataclass(frozen=True)
class Because:
    """The reason why an interface lacks a verb of core."""

    reason: str


BY_THE_ENGINE = Because("the engine alone does this")
BY_A_PROGRAM = Because("a program that tracks its run does this, through core.api")
WITH_A_PATH = Because("it takes a path on the machine of the shell")
SELDOM = Because("it is no answer to what an operator sees at 3 a.m.; the command line has it")
WITH_THE_PARTS = Because("the verbs below it ask for each of its parts")

# What only reads, or previews; every other public method is a verb.
READS = {
    Registry: "aliases alias all_aliases approvals claims_of diff environment_warnings get history holds_model "
    "lacking_approvals lineage load_path made_profile models newest_moves numbers opened plan_archive plan_promotion "
    "plan_promotions plan_prune plan_rollback plan_undo policy_gates production profile_file profile_problems pruned "
    "quarantined require_kind try_version "
    "verdicts verify versions versions_in_brief went_live",
    Rollouts: "active all get in_brief needed_since plan prunable readable refusal_to_continue requestable "
    "verdict_against wrong_holds named",
    Retrainings: "active all get memory named",
    Sessions: "all children concerned get",
    Alerts: "all fingerprint_named get open",
    Runs: "all children close compare experiments find get latest latest_in_brief metric_course metric_history "
    "metric_names metric_page metric_pages prunable search undefined_steps",
    Tokens: "all",
    Grants: "active all roles",
}
Face = tuple[str, ...] | Because
# Verb of core -> verbs of the console, commands of `bondx` and `bondx-mlops`. The control API has what PATHS says of
# these commands.
FACES: dict[str, tuple[Face, Face]] = {
    "Registry.register": (WITH_A_PATH, ("registry register", "mlops register")),
    "Registry.set_tags": (SELDOM, ("registry tag",)),
    "Registry.sweep": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Registry.set_alias": (SELDOM, ("registry alias",)),
    "Registry.remove_alias": (SELDOM, ("registry alias",)),
    "Registry.approve": (SELDOM, ("registry approve",)),
    "Registry.withdraw_approval": (SELDOM, ("registry approve",)),
    "Registry.apply": (
        ("promote", "rollback", "undo", "archive", "archive_marked"),
        ("registry promote", "registry rollback", "registry undo", "registry archive", "mlops promote"),
    ),
    "Registry.apply_all": (
        Because("the console asks for each step by itself"),
        ("registry promote", "mlops promote"),
    ),
    "Registry.release": (("release",), ("registry release",)),
    "Registry.make_profile": (SELDOM, ("drift profile", "mlops evaluate")),
    "Registry.prune": (SELDOM, ("registry prune",)),
    "Rollouts.start": (("canary",), ("rollout start", "mlops deploy")),
    "Rollouts.request": (WITH_THE_PARTS, WITH_THE_PARTS),
    "Rollouts.advance": (("advance",), ("rollout advance",)),
    "Rollouts.hold": (("hold", "hold_or_resume"), ("rollout hold",)),
    "Rollouts.resume": (("resume", "hold_or_resume"), ("rollout resume",)),
    "Rollouts.abort": (("abort", "roll_back_rollout", "roll_back_version"), ("rollout abort",)),
    "Rollouts.promote_now": (("advance",), ("rollout promote",)),
    "Rollouts.save": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Rollouts.observe": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Rollouts.promote": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Rollouts.prune": (SELDOM, ("prune",)),
    "Rollouts.settle_holds": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Retrainings.now": (("retrain",), ("retrain now",)),
    "Retrainings.request": (WITH_THE_PARTS, WITH_THE_PARTS),
    "Retrainings.hold": (("hold", "hold_or_resume_retraining"), ("retrain hold",)),
    "Retrainings.resume": (("resume", "hold_or_resume_retraining"), ("retrain resume",)),
    "Retrainings.cancel": (("cancel",), ("retrain cancel",)),
    "Retrainings.approve": (("approve", "approve_proposal"), ("retrain approve",)),
    "Retrainings.start": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Retrainings.observe": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Retrainings.note": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Retrainings.remember": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Sessions.start": (("start", "start_or_stop"), ("session start", "run")),
    "Sessions.request": (
        ("pause", "resume", "stop", "pause_or_resume", "start_or_stop"),
        ("session pause", "session resume", "session stop"),
    ),
    "Sessions.stop_tuning": (("stop_tuning",), ("session stop-tuning",)),
    "Sessions.observe": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Alerts.acknowledge": (("acknowledge",), ("alerts acknowledge",)),
    "Alerts.resolve": (("resolve",), ("alerts resolve",)),
    "Alerts.snooze": (("snooze",), ("alerts snooze",)),
    "Alerts.acknowledge_all": (("acknowledge",), ("alerts acknowledge",)),
    "Alerts.resolve_all": (("resolve",), ("alerts resolve",)),
    "Alerts.snooze_all": (("snooze",), ("alerts snooze",)),
    "Alerts.comment": (("comment",), ("alerts comment",)),
    "Alerts.comment_all": (("comment",), ("alerts comment",)),
    "Alerts.judge": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Alerts.observe": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Alerts.fire": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Alerts.clear": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Runs.start": (BY_A_PROGRAM, BY_A_PROGRAM),
    "Runs.log_metrics": (BY_A_PROGRAM, BY_A_PROGRAM),
    "Runs.log_parameters": (BY_A_PROGRAM, BY_A_PROGRAM),
    "Runs.log_artifact": (BY_A_PROGRAM, BY_A_PROGRAM),
    "Runs.set_data_hashes": (BY_A_PROGRAM, BY_A_PROGRAM),
    "Runs.beat": (BY_A_PROGRAM, BY_A_PROGRAM),
    "Runs.finish": (BY_A_PROGRAM, BY_A_PROGRAM),
    "Runs.reopen": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Runs.settle": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Runs.set_tags": (SELDOM, ("runs tag",)),
    "Runs.prune": (SELDOM, ("runs prune",)),
    "Runs.complete_removals": (BY_THE_ENGINE, BY_THE_ENGINE),
    "Tokens.create": (SELDOM, ("serve token create",)),
    "Tokens.revoke": (SELDOM, ("serve token revoke", "access token revoke")),
    "Tokens.rotate": (SELDOM, ("serve token rotate", "access token rotate")),
    "Grants.grant": (SELDOM, ("access grant",)),
    "Grants.revoke": (SELDOM, ("access revoke",)),
    "Grants.break_glass": (SELDOM, ("access break-glass",)),
    "Grants.define_role": (SELDOM, ("access role define",)),
    "Grants.remove_role": (SELDOM, ("access role remove",)),
}
# Verbs of the console that change something, and that core knows nothing of or calls otherwise.
ON_THE_CONSOLE_ALONE = {
    "engine": Because("it starts a thread of the console; in a shell it is `bondx run`"),
    "backup": Because("core.maintenance.backup.create_backup; in a shell it is `bondx backup`"),
    "evidence": Because("core.evidence.EvidencePacks.of_version; in a shell it is `bondx evidence build version`"),
    "member": Because("core.training.member_versions.register_member; in a shell it is `bondx registry member`"),
    "prune": Because("core.maintenance.pruning.Pruning plans it and carries it out; in a shell it is `bondx prune`"),
    "run_stress": Because("core.stress.stored_tests.StressTests.keep; in a shell it is `bondx stress run`"),
    "silence": Because("core.alerts.silences.Silences.add; in a shell it is `bondx alerts silence add`"),
    "expire": Because("core.alerts.silences.Silences.expire; in a shell it is `bondx alerts silence expire`"),
    "undo_promotion": Because("the same as undo, for the model of a rollout"),
}


def verbs_of_core() -> list[str]:
    """Return every public method that is not read-only."""
    return [
        f"{store.__name__}.{name}"
        for store, reads in READS.items()
        for name, _ in inspect.getmembers(store, inspect.isfunction)
        if not name.startswith("_") and name not in reads.split()
    ]


@pytest.mark.parametrize("verb", verbs_of_core())
def test_every_verb_of_core_is_on_every_face_or_has_a_reason(verb):
    assert verb in FACES, "give it a row in FACES, or name it in READS if it changes nothing"
    on_console, on_command_line = FACES[verb]
    if not isinstance(on_console, Because):
        assert set(on_console) <= {verb.name for verb in VERBS if verb.changes}
    if not isinstance(on_command_line, Because):
        mlops = {f"mlops {command}" for command in commands(build_mlops_parser())}
        assert set(on_command_line) <= mlops | set(commands(build_parser()))
        assert any(command in PATHS for command in on_command_line), "no command that the control API is held against"


def test_every_row_of_faces_and_reads_names_a_method_of_core():
    assert set(FACES) == set(verbs_of_core())
    assert all(callable(getattr(store, name)) for store, reads in READS.items() for name in reads.split())


def test_every_change_on_the_console_is_a_verb_of_core():
    known = {name for on_console, _ in FACES.values() if not isinstance(on_console, Because) for name in on_console}
    assert {verb.name for verb in VERBS if verb.changes} == known | set(ON_THE_CONSOLE_ALONE)


def test_no_two_routes_answer_the_same_request():
    """Litestar lets the later one win, without a word."""
    found = Counter(
        (method, route.path)
        for route in Router("/", route_handlers=[*_ROUTES, *_DATA_ROUTES]).routes
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    )
    assert found
    assert [request for request, n in found.items() if n > 1] == []
