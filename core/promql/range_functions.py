"""The functions over range vectors, as Prometheus defines them, for all windows at once."""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from core.promql.vectors import Floats, Presence, Times
from core.promql.windows import Windows

RangeFunction: TypeAlias = Callable[[Windows, list[Floats]], tuple[Floats, Presence | None]]
"""From windows and the scalar parameters per step, a value per window, and which windows have one (None: all)."""


def _extrapolated(windows: Windows, *, is_counter: bool, is_rate: bool) -> tuple[Floats, Presence]:
    """Return the increase over the whole range, extrapolated to its ends (`extrapolatedRate` of Prometheus)."""
    first, last = windows.first, windows.last
    increase = last - first
    if is_counter:
        before, has_one = windows.follows()
        increase = increase + windows.sums(np.where(has_one & (windows.values < before), before, 0.0))
    first_ms, last_ms = windows.at_ms[windows.starts], windows.at_ms[windows.starts + windows.counts - 1]
    to_start = (first_ms - (windows.ends_ms - windows.range_ms)) / 1000
    to_end = (windows.ends_ms - last_ms) / 1000
    sampled = (last_ms - first_ms) / 1000
    between = sampled / (windows.counts - 1)
    threshold = between * 1.1
    to_start = np.where(to_start >= threshold, between / 2, to_start)
    if is_counter:
        to_zero = np.where((increase > 0) & (first >= 0), sampled * (first / increase), to_start)
        to_start = np.where(to_zero < to_start, to_zero, to_start)
    to_end = np.where(to_end >= threshold, between / 2, to_end)
    factor = (sampled + to_start + to_end) / sampled
    if is_rate:
        factor = factor / (windows.range_ms / 1000)
    return increase * factor, windows.counts >= 2


def _last_two(windows: Windows, *, is_rate: bool) -> tuple[Floats, Presence]:
    """Return the change between the last two samples; per second, and reset-aware, as a rate."""
    at = windows.starts + windows.counts - 1
    last, before = windows.values[at], windows.values[np.maximum(at - 1, 0)]
    change = last - before
    if is_rate:
        change = np.where(last < before, last, change) / (
            (windows.at_ms[at] - windows.at_ms[np.maximum(at - 1, 0)]) / 1000
        )
    return change, windows.counts >= 2


def exact_sums(windows: Windows) -> Floats:
    """Add up per window; where terms cancel each other, without the rounding error of their size."""
    sums = windows.sums(windows.values)
    sizes = windows.sums(np.abs(windows.values))
    for at in np.flatnonzero(np.isfinite(sizes) & (np.abs(sums) < 1e-3 * sizes)).tolist():
        start = windows.starts[at]
        sums[at] = math.fsum(windows.values[start : start + windows.counts[at]].tolist())
    return sums


def _average(windows: Windows, _: list[Floats]) -> tuple[Floats, None]:
    means = exact_sums(windows) / windows.counts
    finite = windows.sums(np.isfinite(windows.values).astype(float)) == windows.counts
    for at in np.flatnonzero(finite & ~np.isfinite(means)).tolist():  # the sum is too large for a float
        start, count = windows.starts[at], int(windows.counts[at])
        means[at] = math.fsum((windows.values[start : start + count] / count).tolist())
    return means, None


def _variance(windows: Windows, _: list[Floats]) -> tuple[Floats, None]:
    # From the first value: equal values deviate by nothing, whatever their size.
    off = windows.values - windows.per_sample(windows.first)
    means = windows.sums(off) / windows.counts
    return windows.sums((off - windows.per_sample(means)) ** 2) / windows.counts, None


def _deviation(windows: Windows, _: list[Floats]) -> tuple[Floats, None]:
    return np.sqrt(_variance(windows, _)[0]), None


def _quantile(windows: Windows, parameters: list[Floats]) -> tuple[Floats, None]:
    numbers = np.repeat(np.arange(windows.counts.size), windows.counts)
    ordered = windows.values[np.lexsort((windows.values, ~np.isnan(windows.values), numbers))]
    share = parameters[0][windows.steps]
    rank = np.clip(np.nan_to_num(share), 0, 1) * (windows.counts - 1)
    lower = np.floor(rank).astype(np.int64)
    upper = np.minimum(lower + 1, windows.counts - 1)
    weight = rank - lower
    between = ordered[windows.starts + lower] * (1 - weight) + ordered[windows.starts + upper] * weight
    return out_of_range(share, between), None


def out_of_range(share: Floats, quantiles: Floats) -> Floats:
    """Replace the quantiles of a share below 0 by -Inf, above 1 by +Inf, of NaN by NaN."""
    quantiles = np.where(share < 0, -np.inf, np.where(share > 1, np.inf, quantiles))
    return np.where(np.isnan(share), np.nan, quantiles)


def _changes(windows: Windows, _: list[Floats]) -> tuple[Floats, None]:
    before, has_one = windows.follows()
    both_nan = np.isnan(before) & np.isnan(windows.values)
    return windows.sums((has_one & (windows.values != before) & ~both_nan).astype(float)), None


def _resets(windows: Windows, _: list[Floats]) -> tuple[Floats, None]:
    before, has_one = windows.follows()
    return windows.sums((has_one & (windows.values < before)).astype(float)), None


def _line(windows: Windows, from_ms: Times) -> tuple[Floats, Floats]:
    """Return slope per second, and height at a time, of the line of least squares."""
    seconds = (windows.at_ms - windows.per_sample(from_ms)) / 1000
    mean_x, mean_y = windows.sums(seconds) / windows.counts, windows.sums(windows.values) / windows.counts
    off_x = seconds - windows.per_sample(mean_x)
    slope = windows.sums(off_x * (windows.values - windows.per_sample(mean_y))) / windows.sums(off_x * off_x)
    first = windows.first
    is_level = windows.sums((windows.values != windows.per_sample(first)).astype(float)) == 0
    level = np.where(np.isinf(first), np.nan, first)
    slope = np.where(is_level, np.where(np.isinf(first), np.nan, 0.0), slope)
    return slope, np.where(is_level, level, mean_y - slope * mean_x)


def _deriv(windows: Windows, _: list[Floats]) -> tuple[Floats, Presence]:
    return _line(windows, windows.at_ms[windows.starts])[0], windows.counts >= 2


def _predict(windows: Windows, parameters: list[Floats]) -> tuple[Floats, Presence]:
    slope, height = _line(windows, windows.step_ms)
    return slope * parameters[0][windows.steps] + height, windows.counts >= 2


RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    "rate": lambda windows, _: _extrapolated(windows, is_counter=True, is_rate=True),
    "increase": lambda windows, _: _extrapolated(windows, is_counter=True, is_rate=False),
    "delta": lambda windows, _: _extrapolated(windows, is_counter=False, is_rate=False),
    "irate": lambda windows, _: _last_two(windows, is_rate=True),
    "idelta": lambda windows, _: _last_two(windows, is_rate=False),
    "avg_over_time": _average,
    "sum_over_time": lambda windows, _: (exact_sums(windows), None),
    "min_over_time": lambda windows, _: (np.fmin.reduceat(windows.values, windows.starts), None),
    "max_over_time": lambda windows, _: (np.fmax.reduceat(windows.values, windows.starts), None),
    "count_over_time": lambda windows, _: (windows.counts.astype(float), None),
    "last_over_time": lambda windows, _: (windows.last, None),
    "present_over_time": lambda windows, _: (np.ones(windows.counts.size), None),
    "stddev_over_time": _deviation,
    "stdvar_over_time": _variance,
    "quantile_over_time": _quantile,
    "changes": _changes,
    "resets": _resets,
    "deriv": _deriv,
    "predict_linear": _predict,
}
"""By name. `last_over_time` alone keeps the name of the series; `absent_over_time` is of another kind."""
