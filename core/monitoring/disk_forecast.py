"""When the disk will be full: a straight line through the space in use over time, and how sure its slope is.

The line is least squares, as that of `predict_linear`. Neighbouring samples say almost the same, so their number says
nothing about certainty: the line goes through the means of equal blocks of time, and the interval of its slope counts
the blocks.

One large file that was copied is not growth, and least squares alone would take it for a certain trend. So a rise
within three neighbouring steps that is more than half of the whole rise, and has ended, is left out.

Source: https://prometheus.io/docs/prometheus/latest/querying/functions/#predict_linear; Law and Kelton, Simulation
Modeling and Analysis, section 9.5.3 (batch means); Abramowitz and Stegun, formula 26.7.5 (quantiles of Student's t).
"""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import NormalDist, fmean, median

import msgspec

DAY_SECONDS = 86_400.0
N_BLOCKS = 24
LEAST_SECONDS = 1_800.0
"""The shortest time that says anything: in less, one large file would be a trend."""
_LEAST_BLOCKS = 6
_JUMP_STEPS = 3  # what is copied for up to two blocks, an hour each of a day, rises in three steps
_JUMP_SHARE = 0.5  # of the whole rise, at least
_JUMP_NOISE = 8.0  # times the median deviation of a step, at least: more than five standard deviations
_UNDONE_SHARE = 0.5  # a later fall by this share of the jump is the end of a temporary file
_ENDED_SHARE = 0.2  # a next step below this share of the jump has ended it
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
    blocks = _blocks(points)
    if len(blocks) < _LEAST_BLOCKS:
        return None
    means = [(fmean(at for at, _ in block), fmean(used for _, used in block)) for block in blocks]
    means = _without_jump(means, newest_rise=blocks[-1][-1][1] - blocks[-1][0][1])
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


def _blocks(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    start, width = points[0][0], (points[-1][0] - points[0][0]) / N_BLOCKS
    blocks: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        blocks.setdefault(min(int((point[0] - start) / width), N_BLOCKS - 1), []).append(point)
    return list(blocks.values())


def _without_jump(means: list[tuple[float, float]], newest_rise: float) -> list[tuple[float, float]]:
    """Lower everything behind a jump by its height, but for a usual step.

    Args:
        means: The means of the blocks.
        newest_rise: The rise within the newest block: what still rises may be growth that has just begun.

    >>> [used for _, used in _without_jump([(float(at), 9.0 if at < 4 else 99.0) for at in range(8)], 0.0)]
    [9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]
    >>> [used for _, used in _without_jump([(float(at), 10.0 * at) for at in range(8)], 10.0)]
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]
    """
    steps = [after[1] - before[1] for before, after in pairwise(means)]
    if len(steps) < _JUMP_STEPS:
        return means
    heights = [sum(steps[at : at + _JUMP_STEPS]) for at in range(len(steps) - _JUMP_STEPS + 1)]
    height = max(heights)
    jump = heights.index(height)
    usual = median(steps)
    noise = median(abs(step - usual) for step in steps)
    next_step = [*steps, newest_rise][jump + _JUMP_STEPS]
    is_most = height > _JUMP_SHARE * (means[-1][1] - means[0][1])
    stands_out = height - _JUMP_STEPS * usual > _JUMP_NOISE * noise
    later = [used for _, used in means[jump + _JUMP_STEPS :]]
    is_undone = later[0] - min(later) > _UNDONE_SHARE * height  # deleted again: without the rise, the fall would count
    if not (is_most and stands_out) or next_step > _ENDED_SHARE * height or is_undone:
        return means
    inside = range(jump, jump + _JUMP_STEPS)
    flattened = accumulate((usual if at in inside else step for at, step in enumerate(steps)), initial=means[0][1])
    return [(at, used) for (at, _), used in zip(means, flattened, strict=True)]


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
