"""Traffic and outcomes are checked before losses are compared."""

from dataclasses import replace

import numpy as np
import pytest

from core.alerts import Alerts
from core.rollout import Arm, Guard, GuardSource, GuardVerdict, RolloutPhase, RolloutStep, VerdictOutcome
from core.rollout.by_caller import contrast_of_counts, log_evidence
from core.rollout.caller_sums import CallerSums
from core.rollout.simulated_callers import NEVER, Callers, effective_callers, first_at, watch
from core.rollout.simulated_callers import log_evidence as simulated_log_evidence
from tests.truth import most_expected

LOSS = Guard(name="loss", source=GuardSource.LOSS, margin=1.5)
STEPS = (RolloutStep(share=0.2, dwell_seconds=1, min_samples=1),)


def arrivals(seen) -> np.ndarray:
    both = [simulated_log_evidence(seen.layout, seen.n_answers, seen.n, higher=higher) for higher in (True, False)]
    return np.maximum(*both) - np.log(2)


@pytest.mark.truth
@pytest.mark.parametrize("shares", [(0.05, 0.1, 0.2), (0.5,)], ids=["canary", "A/B"])
@pytest.mark.parametrize("n_callers", [50, 500, 0])
def test_even_arms_are_rarely_called_uneven(truth, shares, n_callers) -> None:
    n, random = 6 * truth.scale, np.random.default_rng(41)
    of_outcomes = of_traffic = 0
    for _ in range(n):
        seen = watch(Callers(n=n_callers, shares=shares, reported=(0.5, 0.5), n_looks=25), random)
        of_outcomes += first_at(arrivals(seen), 0.01) != NEVER
        found = []
        for counts in seen.n_answers:
            sums = CallerSums(seen.layout)
            sums.n = counts.ravel()
            of = contrast_of_counts(sums)
            found.append(max(log_evidence(of, higher=higher) for higher in (True, False)) - np.log(2))
        of_traffic += first_at(np.array(found), 0.01) != NEVER
    truth.at_most(of_outcomes / n, most_expected(0.01, n), n=n)
    truth.at_most(of_traffic / n, most_expected(0.01, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize(
    "callers",
    [
        pytest.param(Callers(n=500, reported=(1.0, 0.4), ratio=2.0), id="twice as bad, 40 % of outcomes arrive"),
        pytest.param(Callers(n=0, reported=(1.0, 0.4), ratio=2.0), id="the same without callers"),
        pytest.param(Callers(n=500, hidden=0.5, ratio=2.0), id="twice as bad, half of the bad outcomes missing"),
        pytest.param(Callers(n=500, reported=(0.7, 1.0)), id="equal, 70 % of stable's outcomes arrive"),
    ],
)
@pytest.mark.parametrize("shares", [(0.05, 0.1, 0.2), (0.5,)], ids=["canary", "A/B"])
def test_missing_outcomes_are_found_before_losses_decide(truth, callers, shares) -> None:
    n, random = 4 * truth.scale, np.random.default_rng(42)
    found = decided = 0
    for _ in range(n):
        seen = watch(replace(callers, shares=shares, n_looks=25), random)
        check = arrivals(seen)
        found += first_at(check, 0.01) != NEVER
        trusted = (check < np.log(10)) & (effective_callers(seen.layout, seen.n) >= 5)
        safe = simulated_log_evidence(seen.layout, seen.n, seen.totals, ratio=1.5, higher=False)
        decided += first_at(np.where(trusted, safe, 0), 0.05) != NEVER
    truth.at_least(found / n, 0.7, n=n)
    truth.at_most(decided / n, most_expected(0.05, n), n=n)


@pytest.fixture
def half_reported(rollouts, start, worker, source, clock):
    """Let 40 % of the candidate's outcomes arrive, all of them good, and all of the stable version's."""
    rollout = start(guards=(LOSS,), steps=STEPS)
    worker.tick(clock.now)
    for arm, n, n_arrived, rate in ((Arm.STABLE, 800, 800, 0.2), (Arm.CANDIDATE, 200, 80, 0.0)):
        source.serve(arm, n, share=0.2)
        first = len(source.served) - n
        source.score(arm, *(float(number < rate * n) for number in range(n_arrived)), share=0.2)
        source.scored[-n_arrived:] = [
            row._replace(request=source.served[first + number].request)
            for number, row in enumerate(source.scored[-n_arrived:])
        ]
    worker.tick(clock.pass_by(30))
    return rollout.rollout_id


def test_outcomes_missing_in_one_arm_hold_the_rollout_with_that_reason(
    workspace, rollouts, half_reported, worker, source, clock
) -> None:
    rollout = rollouts.get(half_reported)
    loss, traffic, arrived = rollout.observed.readings
    assert (traffic.verdict, arrived.verdict) == (GuardVerdict.EVEN, GuardVerdict.UNEVEN)
    assert loss.verdict is GuardVerdict.UNDECIDED
    assert "outcomes arrived for 40.0% of the candidate's answers and 100.0% of the stable version's" in loss.reason
    assert rollout.observed.verdict.outcome is VerdictOutcome.HOLD
    assert "losses cannot be compared" in rollout.observed.verdict.reason
    (alert,) = Alerts(workspace, clock=clock).open()
    assert alert.rule == "rollout_uneven"
    assert "is held: arrivals: outcomes arrived for 40.0%" in alert.summary


def test_no_loss_rolls_back_while_outcomes_are_missing(rollouts, half_reported, worker, source, clock) -> None:
    source.score(Arm.CANDIDATE, *[1.0] * 30, share=0.2)
    worker.tick(clock.pass_by(30))
    assert rollouts.get(half_reported).observed.phase is RolloutPhase.RUNNING


def test_the_alert_is_cleared_when_the_missing_outcomes_have_come(
    workspace, rollouts, half_reported, worker, source, clock
) -> None:
    candidate = [row for row in source.served if row.arm is Arm.CANDIDATE]
    stable = source.scored[0]
    source.scored += [
        stable._replace(arm=Arm.CANDIDATE, loss=float(number < 40), request=row.request)
        for number, row in enumerate(candidate[80:])
    ]
    worker.tick(clock.pass_by(30))
    assert Alerts(workspace, clock=clock).open() == []


def test_traffic_that_does_not_follow_the_share_is_uneven(rollouts, start, worker, source, clock) -> None:
    rollout = start(guards=(LOSS,), steps=STEPS)
    worker.tick(clock.now)
    source.serve(Arm.STABLE, 800, share=0.2)
    source.serve(Arm.CANDIDATE, 80, share=0.2)
    worker.tick(clock.pass_by(30))
    _, traffic, _ = rollouts.get(rollout.rollout_id).observed.readings
    assert traffic.verdict is GuardVerdict.UNEVEN
    assert "the candidate got 9.1% of the requests, and 20.0% was set" in traffic.reason


def test_a_check_is_no_guard_of_a_plan() -> None:
    for name, source in (("traffic", GuardSource.ERRORS), ("outcomes", GuardSource.ARRIVALS)):
        with pytest.raises(ValueError, match="is checked in every rollout"):
            Guard(name=name, source=source)
