"""What guards say of evidence: verdict, effect, interval and the time it will take."""

import itertools
import math
import random

import pytest

from core.rollout import Arm, Guard, GuardSource, GuardVerdict, Strategy, Winner
from core.rollout.collector import Collector
from core.rollout.evidence import RolloutEvidence
from core.rollout.experiment import decide
from core.rollout.guard_reader import read_guards
from core.rollout.readings import GuardReading, Pace
from core.telemetry.predictions import Batch, Cursor, Scored, ScoredPair, ServedRequest

ERRORS = Guard(name="errors", source=GuardSource.ERRORS)
TOLERANT = Guard(name="errors", source=GuardSource.ERRORS, tolerated_share=0.01)
SLOW = Guard(name="slow", source=GuardSource.SLOW, limit=10.0)
LOSS = Guard(name="loss", source=GuardSource.LOSS, margin=1.2)
PACE = Pace(share=0.2, n_requests=1_000, seconds=100.0)


numbers = itertools.count()
HALF, GOLDEN = 1 << 63, 0x9E3779B97F4A7C15


def spread() -> int:
    """Number one more request, evenly over 64 bits."""
    return (next(numbers) * GOLDEN) % (2 * HALF) - HALF


def caller_of(arm: Arm, number: int, share: float = 0.2) -> int:
    """Return a caller whom the router sends to an arm."""
    place = (number * 0.6180339887) % 1.0
    place = share + place * (1 - share) if arm is Arm.STABLE else place * share
    return int(place * 2 * HALF) - HALF


def batch(served=(), scored=(), pairs=(), scored_pairs=()) -> Batch:
    return Batch(list(served), list(pairs), list(scored), Cursor(), True, scored_pairs=scored_pairs)


def served(
    arm: Arm, n: int, n_failed: int = 0, share: float = 0.2, latency_ms: float = 2.0, unit=None
) -> list[ServedRequest]:
    return [ServedRequest(arm, share, latency_ms, number < n_failed, unit, request=spread()) for number in range(n)]


def read(plan, *rows, scored=(), pairs=(), scored_pairs=(), pace: Pace = PACE) -> GuardReading:
    collector = Collector(plan, RolloutEvidence())
    collector.add(batch([row for part in rows for row in part], scored, pairs, scored_pairs))
    return read_guards(plan, collector.evidence, collector.sums, pace)[0]


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
        collector.add(batch([ServedRequest(arm, 0.2, 1.0, dice.random() < 0.1, None, request=spread())]))
        n += 1
        if n % 500 == 0:
            reading = read_guards(
                plan, collector.evidence, collector.sums, Pace(share=0.2, n_requests=n, seconds=n / 10)
            )[0]
            if reading.verdict is GuardVerdict.SAFE:
                break
            etas[n] = reading.eta_requests
            assert reading.eta_seconds == pytest.approx(reading.eta_requests / 10)
    assert 0.5 < etas[500] / (n - 500) < 2
    assert reading.eta_requests is None


def from_callers(n: int, n_callers: int, failing: int = 0) -> list[ServedRequest]:
    """Let callers send requests in turn, a fifth of them to the candidate, whose first callers always fail."""
    rows = []
    for number in range(n):
        caller = number % n_callers
        arm = Arm.CANDIDATE if caller % 5 == 0 else Arm.STABLE
        fails = arm is Arm.CANDIDATE and caller < 5 * failing
        rows.append(ServedRequest(arm, 0.2, 2.0, fails and number % 7 == 0, caller_of(arm, caller), request=spread()))
    return rows


@pytest.mark.parametrize("failing", [0, 2])
def test_requests_of_the_same_callers_forecast_no_proof_that_takes_more_callers(plan_of, failing) -> None:
    pace = Pace(share=0.2, n_requests=10_000, seconds=1_000.0)
    reading = read(plan_of(guards=(TOLERANT,)), from_callers(10_000, 60, failing), pace=pace)
    assert reading.verdict is GuardVerdict.UNDECIDED
    assert (reading.eta_requests, reading.eta_seconds) == (None, None)
    assert "callers" in reading.reason
    assert reading.reason.endswith("12 have come")


def test_a_caller_for_each_request_forecasts_the_requests_that_the_objective_takes(plan_of) -> None:
    plan, etas, n = plan_of(guards=(TOLERANT,)), {}, 1_500
    while True:
        pace = Pace(share=0.2, n_requests=n, seconds=n / 10)
        reading = read(plan, from_callers(n, n), pace=pace)
        if reading.verdict is GuardVerdict.SAFE:
            break
        etas[n], n = reading.eta_requests, n + 100
    assert 0.5 < etas[1_500] / (n - 1_500) < 2


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
        rows += [ServedRequest(arm, 0.2, 2.0, dice.random() < failing, caller_of(arm, caller)) for _ in range(200)]
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
    return [Scored(arm, 0.2, abs(dice.gauss(mean, 0.3)), None, request=spread()) for _ in range(n)]


@pytest.mark.parametrize(
    ("mean", "n", "verdict"),
    [
        pytest.param(1.0, 30, GuardVerdict.UNDECIDED, id="fewer than fifty"),
        pytest.param(1.0, 3_000, GuardVerdict.SAFE, id="equal, and many"),
        pytest.param(1.5, 150, GuardVerdict.HARMFUL, id="much worse"),
        pytest.param(0.5, 250, GuardVerdict.UNDECIDED, id="too few to have met rare losses"),
        pytest.param(0.5, 400, GuardVerdict.SAFE, id="much better"),
    ],
)
def test_losses_are_judged_by_their_means(plan_of, mean, n, verdict) -> None:
    scored = scores(Arm.STABLE, 1.0, 4 * n) + scores(Arm.CANDIDATE, mean, n, seed=2)
    reading = read(plan_of(guards=(LOSS,)), scored=scored)
    assert reading.verdict is verdict
    assert reading.has_ratio
    assert reading.effect == pytest.approx(mean, abs=0.15)
    if n < 50:
        assert (reading.low, reading.high) == (None, None)
    else:
        assert reading.low < reading.effect
        assert reading.high is None if n < 369 else reading.effect < reading.high


def test_a_loss_needs_outcomes_of_both_arms(plan_of) -> None:
    reading = read(plan_of(guards=(LOSS,)), scored=scores(Arm.CANDIDATE, 1.0, 300))
    assert reading.verdict is GuardVerdict.NO_DATA
    assert reading.reason == "loss: no stable outcome yet"


def zero_or_one(arm: Arm, n: int, n_lost: int) -> list[Scored]:
    return [Scored(arm, 0.2, float(number < n_lost), None, request=spread()) for number in range(n)]


@pytest.mark.parametrize(
    ("stable", "candidate", "verdict"),
    [
        pytest.param((800, 0), (200, 0), GuardVerdict.UNDECIDED, id="nothing lost yet says nothing of a rare event"),
        pytest.param((800, 16), (200, 2), GuardVerdict.UNDECIDED, id="nor does a candidate with few losses"),
        pytest.param((8_000, 1_600), (2_000, 400), GuardVerdict.SAFE, id="as many, and plenty"),
        pytest.param((800, 8), (200, 40), GuardVerdict.HARMFUL, id="many more"),
    ],
)
def test_losses_of_0_and_1_are_judged_as_any_losses_and_shown_as_a_rate(plan_of, stable, candidate, verdict) -> None:
    guard = Guard(name="loss", source=GuardSource.LOSS, margin=1.5)
    scored = zero_or_one(Arm.STABLE, *stable) + zero_or_one(Arm.CANDIDATE, *candidate)
    reading = read(plan_of(guards=(guard,)), scored=scored)
    assert reading.verdict is verdict
    assert reading.is_rate
    assert f"{candidate[1]:,} of {candidate[0]:,} against {stable[1]:,} of {stable[0]:,}" in reading.reason


def test_a_caller_who_loses_always_is_one_caller(plan_of) -> None:
    """Counted by outcome these would be 300 losses against none."""
    mine = [Scored(Arm.CANDIDATE, 0.2, 1.0, caller_of(Arm.CANDIDATE, 7), None)] * 300
    others = [Scored(Arm.STABLE, 0.2, 0.0, caller_of(Arm.STABLE, n), None) for n in range(40) for _ in range(30)]
    reading = read(plan_of(guards=(LOSS,)), scored=mine + others)
    assert reading.verdict is GuardVerdict.UNDECIDED
    assert "too few callers to judge: 1.0 of 5 needed in each arm" in reading.reason


def test_losses_other_than_0_and_1_are_shown_as_a_mean_and_keep_all_evidence(plan_of) -> None:
    plan = plan_of(guards=(LOSS,))
    reading = read(plan, scored=[*zero_or_one(Arm.STABLE, 80, 8), *scores(Arm.CANDIDATE, 0.5, 60)])
    assert not reading.is_rate
    assert (reading.n_stable, reading.n_candidate) == (80, 60)


def test_negative_losses_are_judged_for_harm_and_never_shown_safe_by_a_ratio(plan_of) -> None:
    def profit(arm: Arm, mean: float, n: int) -> list[Scored]:
        return [row._replace(loss=row.loss - 3.0) for row in scores(arm, mean, n, seed=n)]

    equal = [*profit(Arm.STABLE, 1.0, 8_000), *profit(Arm.CANDIDATE, 1.0, 2_000)]
    reading = read(plan_of(guards=(LOSS,)), scored=equal)
    assert reading.verdict is GuardVerdict.UNDECIDED
    assert "loss_margin_difference" in reading.reason
    assert not reading.has_ratio
    assert reading.low < 0 < reading.high
    worse = [*profit(Arm.STABLE, 1.0, 8_000), *profit(Arm.CANDIDATE, 1.5, 2_000)]
    assert read(plan_of(guards=(LOSS,)), scored=worse).verdict is GuardVerdict.HARMFUL
    by_difference = Guard(name="loss", source=GuardSource.LOSS, margin_difference=0.1)
    assert read(plan_of(guards=(by_difference,)), scored=equal).verdict is GuardVerdict.SAFE


def test_a_safe_reading_says_what_rare_loss_it_cannot_exclude(plan_of) -> None:
    scored = scores(Arm.STABLE, 1.0, 8_000) + scores(Arm.CANDIDATE, 1.0, 2_000, seed=2)
    reading = read(plan_of(guards=(LOSS,)), scored=scored)
    assert reading.verdict is GuardVerdict.SAFE
    size = float(reading.cannot_exclude.split()[3])
    assert size == pytest.approx((1.2 * reading.stable_value - reading.candidate_value) * 2_000 / 3, rel=0.01)
    assert reading.cannot_exclude.endswith("less often than once in 668 answers")
    assert f"not excluded: {reading.cannot_exclude}" in reading.reason


@pytest.mark.parametrize("value", [1e200, -1e200, float("inf"), float("-inf"), float("nan")])
def test_an_absurd_loss_is_set_aside_and_counted(plan_of, value) -> None:
    scored = scores(Arm.STABLE, 1.0, 8_000) + scores(Arm.CANDIDATE, 1.0, 2_000, seed=2)
    absurd = Scored(Arm.CANDIDATE, 0.2, value, None, request=spread())
    reading = read(plan_of(guards=(LOSS,)), scored=[absurd, *scored])
    assert (reading.verdict, reading.n_set_aside) == (GuardVerdict.SAFE, 1)
    assert "1 unusable value set aside" in reading.reason


def test_a_large_finite_loss_leaves_all_figures_finite(plan_of) -> None:
    scored = scores(Arm.STABLE, 1.0, 800) + scores(Arm.CANDIDATE, 1.0, 200, seed=2)
    large = [Scored(arm, 0.2, 9e99, None, request=spread()) for arm in (Arm.CANDIDATE, Arm.STABLE) for _ in range(3)]
    reading = read(plan_of(guards=(LOSS,)), scored=[*scored, *large])
    assert reading.verdict in (GuardVerdict.UNDECIDED, GuardVerdict.SUSPECT)
    assert all(value is None or math.isfinite(value) for value in (reading.effect, reading.low, reading.high))


def paired(stable: list[float], candidate: list[float]) -> list[ScoredPair]:
    return [ScoredPair(*losses, None, request=spread()) for losses in zip(stable, candidate, strict=True)]


def test_losses_of_a_shadow_are_judged_by_pairs(plan_of) -> None:
    plan = plan_of(Strategy.SHADOW, guards=(Guard(name="loss", source=GuardSource.LOSS, margin=1.5),))
    worse = [1.0 + number % 7 for number in range(600)]
    assert read(plan, scored_pairs=paired([0.0] * 30, worse[:30])).verdict is GuardVerdict.UNDECIDED, "too few"
    assert read(plan, scored_pairs=paired([0.0] * 600, worse)).verdict is GuardVerdict.HARMFUL
    dice = random.Random(5)
    hard = [dice.expovariate(1) for _ in range(400)]  # much alike, so little is needed
    equal = read(plan, scored_pairs=paired(hard, [loss * dice.uniform(0.8, 1.2) for loss in hard]))
    assert equal.verdict is GuardVerdict.SAFE
    assert equal.low < equal.effect < equal.high


def test_an_experiment_on_a_mean_looks_at_the_ratio(plan_of) -> None:
    plan = plan_of(Strategy.AB, guards=(LOSS,), primary="loss")

    def at_half(arm: Arm, mean: float, seed: int) -> list[Scored]:
        return [row._replace(share=0.5) for row in scores(arm, mean, 3_000, seed)]

    verdict = decide(read(plan, scored=at_half(Arm.STABLE, 1.0, 1) + at_half(Arm.CANDIDATE, 0.9, 2)), LOSS.margin)
    assert verdict.winner is Winner.CANDIDATE
    assert verdict.high < 1
    assert "95% interval" in verdict.reason


def test_counting_continues_from_a_document_as_if_it_had_never_stopped(plan_of) -> None:
    plan = plan_of(guards=(ERRORS, SLOW, LOSS))
    rows = served(Arm.STABLE, 300, 30) + served(Arm.CANDIDATE, 100, 15, share=0.05, latency_ms=12.0)
    scored = scores(Arm.STABLE, 1.0, 100) + scores(Arm.CANDIDATE, 1.2, 90)
    at_once = Collector(plan, RolloutEvidence())
    at_once.add(batch(rows, scored))
    first = Collector(plan, RolloutEvidence())
    first.add(batch(rows[:350], scored[:120]))
    second = Collector(plan, first.evidence, sums={name: sums.stored for name, sums in first.sums.items()})
    second.add(batch(rows[350:], scored[120:]))
    assert second.evidence == at_once.evidence
    assert {name: sums.stored for name, sums in second.sums.items()} == {
        name: sums.stored for name, sums in at_once.sums.items()
    }
