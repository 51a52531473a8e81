"""When the disk will be full: a straight line through the space in use over time, and how sure its slope is.

The line is least squares, as that of `predict_linear`. Neighbouring samples say almost the same, so their number says
nothing about certainty: the line goes through the means of equal blocks of time, and the interval of its slope counts
the blocks.

Source: https://prometheus.io/docs/prometheus/latest/querying/functions/#predict_linear; Law and Kelton, Simulation
Modeling and Analysis, section 9.5.3 (batch means); Abramowitz and Stegun, formula 26.7.5 (quantiles of Student's t).
"""

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean

import msgspec

DAY_SECONDS = 86_400.0
N_BLOCKS = 24
LEAST_SECONDS = 1_800.0
"""The shortest time that says anything: in less, one large file would be a trend."""
_LEAST_BLOCKS = 6
_Z = NormalDist().inv_cdf(0.975)


class DiskForecast(msgspec.Struct, frozen=True, kw_only=True):
    """The growth of what is in use, and what it leads to; None of a day that never comes at that rate."""

    bytes_per_day: float
    bytes_per_day_low: float  # of the 95 % interval
    bytes_per_day_high: float
    observed_seconds: float  # the time that the line goes through
    free_bytes: int
    days_until_full: float | None
    days_until_full_low: float | None  # the earliest day: at the highest growth of the interval
    days_until_full_high: float | None

    @property
    def is_growing(self) -> bool:
        """Whether growth is certain: the whole interval is above zero."""
        return self.bytes_per_day_low > 0

    @property
    def sentence(self) -> str:
        """Say when the disk will be full, and how sure that is.

        >>> found = forecast([(60.0 * minute, 1e9 + 1e6 * minute) for minute in range(120)], 14_400_000_000)
        >>> found.sentence
        'will be full in 10 days (95 %: 10 to 10), at 1.4 GB a day'
        """
        if not self.is_growing:
            return "is not filling up"
        days = [_spelled(days) for days in (self.days_until_full, self.days_until_full_low, self.days_until_full_high)]
        return (
            f"will be full in {days[0]} days (95 %: {days[1]} to {days[2]}), at {self.bytes_per_day / 1e9:.2g} GB a day"
        )


def forecast(points: Sequence[tuple[float, float]], free_bytes: int) -> DiskForecast | None:
    """Extrapolate the use of a disk.

    Args:
        points: Unix seconds and bytes in use, in order of time.
        free_bytes: The bytes that are free now.
    Returns:
        The forecast; None if the points are too few, or span too little time.

    >>> steady = [(60.0 * minute, 1e9 + 1e6 * minute) for minute in range(120)]
    >>> found = forecast(steady, free_bytes=14_400_000_000)
    >>> round(found.bytes_per_day / 1e9, 3), round(found.days_until_full, 3)
    (1.44, 10.0)
    """
    if not points or points[-1][0] - points[0][0] < LEAST_SECONDS:
        return None
    means = _block_means(points)
    if len(means) < _LEAST_BLOCKS:
        return None
    slope, error = _line(means)
    reach = _t_quantile(len(means) - 2) * error
    low, high = (slope - reach) * DAY_SECONDS, (slope + reach) * DAY_SECONDS
    return DiskForecast(
        bytes_per_day=slope * DAY_SECONDS,
        bytes_per_day_low=low,
        bytes_per_day_high=high,
        observed_seconds=points[-1][0] - points[0][0],
        free_bytes=free_bytes,
        days_until_full=_days(free_bytes, slope * DAY_SECONDS),
        days_until_full_low=_days(free_bytes, high),
        days_until_full_high=_days(free_bytes, low),
    )


def _block_means(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    start, width = points[0][0], (points[-1][0] - points[0][0]) / N_BLOCKS
    blocks: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        blocks.setdefault(min(int((point[0] - start) / width), N_BLOCKS - 1), []).append(point)
    return [(fmean(at for at, _ in block), fmean(used for _, used in block)) for block in blocks.values()]


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the slope of least squares, and its standard error."""
    mean_at, mean_used = fmean(at for at, _ in points), fmean(used for _, used in points)
    spread = sum((at - mean_at) ** 2 for at, _ in points)
    slope = sum((at - mean_at) * (used - mean_used) for at, used in points) / spread
    rest = sum((used - mean_used - slope * (at - mean_at)) ** 2 for at, used in points)
    return slope, math.sqrt(rest / (len(points) - 2) / spread)


def _t_quantile(degrees: int) -> float:
    """Return the 97.5 % quantile of Student's t; wrong by less than 1 % from four degrees of freedom on.

    >>> round(_t_quantile(4), 2), round(_t_quantile(22), 3)
    (2.77, 2.074)
    """
    first = (_Z**3 + _Z) / 4
    second = (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96
    third = (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384
    return _Z + first / degrees + second / degrees**2 + third / degrees**3


def _days(free_bytes: int, bytes_per_day: float) -> float | None:
    return free_bytes / bytes_per_day if bytes_per_day > 0 else None


def days_sentence(days: float | None, low: float | None, high: float | None) -> str:
    """Spell a number of days with its interval.

    >>> days_sentence(12.3, 8.76, 20.1)
    '12 days (95 %: 8.8 to 20)'
    """
    return f"{_spelled(days)} days (95 %: {_spelled(low)} to {_spelled(high)})"


def _spelled(days: float | None) -> str:
    return "-" if days is None else f"{days:.1f}" if days < 9.95 else f"{days:,.0f}"
