"""The evidence on one arm against an objective."""

import math

import numpy as np
import pytest

from core.rollout.ceilings import log_above, log_below
from tests.truth import most_expected

N = 1_000


def at_every_request(evidence, rate: float, objective: float, n_requests: int, seed: int, n: int = N) -> np.ndarray:
    """The most that the evidence ever was, for each simulated arm; it can only peak where a failure comes or before."""
    dice, peaks = np.random.default_rng(seed), []
    for _ in range(n):
        at = np.flatnonzero(dice.random(n_requests) < rate)
        looks = [(int(request) + 1, number + 1) for number, request in enumerate(at)]
        looks += [(int(request), number) for number, request in enumerate(at)] + [(n_requests, len(at))]
        peaks.append(max(evidence(n_seen, n_failures, objective) for n_seen, n_failures in looks))
    return np.array(peaks)


@pytest.mark.truth
@pytest.mark.parametrize("error_rate", [0.01, 0.05])
@pytest.mark.parametrize("evidence", [log_below, log_above])
def test_an_arm_at_the_objective_is_rarely_called_above_or_below_it(truth, evidence, error_rate) -> None:
    n = N * truth.scale
    peaks = at_every_request(evidence, 0.02, 0.02, 2_000, seed=31, n=n)
    share = np.mean(peaks >= math.log(1 / error_rate))
    truth.at_most(share, most_expected(error_rate, n), n=n)


def test_an_arm_without_failures_is_below_the_objective_after_a_few_of_its_inverses() -> None:
    needed = next(n for n in range(1, 20_000) if log_below(n, 0, 0.001) >= math.log(20))
    assert 3_000 < needed < 4_500


def test_an_arm_far_above_the_objective_is_found_quickly() -> None:
    assert log_above(20, 4, 0.001) > math.log(1_000)
