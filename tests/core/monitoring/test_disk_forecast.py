import random

import pytest

from core.monitoring.disk_forecast import DAY_SECONDS, forecast
from tests.truth import Truth

GB = 1e9


def used(hours, *, a_day, noise=0.0, correlation=0.0, seed=1):
    """The use of a disk once a minute: a line and noise in which neighbours resemble each other."""
    luck, error, points = random.Random(seed), 0.0, []
    for minute in range(int(hours * 60)):
        error = correlation * error + (1 - correlation**2) ** 0.5 * luck.gauss(0.0, noise)
        points.append((60.0 * minute, 50 * GB + a_day * minute / 1440 + error))
    return points


def test_a_steady_growth_is_extrapolated():
    found = forecast(used(12, a_day=2 * GB), free_bytes=int(30 * GB))
    assert found.bytes_per_day == pytest.approx(2 * GB)
    assert found.days_until_full == pytest.approx(15)
    assert found.is_growing
    assert found.sentence == "will be full in 15 days (95 %: 15 to 15), at 2 GB a day"


def test_a_disk_that_does_not_fill_up_has_no_day():
    assert forecast(used(12, a_day=-GB), free_bytes=1).days_until_full is None
    noisy = forecast(used(12, a_day=0.0, noise=0.1 * GB, seed=3), free_bytes=int(GB))
    assert not noisy.is_growing
    assert noisy.days_until_full_high is None
    assert noisy.sentence == "is not filling up"


@pytest.mark.parametrize("points", [[], used(0.4, a_day=GB), [(0.0, 1.0), (7200.0, 2.0)]])
def test_too_short_a_history_says_nothing(points):
    assert forecast(points, free_bytes=1) is None


@pytest.mark.truth
@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_interval_holds_the_true_growth_as_often_as_it_says(truth: Truth, correlation):
    n = 400 * truth.scale
    hits = 0
    for seed in range(n):
        found = forecast(used(24, a_day=GB, noise=0.2 * GB, correlation=correlation, seed=seed), free_bytes=int(GB))
        hits += found.bytes_per_day_low <= GB <= found.bytes_per_day_high
    assert hits / n == pytest.approx(0.95, abs=0.045)


def test_a_jump_makes_the_forecast_uncertain_and_not_early():
    before, after = used(12, a_day=0.0), used(12, a_day=0.0)
    jump = before + [(at + before[-1][0] + 60, value + 5 * GB) for at, value in after]
    found = forecast(jump, free_bytes=int(100 * GB))
    low, high = found.days_until_full_low, found.days_until_full_high
    assert low < found.days_until_full < (high or 1e9)
    assert (high or 1e9) / low > 1.3
    assert found.observed_seconds == pytest.approx(DAY_SECONDS, rel=0.01)
