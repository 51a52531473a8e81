"""The alerts of a rollout, and when they are cleared."""

from unittest.mock import ANY

import msgspec
import pytest

from core.alerts import Alerts, AlertState
from core.governance import AuditLog
from core.quality.gate import GateVerdict
from core.registry import Stage, StalePlanError
from core.registry.plan_changes import as_reviewed, news_since
from core.rollout import Arm, Guard, GuardSource, RolloutPhase, RolloutWorker
from tests.core.rollout.conftest import ANA, a_plan

RARE = (Guard(name="errors", source=GuardSource.ERRORS),)  # no ceiling: without failures nothing is ever shown


@pytest.fixture
def alerts(workspace, clock) -> Alerts:
    return Alerts(workspace, clock=clock)


@pytest.fixture
def taken_back(rollouts, start, worker, source, clock):
    """Let a candidate fail until it is rolled back; leave the last tick to the test."""

    def fail() -> str:
        rollout = start()
        worker.tick(clock.now)
        source.serve(Arm.STABLE, 2_000, share=0.05)
        source.serve(Arm.CANDIDATE, 100, share=0.05, n_failed=50)
        return rollout.rollout_id

    return fail


def test_a_rollback_alerts_with_its_reason_until_someone_resolves_it(
    workspace, rollouts, taken_back, worker, alerts, clock, ana, candidate
) -> None:
    rollout_id = taken_back()
    worker.tick(clock.pass_by(30))
    assert rollouts.get(rollout_id).observed.phase is RolloutPhase.ROLLED_BACK
    (alert,) = alerts.open()
    assert (alert.rule, alert.labels) == ("rollout_rolled_back", {"model": "spread", "rollout": rollout_id})
    assert f"spread {candidate} was rolled back: errors:" in alert.summary
    assert alert.advice
    assert AuditLog(workspace).tail(1)[0].verb == "alert.fire"
    for _ in range(3):
        worker.tick(clock.pass_by(30))
    assert alerts.resolve(alert.fingerprint, ana).n_fired == 1


@pytest.mark.parametrize("way", ["promotion", "rollout"])
def test_the_alert_of_a_rollback_resolves_once_its_candidate_is_live_another_way(
    registry, rollouts, taken_back, start, worker, alerts, clock, ana, candidate, way
) -> None:
    taken_back()
    worker.tick(clock.pass_by(30))
    worker.tick(clock.pass_by(30))
    (alert,) = alerts.open()
    assert "has all traffic again" not in alert.advice
    if way == "promotion":
        registry.apply(registry.plan_promotion("spread", candidate), actor=ana)
    else:
        later = start()
        worker.tick(clock.pass_by(1))
        rollouts.promote_now(later.rollout_id, actor=ana, override="the traffic was a drill")
    for _ in range(3):
        worker.tick(clock.pass_by(30))
    assert registry.production("spread").version == candidate
    assert registry.verdicts("spread", candidate) == (() if way == "rollout" else (ANY,))
    assert alerts.open() == []
    (resolved,) = [found for found in alerts.all() if found.fingerprint == alert.fingerprint]
    assert resolved.state is AlertState.RESOLVED


def test_an_inconclusive_rollout_alerts_until_a_person_has_decided(
    rollouts, start, worker, source, alerts, clock, ana
) -> None:
    rollout = start(guards=RARE)
    worker.tick(clock.now)
    worker.tick(clock.pass_by(3_601))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.INCONCLUSIVE
    (alert,) = alerts.open()
    assert alert.rule == "rollout_inconclusive"
    assert "an operator decides" in alert.summary
    rollouts.abort(rollout.rollout_id, actor=ana, reason="seen enough")
    worker.tick(clock.pass_by(1))
    assert alerts.open() == []


def test_a_rollout_ended_by_a_person_without_an_engine_clears_its_alert(
    workspace, registry, rollouts, start, worker, source, alerts, clock, lease, ana
) -> None:
    rollout = start(guards=RARE)
    worker.tick(clock.now)
    worker.tick(clock.pass_by(3_601))
    lease.release()
    rollouts.abort(rollout.rollout_id, actor=ana, reason="seen enough")
    assert [alert.rule for alert in alerts.open()] == ["rollout_inconclusive"]
    RolloutWorker(workspace, source=source, registry=registry, clock=clock).tick(clock.pass_by(5))
    assert alerts.open() == []


def test_an_engine_killed_before_it_raised_an_alert_raises_it_after_its_restart(
    workspace, registry, source, taken_back, worker, alerts, clock, monkeypatch
) -> None:
    taken_back()
    monkeypatch.setattr("core.rollout.rollout_alerts.RolloutAlerts.step_taken", lambda *_: None)
    worker.tick(clock.pass_by(30))
    monkeypatch.undo()
    assert alerts.all() == []
    again = RolloutWorker(workspace, source=source, registry=registry, clock=clock)
    again.tick(clock.pass_by(5))
    assert [alert.rule for alert in alerts.open()] == ["rollout_rolled_back"]


def test_the_next_engine_does_not_repeat_an_alert(
    workspace, registry, source, taken_back, worker, alerts, clock, ana
) -> None:
    taken_back()
    worker.tick(clock.pass_by(30))
    alerts.resolve(alerts.open()[0].fingerprint, ana)
    RolloutWorker(workspace, source=source, registry=registry, clock=clock).tick(clock.pass_by(5))
    assert [alert.state for alert in alerts.all()] == [AlertState.RESOLVED]


def test_a_failed_alert_does_not_stop_a_rollout(workspace, rollouts, taken_back, worker, clock) -> None:
    rollout_id = taken_back()
    (workspace.state_dir / "alerts.json").write_text("garbage")
    worker.tick(clock.pass_by(30))
    assert rollouts.get(rollout_id).observed.phase is RolloutPhase.ROLLED_BACK


@pytest.mark.parametrize(
    ("move", "phase", "told"),
    [
        ("rollback", RolloutPhase.ABORTED, "is in Production instead of"),
        ("promote", RolloutPhase.PROMOTED, "went live"),
    ],
)
def test_a_rollout_that_a_move_in_the_registry_ends_alerts(
    registry, register, rollouts, start, worker, alerts, clock, ana, candidate, move, phase, told
) -> None:
    if move == "rollback":
        register(Stage.PRODUCTION)
    rollout = start() if move == "promote" else _of_newest(registry, register, rollouts)
    worker.tick(clock.now)
    plan = (
        registry.plan_promotion("spread", rollout.candidate) if move == "promote" else registry.plan_rollback("spread")
    )
    assert plan.effects[0].startswith(f"Ends rollout {rollout.rollout_id}, {rollout.candidate} at 5%: ")
    assert plan.ends_rollout.rollout_id == rollout.rollout_id
    registry.apply(plan, actor=ana)
    worker.tick(clock.pass_by(1))
    assert rollouts.get(rollout.rollout_id).observed.phase is phase
    (alert,) = alerts.open()
    assert alert.rule == "rollout_ended"
    assert told in alert.summary


def _of_newest(registry, register, rollouts):
    proposal = rollouts.plan("spread", register(Stage.STAGING), policy=a_plan())
    return rollouts.start(proposal, actor=ANA)


def test_an_asked_abort_needs_no_alert(rollouts, start, worker, alerts, clock, ana) -> None:
    rollout = start()
    worker.tick(clock.now)
    rollouts.abort(rollout.rollout_id, actor=ana)
    worker.tick(clock.pass_by(1))
    assert alerts.open() == []


def test_a_move_is_refused_if_a_rollout_that_it_would_end_started_since(registry, register, start, stable, ana) -> None:
    newer = register(Stage.STAGING)
    plan = registry.plan_promotion("spread", newer)
    rollout = start()
    with pytest.raises(StalePlanError, match=f"Rollout {rollout.rollout_id}, .* has been started by .* since"):
        registry.apply(plan, actor=ana)
    registry.apply(registry.plan_promotion("spread", newer), actor=ana)


@pytest.mark.parametrize("move", ["promote", "rollback"])
@pytest.mark.parametrize("since", ["aborting", "aborted", "advanced", "rolled back"])
def test_a_move_is_refused_if_the_rollout_that_it_ends_is_not_as_it_was_shown(
    registry, register, rollouts, worker, source, clock, ana, move, since
) -> None:
    live = [register(Stage.PRODUCTION) for _ in range(2)][-1]
    rollout = _of_newest(registry, register, rollouts)
    worker.tick(clock.now)
    plan = (
        registry.plan_promotion("spread", rollout.candidate) if move == "promote" else registry.plan_rollback("spread")
    )
    assert plan.ends_rollout.rollout_id == rollout.rollout_id
    if since in ("aborting", "aborted"):
        rollouts.abort(rollout.rollout_id, actor=ana)
    elif since == "advanced":
        rollouts.advance(rollout.rollout_id, actor=ana)
    else:
        source.serve(Arm.STABLE, 2_000, share=0.05)
        source.serve(Arm.CANDIDATE, 100, share=0.05, n_failed=50)
    if since != "aborting":
        worker.tick(clock.pass_by(30))
    told = {
        "aborting": "Rollout ro-0001 is being aborted",
        "aborted": "Rollout ro-0001, .* at 5% has ended since",
        "advanced": f"Rollout ro-0001 gives {rollout.candidate} 20% of the requests, and no longer 5%",
        "rolled back": "Rollout ro-0001, .* at 5% has ended since"
        + (rf".* ro-0001 rolled back {rollout.candidate} at" if move == "promote" else ""),
    }[since]
    with pytest.raises(StalePlanError, match=told) as refused:
        registry.apply(plan, actor=ana)
    assert refused.value.exit_code == 4
    assert registry.production("spread").version == live


def test_a_plan_without_news_is_carried_out_and_a_reviewed_plan_is_held_to_what_it_said(
    registry, register, rollouts, worker, clock, ana
) -> None:
    register(Stage.PRODUCTION)
    rollout = _of_newest(registry, register, rollouts)
    worker.tick(clock.now)
    reviewed = registry.plan_promotion("spread", rollout.candidate)
    rollouts.abort(rollout.rollout_id, actor=ana)
    worker.tick(clock.pass_by(1))
    now = registry.plan_promotion("spread", rollout.candidate)
    assert news_since(now, now) == ()
    with pytest.raises(StalePlanError, match="has ended since"):
        registry.apply(as_reviewed(now, reviewed), actor=ana)
    registry.apply(as_reviewed(now, now), actor=ana)


def test_a_gate_that_changed_is_news_and_a_gate_that_was_judged_late_and_passes_is_not(registry, register) -> None:
    plan = registry.plan_promotion("spread", register(Stage.STAGING))
    gate = plan.gates[0]
    other = msgspec.structs.replace(gate, threshold=gate.threshold + 1, verdict=GateVerdict.WARN)
    late = msgspec.structs.replace(gate, name="late")
    assert news_since(plan, msgspec.structs.replace(plan, gates=(*plan.gates, late))) == ()
    (told,) = news_since(plan, msgspec.structs.replace(plan, gates=(other, *plan.gates[1:])))
    assert told.startswith(f"Gate {gate.name}: ")
    assert told.endswith("(warn).")


def test_a_rollback_without_an_earlier_version_says_how_the_candidate_loses_its_traffic(registry, start) -> None:
    rollout = start()
    refusal = registry.plan_rollback("spread").refusal
    assert refusal is not None
    assert refusal.startswith("spread has no earlier Production version to roll back to. Rollout ro-0001, ")
    assert refusal.endswith(f"`bondx rollout abort ro-0001` returns all traffic to {rollout.stable}.")


def test_a_move_that_leaves_both_versions_where_they_are_ends_no_rollout(registry, register, start) -> None:
    other = register(Stage.DEVELOPMENT)
    start()
    plan = registry.plan_promotion("spread", other)
    assert plan.ends_rollout is None
    assert not any("rollout" in effect for effect in plan.effects)
