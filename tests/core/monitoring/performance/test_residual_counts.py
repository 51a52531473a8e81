"""Residuals by the minute of their prediction, in the bins of the profile."""

import numpy as np

from core.monitoring.live.sketch import RESIDUAL, ProfileIndex
from core.monitoring.performance.residual_counts import MINUTE_US, residual_counts
from tests.core.monitoring.performance.labelled import EVENT, NUMBER, labelled, profile


def numbers(n, seed):
    rng = np.random.default_rng(seed)
    actual = rng.normal(50, 5, n)
    return actual + rng.normal(size=n), actual


def test_residuals_are_counted_by_the_minute_of_their_prediction_however_they_come():
    index = ProfileIndex(profile(NUMBER, *numbers(2_000, 1)))
    answer, actual = numbers(300, 2)
    at = np.repeat([5 * MINUTE_US + 7, 9 * MINUTE_US], 150)
    whole = residual_counts(index, [labelled(NUMBER, answer, actual, at_us=at)])
    assert list(whole) == [5 * MINUTE_US, 9 * MINUTE_US]
    assert [sketch.n for sketch in whole.values()] == [150, 150]
    parts = residual_counts(
        index, [labelled(NUMBER, answer[part], actual[part], at_us=at[part]) for part in (np.s_[::2], np.s_[1::2])]
    )
    for minute, sketch in whole.items():
        assert np.array_equal(sketch.answers[RESIDUAL].cells, parts[minute].answers[RESIDUAL].cells)
    grid = index.answers[RESIDUAL]
    mean = grid.mean(whole[5 * MINUTE_US].answers[RESIDUAL])
    assert abs(mean - float(np.mean((actual - answer)[:150]))) < 1e-3


def test_residuals_of_an_event_are_those_of_its_profile():
    rng = np.random.default_rng(3)
    p = rng.beta(2, 3, 1_000)
    came = (rng.random(1_000) < p).astype(float)
    index = ProfileIndex(profile(EVENT, p, came))
    ((_, sketch),) = residual_counts(index, [labelled(EVENT, p, came, at_us=0)]).items()
    assert sketch.n == 1_000
    assert sketch.answers[RESIDUAL].n == 1_000
    assert sketch.answers[RESIDUAL].below == sketch.answers[RESIDUAL].above == 0
