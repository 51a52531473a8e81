"""Counts by hour and weekday in the profile of a version."""

import numpy as np
import pandas as pd
import pytest

from core.monitoring.coarse_cells import cells_of
from core.monitoring.data_profile import DataProfile, ProfileError
from core.monitoring.profiling import kinds_of, profile_columns, profile_of, time_of
from core.monitoring.sequential.seasonality import effects_of, waves_of_the_day, weekend
from tests.truth import most_expected


def profiled(frame: pd.DataFrame) -> DataProfile:
    kinds = kinds_of(frame)
    columns = profile_columns(frame, kinds, None, time_of(kinds))
    return profile_of(columns, features=tuple(kinds), target=None, group=None, held_out=None, time=time_of(kinds))


def timed_rows(n: int = 2_000) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    at = pd.Timestamp("2026-01-05") + pd.to_timedelta(rng.integers(0, 14 * 1440, n), "min")
    value = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    return pd.DataFrame({"at": at, "value": value, "name": pd.Categorical(rng.choice(list("abc"), n))})


def test_rows_are_counted_by_hour_and_weekday_in_the_coarse_cells():
    frame = timed_rows()
    profile = profiled(frame)
    value = profile.features[0]

    assert profile.time == "at"
    assert [sum(row) for row in value.by_hour] == frame["at"].dt.hour.value_counts().sort_index().tolist()
    assert [sum(row) for row in value.by_weekday] == frame["at"].dt.day_of_week.value_counts().sort_index().tolist()
    counted = np.array(value.by_hour).sum(axis=0)
    assert counted.tolist() == [*cells_of(value).reference.tolist(), value.missing]
    assert DataProfile.from_bytes(profile.to_bytes(), "test") == profile


def test_a_profile_without_times_reads_as_before_and_has_no_counts_by_hour():
    profile = profiled(timed_rows().drop(columns="at"))

    assert profile.time is None
    assert b"by_hour" not in profile.to_bytes()
    assert DataProfile.from_bytes(profile.to_bytes(), "test") == profile


def test_dates_without_a_time_of_day_tell_weekdays_and_no_hours():
    frame = timed_rows()
    frame["at"] = frame["at"].dt.normalize()
    column = profiled(frame).features[0]

    assert not column.by_hour
    assert len(column.by_weekday) == 7


def test_counts_by_hour_that_do_not_fit_the_rows_are_refused():
    content = profiled(timed_rows()).to_bytes()
    broken = content.replace(b'"by_weekday":[[', b'"by_weekday":[[900000,', 1)

    with pytest.raises(ProfileError, match="weekdays"):
        DataProfile.from_bytes(broken, "test")


def test_a_daily_wave_is_found_and_chance_is_not_taken_for_a_season():
    rng = np.random.default_rng(5)
    rows = np.full(24, 100.0)
    wave = 0.5 * np.sin(2 * np.pi * np.arange(24) / 24)
    found = effects_of(rows * wave + rng.normal(size=24) * 10, rows, waves_of_the_day())
    assert np.abs(found.means - wave).max() < 0.2  # four coefficients of 2,400 rows: standard error 0.04 each

    flat = [effects_of(rng.normal(size=24) * 10, rows, waves_of_the_day()) for _ in range(200)]
    assert np.mean([each.means**2 for each in flat]) < 3 / 2_400  # of the four coefficients as found: 4 / 2,400
    assert np.mean([each.variances for each in flat]) < 3 / 2_400  # what a band allows beyond 1 / 2,400


def outside_the_band(rng, effects, n, patterns):
    """Draw a reference of n rows, and say whether an effect lies outside the band about its estimate at some time."""
    rows = rng.multinomial(n, np.full(len(effects), 1 / len(effects))).astype(float)
    sums = rows * effects + rng.normal(size=len(effects)) * np.sqrt(rows)
    mean = sums.sum() / n
    found = effects_of(sums - rows * mean, rows, patterns)  # a score has the mean 0 in the reference
    error = 3.6 * np.sqrt(1 / n + np.nan_to_num(found.variances))  # 200 scores and shares at 5 % together
    return bool((np.abs(effects - mean - found.means) > 0.02 + error).any())


@pytest.mark.truth
@pytest.mark.parametrize("times", [3.0, 4.5, 6.0, 9.0])
@pytest.mark.parametrize("n", [1_000, 5_000])
def test_a_season_too_small_to_be_certain_lies_within_the_band(n, times, truth):
    rng, runs = np.random.default_rng([n, int(times * 2)]), 200 * truth.scale
    size = times / n**0.5  # in standard errors of the mean of the reference
    wave = size * np.sin(2 * np.pi * (np.arange(24) - 3.3) / 24)
    week = size * (np.arange(7) >= 5)
    waves = np.mean([outside_the_band(rng, wave, n, waves_of_the_day()) for _ in range(runs)])
    weeks = np.mean([outside_the_band(rng, week, n, weekend()) for _ in range(runs)])
    truth.at_most(waves, most_expected(0.02, runs), n=runs)  # left out whenever uncertain, 0.17 at 4.5 errors
    truth.at_most(weeks, most_expected(0.02, runs), n=runs)  # 0.06
