"""A version that the engine's own verdict took back goes live only against a reason, whichever face asks."""

import pytest

from console.cli.main import main
from console.verbs.offer import OfferContext
from console.verbs.stage_move import offer_move
from core.actor import Actor, Origin
from core.api import ModelRegistry
from core.api.config import MLOpsConfig
from core.errors import RefusedError
from core.governance import AuditLog
from core.registry import Registry, Stage
from core.rollout import RolloutPhase
from widgets.glyphs import UNICODE

WHY = "the feed was broken"


@pytest.fixture
def judged(workspace, start, traffic, worker, clock, candidate):
    """Let a canary fail so often that the engine takes it back; return the version."""
    rollout = start()
    worker.tick(clock.now)
    ended = traffic.flow(rollout.rollout_id, ticks=60, stable=0.01, candidate=0.1)
    assert (ended.observed.phase, ended.observed.events[-1].by) == (RolloutPhase.ROLLED_BACK, "engine")
    assert Registry(workspace).get("spread", candidate).stage is Stage.STAGING
    return candidate


def by_command_line(workspace, version, override):
    words = ["--workspace", str(workspace.root), "registry", "promote", "spread", version, "--yes"]
    return main([*words, *(("--override", override) if override else ())]) == 0


def by_mlops(workspace, version, override):
    from console.mlops.cli import main as mlops

    words = ["--workspace", str(workspace.root), "promote", "--model", "spread", "--version", version]
    return mlops([*words, "--stage", "production", "--yes", *(("--override", override) if override else ())]) == 0


def by_console(workspace, version, override):
    ana = Actor("ana", "desk", Origin.CONSOLE)
    context = OfferContext(workspace=workspace, actor=ana, glyphs=UNICODE, absence=None)
    offer = offer_move(context, lambda registry: registry.plan_promotion("spread", version, actor=ana))
    assert offer.needs_reason
    assert offer.typed == version
    try:
        offer.commit(override)
    except RefusedError:
        return False
    return True


def by_python(workspace, version, override):
    try:
        ModelRegistry(MLOpsConfig.from_yaml(workspace=workspace.root)).promote_model(
            "spread", version, override=override
        )
    except RefusedError:
        return False
    return True


@pytest.fixture
def by_api(request):
    api = request.getfixturevalue("api")

    def ask(workspace, version, override):
        wish = {"verb": "promote", "version": version}
        plan = api.post("/api/v1/models/spread/plans", json=wish).json()
        assert "rolled back 1.1.0" in plan["overrides"]
        more = {"override": override} if override else {}
        answer = api.post(
            "/api/v1/models/spread/moves", json={**wish, "expected_revision": plan["expected_revision"], **more}
        )
        if override:
            assert answer.status_code == 200, answer.text
        else:
            assert answer.status_code == 422
            assert "only with a reason" in answer.json()["error"]
        return answer.status_code == 200

    return ask


FACES = {"command line": by_command_line, "bondx-mlops": by_mlops, "console": by_console, "Python": by_python}


@pytest.mark.parametrize("face", [*FACES, "API"])
def test_the_override_is_asked_for_and_recorded(face, workspace, judged, request):
    ask = FACES.get(face) or request.getfixturevalue("by_api")
    n_records = len(AuditLog(workspace).tail(10_000))
    assert not ask(workspace, judged, "")
    assert Registry(workspace).get("spread", judged).stage is Stage.STAGING
    assert "version.promote" not in [record.verb for record in AuditLog(workspace).tail(10_000)[n_records:]]

    assert ask(workspace, judged, WHY)
    assert Registry(workspace).production("spread").version == judged
    assert Registry(workspace).went_live("spread").reason == f"override: {WHY}"
    recorded = [record for record in AuditLog(workspace).tail(10_000) if record.verb == "version.promote"]
    assert recorded[-1].reason == f"override: {WHY}"


@pytest.mark.parametrize("face", ["command line", "API", "Python"])
def test_a_rollback_to_such_a_version_names_the_verdict_in_its_record(face, workspace, judged, register, request):
    assert by_command_line(workspace, judged, WHY)
    after = register(Stage.STAGING)
    registry = Registry(workspace)
    registry.apply(registry.plan_promotion("spread", after), actor=Actor.engine())
    assert registry.plan_rollback("spread").version == judged
    if face == "command line":
        assert main(["--workspace", str(workspace.root), "registry", "rollback", "spread", "--reason", "worse"]) == 0
    elif face == "Python":
        ModelRegistry(MLOpsConfig.from_yaml(workspace=workspace.root)).rollback_model("spread", reason="worse")
    else:
        api = request.getfixturevalue("api")
        plan = api.post("/api/v1/models/spread/plans", json={"verb": "rollback"}).json()
        wish = {"verb": "rollback", "expected_revision": plan["expected_revision"], "reason": "worse"}
        answer = api.post("/api/v1/models/spread/moves", json=wish)
        assert answer.status_code == 200, answer.text
    assert registry.production("spread").version == judged
    reason = AuditLog(workspace).tail(1)[0].reason
    assert reason.startswith("worse (against the verdict: ")
    assert f"rolled back {judged}" in reason
