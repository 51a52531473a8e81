"""The matrix role x verb x door, complete: every verb of every face has its class, and no door lets anybody past it.

A new verb, command, route or method without a row fails here. What each row says is tried: in core with the change of
every verb, over HTTP with a token of every role, in a shell with the account of every role.
"""

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType, SimpleNamespace

import pytest

from console.cli.main import build_parser, main
from console.mlops.cli import build_parser as build_mlops_parser
from console.runtime.own_rights import OwnRights
from console.verbs.access import NEEDS, forbidden
from console.verbs.catalog import VERBS as CONSOLE_VERBS
from core.access import AccessRefusedError, Role, VerbClass, class_of
from core.access.verbs import VERBS
from core.actor import Actor
from core.alerts import Alerts
from core.governance import audited
from core.registry.stages import TransitionVerb
from core.serving.access import Tokens
from tests.core.access.conftest import acting
from tools.access_matrix import PAGE, page

CORE = Path(__file__).parents[3] / "core"

MAY: dict[VerbClass, str] = {
    VerbClass.VIEW: "viewer operator approver admin",
    VerbClass.INSPECT: "operator approver admin",
    VerbClass.OPERATE: "operator admin",
    VerbClass.APPROVE: "approver admin",
    VerbClass.ADMINISTER: "admin",
    VerbClass.REPAIR: "admin",
    VerbClass.FOLLOWS: "",  # alone; after a change that was allowed it is part of that
    VerbClass.ENGINE: "",
    VerbClass.ANYONE: "viewer operator approver admin",
}
"""What the classes mean: written here a second time, so that the roles cannot change unnoticed."""


# Every verb has a class


LOOKS_LIKE_A_VERB = re.compile(r"""["'][a-z]+\.[a-z_]+["']""")
NO_VERBS = {
    *(
        "backup.lock",
        "backup.to",
        "engine.lease",
        "evidence.html",
        "evidence.json",
        "evidence.pdf",
        "evidence.sig",
        "evidence.typ",
        "model.json",
        "model.skops",
    ),
    *("stress.json", "outcome.json", "access.gate", "model.safetensors", "model.onnx"),
}
"""Texts of core that look like verbs: names of files and settings."""


@cache
def parsed() -> dict[str, list[ast.AST]]:
    """Return the calls and texts of every module of core that could name a verb, by its path."""
    sources = {file: file.read_text(encoding="utf-8") for file in sorted(CORE.rglob("*.py"))}
    return {
        file.relative_to(CORE).as_posix(): [
            node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call | ast.Constant)
        ]
        for file, text in sources.items()
        if LOOKS_LIKE_A_VERB.search(text)
    }


def texts_like_verbs() -> Iterator[tuple[str, str]]:
    """Yield every text of core that reads like a verb of the log, with its file, but the table itself."""
    nouns = "|".join(sorted({verb.partition(".")[0] for verb in VERBS} | {"holds"}))
    looks_like_one = re.compile(rf"({nouns})\.[a-z][a-z_]*")
    for file, nodes in parsed().items():
        for node in nodes if file != "access/verbs.py" else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and looks_like_one.fullmatch(node.value):
                yield file, node.value


def recorded_verbs() -> Iterator[tuple[str, str]]:
    """Yield the verb of every change that core records, where it is written out, with its file."""
    for file, nodes in parsed().items():
        for node in nodes:
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            place = {"record": 0, "require_access": 2, "require": 1, "entry_by_engine": 0}.get(name)
            given = node.args[place] if place is not None and len(node.args) > place else None
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield file, given.value


def test_every_verb_that_core_records_has_a_class():
    found = set(recorded_verbs())
    assert len(found) > 40
    unknown = [(file, verb) for file, verb in found if verb not in VERBS and class_of(verb) is not VerbClass.ENGINE]
    assert [each for each in unknown if not each[1].startswith("audit.")] == []


def test_every_text_that_reads_like_a_verb_has_a_class():
    unknown = {
        (file, text)
        for file, text in texts_like_verbs()
        if text not in NO_VERBS and text not in VERBS and class_of(text) is not VerbClass.ENGINE
    }
    assert unknown == set(), "classify it in core/access/verbs.py, or name it in NO_VERBS"


def test_every_verb_that_is_put_together_has_a_class():
    moves = {f"version.{move}" for move in TransitionVerb}
    alerts = {f"alert.{verb}" for verb in ("acknowledge", "comment", "resolve", "snooze")}
    assert {verb: class_of(verb) for verb in moves | alerts} == dict.fromkeys(moves | alerts, VerbClass.OPERATE)


def test_no_verb_of_the_table_is_unused():
    used = {text for _, text in texts_like_verbs()} | {verb for _, verb in recorded_verbs()}
    put_together = {f"version.{move}" for move in TransitionVerb}
    alerts = {verb for verb in VERBS if verb.startswith("alert.")}
    doors = {"workspace.view", "workspace.inspect", "prediction.ask", "outcome.report"}
    assert set(VERBS) - used - put_together - alerts - doors == set()


def test_the_page_has_the_matrix_of_today():
    assert PAGE.read_text(encoding="utf-8") == page(PAGE.read_text(encoding="utf-8")), "python -m tools.access_matrix"


# Core: every role x every verb, at the door of every change


@pytest.mark.parametrize("role", [str(role) for role in Role])
def test_every_verb_is_carried_out_for_the_roles_of_its_class_alone(governed, role):
    wrong = []
    for verb, kind in VERBS.items():
        try:
            with audited(governed, "sessions", actor=acting(role)) as change:
                change.record(verb, "spread/1.0.0")
            happened = True
        except AccessRefusedError:
            happened = False
        if happened is not (role in MAY[kind].split()):
            wrong.append((verb, happened))
    assert wrong == []


def test_an_account_without_a_role_may_do_nothing_but_end_what_it_began(governed):
    for verb, kind in VERBS.items():
        if kind is VerbClass.ANYONE:
            continue
        with pytest.raises(AccessRefusedError), audited(governed, "sessions", actor=acting("stranger")) as change:
            change.record(verb, "spread/1.0.0")


def test_a_verb_that_follows_is_carried_out_after_one_that_was_allowed(governed):
    for verb, kind in VERBS.items():
        if kind is VerbClass.FOLLOWS:
            with audited(governed, "sessions", actor=acting("operator")) as change:
                change.record("session.start", "s-0001")
                change.record(verb, "spread/1.0.0")


# The control API: every role x every route


def routes(application) -> Iterator[tuple[str, str, VerbClass]]:
    for route in application.routes:
        if not route.path.startswith("/api/"):
            continue  # the framework's own pages, which no request reaches: the front door passes /api on alone
        for handler in getattr(route, "route_handlers", ()):
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                yield method, route.path, handler.opt.get("takes")


VERB_OF_ROUTE: dict[str, str] = {
    "POST /api/v1/replica/records": "replica.report",
    "POST /api/v1/models/{model:str}/moves": "version.promote version.rollback version.undo version.archive",
    "PUT /api/v1/models/{model:str}/aliases/{alias:str}": "alias.set",
    "DELETE /api/v1/models/{model:str}/aliases/{alias:str}": "alias.remove",
    "PATCH /api/v1/models/{model:str}/versions/{version:str}/tags": "version.tag",
    "POST /api/v1/models/{model:str}/versions/{version:str}/members": "version.register",
    "DELETE /api/v1/models/{model:str}/versions/{version:str}/quarantine": "version.release",
    "POST /api/v1/models/{model:str}/versions/{version:str}/approvals": "version.approve",
    "DELETE /api/v1/models/{model:str}/versions/{version:str}/approvals": "version.withdraw_approval",
    "POST /api/v1/models/{model:str}/labels": "labels.draw labels.more",
    "POST /api/v1/models/{model:str}/profile": "version.make_profile",
    "POST /api/v1/sessions": "session.start",
    "POST /api/v1/sessions/{session_id:str}/requests": "session.pause session.resume session.stop",
    "POST /api/v1/sessions/{session_id:str}/tuning/stop": "session.stop_tuning",
    "POST /api/v1/rollouts": "rollout.start",
    "POST /api/v1/rollouts/{rollout_id:str}/requests": "rollout.abort rollout.advance rollout.hold rollout.promote_now "
    "rollout.resume",
    "POST /api/v1/retrainings": "retraining.start",
    "POST /api/v1/retrainings/{retraining_id:str}/requests": "retraining.cancel retraining.hold retraining.resume",
    "POST /api/v1/retrainings/{retraining_id:str}/approvals": "retraining.approve",
    "POST /api/v1/alerts/{fingerprint:str}/acknowledge": "alert.acknowledge",
    "POST /api/v1/alerts/{fingerprint:str}/resolve": "alert.resolve",
    "POST /api/v1/alerts/{fingerprint:str}/snooze": "alert.snooze",
    "POST /api/v1/alerts/{fingerprint:str}/comments": "alert.comment",
    "POST /api/v1/notifications/receivers/{receiver:str}/test": "notification.test",
    "POST /api/v1/silences": "silence.add silence.forget",
    "POST /api/v1/silences/{silence_id:str}/expire": "silence.expire",
    "PATCH /api/v1/runs/{run_id:str}/tags": "run.tag",
    "POST /api/v1/prunes": "workspace.prune run.prune run.forget run.thin rollout.prune session.prune_reports "
    "stress.prune version.prune",
    "POST /api/v1/prunes/versions": "version.prune",
    "POST /api/v1/prunes/runs": "run.prune run.forget",
    "POST /api/v1/backups": "backup.create",
    "POST /api/v1/evidence": "evidence.build",
    "POST /api/v1/evidence/drafts": "draft.record",  # and `prediction.ask` of the model that writes it
    "POST /api/v1/evidence/keys": "key.rotate",
    "POST /api/v1/stress": "stress.run",
    "PUT /api/v1/views/{name:str}": "view.save",
    "DELETE /api/v1/views/{name:str}": "view.delete",
    "POST /api/v1/webhooks/{name:str}/test": "webhook.test",
    "POST /api/v1/access/grants": "access.grant",
    "DELETE /api/v1/access/grants/{grant_id:str}": "access.revoke",
    "POST /api/v1/access/emergencies": "access.break_glass",
    "PUT /api/v1/access/roles/{name:str}": "access.define_role",
    "DELETE /api/v1/access/roles/{name:str}": "access.remove_role",
    "POST /api/v1/tokens": "token.create",
    "DELETE /api/v1/tokens/{token_id:str}": "token.revoke",
    "POST /api/v1/tokens/{token_id:str}/rotation": "token.rotate",
    "POST /api/v2/alerts": "alert.fire alert.resolve",
    "POST /api/v2/silences": "silence.add silence.expire silence.forget",
    "DELETE /api/v2/silence/{silence_id:str}": "silence.expire",
}
"""The verbs of every route that changes something."""

COMPUTES = {
    "POST /api/v1/models/{model:str}/explain",
    "POST /api/v1/models/{model:str}/explain/row",
    "POST /api/v1/models/{model:str}/explain/compare",
    "POST /api/v1/models/{model:str}/drift",
    "POST /api/v1/models/{model:str}/estimates",
    "POST /api/v1/silences/preview",
    "POST /api/v1/stress/reverse",
    "POST /api/v1/models/{model:str}/plans",
    "POST /api/v1/policy/rehearsals",
    "POST /api/v1/prunes/plans",
    "POST /api/v1/prunes/runs/plans",
    "POST /api/v1/prunes/versions/plans",
    "POST /api/v1/rollouts/plans",
    "POST /api/v1/outcomes",  # anybody who may predict may say what came of it
    "GET /api/v1/tokens",
}
"""Routes that change no state, and are no plain look."""


def test_every_route_says_its_class(api):
    assert [each for each in routes(api.app) if each[2] is None] == []


def test_every_route_that_changes_something_has_the_class_of_its_verbs(api):
    changing = {f"{method} {path}": takes for method, path, takes in routes(api.app) if method != "GET"}
    assert set(changing) == set(VERB_OF_ROUTE) | {each for each in COMPUTES if not each.startswith("GET")}
    for route, verbs in VERB_OF_ROUTE.items():
        assert {class_of(verb) for verb in verbs.split()} == {changing[route]}, route


def test_every_plain_look_takes_no_more_than_a_look(api):
    looks = {takes for method, path, takes in routes(api.app) if method == "GET" and f"GET {path}" not in COMPUTES}
    assert looks == {VerbClass.VIEW, VerbClass.INSPECT}


def test_every_route_admits_the_roles_of_its_class_alone(api, workspace, owner, give):
    give("somebody", "viewer")  # from now on the strict roles hold
    del api.headers["authorization"]
    secrets = {str(role): Tokens(workspace).create(role, role, actor=owner)[1] for role in Role}
    wrong = []
    for method, path, takes in routes(api.app):
        place = re.sub(r"\{[^}]*\}", "none", path)
        for role, secret in secrets.items():
            fields = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
            answer = api.request(method, place, headers=fields, content=b"" if method in ("GET", "DELETE") else b"{")
            if (answer.status_code == 403) is (role in MAY[takes].split()):
                wrong.append((method, path, role, answer.status_code))
        is_refused = api.request(method, place).status_code == 401
        if not is_refused:  # no look is from this machine here, so nothing is done without a token
            wrong.append((method, path, "nobody", is_refused))
    assert wrong == []


# The command line: every command, and every role x what can be tried without more

LOOKS = "looks"
OWN_FILES = "own files"
"""It reads or writes files that the caller names, and no state of the workspace."""
VERB_OF_COMMAND: dict[str, str] = {
    "run": "session.start session.resume engine.acquire engine.release",
    "serve": "prediction.ask",
    "serve predictions": LOOKS,
    **{
        f"{noun} token {verb}": f"token.{verb}"
        for noun in ("serve", "access")
        for verb in ("create", "revoke", "rotate")
    },
    **{f"{noun} token list": LOOKS for noun in ("serve", "access")},
    "attach": "console.attach",
    "init": OWN_FILES,
    **dict.fromkeys(("status", "show", "session list", "session show", "session wait", "session trials"), LOOKS),
    "session start": "session.start",
    "session stop-tuning": "session.stop_tuning",
    **{f"session {verb}": f"session.{verb}" for verb in ("pause", "resume", "stop")},
    **{f"runs {verb}": LOOKS for verb in ("list", "experiments", "show", "metrics", "compare")},
    "runs tag": "run.tag",
    "runs prune": "run.prune run.forget",
    "runs import-mlflow": "run.start run.log_parameters run.log_artifact run.finish run.tag version.register",
    "runs export-mlflow": OWN_FILES,
    "registry export": OWN_FILES,
    **{
        f"registry {verb}": LOOKS
        for verb in ("list", "show", "diff", "verify", "lineage", "policy", "bom", "provenance", "signature")
    },
    **{f"registry {verb}": f"version.{verb}" for verb in ("promote", "rollback", "undo", "archive", "register")},
    **{f"registry {verb}": f"version.{verb}" for verb in ("prune", "release", "tag")},
    "registry member": "version.register",
    "registry alias": "alias.set alias.remove",
    "registry approve": "version.approve version.withdraw_approval",
    **{f"rollout {verb}": LOOKS for verb in ("list", "show", "status")},
    **{f"rollout {verb}": f"rollout.{verb}" for verb in ("start", "hold", "resume", "advance", "abort")},
    "rollout promote": "rollout.promote_now",
    **{f"retrain {verb}": LOOKS for verb in ("plan", "list", "show", "leaderboard")},
    "policy rehearse": LOOKS,
    **{f"cluster {verb}": LOOKS for verb in ("start", "show")},
    **{f"text {verb}": OWN_FILES for verb in ("corpus", "tokenizer", "train", "sample", "judge", "serve")},
    "text draft": "draft.record prediction.ask",  # without --record and --by it reads files that the caller names
    "text shrink": OWN_FILES,
    "text register": "run.start run.log_artifact run.finish version.register",
    "retrain now": "retraining.start",
    **{f"retrain {verb}": f"retraining.{verb}" for verb in ("hold", "resume", "cancel", "approve")},
    **{f"alerts {verb}": LOOKS for verb in ("list", "notifications", "routes", "oncall", "check", "rules", "eval")},
    **{f"alerts {verb}": LOOKS for verb in ("test", "show", "receivers list", "silence list", "silence preview")},
    "alerts receivers test": "notification.test",
    "alerts silence add": "silence.add silence.forget",
    "alerts silence expire": "silence.expire",
    **{f"alerts {verb}": f"alert.{verb}" for verb in ("acknowledge", "resolve", "snooze", "comment")},
    "shift": LOOKS,
    **{f"view {verb}": LOOKS for verb in ("list", "show", "check")},
    "view export": OWN_FILES,
    **{f"view {verb}": "view.save" for verb in ("save", "import")},
    "view delete": "view.delete",
    **{f"webhooks {verb}": LOOKS for verb in ("list", "deliveries")},
    "webhooks test": "webhook.test",
    **{f"data {verb}": OWN_FILES for verb in ("generate bonds", "generate etrm", "reproduce", "anonymise", "unseal")},
    **{f"data {verb}": LOOKS for verb in ("list", "classify")},
    "data seal": "workspace.seal",
    **{f"compliance {verb}": OWN_FILES for verb in ("ecl", "check")},
    **{f"drift {verb}": LOOKS for verb in ("check", "status", "why", "history")},
    "drift profile": "version.make_profile",
    "telemetry traffic": LOOKS,
    "telemetry export": OWN_FILES,
    **{f"performance {verb}": LOOKS for verb in ("estimate", "show")},
    "stress run": "stress.run",
    **{f"stress {verb}": LOOKS for verb in ("reverse", "list", "show", "compare", "scenarios", "check")},
    "explain": LOOKS,
    "labels wanted": "labels.draw labels.more",
    "labels judge": LOOKS,
    **{f"audit {verb}": LOOKS for verb in ("tail", "list", "epochs", "prove", "verify", "anchor")},
    **{f"evidence build {kind}": "evidence.build" for kind in ("version", "session", "rollout", "stress", "model")},
    **{f"evidence {verb}": LOOKS for verb in ("list", "drafts", "show", "verify", "keys")},
    "evidence rotate-key": "key.rotate",
    **dict.fromkeys(("logs", "workspaces", "health", "completion", "man"), LOOKS),
    **{f"config {verb}": LOOKS for verb in ("show", "validate", "keys", "schema")},
    "doctor": "document.repair state.restore",
    "backup": "backup.create",
    **{f"backup {verb}": LOOKS for verb in ("list", "verify")},
    "restore": "workspace.restore model.restore",
    "prune": "workspace.prune run.prune run.forget run.thin rollout.prune session.prune_reports stress.prune "
    "version.prune",
    **{f"access {verb}": LOOKS for verb in ("who", "whoami", "verbs", "check", "role list")},
    "access grant": "access.grant",
    "access revoke": "access.revoke",
    "access break-glass": "access.break_glass",
    "access role define": "access.define_role",
    "access role remove": "access.remove_role",
}


def commands(parser: argparse.ArgumentParser, *above: str) -> list[str]:
    """Return every command that is not a group."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        return [" ".join(above)]
    needs_verb = below[0].required or not above
    own = [] if needs_verb or parser.get_default("command") is None else [" ".join(above)]
    return own + [found for name, inner in below[0].choices.items() for found in commands(inner, *above, name)]


def test_every_command_is_classified():
    found = {each for each in commands(build_parser()) if each}
    groups_that_list = {each for each in found if any(other.startswith(f"{each} ") for other in found)}
    assert found - groups_that_list - set(VERB_OF_COMMAND) == set(), "give it a row in VERB_OF_COMMAND"
    assert set(VERB_OF_COMMAND) - found == set()
    for command, verbs in VERB_OF_COMMAND.items():
        assert verbs in (LOOKS, OWN_FILES) or set(verbs.split()) <= set(VERBS), command


TRIED: dict[str, tuple[str, ...]] = {
    "session start": (),
    "text draft": ("{tmp}/reports.csv", "--record"),
    "access grant": ("ben", "viewer"),
    "access revoke": ("viewer",),
    "access break-glass": ("--reason", "a fire"),
    "access role define": ("trainer", "session.*"),
    "access token create": ("robot",),
    "serve token create": ("robot",),
    "alerts silence add": ("model=spread", "--for", "1h", "--comment", "quiet"),
    "backup": ("--to", "{tmp}/backups"),
    "doctor": ("--repair",),
    "prune": ("--yes",),
    "data seal": (),
    "registry register": ("spread", "--path", "{tmp}/model"),
    "webhooks test": ("none",),
    "view save": ("desk", "--pane", "alerts"),
    "alerts receivers test": ("none",),
    "session pause": ("s-0001",),
    "session stop": ("s-0001",),
    "runs tag": ("r-0001", "desk=fx"),
    "alerts acknowledge": ("{alert}",),
    "alerts comment": ("{alert}", "seen"),
    "alerts snooze": ("{alert}", "--for", "1h"),
    "alerts resolve": ("{alert}",),
}
"""Arguments with which every role tries a command: the objects of `stocked` and what needs no object."""


@pytest.fixture
def stocked(governed, tmp_path, clock):
    """Return the workspace with a session, a run, an alert, and a folder to register."""
    from core.settings import Settings
    from core.tracking import Runs
    from core.training.sessions import Sessions

    operator = acting("operator")
    Sessions(governed).start(Settings().training, name="first", actor=operator)
    with Runs(governed) as runs:
        runs.start(name="first", actor=operator)
    alert = Alerts(governed).fire("hash_mismatch", labels={"model": "spread"}, summary="differs", now=clock())
    report = "as_of_date,book,var99_hist,limit_var,utilisation,breach_flag\n2024-03-28,GAS,10,20,0.5,false\n"
    (tmp_path / "reports.csv").write_text(report)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.txt").write_text("1")
    return governed, alert.fingerprint


@pytest.mark.parametrize("command", TRIED)
def test_a_command_is_refused_to_every_role_that_may_not(command, stocked, tmp_path, monkeypatch, capsys):
    workspace, fingerprint = stocked
    arguments = [each.format(tmp=tmp_path, alert=fingerprint) for each in TRIED[command]]
    first = VERB_OF_COMMAND[command].split()[0]
    allowed = MAY[class_of(first)].split()
    # Who may not first: what is allowed changes the workspace.
    for role in sorted(("stranger", *map(str, Role)), key=allowed.__contains__):
        monkeypatch.setattr(Actor, "current", classmethod(lambda _cls, _origin, name=role: acting(name)))
        capsys.readouterr()
        code = main(["--workspace", str(workspace.root), *command.split(), *arguments])
        told = capsys.readouterr().err
        is_refused = code == 3 and f"{role} may not do {first}" in told
        assert is_refused is (role not in allowed), (role, code, told)


VERB_OF_MLOPS_COMMAND: dict[str, str] = {
    "train": "run.start run.log_parameters run.finish version.register",
    "evaluate": "version.make_profile",  # of a version without a profile, from the file that it learned from
    "register": "version.register",
    "promote": "version.promote",
    "deploy": "rollout.start",
    "drift-check": LOOKS,
    "list": LOOKS,
}


def test_every_command_of_the_other_command_line_is_classified():
    assert {each for each in commands(build_mlops_parser()) if each} == set(VERB_OF_MLOPS_COMMAND)
    for command, verbs in VERB_OF_MLOPS_COMMAND.items():
        assert verbs == LOOKS or set(verbs.split()) <= set(VERBS), command


# The console: every verb x every role

SCREEN_VERBS = {verb.name: verb for verb in CONSOLE_VERBS if verb.changes}


def test_every_verb_of_the_console_that_changes_something_says_what_it_needs():
    assert set(NEEDS) == set(SCREEN_VERBS)
    assert {verb for verbs in NEEDS.values() for verb in verbs} <= set(VERBS)


@pytest.mark.parametrize("role", ["stranger", *map(str, Role)])
def test_keys_are_dim_for_the_roles_that_may_do_none_of_what_they_do(governed, role):
    app = SimpleNamespace(refusal=None, rights=OwnRights(governed, acting(role), lambda: 0.0))
    for name, verb in SCREEN_VERBS.items():
        told = forbidden(app, verb, None)
        may = any(role in MAY[class_of(needed)].split() for needed in NEEDS[name])
        assert (told is None) is may, (name, told)
        assert told is None or (f"{role} may not do {NEEDS[name][0]}" in told and "this takes the role" in told)


def test_keys_are_dim_for_models_beyond_the_limits_of_a_grant(workspace, give):
    give("ana", "operator", models=["desk_*"])
    app = SimpleNamespace(refusal=None, rights=OwnRights(workspace, acting("ana"), lambda: 0.0))
    assert forbidden(app, SCREEN_VERBS["promote"], SimpleNamespace(model="desk_fx")) is None
    assert "ana may not do version.promote" in forbidden(app, SCREEN_VERBS["promote"], SimpleNamespace(model="spread"))


def test_no_key_is_dim_in_a_workspace_without_grants_and_all_are_if_they_cannot_be_read(workspace):
    app = SimpleNamespace(refusal=None, rights=OwnRights(workspace, acting("ana"), lambda: 0.0))
    assert {forbidden(app, verb, None) for verb in SCREEN_VERBS.values()} == {None}
    workspace.state_file("access").write_text("{")
    app.rights = OwnRights(workspace, acting("ana"), lambda: 0.0)
    assert all("Nobody may change anything" in forbidden(app, verb, None) for verb in SCREEN_VERBS.values())


# The Python API: every public method

VERB_OF_METHOD: dict[str, str] = {
    **{f"AlertManager.{verb}_alert": f"alert.{verb}" for verb in ("acknowledge", "resolve", "snooze")},
    "AlertManager.comment_on_alert": "alert.comment",
    **{f"AlertManager.{name}": LOOKS for name in ("list_alerts", "alert_history")},
    "BondXAIAutonomousTrainer.run_autonomous_training_loop": "session.start engine.acquire engine.release",
    **{f"BondXAIDashboard.{name}": LOOKS for name in ("epoch_scores", "generate_summary_report")},
    **{f"BondXAIDashboard.{name}": LOOKS for name in ("views", "views_as_yaml")},
    **{f"BondXAIDashboard.{name}": "view.save" for name in ("save_view", "import_views")},
    "BondXAIDashboard.delete_view": "view.delete",
    "BondXAIDashboard.start_monitoring": LOOKS,  # it opens the console, whose verbs have their own rows
    "CanaryDeploymentManager.create_canary_deployment": "rollout.start",
    "CanaryDeploymentManager.promote_canary": "rollout.promote_now",
    "CanaryDeploymentManager.rollback_canary": "rollout.abort",
    "CanaryDeploymentManager.record_prediction": "prediction.ask",
    "CanaryDeploymentManager.record_outcome": "outcome.report",
    **{f"CanaryDeploymentManager.{name}": LOOKS for name in ("close", "get_deployment", "list_deployments")},
    **{f"CanaryDeploymentManager.{name}": LOOKS for name in ("plan_canary_deployment", "route_prediction")},
    "CanaryDeploymentManager.version_for": LOOKS,
    "ContinuousLearningPipeline.register_model_for_retraining": LOOKS,  # in this process, for the loop below
    "ContinuousLearningPipeline.run_continuous_learning_loop": "retraining.start engine.acquire engine.release",
    **{f"ContinuousLearningPipeline.{name}": LOOKS for name in ("get_pipeline_status", "stop")},
    **{f"DriftMonitor.{name}": LOOKS for name in ("detect_drift", "live_drift")},
    "ExperimentTracker.start_run": "run.start",
    "ExperimentTracker.end_run": "run.finish",
    "ExperimentTracker.log_artifact": "run.log_artifact",
    "ExperimentTracker.log_parameters": "run.log_parameters",
    "ExperimentTracker.set_tags": "run.tag",
    # Values of a run that was started; they are telemetry, which has no record, and no door.
    **{f"ExperimentTracker.{name}": OWN_FILES for name in ("log_metric", "log_metrics")},
    **{f"ExperimentTracker.{name}": LOOKS for name in ("experiments", "get_run", "list_experiments", "search_runs")},
    **{f"ExperimentTracker.{name}": LOOKS for name in ("metric_history", "metric_pages")},
    **{f"MLOpsConfig.{name}": LOOKS for name in ("for_model", "from_yaml", "in_the_name_of")},
    **{f"ModelMonitoringService.{name}": LOOKS for name in ("check", "check_batch", "check_served", "detect_drift")},
    **{f"ModelMonitoringService.{name}": LOOKS for name in ("estimate_batch", "estimate_performance", "performance")},
    **{f"ModelMonitoringService.{name}": LOOKS for name in ("live_history", "live_model", "live_models")},
    **{f"ModelMonitoringService.{name}": LOOKS for name in ("labels_judged", "profile", "register_model")},
    "ModelMonitoringService.labels_wanted": "labels.draw labels.more",
    "ModelMonitoringService.make_profile": "version.make_profile",
    **{f"ModelRegistry.{verb}_model": f"version.{verb}" for verb in ("approve", "archive", "promote", "register")},
    **{f"ModelRegistry.{verb}_model": f"version.{verb}" for verb in ("rollback", "undo")},
    "ModelRegistry.register_member": "version.register",
    "ModelRegistry.export_model": OWN_FILES,
    "ModelRegistry.prune_models": "version.prune",
    "ModelRegistry.set_alias": "alias.set",
    **{
        f"ModelRegistry.{name}": LOOKS
        for name in ("aliases", "bill_of_materials", "compare_models", "get_model", "lineage", "list_models")
    },
    **{
        f"ModelRegistry.{name}": LOOKS
        for name in ("load_model", "model_path", "plan_archive", "plan_promotion", "provenance", "model_signature")
    },
    **{f"ModelRegistry.{name}": LOOKS for name in ("plan_rollback", "plan_undo", "verify_models", "leaderboard")},
    "RetrainPipeline.trigger_retraining": "retraining.start",
    "RetrainPipeline.rehearse": LOOKS,
    "RetrainingConfig.over": LOOKS,
    "Telemetry.export": OWN_FILES,
    "Telemetry.traffic": LOOKS,
    "anonymise": OWN_FILES,
    "explain": LOOKS,
    "explain_function": LOOKS,
    "explain_over": LOOKS,
    "reproduce_data": OWN_FILES,
    "reverse_stress": LOOKS,
    "stress": "stress.run",
    "unseal": OWN_FILES,
}


def public_functions() -> Iterator[str]:
    """Yield every function and method that the Python API offers, but those of exceptions and records."""
    for name in ("core.api", "bondx", "bondx.mlops", "bondx.ml"):
        module = import_module(name)
        for offered in module.__all__:
            found = getattr(module, offered)
            if not getattr(found, "__module__", "").startswith(("bondx", "core.api", "core.training.reproduction")):
                continue
            if not inspect.isclass(found):
                yield offered
                continue
            for method, value in vars(found).items():
                if not method.startswith("_") and isinstance(value, FunctionType | classmethod | staticmethod):
                    yield f"{found.__name__}.{method}"


def test_every_function_of_the_python_api_is_classified():
    assert set(public_functions()) == set(VERB_OF_METHOD)
    for name, verbs in VERB_OF_METHOD.items():
        assert verbs in (LOOKS, OWN_FILES) or set(verbs.split()) <= set(VERBS), name


def test_no_face_changes_state_past_the_door():
    """Only core opens an audited change; a face that did it by itself could leave the verb out of the table."""
    for folder in ("bondx", "console"):
        for file in sorted((CORE.parent / folder).rglob("*.py")):
            assert "audited(" not in file.read_text(encoding="utf-8"), file


def test_python_is_refused_what_the_role_of_the_account_does_not_allow(governed, monkeypatch, tmp_path):
    from core.api import ExperimentTracker, MLOpsConfig, ModelRegistry

    (tmp_path / "weights.txt").write_text("1")
    for role in ("stranger", *map(str, Role)):
        monkeypatch.setattr(Actor, "current", classmethod(lambda _cls, _origin, name=role: acting(name)))
        config = MLOpsConfig.from_yaml(workspace=governed.root, user="admin")  # a claim lends no right
        may = role in MAY[VerbClass.OPERATE].split()
        for change in (
            lambda config=config: ModelRegistry(config).register_model("spread", tmp_path / "weights.txt"),
            lambda config=config: ExperimentTracker(config).start_run("mine").end(),
        ):
            if may:
                change()
            else:
                with pytest.raises(AccessRefusedError, match=f"user:{role}"):
                    change()
