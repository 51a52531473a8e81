"""The states of a rollout as a rule table: wish, phase and verdict on the left, what happens on the right."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from core.rollout import (
    DesiredRollout,
    ObservedRollout,
    Rollout,
    RolloutPhase,
    RolloutVerdict,
    Strategy,
    VerdictOutcome,
)
from core.rollout.evidence import RolloutEvidence
from core.rollout.progress import begin, next_change
from core.rollout.rollout import MAX_EVENTS
from core.telemetry.predictions import Cursor

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = NOON + timedelta(minutes=10)


def a_rollout(
    plan,
    *,
    desired: DesiredRollout = DesiredRollout.RUNNING,
    desired_step: int = 0,
    desired_at: datetime = NOON,
    desired_revision: int = 1,
) -> Rollout:
    return Rollout(
        rollout_id="ro-0001",
        model="spread",
        stable="1.0.0",
        candidate="1.1.0",
        plan=plan,
        created_at=NOON,
        created_by="ana@desk",
        desired=desired,
        desired_step=desired_step,
        desired_by="ana@desk",
        desired_at=desired_at,
        desired_reason="I say so",
        desired_revision=desired_revision,
        updated_at=NOON,
        updated_by="ana@desk",
    )


def seen(phase: RolloutPhase, step: int, share: float) -> ObservedRollout:
    return ObservedRollout(
        phase=phase,
        phase_since=NOON + timedelta(minutes=5),
        step=step,
        share=share,
        step_since=NOON,
        started_at=NOON,
        deadline_at=NOON + timedelta(hours=1),
        evidence=RolloutEvidence(n_stable=900, n_candidate=100),
    )


A, H, INC, R = VerdictOutcome.ADVANCE, VerdictOutcome.HOLD, VerdictOutcome.INCONCLUSIVE, VerdictOutcome.ROLL_BACK
RUN, PAUSE, ABORT, NOW_ = (
    DesiredRollout.RUNNING,
    DesiredRollout.PAUSED,
    DesiredRollout.ABORTED,
    DesiredRollout.PROMOTE_NOW,
)
RUNNING, PAUSED, INCONCLUSIVE = RolloutPhase.RUNNING, RolloutPhase.PAUSED, RolloutPhase.INCONCLUSIVE


@pytest.mark.parametrize(
    ("desired", "phase", "step", "outcome", "verb", "after", "share"),
    [
        pytest.param(RUN, RUNNING, 0, A, "rollout.advance", RUNNING, 0.2, id="after a good step comes the next"),
        pytest.param(
            RUN, RUNNING, 1, A, "rollout.promote", RolloutPhase.PROMOTED, 1.0, id="a good last step goes live"
        ),
        pytest.param(RUN, RUNNING, 0, H, None, None, None, id="a hold changes nothing"),
        pytest.param(RUN, RUNNING, 1, R, "rollout.roll_back", RolloutPhase.ROLLED_BACK, 0.0, id="harm rolls it back"),
        pytest.param(RUN, RUNNING, 1, INC, "rollout.inconclusive", INCONCLUSIVE, 0.2, id="out of time waits"),
        pytest.param(RUN, INCONCLUSIVE, 1, INC, None, None, None, id="and keeps waiting"),
        pytest.param(RUN, INCONCLUSIVE, 1, A, None, None, None, id="it never goes live automatically from there"),
        pytest.param(
            RUN, INCONCLUSIVE, 1, R, "rollout.roll_back", RolloutPhase.ROLLED_BACK, 0.0, id="harm still counts"
        ),
        pytest.param(
            PAUSE, RUNNING, 0, A, "rollout.hold", PAUSED, 0.05, id="a requested hold comes before a good step"
        ),
        pytest.param(PAUSE, PAUSED, 0, A, None, None, None, id="held is held"),
        pytest.param(
            PAUSE, PAUSED, 0, R, "rollout.roll_back", RolloutPhase.ROLLED_BACK, 0.0, id="a hold stops no rollback"
        ),
        pytest.param(RUN, PAUSED, 0, H, "rollout.resume", RUNNING, 0.05, id="a hold ends when it is no longer wanted"),
        pytest.param(
            ABORT, RUNNING, 1, A, "rollout.end", RolloutPhase.ABORTED, 0.0, id="an abort comes before everything"
        ),
        pytest.param(ABORT, RUNNING, 1, R, "rollout.end", RolloutPhase.ABORTED, 0.0, id="even before harm"),
        pytest.param(ABORT, INCONCLUSIVE, 1, INC, "rollout.end", RolloutPhase.ABORTED, 0.0, id="and ends the waiting"),
        pytest.param(
            NOW_, RUNNING, 0, H, "rollout.promote", RolloutPhase.PROMOTED, 1.0, id="a person may go live immediately"
        ),
        pytest.param(
            NOW_, INCONCLUSIVE, 1, INC, "rollout.promote", RolloutPhase.PROMOTED, 1.0, id="or end the waiting"
        ),
        pytest.param(
            NOW_, RUNNING, 0, R, "rollout.roll_back", RolloutPhase.ROLLED_BACK, 0.0, id="but not against proven harm"
        ),
    ],
)
def test_what_happens_next(plan_of, desired, phase, step, outcome, verb, after, share) -> None:
    rollout = a_rollout(plan_of(), desired=desired)
    observed = seen(phase, step, (0.05, 0.2)[step])
    change = next_change(rollout, observed, RolloutVerdict(outcome=outcome, reason="because"), now=NOW)
    if verb is None:
        assert change is None
        return
    assert (change.verb, change.observed.phase, change.observed.share) == (verb, after, share)
    assert change.promotes == (after is RolloutPhase.PROMOTED)
    if verb == "rollout.advance":
        assert change.observed.verdict is None, "what was said of the step before is not said of this one"
    assert change.observed.events[-1].reason == change.reason
    is_wish = desired in (ABORT, PAUSE, NOW_) or phase is PAUSED
    is_wish &= verb != "rollout.roll_back"
    assert ("I say so" if is_wish else "because") in change.reason
    assert (change.observed.ended_at is None) == after.is_active


@pytest.mark.parametrize("strategy", [Strategy.AB, Strategy.SHADOW])
def test_a_strategy_that_promotes_nothing_ends_with_a_finding(plan_of, strategy) -> None:
    change = next_change(
        a_rollout(plan_of(strategy)), seen(RUNNING, 0, 0.5), RolloutVerdict(outcome=A, reason="it is better"), now=NOW
    )
    assert (change.verb, change.observed.phase, change.observed.share) == ("rollout.finish", RolloutPhase.FINISHED, 0.0)
    assert not change.promotes


def test_a_new_step_counts_its_own_samples_and_its_own_time(plan_of) -> None:
    change = next_change(
        a_rollout(plan_of()), seen(RUNNING, 0, 0.05), RolloutVerdict(outcome=A, reason="good"), now=NOW
    )
    assert (change.observed.n_step_stable, change.observed.n_step_candidate, change.observed.step_since) == (0, 0, NOW)


def test_a_person_may_skip_a_step_and_stay_on_hold(plan_of) -> None:
    rollout = a_rollout(plan_of(), desired=PAUSE, desired_step=1)
    change = next_change(rollout, seen(PAUSED, 0, 0.05), RolloutVerdict(outcome=H, reason=""), now=NOW)
    assert (change.verb, change.observed.phase, change.observed.share) == ("rollout.advance", PAUSED, 0.2)


def test_time_on_hold_counts_neither_as_dwelling_nor_towards_the_deadline(plan_of) -> None:
    change = next_change(a_rollout(plan_of()), seen(PAUSED, 0, 0.05), RolloutVerdict(outcome=H, reason=""), now=NOW)
    held = timedelta(minutes=5)
    assert change.observed.step_since == NOON + held
    assert change.observed.deadline_at == NOON + timedelta(hours=1) + held


def test_resuming_after_an_inconclusive_verdict_gives_a_new_deadline(plan_of) -> None:
    rollout = a_rollout(plan_of(), desired_at=NOON + timedelta(minutes=7))
    change = next_change(rollout, seen(INCONCLUSIVE, 1, 0.2), RolloutVerdict(outcome=INC, reason=""), now=NOW)
    assert (change.verb, change.observed.phase) == ("rollout.resume", RUNNING)
    assert change.observed.deadline_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("asked_at", [NOON - timedelta(hours=2), NOON + timedelta(hours=2)], ids=["before", "after"])
def test_an_answer_to_an_inconclusive_verdict_counts_whatever_the_clocks_say(plan_of, asked_at) -> None:
    waits = next_change(
        a_rollout(plan_of(), desired_revision=4, desired_at=asked_at),
        seen(RUNNING, 1, 0.2),
        RolloutVerdict(outcome=INC, reason="time is up"),
        now=NOW,
    ).observed
    still = RolloutVerdict(outcome=INC, reason="")
    assert next_change(a_rollout(plan_of(), desired_revision=4, desired_at=asked_at), waits, still, now=NOW) is None
    asked = a_rollout(plan_of(), desired_revision=9, desired_at=asked_at)
    assert next_change(asked, waits, still, now=NOW).verb == "rollout.resume"


def test_a_hold_while_the_clock_is_set_back_does_not_shorten_the_deadline(plan_of) -> None:
    change = next_change(a_rollout(plan_of()), seen(PAUSED, 0, 0.05), RolloutVerdict(outcome=H, reason=""), now=NOON)
    assert (change.observed.step_since, change.observed.deadline_at) == (NOON, NOON + timedelta(hours=1))


def test_a_beginning_opens_the_first_step_and_counts_from_there(plan_of) -> None:
    cursor = Cursor(store="s", prediction=17)
    change = begin(a_rollout(plan_of()), cursor, now=NOW)
    assert (change.observed.share, change.observed.cursor) == (0.05, cursor)
    assert change.observed.deadline_at == NOW + timedelta(hours=1)


def test_a_candidate_gets_no_traffic_once_an_abort_is_requested(plan_of) -> None:
    rollout = msgspec.structs.replace(a_rollout(plan_of()), observed=seen(RUNNING, 1, 0.2))
    assert rollout.share == 0.2
    assert msgspec.structs.replace(rollout, desired=ABORT).share == 0.0


def test_a_long_life_keeps_its_latest_events(plan_of) -> None:
    observed = seen(RUNNING, 0, 0.05)
    for number in range(MAX_EVENTS + 20):
        desired = PAUSE if number % 2 == 0 else RUN
        observed = next_change(
            a_rollout(plan_of(), desired=desired), observed, RolloutVerdict(outcome=H, reason=""), now=NOW
        ).observed
    assert len(observed.events) == MAX_EVENTS
