"""Attempts to approve your own promotion over real HTTP: by further tokens, by the shell, by a rollout."""

import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.registry import Registry, Stage
from core.serving.access import Role, Tokens
from core.settings import PromotionSettings

LENIENT = PromotionSettings(min_accuracy=0.0)
CARL = Actor("carl", "desk", Origin.COMMAND_LINE)
ROOT = Actor("root-of-all", "desk", Origin.COMMAND_LINE)
VERSION = "/api/v1/models/spread/versions/1.1.0"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, make_workspace, artifacts, put_live, register):
    """A workspace that wants two pairs of eyes, 1.0.0 live, and 1.1.0, which the engine has made, in Staging."""
    workspace = make_workspace(tmp_path_factory.mktemp("guarded") / "workspace")
    put_live(workspace, "spread", artifacts / "spread")
    register(workspace, "spread", artifacts / "spread_other", actor=Actor.engine())
    registry = Registry(workspace, promotion=LENIENT)
    registry.apply(registry.plan_promotion("spread", "1.1.0"), actor=CARL)
    (workspace.root / "policy.yaml").write_text("promotion: {min_accuracy: 0, required_approvals: 1}\n")
    return workspace


@pytest.fixture(scope="module")
def guarded_server(guarded, running):
    with running(guarded) as server:
        yield server


@pytest.fixture
def ask(guarded, guarded_server):
    """Ask as the holder of a token, once the server knows it."""

    def asked(secret, path, body=None, method=None):
        headers = {"authorization": f"Bearer {secret}"}
        guarded_server.until(
            lambda: guarded_server.ask("/api/v1/status", headers=headers).status == 200, "letting the new token in"
        )
        return guarded_server.ask(path, body, method=method, headers=headers)

    yield asked
    registry = Registry(guarded)
    for approval in registry.approvals("spread", "1.1.0"):
        actor = Actor(approval.person, "desk", Origin.CONSOLE)
        registry.withdraw_approval("spread", "1.1.0", actor=actor)
    assert registry.get("spread", "1.1.0").stage is Stage.STAGING, "somebody got through"


@pytest.fixture
def token(guarded):
    def made(name, *, by, person=None):
        return Tokens(guarded).create(name, Role.OPERATOR, actor=by, person=person)[1]

    return made


def promote(ask, secret):
    wish = {"verb": "promote", "version": "1.1.0", "stage": "Production"}
    plan = ask(secret, "/api/v1/models/spread/plans", wish).json
    return ask(secret, "/api/v1/models/spread/moves", wish | {"expected_revision": plan["expected_revision"]})


def approve(ask, secret):
    answer = ask(secret, f"{VERSION}/approvals", {"reason": "looks fine"})
    assert answer.status == 201, answer.body
    return answer.json


def test_by_two_tokens_of_one_person(ask, token, ana):
    approve(ask, token("one", by=ana))
    answer = promote(ask, token("two", by=ana))
    assert answer.status == 422
    assert "ana cannot approve their own promotion" in answer.json["error"]


def test_by_a_token_created_for_another_person(ask, token, ana):
    assert approve(ask, token("bens", by=ana, person="ben"))["person"] == "ben"
    answer = promote(ask, token("mine", by=ana))
    assert answer.status == 422
    assert "ana may be behind both it and the promotion" in answer.json["error"]


def test_by_two_tokens_for_two_people_created_by_one_person(ask, token):
    approve(ask, token("bens", by=ROOT, person="ben"))
    answer = promote(ask, token("doras", by=ROOT, person="dora"))
    assert answer.status == 422
    assert "root-of-all may be behind both it" in answer.json["error"]


def test_by_a_token_created_with_a_token(ask, guarded, ana):
    _, admin = Tokens(guarded).create("admin", Role.ADMIN, actor=ana)
    made = ask(admin, "/api/v1/tokens", {"name": "bens", "role": "admin", "person": "ben"}).json
    again = ask(made["token"], "/api/v1/tokens", {"name": "evas", "role": "operator", "person": "eva"}).json
    approve(ask, again["token"])
    answer = promote(ask, admin)
    assert answer.status == 422
    assert "ana may be behind both it" in answer.json["error"]


def test_by_approving_over_http_and_promoting_from_the_shell(ask, token, guarded, capsys, monkeypatch):
    me = Actor.current(Origin.COMMAND_LINE)
    approve(ask, token("mine", by=me))
    command = ["--workspace", str(guarded.root), "registry", "promote", "spread", "1.1.0"]
    for disguise in ("", "ben"):
        if disguise:
            monkeypatch.setenv("LOGNAME", disguise)
            monkeypatch.setenv("USER", disguise)
        assert main(command) == 3
        assert f"{me.name} cannot approve their own promotion" in capsys.readouterr().err


def test_by_approving_in_the_shell_and_promoting_over_http(ask, token, guarded):
    me = Actor.current(Origin.COMMAND_LINE)
    assert main(["--workspace", str(guarded.root), "registry", "approve", "spread", "1.1.0"]) == 0
    answer = promote(ask, token("mine", by=me))
    assert answer.status == 422
    assert f"{me.name} cannot approve" in answer.json["error"]


def test_by_letting_a_rollout_promote(ask, token, ana):
    approve(ask, token("bens", by=ana, person="ben"))
    secret = token("mine", by=ana)
    wish = {"model": "spread", "candidate": "1.1.0"}
    assert ask(secret, "/api/v1/rollouts/plans", wish).json["allowed"] is False
    answer = ask(secret, "/api/v1/rollouts", wish | {"stable": "1.0.0"})
    assert answer.status == 422
    assert "ana may be behind both it" in answer.json["error"]


def test_in_the_name_of_an_invalid_account(ask, guarded, ana):
    _, admin = Tokens(guarded).create("admin", Role.ADMIN, actor=ana)
    for person in ("", "ben\n", "b en", "x" * 61, "../ben"):
        answer = ask(admin, "/api/v1/tokens", {"name": "x", "role": "operator", "person": person})
        assert answer.status == 400, person


@pytest.mark.journey
def test_while_two_people_with_tokens_of_their_own_get_through(workspace, artifacts, put_live, register, running, ana):
    put_live(workspace, "spread", artifacts / "spread")
    register(workspace, "spread", artifacts / "spread_other")
    registry = Registry(workspace, promotion=LENIENT)
    registry.apply(registry.plan_promotion("spread", "1.1.0"), actor=ana)
    (workspace.root / "policy.yaml").write_text("promotion: {min_accuracy: 0, required_approvals: 1}\n")
    bens, anas = (Tokens(workspace).create("own", Role.OPERATOR, actor=actor)[1] for actor in (CARL, ana))
    with running(workspace) as server:

        def asked(secret, path, body=None):
            return server.ask(path, body, headers={"authorization": f"Bearer {secret}"})

        approve(asked, bens)
        assert promote(asked, anas).status == 200
    (move, *_) = registry.history("spread")
    assert move.by.endswith("via own")
    assert move.by.startswith("ana@")
