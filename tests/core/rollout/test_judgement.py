"""The rules of a verdict, one line each."""

from datetime import UTC, datetime, timedelta

import pytest

from core.rollout import GuardReading, GuardSource, GuardVerdict, Strategy, VerdictOutcome
from core.rollout.judgement import StepStanding, judge

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
H, U, S, D, N = (
    GuardVerdict.HARMFUL,
    GuardVerdict.UNDECIDED,
    GuardVerdict.SAFE,
    GuardVerdict.SUSPECT,
    GuardVerdict.NO_DATA,
)
AFTER_DWELL, BEFORE_DWELL, AFTER_DEADLINE = 100, 30, 4_000


def a_reading(verdict: GuardVerdict, name: str = "errors", *, required: bool = True, **more) -> GuardReading:
    return GuardReading(
        guard=name, source=GuardSource.ERRORS, required=required, verdict=verdict, reason=f"{name} is {verdict}", **more
    )


@pytest.mark.parametrize(
    ("step", "seconds", "n", "verdicts", "held", "outcome", "because"),
    [
        pytest.param(
            0, BEFORE_DWELL, 500, (S,), False, VerdictOutcome.HOLD, "waiting at 5%", id="dwell time comes first"
        ),
        pytest.param(
            0, AFTER_DWELL, 49, (S,), False, VerdictOutcome.HOLD, "49 of at least 50", id="too few samples hold"
        ),
        pytest.param(
            0, AFTER_DWELL, 50, (U,), False, VerdictOutcome.ADVANCE, "no sign of harm", id="a step needs no proof"
        ),
        pytest.param(
            0, AFTER_DWELL, 50, (D,), False, VerdictOutcome.HOLD, "suspect", id="suspicion gets no more traffic"
        ),
        pytest.param(
            0, AFTER_DWELL, 50, (N,), False, VerdictOutcome.ADVANCE, "", id="an unreported mean holds no step"
        ),
        pytest.param(1, AFTER_DWELL, 50, (U,), False, VerdictOutcome.HOLD, "undecided", id="going live needs proof"),
        pytest.param(1, AFTER_DWELL, 50, (N,), False, VerdictOutcome.HOLD, "no data", id="no data is not proof"),
        pytest.param(1, AFTER_DWELL, 50, (S,), False, VerdictOutcome.ADVANCE, "safe", id="proof goes live"),
        pytest.param(
            1, AFTER_DWELL, 50, (S, U), False, VerdictOutcome.HOLD, "guard 1", id="every required guard is needed"
        ),
        pytest.param(0, 1, 0, (H,), False, VerdictOutcome.ROLL_BACK, "harmful", id="harm counts immediately"),
        pytest.param(1, AFTER_DWELL, 50, (S, H), False, VerdictOutcome.ROLL_BACK, "guard 1", id="any harm is enough"),
        pytest.param(0, AFTER_DWELL, 50, (U,), True, VerdictOutcome.HOLD, "held by a person", id="a person holds it"),
        pytest.param(
            0, AFTER_DWELL, 50, (H,), True, VerdictOutcome.ROLL_BACK, "harmful", id="a hold stops no rollback"
        ),
        pytest.param(
            1,
            AFTER_DEADLINE,
            50,
            (U,),
            False,
            VerdictOutcome.INCONCLUSIVE,
            "deadline",
            id="a passed deadline is not proof",
        ),
        pytest.param(
            1, AFTER_DEADLINE, 50, (S,), False, VerdictOutcome.ADVANCE, "safe", id="proof in the last second counts"
        ),
        pytest.param(
            1,
            AFTER_DEADLINE,
            50,
            (H,),
            False,
            VerdictOutcome.ROLL_BACK,
            "harmful",
            id="harm counts after the deadline too",
        ),
        pytest.param(
            0,
            AFTER_DEADLINE,
            3,
            (U,),
            False,
            VerdictOutcome.INCONCLUSIVE,
            "3 of",
            id="nor does missing traffic count as proof",
        ),
        pytest.param(0, AFTER_DEADLINE, 50, (D,), True, VerdictOutcome.HOLD, "held", id="a hold outlasts the deadline"),
    ],
)
def test_harm_then_holds_then_patience_then_proof(plan_of, step, seconds, n, verdicts, held, outcome, because) -> None:
    standing = StepStanding(
        step=step,
        step_since=NOON,
        n_step_candidate=n,
        deadline_at=NOON + timedelta(seconds=3_600),
        held=held,
    )
    readings = [a_reading(verdict, f"guard {number}") for number, verdict in enumerate(verdicts)]
    verdict = judge(plan_of(), standing, readings, now=NOON + timedelta(seconds=seconds))
    assert verdict.outcome is outcome
    assert because in verdict.reason


def test_a_guard_that_is_not_required_can_only_roll_back(plan_of) -> None:
    standing = StepStanding(step=1, step_since=NOON, n_step_candidate=99, deadline_at=NOON + timedelta(hours=1))
    loss = a_reading(U, "loss", required=False)
    assert (
        judge(plan_of(), standing, [a_reading(S), loss], now=NOON + timedelta(minutes=5)).outcome
        is VerdictOutcome.ADVANCE
    )


@pytest.mark.parametrize(
    ("seconds", "n", "eta"),
    [
        pytest.param(30, 0, 30, id="the rest of the dwell time"),
        pytest.param(100, 25, 100, id="as long again for as many samples again"),
        pytest.param(100, 0, None, id="nothing to go by without traffic"),
        pytest.param(100, 60, 777, id="as the slowest guard says"),
    ],
)
def test_a_hold_says_how_long_it_will_take(plan_of, seconds, n, eta) -> None:
    standing = StepStanding(step=1, step_since=NOON, n_step_candidate=n, deadline_at=NOON + timedelta(hours=1))
    readings = [a_reading(U, "fast", eta_seconds=5.0), a_reading(U, "slow", eta_seconds=777.0)]
    verdict = judge(plan_of(), standing, readings, now=NOON + timedelta(seconds=seconds))
    assert verdict.eta_seconds == eta


@pytest.mark.parametrize(
    ("low", "high", "verdict", "outcome", "because"),
    [
        pytest.param(0.5, 0.9, S, VerdictOutcome.ADVANCE, "the candidate is better", id="better"),
        pytest.param(1.1, 1.9, U, VerdictOutcome.ADVANCE, "the stable version is better", id="worse, if not harmful"),
        pytest.param(0.8, 1.3, S, VerdictOutcome.ADVANCE, "no difference that matters", id="as good as equal"),
        pytest.param(0.5, 1.6, U, VerdictOutcome.HOLD, "undecided", id="could be either"),
        pytest.param(0.0, None, N, VerdictOutcome.HOLD, "no data", id="nothing seen"),
    ],
)
def test_a_split_goes_on_until_one_side_is_better_or_it_does_not_matter(
    plan_of, low, high, verdict, outcome, because
) -> None:
    standing = StepStanding(step=0, step_since=NOON, n_step_candidate=99, deadline_at=NOON + timedelta(hours=1))
    reading = a_reading(verdict, low=low, high=high, effect=1.0, stable_value=0.01)
    judged = judge(plan_of(Strategy.AB), standing, [reading], now=NOON + timedelta(minutes=5))
    assert judged.outcome is outcome
    assert because in judged.reason
