"""Lives of rollouts, from the first request to the last, scripted for the worker."""

import random
from datetime import timedelta

import pytest
from tinydb import where

from core.alerts import Alerts
from core.governance import AuditLog
from core.registry import Stage
from core.rollout import (
    Arm,
    DesiredRollout,
    Guard,
    GuardSource,
    GuardVerdict,
    RolloutPhase,
    RolloutStep,
    RolloutWorker,
    Router,
    Strategy,
    VerdictOutcome,
    Winner,
    routing_tables,
)
from core.rollout.collector import Collector
from core.rollout.evidence import RolloutEvidence
from core.rollout.worker import SAVE_EVERY
from core.settings.promotion import PromotionSettings
from core.telemetry import TelemetryError
from core.telemetry.predictions import Cursor, PredictionReader, PredictionRecord, PredictionWriter
from core.telemetry.predictions import OutcomeRecord as ActualOutcome


def verbs(rollout) -> list[str]:
    return [event.verb for event in rollout.observed.events]


def test_a_good_canary_grows_step_by_step_and_goes_live(
    workspace, registry, rollouts, start, traffic, worker, clock, stable, candidate
) -> None:
    rollout = start(reason="better on the holdout")
    worker.tick(clock.now)
    ended = traffic.flow(rollout.rollout_id, ticks=60)
    assert ended.observed.phase is RolloutPhase.PROMOTED
    assert verbs(ended) == ["rollout.start", "rollout.begin", "rollout.advance", "rollout.promote"]
    assert registry.production("spread").version == candidate
    assert registry.get("spread", stable).stage is Stage.ARCHIVED
    assert ended.rollout_id in registry.went_live("spread").reason
    assert routing_tables(workspace)["spread"].versions == (candidate,)
    recorded = [record.verb for record in AuditLog(workspace).tail(4)]
    assert recorded == ["rollout.begin", "rollout.advance", "version.promote", "rollout.promote"]


def test_a_canary_that_fails_more_often_is_rolled_back_with_the_reason(
    workspace, registry, rollouts, start, traffic, worker, clock, stable
) -> None:
    rollout = start()
    worker.tick(clock.now)
    ended = traffic.flow(rollout.rollout_id, ticks=60, stable=0.01, candidate=0.1)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    assert "shown to be more frequent" in ended.observed.events[-1].reason
    errors, _ = ended.observed.readings
    assert errors.verdict is GuardVerdict.HARMFUL
    assert errors.low > 1
    assert registry.production("spread").version == stable
    assert routing_tables(workspace)["spread"].versions == (stable,)
    assert [record.verb for record in AuditLog(workspace).tail(2)] == ["rollout.roll_back", "alert.fire"]


def test_nothing_of_an_ended_rollout_stays_in_the_worker(start, traffic, worker, clock) -> None:
    rollout = start()
    worker.tick(clock.now)
    traffic.flow(rollout.rollout_id, ticks=60, stable=0.01, candidate=0.1)
    worker.tick(clock.pass_by(1))
    kept = {name: value for name, value in vars(worker).items() if isinstance(value, dict | set)}
    assert [name for name, value in kept.items() if rollout.rollout_id in value] == []


def test_promoting_a_rolled_back_version_by_hand_shows_a_warning(
    registry, rollouts, start, traffic, worker, clock, lease, ana, candidate
) -> None:
    rollout = start()
    worker.tick(clock.now)
    traffic.flow(rollout.rollout_id, ticks=60, candidate=0.2)
    (warning,) = registry.plan_promotion("spread", candidate).warnings
    assert warning.startswith(f"{rollout.rollout_id} rolled back {candidate} at 2026-03-02 09:")
    assert "errors:" in warning
    lease.release()
    clock.pass_by(60)
    rollouts.abort(start().rollout_id, actor=ana)  # a newer one without a verdict of its own
    assert registry.plan_promotion("spread", candidate).warnings == (warning,)


def test_a_hold_stops_growth_but_not_a_rollback(rollouts, start, traffic, worker, clock, ana) -> None:
    rollout = start()
    worker.tick(clock.now)
    rollouts.hold(rollout.rollout_id, actor=ana)
    held = traffic.flow(rollout.rollout_id, ticks=20)
    assert (held.observed.phase, held.observed.share) == (RolloutPhase.PAUSED, 0.05)
    ended = traffic.flow(rollout.rollout_id, ticks=60, candidate=0.2)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK


def test_rare_failures_end_inconclusive_and_a_person_decides(
    registry, rollouts, start, traffic, worker, clock, ana, candidate
) -> None:
    guards = (Guard(name="errors", source=GuardSource.ERRORS),)
    rollout = start(guards=guards)
    worker.tick(clock.now)
    waiting = traffic.flow(rollout.rollout_id, ticks=140, stable=0.001, candidate=0.001, n=100)
    assert waiting.observed.phase is RolloutPhase.INCONCLUSIVE
    assert waiting.observed.verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert waiting.observed.share == 0.2
    rollouts.promote_now(rollout.rollout_id, actor=ana, reason="quiet for an hour")
    worker.tick(clock.pass_by(1))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.PROMOTED
    assert registry.production("spread").version == candidate


def test_a_gate_that_fails_at_the_end_stops_it_with_the_reason(
    workspace, registry, rollouts, start, traffic, source, clock, stable, candidate
) -> None:
    rollout = start()
    strict = type(registry)(workspace, promotion=PromotionSettings(min_accuracy=0.99), clock=clock)
    traffic.worker = RolloutWorker(workspace, source=source, registry=strict, clock=clock)
    traffic.worker.tick(clock.now)
    ended = traffic.flow(rollout.rollout_id, ticks=60)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    assert "the promotion was refused" in ended.observed.events[-1].reason
    assert "min_accuracy" in ended.observed.events[-1].reason
    assert "rollout.promote" not in verbs(ended)
    assert registry.production("spread").version == stable
    assert registry.get("spread", candidate).stage is Stage.STAGING


def test_files_that_changed_meanwhile_do_not_go_live(
    workspace, registry, rollouts, start, traffic, worker, clock, candidate
) -> None:
    rollout = start()
    worker.tick(clock.now)
    file = workspace.artifacts_dir / "spread" / candidate / "model.txt"
    file.chmod(0o644)
    file.write_text("something else\n")
    ended = traffic.flow(rollout.rollout_id, ticks=60)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    assert registry.production("spread").version != candidate


def test_a_worker_that_is_replaced_in_the_middle_comes_to_the_same_evidence(
    workspace, registry, rollouts, start, source, clock
) -> None:
    guards = (
        Guard(name="errors", source=GuardSource.ERRORS),
        Guard(name="loss", source=GuardSource.LOSS, required=False),
    )
    rollout = start(guards=guards, deadline_seconds=1e6, steps=(RolloutStep(share=0.2, dwell_seconds=1e5),))
    dice = random.Random(3)
    worker = RolloutWorker(workspace, source=source, registry=registry, clock=clock)
    worker.tick(clock.now)
    for number in range(40):
        for arm, n in ((Arm.STABLE, 40), (Arm.CANDIDATE, 10)):
            source.serve(
                arm, n, share=0.2, n_failed=sum(dice.random() < 0.1 for _ in range(n)), unit=number % 7 or None
            )
            source.score(arm, *(dice.expovariate(1) for _ in range(n)), share=0.2)
        if dice.random() < 0.3:  # killed, with whatever it had not written down
            worker = RolloutWorker(workspace, source=source, registry=registry, clock=clock)
        worker.tick(clock.pass_by(1))
    worker.tick(clock.pass_by(SAVE_EVERY.total_seconds()))
    observed = rollouts.get(rollout.rollout_id).observed

    steady = Collector(rollout.plan, RolloutEvidence())
    steady.add(source.read(rollout.rollout_id, Cursor(), settled_before=clock.now))
    assert observed.evidence == steady.evidence
    assert observed.evidence.n_candidate == 400


def test_progress_is_stored_now_and_then_not_with_every_request(
    workspace, rollouts, start, worker, source, clock
) -> None:
    rollout = start()
    worker.tick(clock.now)
    before = rollouts.get(rollout.rollout_id).revision
    for _ in range(12):
        source.serve(Arm.STABLE, 10, share=0.05)
        worker.tick(clock.pass_by(1))
    after = rollouts.get(rollout.rollout_id)
    assert after.revision - before <= 4
    assert after.observed.evidence.n_stable >= 80
    assert AuditLog(workspace).tail(1)[0].verb == "rollout.begin"  # progress is no decision


def test_a_request_between_judging_and_writing_wins(rollouts, start, worker, source, clock, ana, monkeypatch) -> None:
    rollout = start()
    worker.tick(clock.now)
    source.serve(Arm.CANDIDATE, 100, share=0.05)
    observe = type(rollouts).observe

    def beaten(self, base, change, *, actor):
        monkeypatch.undo()
        rollouts.abort(rollout.rollout_id, actor=ana)
        return observe(self, base, change, actor=actor)

    monkeypatch.setattr(type(rollouts), "observe", beaten)
    assert worker.tick(clock.pass_by(120)) == []
    assert rollouts.get(rollout.rollout_id).observed.step == 0
    worker.tick(clock.pass_by(1))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.ABORTED


def test_a_candidate_that_went_live_another_way_ends_its_rollout(
    workspace, rollouts, start, worker, clock, candidate
) -> None:
    rollout = start()
    worker.tick(clock.now)
    with workspace.database("registry").transaction():
        models = workspace.database("registry").table("models")
        models.update({"production": candidate})
    worker.tick(clock.pass_by(1))
    ended = rollouts.get(rollout.rollout_id)
    assert ended.observed.phase is RolloutPhase.PROMOTED
    assert "another way" in ended.observed.events[-1].reason


def test_replacing_the_stable_version_ends_the_rollout(workspace, rollouts, start, worker, clock, register) -> None:
    rollout = start()
    worker.tick(clock.now)
    another = register(Stage.STAGING)
    workspace.database("registry").table("models").update({"production": another})
    assert routing_tables(workspace)["spread"].candidate is None  # at once
    worker.tick(clock.pass_by(1))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.ABORTED


@pytest.fixture
def archive_behind_its_back(workspace):
    """Archive a version as an earlier release could, whatever rollout it is in."""

    def archived(version: str) -> None:
        versions = workspace.database("registry").table("versions")
        assert versions.update({"stage": "Archived"}, where("version") == version)

    return archived


def test_an_archived_candidate_gets_no_first_step_and_its_rollout_ends_with_an_alert(
    workspace, rollouts, start, worker, clock, stable, candidate, archive_behind_its_back
) -> None:
    rollout = start()
    archive_behind_its_back(candidate)
    worker.tick(clock.pass_by(1))
    ended = rollouts.get(rollout.rollout_id)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    assert verbs(ended) == ["rollout.start", "rollout.roll_back"]
    assert ended.observed.events[-1].reason.startswith(f"spread {candidate} is in Archived")
    assert routing_tables(workspace)["spread"].versions == (stable,)
    (alert,) = Alerts(workspace, clock=clock).open()
    assert (alert.rule, alert.labels["rollout"]) == ("rollout_rolled_back", rollout.rollout_id)
    assert "is in Archived" in alert.summary


@pytest.mark.parametrize("desired", [DesiredRollout.RUNNING, DesiredRollout.PAUSED, DesiredRollout.PROMOTE_NOW])
def test_a_candidate_that_is_archived_between_two_steps_loses_its_traffic(
    workspace,
    registry,
    rollouts,
    start,
    traffic,
    worker,
    clock,
    stable,
    candidate,
    ana,
    archive_behind_its_back,
    desired,
) -> None:
    rollout = start()
    worker.tick(clock.now)
    traffic.flow(rollout.rollout_id, ticks=1)
    if desired is not DesiredRollout.RUNNING:
        rollouts.request(rollout.rollout_id, desired, actor=ana)
    archive_behind_its_back(candidate)
    worker.tick(clock.pass_by(1))
    ended = rollouts.get(rollout.rollout_id)
    assert (ended.observed.phase, ended.observed.share) == (RolloutPhase.ROLLED_BACK, 0.0)
    assert registry.production("spread").version == stable
    assert routing_tables(workspace)["spread"].versions == (stable,)


def test_a_candidate_that_is_archived_between_judging_and_writing_gets_no_step(
    rollouts, start, worker, clock, candidate, archive_behind_its_back, monkeypatch
) -> None:
    rollout = start()
    observe = type(rollouts).observe

    def beaten(self, base, change, *, actor):
        monkeypatch.undo()
        archive_behind_its_back(candidate)
        return observe(self, base, change, actor=actor)

    monkeypatch.setattr(type(rollouts), "observe", beaten)
    assert worker.tick(clock.pass_by(1)) == []
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.PENDING
    worker.tick(clock.pass_by(1))
    assert verbs(rollouts.get(rollout.rollout_id)) == ["rollout.start", "rollout.roll_back"]


def test_a_candidate_that_was_removed_ends_its_rollout(workspace, rollouts, start, worker, clock, candidate) -> None:
    rollout = start()
    workspace.database("registry").table("versions").remove(where("version") == candidate)
    worker.tick(clock.pass_by(1))
    ended = rollouts.get(rollout.rollout_id)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    assert candidate in ended.observed.events[-1].reason


def test_a_shadow_of_a_version_in_development_continues(
    rollouts, register, worker, clock, stable, ana, plan_of
) -> None:
    proposal = rollouts.plan("spread", register(Stage.DEVELOPMENT), Strategy.SHADOW, plan_of(Strategy.SHADOW))
    rollout = rollouts.start(proposal, actor=ana)
    for _ in range(2):
        worker.tick(clock.pass_by(1))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.RUNNING


def test_a_switch_sends_all_traffic_and_returns_it_immediately(
    workspace, registry, rollouts, start, traffic, worker, clock, stable, candidate, ana
) -> None:
    rollout = start(Strategy.BLUE_GREEN)
    worker.tick(clock.now)
    table = routing_tables(workspace)["spread"]
    assert (table.share, table.versions) == (1.0, (stable, candidate))
    rollouts.abort(rollout.rollout_id, actor=ana, reason="the desk sees odd spreads")
    assert routing_tables(workspace)["spread"].share == 0.0
    worker.tick(clock.pass_by(1))
    again = start(Strategy.BLUE_GREEN)
    worker.tick(clock.pass_by(1))
    ended = traffic.flow(again.rollout_id, ticks=20)
    assert ended.observed.phase is RolloutPhase.PROMOTED
    assert registry.production("spread").version == candidate


def test_a_switch_beyond_its_objective_is_rolled_back(rollouts, start, traffic, worker, clock) -> None:
    rollout = start(Strategy.BLUE_GREEN)
    worker.tick(clock.now)
    ended = traffic.flow(rollout.rollout_id, ticks=20, candidate=0.05)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    assert "more than 1%" in ended.observed.events[-1].reason


@pytest.mark.parametrize(
    ("candidate_rate", "winner"),
    [pytest.param(0.05, Winner.CANDIDATE, id="half the errors"), pytest.param(0.1, Winner.NEITHER, id="as many")],
)
def test_an_experiment_ends_with_a_finding(
    registry, rollouts, start, traffic, worker, clock, stable, candidate_rate, winner
) -> None:
    guards = (Guard(name="errors", source=GuardSource.ERRORS, margin=1.5),)
    rollout = start(Strategy.AB, guards=guards, deadline_seconds=1e6)
    worker.tick(clock.now)
    ended = traffic.flow(rollout.rollout_id, ticks=100, stable=0.1, candidate=candidate_rate)
    assert ended.observed.phase is RolloutPhase.FINISHED
    assert ended.observed.experiment.winner is winner
    assert registry.production("spread").version == stable


def test_a_rollout_that_cannot_advance_does_not_delay_the_others(
    rollouts, start, register, worker, source, clock, ana, plan_of
) -> None:
    start()
    register(Stage.PRODUCTION, model="liquidity")
    proposal = rollouts.plan("liquidity", register(model="liquidity"), Strategy.CANARY, plan_of())
    other = rollouts.start(proposal, actor=ana)
    worker.tick(clock.now)
    read = source.read

    def broken(rollout_id, *args, **more):
        if rollout_id == "ro-0001":
            raise OSError("no such disk")
        return read(rollout_id, *args, **more)

    source.read = broken
    source.serve(Arm.CANDIDATE, 100, share=0.05)
    worker.tick(clock.pass_by(120))
    assert rollouts.get("ro-0001").observed.step == 0
    assert rollouts.get(other.rollout_id).observed.step == 1


def test_the_whole_way_from_the_router_to_the_verdict(
    workspace, registry, rollouts, start, clock, stable, candidate
) -> None:
    """Real routing, real storage, real outcomes: a candidate with a worse loss is rolled back."""
    guards = (
        Guard(name="errors", source=GuardSource.ERRORS),
        Guard(name="loss", source=GuardSource.LOSS, margin=1.1, required=False),
    )
    rollout = start(guards=guards, steps=(RolloutStep(share=0.2, dwell_seconds=3_600, min_samples=50),))
    worker = RolloutWorker(workspace, registry=registry, clock=clock)
    file, dice, router = workspace.predictions_file, random.Random(9), Router()
    with PredictionWriter(file, clock=clock) as writer:
        worker.tick(clock.now)
        for tick in range(40):
            router.update(routing_tables(workspace))
            for number in range(100):
                key = f"request-{tick}-{number}"
                route = router.route("spread", key)
                value = dice.gauss(0.0, 2.0 if route.version == candidate else 1.0)
                writer.add(
                    PredictionRecord(
                        key,
                        clock.now,
                        "spread",
                        route.version,
                        latency_ms=1.0,
                        value=value,
                        rollout_id=route.rollout_id,
                        arm=route.arm,
                        share=route.share,
                    )
                )
                writer.add_outcome(ActualOutcome(key, clock.now, actual=0.0))
            writer.flush()
            worker.tick(clock.pass_by(5))
            if not (found := rollouts.get(rollout.rollout_id)).is_active:
                break
    assert found.observed.phase is RolloutPhase.ROLLED_BACK
    assert "loss" in found.observed.events[-1].reason
    loss = next(reading for reading in found.observed.readings if reading.guard == "loss")
    assert loss.low > 0
    assert found.observed.actual_share == pytest.approx(0.2, abs=0.05)
    assert PredictionReader(file).end().outcome > 0
    assert found.observed.ended_at - found.created_at < timedelta(seconds=200)


def test_an_abort_ends_the_rollout_also_while_predictions_cannot_be_read(
    rollouts, start, worker, source, clock, ana, monkeypatch
) -> None:
    rollout = start()
    worker.tick(clock.now)

    def read(*_, **__):
        raise TelemetryError("the store is damaged")

    monkeypatch.setattr(source, "read", read)
    rollouts.abort(rollout.rollout_id, actor=ana)
    worker.tick(clock.pass_by(1))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.ABORTED


def test_evidence_is_stored_even_after_the_clock_was_set_back(rollouts, start, worker, source, clock) -> None:
    rollout = start()
    worker.tick(clock.now)
    source.serve(Arm.CANDIDATE, 7, share=0.05)
    worker.tick(clock.pass_by(-3600))
    worker.tick(clock.pass_by(SAVE_EVERY.total_seconds()))
    assert rollouts.get(rollout.rollout_id).observed.evidence.n_candidate == 7
