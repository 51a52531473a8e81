"""The evidence on means: rarely wrong at fifty values an arm and more, and never asked below."""

import math
import random

import msgspec
import numpy as np
import pytest

from core.rollout.means import LEAST_PER_ARM, N_CALIBRATION, MeanEvidence, Moments
from core.rollout.simulated_means import log_evidence
from tests.truth import most_expected

N_ROLLOUTS = 1_000
DISTRIBUTIONS = {
    "normal": lambda dice, size: dice.normal(1.0, 0.5, size),
    "exponential": lambda dice, size: dice.exponential(1.0, size),
}


@pytest.mark.truth
@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize("shape", DISTRIBUTIONS)
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_an_equal_candidate_watched_at_every_value_is_rarely_called_worse(truth, alpha, shape, share) -> None:
    dice, n, size = np.random.default_rng(21), N_ROLLOUTS * truth.scale, (100, 4_000)
    n_wrong = 0
    for _ in range(n // 100):
        logs, _ = log_evidence(DISTRIBUTIONS[shape](dice, size), dice.random(size) < share, 1.5)
        n_wrong += int((logs.max(axis=1) >= math.log(1 / alpha)).sum())
    truth.at_most(n_wrong / n, most_expected(alpha, n), n=n)


def test_the_simulation_and_the_product_compute_the_same() -> None:
    dice = np.random.default_rng(22)
    values, is_candidate = dice.exponential(1.0, (1, 600)), dice.random((1, 600)) < 0.4
    values = values * np.where(is_candidate, 1.3, 1.0)
    harm, safety = (logs[0] for logs in log_evidence(values, is_candidate, 1.5))
    evidence = MeanEvidence()
    for number in range(600):
        evidence = evidence.after(float(values[0, number]), is_candidate=bool(is_candidate[0, number]))
        assert evidence.log_harm == pytest.approx(harm[number], abs=1e-6)
        assert evidence.log_safety(0.5) == pytest.approx(safety[number], abs=1e-6)
    assert evidence.peak_log_harm == pytest.approx(harm.max(), abs=1e-6)
    assert evidence.peak_log_harm > 0


HEAVY = {
    "log-normal": lambda dice, size: dice.lognormal(0.0, 1.5, size),
    "Pareto": lambda dice, size: 1 + dice.pareto(2.5, size),
    "rare amounts": lambda dice, size: np.where(dice.random(size) < 0.02, dice.exponential(1.0, size), 0.0),
}


@pytest.mark.truth
@pytest.mark.parametrize("shape", HEAVY)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_mean_of_few_large_values_is_judged_when_both_arms_have_met_them(truth, shape, share) -> None:
    """Beyond its margin it is rarely called safe, and an equal one rarely worse, whichever arm has few values."""
    dice, n, size, margin = np.random.default_rng(23), 300 * truth.scale, (300, 3_000), 1.5
    n_called_safe = n_called_worse = 0
    for _ in range(truth.scale):
        values, is_candidate = HEAVY[shape](dice, size), dice.random(size) < share
        _, safety = log_evidence(np.where(is_candidate, margin * values, values), is_candidate, margin)
        harm, _ = log_evidence(values, is_candidate, margin)
        n_called_safe += int((safety.max(axis=1) >= -math.log(0.05)).sum())
        n_called_worse += int((harm.max(axis=1) >= -math.log(0.01)).sum())
    truth.at_most(n_called_safe / n, most_expected(0.05, n), n=n)
    truth.at_most(n_called_worse / n, most_expected(0.01, n), n=n)


def test_a_worse_mean_with_a_heavy_tail_is_found_at_a_small_share() -> None:
    dice, size = np.random.default_rng(24), (100, 8_000)
    values, is_candidate = dice.lognormal(0.0, 1.0, size), dice.random(size) < 0.1
    harm, _ = log_evidence(np.where(is_candidate, 2 * values, values), is_candidate, 1.5)
    assert (harm.max(axis=1) >= math.log(100)).mean() >= 0.95


def test_evidence_stored_before_skewness_existed_continues() -> None:
    kept = msgspec.json.decode(
        b"""{"calibration": {"n": 50, "mean": 1.0, "squares": 49.0}, "tau": 0.2, "peak_log_harm": 0.5,
            "stable": {"n": 90, "mean": 1.0, "squares": 89.0}, "candidate": {"n": 80, "mean": 1.1, "squares": 79.0}}""",
        type=MeanEvidence,
    )
    assert kept.has_begun
    assert kept.after(1.0, is_candidate=True).candidate.n == 81


def fed(n: int, ratio: float, *, share: float = 0.5, seed: int = 1) -> MeanEvidence:
    dice, evidence = random.Random(seed), MeanEvidence()
    for _ in range(n):
        is_candidate = dice.random() < share
        evidence = evidence.after(dice.expovariate(1.0) * (ratio if is_candidate else 1.0), is_candidate=is_candidate)
    return evidence


def test_a_worse_mean_is_found() -> None:
    assert fed(3_000, 1.5).peak_log_harm > math.log(100)


def test_an_equal_mean_is_shown_to_be_within_its_margin() -> None:
    evidence = fed(20_000, 1.0)
    assert evidence.log_safety(0.1) > math.log(20)
    assert evidence.peak_log_harm < math.log(100)


def test_fewer_than_fifty_values_an_arm_say_nothing() -> None:
    evidence = MeanEvidence()
    for number in range(N_CALIBRATION + LEAST_PER_ARM):
        evidence = evidence.after(1.0 + number % 3, is_candidate=False)
    for number in range(LEAST_PER_ARM - 1):
        evidence = evidence.after(1_000.0 + number, is_candidate=True)
    assert (evidence.is_enough, evidence.log_harm, evidence.log_safety(0.1), evidence.interval(0.05)) == (
        False,
        0.0,
        0.0,
        None,
    )
    evidence = evidence.after(1_000.0, is_candidate=True)
    assert evidence.log_harm > math.log(100)


def test_constant_values_cause_no_division_by_zero() -> None:
    evidence = MeanEvidence()
    for number in range(400):
        evidence = evidence.after(1.0, is_candidate=number % 2 == 0)
    assert (evidence.tau, evidence.log_harm) == (None, 0.0)


@pytest.mark.truth
def test_the_interval_holds_the_true_difference_at_every_look(truth) -> None:
    n, n_left = 100 * truth.scale, 0
    for seed in range(n):
        dice, evidence, has_left = random.Random(seed), MeanEvidence(), False
        for number in range(1, 1_001):
            is_candidate = number % 2 == 0
            evidence = evidence.after(dice.gauss(1.2 if is_candidate else 1.0, 1.0), is_candidate=is_candidate)
            if number % 25 == 0 and (bounds := evidence.interval(0.05)):
                has_left |= not bounds[0] <= 0.2 <= bounds[1]
        n_left += has_left
    truth.at_most(n_left / n, most_expected(0.05, n), n=n)


def test_moments_are_those_of_the_values() -> None:
    values = [random.Random(4).gauss(1e6, 1.0) + number for number in range(100)]
    moments = Moments()
    for value in values:
        moments = moments.after(value)
    assert (moments.n, moments.mean, moments.variance) == pytest.approx((100, np.mean(values), np.var(values, ddof=1)))


def test_skewness_is_that_of_the_values() -> None:
    values = np.random.default_rng(5).exponential(1.0, 200)
    moments = Moments()
    for value in values:
        moments = moments.after(float(value))
    off = values - values.mean()
    assert moments.skewness == pytest.approx(np.mean(off**3) / np.mean(off**2) ** 1.5)
