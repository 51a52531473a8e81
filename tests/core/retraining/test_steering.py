"""People steer a retraining, and what brings the earlier version back; the version is trained at once."""

import re
from datetime import timedelta

import msgspec
import pytest

from core.actor import Actor
from core.errors import ConflictError, RefusedError, UsageError
from core.monitoring.documents import ModelMonitoring, MonitoredMetric, PerformancePart, VersionMonitoring
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import PerformanceVerdict
from core.retraining.deploying import did_no_better, metrics_before
from core.retraining.document import Retraining, RetrainingPhase, StepName
from core.rollout import RolloutPhase, Strategy
from core.rollout.judgement import RolloutVerdict, VerdictOutcome
from core.settings.retraining import Blackout, RetrainingPolicy, RetrainingSource
from core.view.source import SnapshotSource
from tests.end_to_end import market
from tests.retraining_world import ANA, BEN, MODEL, World
from tests.waiting import until

RULES = RetrainingPolicy(
    source=RetrainingSource(kind="files", path="new"), min_samples=200, auto_deploy=True, watch_minutes=30
)
NEW = market.flats(300, seed=2, dearer=1.4)


def asked(world: World, **rules: object) -> Retraining:
    found = world.retrainings.now(MODEL, actor=ANA, policy=msgspec.structs.replace(RULES, **rules))
    world.train_at_once(found.retraining_id, *NEW)
    return found


def alerts(world: World) -> set[str]:
    return {alert.rule for alert in world.alerts.open()}


def test_a_version_whose_performance_falls_while_it_is_watched_is_taken_back(world: World) -> None:
    found = world.go_live(asked(world).retraining_id)
    challenger = found.observed.challenger
    assert world.live == challenger
    fell = PerformancePart(as_of=world.clock.now, verdict=PerformanceVerdict.FELL, reason="MAE 90, held out 30")
    seen = VersionMonitoring(version=challenger, role="stable", performance=fell)
    MonitoringStore(world.workspace).write([ModelMonitoring(model=MODEL, versions=(seen,), updated_at=world.clock.now)])
    restored = world.run(found.retraining_id, to=RetrainingPhase.RESTORED)
    assert world.live == "1.0.0"
    assert "MAE 90" in restored.observed.reason
    assert "1.0.0 answers all requests again" in restored.observed.reason
    assert "retraining_failed" in alerts(world)


def test_without_rollback_on_failure_it_stays(world: World) -> None:
    found = world.go_live(asked(world, rollback_on_failure=False).retraining_id)
    fell = PerformancePart(as_of=world.clock.now, verdict=PerformanceVerdict.FELL, reason="MAE 90, held out 30")
    seen = VersionMonitoring(version=world.live, role="stable", performance=fell)
    MonitoringStore(world.workspace).write([ModelMonitoring(model=MODEL, versions=(seen,), updated_at=world.clock.now)])
    world.pass_by(minutes=31)
    world.run(found.retraining_id, to=RetrainingPhase.DONE)
    assert world.live == found.observed.challenger


def test_a_cancellation_of_a_watched_version_brings_the_earlier_one_back(world: World) -> None:
    found = world.go_live(asked(world).retraining_id)
    world.retrainings.cancel(MODEL, actor=BEN, reason="the wrong month")
    ended = world.run(found.retraining_id, to=RetrainingPhase.CANCELLED)
    assert world.live == "1.0.0"
    assert "the wrong month" in ended.observed.reason
    with pytest.raises(RefusedError, match="it has ended"):
        world.retrainings.cancel(found.retraining_id, actor=BEN)


def test_a_cancellation_of_a_canary_returns_its_traffic(world: World) -> None:
    found = asked(world)
    rolling = world.roll_out(found.retraining_id)
    world.retrainings.cancel(MODEL, actor=BEN)
    world.run(found.retraining_id, to=RetrainingPhase.CANCELLED)
    rollout = world.rollouts.get(rolling.observed.rollout_id)
    assert (rollout.is_active, rollout.share, world.live) == (False, 0.0, "1.0.0")


def test_a_hold_holds_the_canary_and_a_resumption_resumes_it(world: World) -> None:
    found = asked(world)
    rolling = world.roll_out(found.retraining_id)
    world.retrainings.hold(MODEL, actor=BEN, reason="release night")
    held = world.run(found.retraining_id, to=RetrainingPhase.HELD)
    assert "release night" in held.observed.reason
    assert world.rollouts.get(rolling.observed.rollout_id).is_held
    with pytest.raises(RefusedError, match="already asked"):
        world.retrainings.hold(MODEL, actor=ANA)
    world.retrainings.resume(MODEL, actor=BEN)
    world.run(found.retraining_id, to=RetrainingPhase.RUNNING)
    assert not world.rollouts.get(rolling.observed.rollout_id).is_held


def test_two_approvals_need_two_persons(world: World) -> None:
    found = asked(world, approvals=2)
    with pytest.raises(RefusedError, match="does not await approval"):
        world.retrainings.approve(MODEL, actor=ANA)
    world.run(found.retraining_id, to=RetrainingPhase.AWAITING_APPROVAL)
    assert alerts(world) == {"retraining_waiting"}
    world.retrainings.approve(MODEL, actor=ANA)
    with pytest.raises(RefusedError, match="approved rt-0001 before"):
        world.retrainings.approve(MODEL, actor=ANA)
    with pytest.raises(RefusedError, match="Only a person"):
        world.retrainings.approve(MODEL, actor=Actor.engine())
    world.pipeline.tick()
    assert not world.retrainings.get(found.retraining_id).observed.rollout_id
    world.retrainings.approve(MODEL, actor=BEN)
    world.run(found.retraining_id, to=RetrainingPhase.RUNNING)
    assert alerts(world) == set()


def test_an_approval_counts_for_the_four_eyes_of_the_policy(world: World) -> None:
    settings = world.workspace.settings_file
    settings.write_text(settings.read_text().replace("promotion: {", "promotion: {required_approvals: 1, "))
    found = asked(world, auto_deploy=False)
    world.run(found.retraining_id, to=RetrainingPhase.AWAITING_APPROVAL)
    world.retrainings.approve(MODEL, actor=BEN)
    world.go_live(found.retraining_id)
    assert world.live == found.observed.challenger or world.live != "1.0.0"


def test_a_version_that_somebody_else_put_live_is_left_alone(world: World, tmp_path) -> None:
    found = world.go_live(asked(world).retraining_id)
    registry = world.registry
    registry.apply(registry.plan_rollback(MODEL), actor=BEN, reason="I know better")
    done = world.run(found.retraining_id, to=RetrainingPhase.DONE)
    assert re.search(r"1\.0\.0 went live meanwhile", done.observed.reason)
    assert world.live == "1.0.0"


def test_nothing_goes_live_in_a_blackout(world: World) -> None:
    now = world.clock.now
    rule = Blackout(begins=f"{now:%H:%M}", ends=f"{now + timedelta(hours=2):%H:%M}")
    found = asked(world, blackouts=(rule,))
    waiting = world.run(found.retraining_id, to=StepName.ROLLOUT)
    world.pass_by(seconds=20)
    world.pipeline.tick()
    waiting = world.retrainings.get(found.retraining_id)
    assert not waiting.observed.rollout_id
    assert "blackout until" in waiting.observed.reason
    world.pass_by(hours=2)
    world.pipeline.tick()
    assert world.retrainings.get(found.retraining_id).observed.rollout_id


def test_a_model_has_one_active_retraining(world: World) -> None:
    world.retrainings.now(MODEL, actor=ANA)
    with pytest.raises(ConflictError, match="is being trained anew by rt-0001"):
        world.retrainings.now(MODEL, actor=BEN)


def test_a_decision_on_an_older_state_is_refused(world: World) -> None:
    found = world.retrainings.now(MODEL, actor=ANA)
    world.retrainings.hold(MODEL, actor=BEN)
    with pytest.raises(ConflictError):
        world.retrainings.cancel(MODEL, actor=ANA, expected_revision=found.revision)


def test_a_snapshot_shows_retrainings_newest_first(world: World) -> None:
    source = SnapshotSource(world.workspace)
    assert source.take().retrainings == ()
    found = world.retrainings.now(MODEL, actor=ANA)
    assert source.take().retrainings == (found,)


def finished_shadow(world: World, outcome: VerdictOutcome, reason: str) -> Retraining:
    """Drive a retraining with a shadow until its finding is there."""
    found = asked(world, strategy="shadow")
    rolling = world.roll_out(found.retraining_id)
    until(lambda: world.is_open(rolling), "the first step of the shadow")
    shadow = world.rollouts.get(rolling.observed.rollout_id)
    assert (shadow.strategy, shadow.share, world.live) == (Strategy.SHADOW, 0.0, "1.0.0")
    observed = msgspec.structs.replace(
        shadow.observed,
        phase=RolloutPhase.FINISHED,
        verdict=RolloutVerdict(outcome=outcome, reason=reason),
        ended_at=world.clock.now,
    )
    world.rollouts.save(shadow, observed)
    return rolling


def test_a_shadow_that_is_found_safe_is_followed_by_the_promotion_and_the_watch(world: World) -> None:
    rolling = finished_shadow(world, VerdictOutcome.ADVANCE, "the loss is within its margin")
    watched = world.run(rolling.retraining_id, to=StepName.WATCH)
    assert world.live == watched.observed.challenger != "1.0.0"
    assert "found" in watched.observed.step(StepName.ROLLOUT).reason
    assert "the loss is within its margin" in watched.observed.step(StepName.ROLLOUT).reason
    world.pass_by(minutes=31)
    world.run(rolling.retraining_id, to=RetrainingPhase.DONE)


def test_a_shadow_without_a_finding_leaves_the_live_version(world: World) -> None:
    rolling = finished_shadow(world, VerdictOutcome.HOLD, "too few outcomes")
    rejected = world.run(rolling.retraining_id, to=RetrainingPhase.REJECTED)
    assert "did not find" in rejected.observed.reason
    assert world.live == "1.0.0"


def performance(value: float, low: float, high: float, *, window: str = "", n: int = 400) -> MonitoredMetric:
    return MonitoredMetric(metric="mae", value=value, low=low, high=high, n=n, window=window)


def part(world: World, *metrics: MonitoredMetric, verdict: PerformanceVerdict = PerformanceVerdict.FELL):
    return PerformancePart(as_of=world.clock.now, verdict=verdict, reason="MAE 90, held out 30", metrics=metrics)


def tell(world: World, version: str, seen: PerformancePart) -> None:
    of_version = VersionMonitoring(version=version, role="stable", performance=seen)
    MonitoringStore(world.workspace).write(
        [ModelMonitoring(model=MODEL, versions=(of_version,), updated_at=world.clock.now)]
    )


@pytest.mark.parametrize(
    ("before", "phase", "live"),
    [
        pytest.param((95.0, 91.0, 99.0), RetrainingPhase.DONE, "new", id="the earlier version did worse"),
        pytest.param((89.0, 84.0, 94.0), RetrainingPhase.DONE, "new", id="perhaps the same"),
        pytest.param((60.0, 55.0, 65.0), RetrainingPhase.RESTORED, "1.0.0", id="the earlier version did better"),
    ],
)
def test_a_version_that_fell_is_taken_back_only_where_the_earlier_one_did_better(world, before, phase, live) -> None:
    lately = performance(*before, window="day")
    tell(world, "1.0.0", part(world, performance(40.0, 38.0, 42.0), lately, verdict=PerformanceVerdict.HOLDS))
    found = world.go_live(asked(world).retraining_id)
    challenger = found.observed.challenger
    tell(world, challenger, part(world, performance(90.0, 86.0, 94.0)))
    world.pipeline.tick()
    world.pass_by(minutes=31)
    ended = world.run(found.retraining_id, to=phase)
    assert world.live == (challenger if live == "new" else "1.0.0")
    if live == "new":
        assert "1.0.0 is not shown to have done better" in ended.observed.step(StepName.WATCH).reason


def test_a_window_of_few_outcomes_shows_nothing_and_a_higher_metric_is_better_where_it_is(world: World) -> None:
    fell = part(world, performance(90.0, 86.0, 94.0))
    few = metrics_before(part(world, performance(60.0, 20.0, 99.0, window="day", n=30), performance(60.0, 55.0, 65.0)))
    assert did_no_better(fell, few, "1.0.0") is None, "its whole life decides"
    assert did_no_better(fell, (), "1.0.0") is None, "nothing is known"
    auc = MonitoredMetric(metric="auc", value=0.6, low=0.55, high=0.65, higher_is_better=True)
    better = msgspec.structs.replace(auc, value=0.8, low=0.75, high=0.85)
    assert did_no_better(part(world, auc), metrics_before(part(world, better)), "1.0.0") is None
    assert did_no_better(part(world, better), metrics_before(part(world, auc)), "1.0.0") is not None


def rolling_out(world: World, **rules: object) -> Retraining:
    """Drive a retraining until its canary runs."""
    return world.roll_out(asked(world, **rules).retraining_id)


def test_a_hold_while_it_is_watched_keeps_nothing_harmful_live(world: World) -> None:
    found = world.go_live(asked(world).retraining_id)
    world.retrainings.hold(MODEL, actor=BEN, reason="release night")
    world.run(found.retraining_id, to=RetrainingPhase.HELD)
    world.pass_by(minutes=31)
    world.pipeline.tick()
    assert world.retrainings.get(found.retraining_id).observed.phase is RetrainingPhase.HELD, "no step ends meanwhile"
    tell(world, found.observed.challenger, part(world, performance(90.0, 86.0, 94.0)))
    restored = world.run(found.retraining_id, to=RetrainingPhase.RESTORED)
    assert (world.live, "MAE 90" in restored.observed.reason) == ("1.0.0", True)


def test_a_canary_keeps_its_share_in_a_blackout_unless_a_person_lets_it_go_on(world: World) -> None:
    now = world.clock.now
    rule = Blackout(begins=f"{now + timedelta(hours=1):%H:%M}", ends=f"{now + timedelta(hours=3):%H:%M}")
    rolling = rolling_out(world, blackouts=(rule,))
    canary = rolling.observed.rollout_id
    assert not world.rollouts.get(canary).is_held
    world.pass_by(minutes=61)
    world.step()
    held = world.rollouts.get(canary)
    assert (held.is_held, "blackout until" in held.desired_reason) == (True, True)
    world.rollouts.resume(canary, actor=BEN, reason="I know")
    world.step()
    assert not world.rollouts.get(canary).is_held, "what a person asked for stays"
    world.rollouts.hold(canary, actor=BEN, reason="after all")
    world.pass_by(hours=3)
    world.step()
    assert world.rollouts.get(canary).is_held, "it is the hold of a person"


def test_a_canary_goes_on_after_a_blackout(world: World) -> None:
    now = world.clock.now
    rule = Blackout(begins=f"{now + timedelta(hours=1):%H:%M}", ends=f"{now + timedelta(hours=3):%H:%M}")
    canary = rolling_out(world, blackouts=(rule,)).observed.rollout_id
    world.pass_by(minutes=61)
    world.step()
    assert world.rollouts.get(canary).is_held
    world.pass_by(hours=2)
    world.step()
    assert not world.rollouts.get(canary).is_held


def test_a_shadow_that_is_found_safe_in_a_blackout_goes_live_after_it(world: World) -> None:
    rolling = finished_shadow(world, VerdictOutcome.ADVANCE, "the loss is within its margin")
    now = world.clock.now
    rule = Blackout(begins=f"{now - timedelta(minutes=1):%H:%M}", ends=f"{now + timedelta(hours=2):%H:%M}")
    document = world.retrainings.get(rolling.retraining_id)
    policy = msgspec.structs.replace(document.policy, blackouts=(rule,))
    world.retrainings._documents.replace(msgspec.structs.replace(document, policy=policy))
    world.step()
    assert world.live == "1.0.0"
    world.pass_by(hours=3)
    world.run(rolling.retraining_id, to=StepName.WATCH)
    assert world.live == rolling.observed.challenger


def test_a_clock_that_is_set_back_starts_no_second_canary_and_delays_no_watch(world: World) -> None:
    rolling = rolling_out(world)
    world.clock.now -= timedelta(days=400)
    world.start_engine()
    world.step()
    assert len(world.rollouts.all()) == 1
    world.clock.now += timedelta(days=400)
    found = world.go_live(rolling.retraining_id)
    world.clock.now -= timedelta(days=400)
    world.start_engine()
    world.pipeline.tick()
    again = world.retrainings.get(found.retraining_id).observed
    assert again.promoted_at == world.clock.now
    assert any("the clock was set back" in event.reason for event in again.events)
    world.pass_by(minutes=31)
    world.run(found.retraining_id, to=RetrainingPhase.DONE)


def test_a_priority_is_a_digit(world: World) -> None:
    with pytest.raises(UsageError, match="priority is 10: it must be from 0 to 9"):
        world.retrainings.now(MODEL, actor=ANA, priority=10)
    assert world.retrainings.now(MODEL, actor=ANA, priority=9).priority == 9
