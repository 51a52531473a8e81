"""What guards say of evidence: verdict, effect, interval and the time it will take."""

import random

import pytest

from core.rollout import Arm, Guard, GuardSource, GuardVerdict, Strategy, Winner
from core.rollout.evidence import Collector, RolloutEvidence
from core.rollout.experiment import decide
from core.rollout.means import N_CALIBRATION
from core.rollout.readings import GuardReading, Pace, read_guards
from core.telemetry.predictions import Batch, Cursor, Scored, ServedRequest

ERRORS = Guard(name="errors", source=GuardSource.ERRORS)
TOLERANT = Guard(name="errors", source=GuardSource.ERRORS, tolerated_share=0.01)
SLOW = Guard(name="slow", source=GuardSource.SLOW, limit=10.0)
LOSS = Guard(name="loss", source=GuardSource.LOSS, margin=1.2)
PACE = Pace(share=0.2, n_requests=1_000, seconds=100.0)


def batch(served=(), scored=(), pairs=()) -> Batch:
    return Batch(list(served), list(pairs), list(scored), Cursor(), True)


def served(
    arm: Arm, n: int, n_failed: int = 0, share: float = 0.2, latency_ms: float = 2.0, unit=None
) -> list[ServedRequest]:
    return [ServedRequest(arm, share, latency_ms, number < n_failed, unit) for number in range(n)]


def read(plan, *rows, scored=(), pairs=(), pace: Pace = PACE) -> GuardReading:
    collector = Collector(plan, RolloutEvidence())
    collector.add(batch([row for part in rows for row in part], scored, pairs))
    return read_guards(plan, collector.evidence, pace)[0]


@pytest.mark.parametrize(
    ("guard", "stable", "candidate", "verdict"),
    [
        pytest.param(ERRORS, (800, 16), (200, 4), GuardVerdict.UNDECIDED, id="a few failures on both sides"),
        pytest.param(ERRORS, (800, 8), (200, 40), GuardVerdict.HARMFUL, id="many more failures"),
        pytest.param(ERRORS, (800, 8), (200, 9), GuardVerdict.SUSPECT, id="rather more failures"),
        pytest.param(ERRORS, (8_000, 1_600), (2_000, 400), GuardVerdict.SAFE, id="as many failures, and plenty"),
        pytest.param(ERRORS, (800, 0), (200, 0), GuardVerdict.UNDECIDED, id="no failure compares with nothing"),
        pytest.param(ERRORS, (800, 0), (0, 0), GuardVerdict.NO_DATA, id="nothing of the candidate yet"),
        pytest.param(TOLERANT, (2_400, 0), (600, 0), GuardVerdict.SAFE, id="no failure is below the objective"),
        pytest.param(TOLERANT, (1_600, 0), (40, 0), GuardVerdict.UNDECIDED, id="but not after forty answers"),
        pytest.param(TOLERANT, (1_600, 1), (400, 60), GuardVerdict.HARMFUL, id="an objective hides no harm"),
    ],
)
def test_rates_are_judged_by_their_failures(plan_of, guard, stable, candidate, verdict) -> None:
    reading = read(plan_of(guards=(guard,)), served(Arm.STABLE, *stable), served(Arm.CANDIDATE, *candidate))
    assert reading.verdict is verdict
    assert (reading.n_stable, reading.n_candidate) == (stable[0], candidate[0])


def test_a_reading_says_how_large_the_effect_is_and_how_surely(plan_of) -> None:
    reading = read(plan_of(guards=(ERRORS,)), served(Arm.STABLE, 8_000, 160), served(Arm.CANDIDATE, 2_000, 80))
    assert (reading.stable_value, reading.candidate_value) == (0.02, 0.04)
    assert reading.effect == pytest.approx(2.0)
    assert 1.0 < reading.low < 2.0 < reading.high
    assert reading.level == 0.95
    assert "80 of 2,000 against 160 of 8,000" in reading.reason


def test_answers_later_than_the_limit_are_a_rate_of_their_own(plan_of) -> None:
    rows = served(Arm.STABLE, 99), served(Arm.STABLE, 1, latency_ms=50.0), served(Arm.CANDIDATE, 30, latency_ms=11.0)
    reading = read(plan_of(guards=(SLOW,)), *rows)
    assert reading.verdict is GuardVerdict.HARMFUL
    assert (reading.stable_value, reading.candidate_value) == (0.01, 1.0)


def test_the_time_to_a_decision_is_about_right_for_an_equal_candidate(plan_of) -> None:
    """Predicted from a tenth of the way, the number of requests is within a factor of two of what it takes."""
    plan, dice = plan_of(guards=(ERRORS,)), random.Random(2)
    collector, etas, n = Collector(plan, RolloutEvidence()), {}, 0
    while True:
        arm = Arm.CANDIDATE if dice.random() < 0.2 else Arm.STABLE
        collector.add(batch([ServedRequest(arm, 0.2, 1.0, dice.random() < 0.1, None)]))
        n += 1
        if n % 500 == 0:
            (reading,) = read_guards(plan, collector.evidence, Pace(share=0.2, n_requests=n, seconds=n / 10))
            if reading.verdict is GuardVerdict.SAFE:
                break
            etas[n] = reading.eta_requests
            assert reading.eta_seconds == pytest.approx(reading.eta_requests / 10)
    assert 0.5 < etas[500] / (n - 500) < 2
    assert reading.eta_requests is None


def test_one_caller_who_always_fails_is_one_failure(plan_of) -> None:
    rows = served(Arm.STABLE, 900, 9), served(Arm.CANDIDATE, 100, 100, unit=7)
    reading = read(plan_of(guards=(ERRORS,)), *rows)
    assert reading.verdict is GuardVerdict.UNDECIDED
    assert reading.candidate_value == 1.0  # what it looks like is shown all the same


@pytest.mark.parametrize(
    ("rate", "is_safe"),
    [pytest.param(0.03, False, id="half as bad again"), pytest.param(0.02, True, id="as good")],
)
def test_callers_who_have_all_failed_once_do_not_make_a_candidate_safe(plan_of, rate, is_safe) -> None:
    """First failures alone are as many as the callers in the end, whatever the rates."""
    dice = random.Random(3)
    rows = []
    for caller in range(600):
        arm = Arm.CANDIDATE if caller % 5 == 0 else Arm.STABLE
        failing = rate if arm is Arm.CANDIDATE else 0.02
        rows += [ServedRequest(arm, 0.2, 2.0, dice.random() < failing, caller) for _ in range(200)]
    dice.shuffle(rows)
    reading = read(plan_of(guards=(ERRORS,)), rows)
    assert (reading.verdict is GuardVerdict.SAFE) == is_safe


def test_a_shadow_is_compared_where_the_two_answers_differ(plan_of) -> None:
    plan = plan_of(Strategy.SHADOW, guards=(ERRORS,))

    def pair(failed: bool, copy_failed: bool) -> tuple[ServedRequest, ServedRequest]:
        return ServedRequest(Arm.STABLE, 0.0, 1.0, failed, None), ServedRequest(Arm.SHADOW, 0.0, 1.0, copy_failed, None)

    both = read(plan, pairs=[pair(True, True)] * 500)
    assert (both.verdict, both.effect) == (GuardVerdict.UNDECIDED, None)
    worse = read(plan, pairs=[pair(False, True)] * 12 + [pair(False, False)] * 100)
    assert worse.verdict is GuardVerdict.HARMFUL
    equal = read(plan, pairs=[pair(False, True), pair(True, False)] * 150)
    assert equal.verdict is GuardVerdict.SAFE


@pytest.mark.parametrize(
    ("strategy", "n_failed", "verdict"),
    [
        pytest.param(Strategy.BLUE_GREEN, 0, GuardVerdict.SAFE, id="within its objective"),
        pytest.param(Strategy.BLUE_GREEN, 40, GuardVerdict.HARMFUL, id="beyond it"),
        pytest.param(Strategy.BLUE_GREEN, 5, GuardVerdict.UNDECIDED, id="about there"),
    ],
)
def test_after_a_switch_the_objective_alone_is_the_judge(plan_of, strategy, n_failed, verdict) -> None:
    reading = read(plan_of(strategy, guards=(TOLERANT,)), served(Arm.CANDIDATE, 500, n_failed, share=1.0))
    assert reading.verdict is verdict


def scores(arm: Arm, mean: float, n: int, seed: int = 1) -> list[Scored]:
    dice = random.Random(seed)
    return [Scored(arm, 0.2, dice.gauss(mean, 0.3), None) for _ in range(n)]


@pytest.mark.parametrize(
    ("mean", "n", "verdict"),
    [
        pytest.param(1.0, 30, GuardVerdict.NO_DATA, id="fewer than fifty"),
        pytest.param(1.0, 60, GuardVerdict.UNDECIDED, id="equal, but few"),
        pytest.param(1.0, 3_000, GuardVerdict.SAFE, id="equal, and many"),
        pytest.param(1.5, 100, GuardVerdict.HARMFUL, id="much worse"),
        pytest.param(0.5, 100, GuardVerdict.SAFE, id="much better"),
    ],
)
def test_losses_are_judged_by_their_means(plan_of, mean, n, verdict) -> None:
    scored = scores(Arm.STABLE, 1.0, 50 + n) + scores(Arm.CANDIDATE, mean, n, seed=2)
    reading = read(plan_of(guards=(LOSS,)), scored=scored)
    assert reading.verdict is verdict
    if verdict is not GuardVerdict.NO_DATA:
        assert reading.low < reading.effect < reading.high
        assert reading.effect == pytest.approx(mean - 1.0, abs=0.15)


def zero_or_one(arm: Arm, n: int, n_lost: int) -> list[Scored]:
    return [Scored(arm, 0.2, float(number < n_lost), None) for number in range(n)]


@pytest.mark.parametrize(
    ("stable", "candidate", "verdict"),
    [
        pytest.param((800, 0), (200, 0), GuardVerdict.UNDECIDED, id="nothing lost yet says nothing of a rare event"),
        pytest.param((800, 16), (200, 2), GuardVerdict.UNDECIDED, id="nor does a candidate with few losses"),
        pytest.param((8_000, 1_600), (2_000, 400), GuardVerdict.SAFE, id="as many, and plenty"),
        pytest.param((800, 8), (200, 40), GuardVerdict.HARMFUL, id="many more"),
        pytest.param((20, 0), (20, 20), GuardVerdict.HARMFUL, id="it needs no fifty values per arm"),
    ],
)
def test_losses_of_0_and_1_are_judged_as_errors_are(plan_of, stable, candidate, verdict) -> None:
    guard = Guard(name="loss", source=GuardSource.LOSS, margin=1.5)
    scored = zero_or_one(Arm.STABLE, *stable) + zero_or_one(Arm.CANDIDATE, *candidate)
    reading = read(plan_of(guards=(guard,)), scored=scored)
    failures = served(Arm.STABLE, *stable), served(Arm.CANDIDATE, *candidate)
    as_errors = read(plan_of(guards=(Guard(name="errors", source=GuardSource.ERRORS, margin=1.5),)), *failures)
    assert reading.verdict is as_errors.verdict is verdict
    assert (reading.effect, reading.low, reading.high) == (as_errors.effect, as_errors.low, as_errors.high)
    assert reading.is_rate


def test_a_caller_s_lost_outcomes_all_count(plan_of) -> None:
    scored = [Scored(Arm.CANDIDATE, 0.2, 1.0, 7)] * 3 + [Scored(Arm.STABLE, 0.2, 1.0, 8)] * 5
    evidence = Collector(plan_of(guards=(LOSS,)), RolloutEvidence())
    evidence.add(batch(scored=scored))
    assert evidence.evidence.rates["loss"].evidence.tallies[0].n == 8


@pytest.mark.parametrize("arm", [Arm.STABLE, Arm.CANDIDATE])
def test_the_first_other_loss_ends_the_counting_permanently(plan_of, arm) -> None:
    plan = plan_of(guards=(LOSS,))
    collector = Collector(plan, RolloutEvidence())
    collector.add(batch(scored=zero_or_one(Arm.STABLE, 80, 8)))
    assert read_guards(plan, collector.evidence, PACE)[0].is_rate
    collector.add(batch(scored=[Scored(arm, 0.2, 0.5, None)]))
    collector = Collector(plan, collector.evidence)  # an engine that was killed goes on the same
    collector.add(batch(scored=zero_or_one(Arm.STABLE, 60, 6)))
    (reading,) = read_guards(plan, collector.evidence, PACE)
    assert not reading.is_rate
    assert collector.evidence.rates["loss"].n_stable == 80
    assert collector.evidence.means["loss"].calibration.n == N_CALIBRATION


def test_counted_losses_keep_their_evidence_against_a_candidate_but_not_for_it(plan_of) -> None:
    plan = plan_of(guards=(LOSS,))

    def after(n_lost_by_candidate: int) -> GuardReading:
        counted = zero_or_one(Arm.STABLE, 800, 80) + zero_or_one(Arm.CANDIDATE, 200, n_lost_by_candidate)
        return read(plan, scored=counted + means)

    means = scores(Arm.STABLE, 1.0, 130) + scores(Arm.CANDIDATE, 1.1, 60, seed=2)
    fresh = read(plan, scored=means)
    assert after(5).safety_share == pytest.approx(fresh.safety_share)
    assert 0 < after(21).safety_share < fresh.safety_share < 1


def test_a_mean_of_few_large_values_says_how_many_it_takes(plan_of) -> None:
    dice = random.Random(6)
    stable = [Scored(Arm.STABLE, 0.05, dice.lognormvariate(0, 1.5), None) for _ in range(4_000)]
    candidate = [Scored(Arm.CANDIDATE, 0.05, dice.lognormvariate(-2, 0.5), None) for _ in range(100)]
    reading = read(plan_of(guards=(LOSS,)), scored=stable + candidate)
    assert reading.verdict is GuardVerdict.UNDECIDED
    assert "a few values dominate the mean:" in reading.reason
    assert reading.eta_requests > 0


def test_losses_of_a_shadow_s_copies_weigh_as_of_two_equal_arms(plan_of) -> None:
    plan = plan_of(Strategy.SHADOW, guards=(Guard(name="loss", source=GuardSource.LOSS, margin=1.5),))
    scored = [Scored(Arm.STABLE, 0.0, 0.0, None)] * 100 + [Scored(Arm.SHADOW, 0.0, 1.0, None)] * 12
    assert read(plan, scored=scored).verdict is GuardVerdict.HARMFUL


def test_an_experiment_on_a_mean_looks_at_the_difference(plan_of) -> None:
    scored = scores(Arm.STABLE, 1.0, 3_000) + scores(Arm.CANDIDATE, 0.9, 3_000, seed=2)
    verdict = decide(read(plan_of(guards=(LOSS,)), scored=scored), LOSS.margin)
    assert verdict.winner is Winner.CANDIDATE
    assert verdict.high < 0
    assert "95% interval" in verdict.reason


def test_counting_continues_from_a_document_as_if_it_had_never_stopped(plan_of) -> None:
    plan = plan_of(guards=(ERRORS, SLOW, LOSS))
    rows = served(Arm.STABLE, 300, 30) + served(Arm.CANDIDATE, 100, 15, share=0.05, latency_ms=12.0)
    scored = scores(Arm.STABLE, 1.0, 100) + scores(Arm.CANDIDATE, 1.2, 90)
    at_once = Collector(plan, RolloutEvidence())
    at_once.add(batch(rows, scored))
    first = Collector(plan, RolloutEvidence())
    first.add(batch(rows[:350], scored[:120]))
    second = Collector(plan, first.evidence)
    second.add(batch(rows[350:], scored[120:]))
    assert second.evidence == at_once.evidence
