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


@pytest.mark.parametrize("minute", [60, 300, 719, 720, 1000, 1350, 1380, 1430])
@pytest.mark.parametrize("a_day", [0.0, 0.5 * GB])
def test_one_large_file_is_not_taken_for_growth(minute, a_day):
    jump = [(at, value + (10 * GB if at >= 60.0 * minute else 0.0)) for at, value in used(24, a_day=a_day)]
    found = forecast(jump, free_bytes=int(20 * GB))
    assert found.days_until_full is None or found.days_until_full > 20 or not found.is_growing
    assert found.observed_seconds == pytest.approx(DAY_SECONDS, rel=0.01)


def test_a_file_that_was_copied_for_an_hour_is_not_taken_for_growth_either():
    copied = [(60.0 * minute, 50 * GB + GB / 6 * min(60, max(0, minute - 700))) for minute in range(1440)]
    assert forecast(copied, free_bytes=int(20 * GB)).sentence == "is not filling up"


@pytest.mark.parametrize("hours", [3, 5, 12])
def test_growth_that_began_lately_and_goes_on_is_extrapolated(hours):
    begun = [(60.0 * minute, 50 * GB + 0.1 * GB * max(0, minute - 60 * (24 - hours))) for minute in range(1440)]
    found = forecast(begun, free_bytes=int(20 * GB))
    assert found.is_growing
    assert found.days_until_full < 7


def test_several_large_files_are_growth():
    hourly = [(60.0 * minute, 50 * GB + GB * (minute // 180)) for minute in range(1440)]
    found = forecast(hourly, free_bytes=int(20 * GB))
    assert found.is_growing
    assert found.days_until_full == pytest.approx(20 / 8, rel=0.1)


@pytest.mark.parametrize(("first", "last"), [(5, 15), (2, 6), (10, 20)])
def test_a_large_file_that_is_deleted_again_does_not_hide_growth(first, last):
    there = [(at, value + (50 * GB if first <= at / 3600 < last else 0.0)) for at, value in used(24, a_day=24 * GB)]
    found = forecast(there, free_bytes=int(72 * GB))
    assert found.bytes_per_day_high > 0
    assert found.days_until_full_low is not None
