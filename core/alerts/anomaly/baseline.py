"""What is usual for a metric at an hour of a weekday, and how far a value is from it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.arrays import FloatArray, IntArray

MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
_HOURS: Final = 24
_WEEKDAYS: Final = 7
_WEEK_OF_DAYS: Final = 7
_MONDAY: Final = 3
"""1970-01-01 was a Thursday."""
_TO_SIGMA: Final = 1.4826
_OWN_DAYS: Final = 1.0
"""A weekday with n days of its own counts n parts, and what all days of its kind show counts this many."""
_LEAST_OF_SPREAD: Final = 0.25
"""An hour is never taken to be calmer than this share of the median hour."""
MOST_DEVIATION: Final = 20.0
_SEASONAL: Final = 2.0
"""What is so many times as large at its busiest hour as at its calmest goes by ratios, as traffic does."""
_LEAST_CHANGE: Final = 0.01
"""A change by less than this share of the usual value is of no consequence, however constant the metric was."""
_PART_OF_MEDIAN: Final = 0.25
"""What is added before the logarithm: a value of 0 is then a ratio of 1 to 5."""


@dataclass(frozen=True, slots=True)
class _HourlyTables:
    """Median and spread of each metric by weekday and hour, each (7, 24, metrics)."""

    center: FloatArray
    spread: FloatArray

    @classmethod
    def fit(cls, at_ms: IntArray, values: FloatArray) -> "_HourlyTables":
        day = at_ms // DAY_MS
        weekday, hour = (day + _MONDAY) % _WEEKDAYS, at_ms % DAY_MS // (60 * MINUTE_MS)
        days = np.unique(day)
        center = np.empty((_WEEKDAYS, _HOURS, values.shape[1]))
        spread = np.empty_like(center)
        overall = _median(values)
        whole_spread = _spread(values - overall, overall)
        has_week = len(days) >= _WEEK_OF_DAYS
        for at in range(_HOURS):
            is_near = np.isin((hour - at) % _HOURS, (0, 1, _HOURS - 1)) if len(days) < 3 else hour == at
            every_day = _or(_median(values[is_near]), overall)
            for first, end in ((0, 5), (5, _WEEKDAYS)):
                is_kind = is_near & (weekday >= first) & (weekday < end) if has_week else is_near
                of_kind = _or(_median(values[is_kind]), every_day)
                residuals = []
                for each in range(first, end):
                    is_own = is_near & (weekday == each)
                    n_days = len(np.unique(day[is_own]))
                    weight = n_days / (n_days + _OWN_DAYS) if has_week and n_days else 0.0
                    own = _or(_median(values[is_own]), of_kind) if weight else of_kind
                    center[each, at] = (1 - weight) * of_kind + weight * own
                    residuals.append((values[is_own] if has_week else values[is_near]) - center[each, at])
                apart = np.concatenate(residuals)
                spread[first:end, at] = _or(_spread(apart, of_kind), whole_spread)
        return cls(center, np.maximum(spread, _LEAST_OF_SPREAD * np.median(spread, axis=(0, 1))))

    def deviations(self, at_ms: IntArray, values: FloatArray) -> FloatArray:
        """Return how many spreads each value is from the usual one of its time."""
        shifted = at_ms - 30 * MINUTE_MS
        before, part = shifted // (60 * MINUTE_MS), (shifted % (60 * MINUTE_MS)) / (60 * MINUTE_MS)
        usual, spread = (
            _at_hour(table, before) * (1 - part)[:, None] + _at_hour(table, before + 1) * part[:, None]
            for table in (self.center, self.spread)
        )
        found: FloatArray = (values - usual) / spread
        return found


@dataclass(frozen=True, slots=True)
class SeasonalBaseline:
    """Median and spread (1.48 × the median absolute deviation) of each metric by hour of the week.

    With less than a week of history, every day counts alike. From a week on, workdays and weekends have values of
    their own, and each weekday is moved towards its own median, the more the more days of it there are. Between the
    middles of two hours the values are interpolated, so that no alert fires at the full hour.

    What is never negative can fall by its usual value at most, which may be few spreads, as of traffic that is gone.
    So its falls are measured as ratios, too, by the logarithm of the value and a part of its median.
    """

    plain: _HourlyTables
    ratios: _HourlyTables
    floor: FloatArray  # (metrics,); NaN where falls are not measured as ratios
    least: FloatArray  # (metrics,): the spreads, of the median hour, that a change of consequence has at least

    @classmethod
    def fit(cls, at_ms: IntArray, values: FloatArray, n_smoothed: int = 1) -> "SeasonalBaseline":
        """Learn what is usual.

        Args:
            at_ms: The times, shape (n,).
            values: The metrics at these times, shape (n, metrics); NaN where a metric had no value.
            n_smoothed: Of how many deviations the mean is judged, which has so many times as fine a resolution.
        """
        plain, middle = _HourlyTables.fit(at_ms, values), _median(values)
        low, high = plain.center.min(axis=(0, 1)), plain.center.max(axis=(0, 1))
        is_ratio = ~(values < 0).any(axis=0) & (np.nan_to_num(middle) > 0) & (high > _SEASONAL * low)
        floor = np.where(is_ratio, _PART_OF_MEDIAN * middle, np.nan)
        consequence = np.maximum(_LEAST_CHANGE * np.abs(np.nan_to_num(middle)), _resolution(values) / n_smoothed)
        least = consequence / np.median(plain.spread, axis=(0, 1))
        return cls(plain, _HourlyTables.fit(at_ms, _logarithms(values, floor)), floor, least)

    def deviations(self, at_ms: IntArray, values: FloatArray) -> FloatArray:
        """Return how many spreads each value is from its usual one, within ±20; 0 where a metric has no value."""
        plain = self.plain.deviations(at_ms, values)
        ratios = self.ratios.deviations(at_ms, _logarithms(values, self.floor))
        found = np.where(~np.isnan(self.floor) & (plain < 0), np.minimum(plain, ratios), plain)
        clipped: FloatArray = np.nan_to_num(np.clip(found, -MOST_DEVIATION, MOST_DEVIATION))
        return clipped


def _resolution(values: FloatArray) -> FloatArray:
    """Return the smallest step between two values that each metric had, such as 1 of a count; 0 without a step."""
    found = np.zeros(values.shape[1])
    for column in range(values.shape[1]):
        steps = np.diff(np.unique(values[:, column][~np.isnan(values[:, column])]))
        steps = steps[steps > 1e-9 * np.abs(np.nan_to_num(_median(values)[column]))]  # what arithmetic adds is none
        found[column] = steps.min(initial=np.inf)
    return np.where(np.isfinite(found), found, 0.0)


def _logarithms(values: FloatArray, floor: FloatArray) -> FloatArray:
    """Return what ratios of values are differences of; of no meaning where there is no floor."""
    found: FloatArray = np.log(np.maximum(values, 0.0) + np.nan_to_num(floor, nan=1.0))
    return found


def _at_hour(table: FloatArray, hours: IntArray) -> FloatArray:
    found: FloatArray = table[(hours // _HOURS + _MONDAY) % _WEEKDAYS, hours % _HOURS]
    return found


def _median(values: FloatArray) -> FloatArray:
    """Return the median of each metric; NaN for one without values."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    is_there = ~np.isnan(values).all(axis=0)
    found = np.full(values.shape[1], np.nan)
    found[is_there] = np.nanmedian(values[:, is_there], axis=0)
    return found


def _spread(residuals: FloatArray, center: FloatArray) -> FloatArray:
    """Return a robust standard deviation that is above 0; NaN for a metric without values."""
    found = _TO_SIGMA * _median(np.abs(residuals))
    if len(residuals):
        is_there = ~np.isnan(residuals).all(axis=0)
        mean = np.zeros_like(found)
        mean[is_there] = np.nanmean(np.abs(residuals[:, is_there]), axis=0)
        found = np.maximum(found, 0.5 * mean)  # a metric that is nearly always the same has a median deviation of 0
    return np.maximum(found, np.maximum(1e-3 * np.abs(np.nan_to_num(center)), 1e-6))


def robust_spread(values: FloatArray) -> FloatArray:
    """Return 1.48 × the median absolute deviation from the median of each column; 0 for one without values."""
    found: FloatArray = np.nan_to_num(_TO_SIGMA * _median(np.abs(values - _median(values))))
    return found


def _or(values: FloatArray, other: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), other, values)
