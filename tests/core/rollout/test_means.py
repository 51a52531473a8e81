"""The evidence on means: rarely wrong at fifty values an arm and more, and never asked below."""

import math
import random

import numpy as np
import pytest

from core.rollout.means import LEAST_PER_ARM, N_CALIBRATION, TAU_IN_SDS, MeanEvidence, Moments

N_ROLLOUTS = 1_000
DISTRIBUTIONS = {
    "normal": lambda dice, size: dice.normal(1.0, 0.5, size),
    "exponential": lambda dice, size: dice.exponential(1.0, size),
}


def log_harm_at_every_value(values, is_candidate):
    """The same test over arrays: rows are rollouts, columns values in the order in which they came."""
    calibration = np.cumsum(~is_candidate, axis=1) <= N_CALIBRATION
    first = [row[~side][:N_CALIBRATION] for row, side in zip(values, is_candidate, strict=True)]
    tau = TAU_IN_SDS * np.std(first, axis=1, ddof=1)
    means, variances, counts = [], [], []
    for side in (~is_candidate & ~calibration, is_candidate & ~calibration):
        n = np.cumsum(side, axis=1)
        total = np.cumsum(np.where(side, values, 0), axis=1)
        squares = np.cumsum(np.where(side, values**2, 0), axis=1)
        mean = total / np.maximum(n, 1)
        variance = (squares - n * mean**2) / np.maximum(n - 1, 1)
        means.append(mean)
        variances.append(variance / np.maximum(n, 1))
        counts.append(n)
    d, v, t = means[1] - means[0], variances[0] + variances[1], tau[:, None]
    enough = np.minimum(*counts) >= LEAST_PER_ARM
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = 0.5 * np.log(v / (v + t**2)) + t**2 * d**2 / (2 * v * (v + t**2))
    return np.where(enough & (d > 0), logs, 0.0)


@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize("shape", DISTRIBUTIONS)
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_an_equal_candidate_watched_at_every_value_is_rarely_called_worse(alpha, shape, share) -> None:
    dice = np.random.default_rng(21)
    n_wrong = 0
    for _ in range(10):
        size = (N_ROLLOUTS // 10, 4_000)
        logs = log_harm_at_every_value(DISTRIBUTIONS[shape](dice, size), dice.random(size) < share)
        n_wrong += int((logs.max(axis=1) >= math.log(1 / alpha)).sum())
    assert n_wrong / N_ROLLOUTS <= alpha + 3.1 * math.sqrt(alpha * (1 - alpha) / N_ROLLOUTS)


def test_the_simulation_and_the_product_compute_the_same() -> None:
    dice = np.random.default_rng(22)
    values, is_candidate = dice.exponential(1.0, (1, 600)), dice.random((1, 600)) < 0.4
    values = values * np.where(is_candidate, 1.3, 1.0)
    logs = log_harm_at_every_value(values, is_candidate)[0]
    evidence = MeanEvidence()
    for number in range(600):
        evidence = evidence.after(float(values[0, number]), is_candidate=bool(is_candidate[0, number]))
        assert evidence.log_harm == pytest.approx(logs[number], abs=1e-6)
    assert evidence.peak_log_harm == pytest.approx(logs.max(), abs=1e-6)


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


def test_constant_values_are_no_division_by_zero() -> None:
    evidence = MeanEvidence()
    for number in range(400):
        evidence = evidence.after(1.0, is_candidate=number % 2 == 0)
    assert (evidence.tau, evidence.log_harm) == (None, 0.0)


def test_the_interval_holds_the_true_difference_at_every_look() -> None:
    n_left = 0
    for seed in range(100):
        dice, evidence, has_left = random.Random(seed), MeanEvidence(), False
        for number in range(1, 1_001):
            is_candidate = number % 2 == 0
            evidence = evidence.after(dice.gauss(1.2 if is_candidate else 1.0, 1.0), is_candidate=is_candidate)
            if number % 25 == 0 and (bounds := evidence.interval(0.05)):
                has_left |= not bounds[0] <= 0.2 <= bounds[1]
        n_left += has_left
    assert n_left / 100 <= 0.05 + 3.1 * math.sqrt(0.05 * 0.95 / 100)


def test_moments_are_those_of_the_values() -> None:
    values = [random.Random(4).gauss(1e6, 1.0) + number for number in range(100)]
    moments = Moments()
    for value in values:
        moments = moments.after(value)
    assert (moments.n, moments.mean, moments.variance) == pytest.approx((100, np.mean(values), np.var(values, ddof=1)))
