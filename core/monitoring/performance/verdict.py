"""Has performance fallen? A loss now against the loss on held-out rows, at every look."""

from typing import NamedTuple

from core.intervals import Interval
from core.monitoring.performance.held_out import HeldOutFigure
from core.monitoring.performance.layout import MeasuredTask
from core.monitoring.performance.sequences import Moments, mean_sequence, rows_to_settle
from core.monitoring.verdicts import PerformanceVerdict
from core.settings.monitoring import MonitoringRules

MARGIN = 0.1
"""A metric that is worse than held out by no more than this share holds, unless settings say otherwise."""


class JudgedLoss(NamedTuple):
    """A verdict on some rows.

    Attributes:
        verdict: What is proved.
        interval: Of the loss, at the level of the verdict; None if there are too few rows.
        worse_by: By which share the loss is worse than held out: the least that is proved if it fell, else as seen.
        n_needed: Rows that would settle it if the loss stays as it is; None if it is settled, or no rows would.
    """

    verdict: PerformanceVerdict
    interval: Interval | None
    worse_by: float
    n_needed: int | None = None


def judge(of: Moments, reference: HeldOutFigure, factor: float, *, level: float, effect: float) -> JudgedLoss:
    """Compare a mean loss with that of held-out rows.

    It fell if it exceeds, at every look, the upper limit of the reference by more than the factor; it holds if it stays
    below the lower limit times the factor. So the error of the held-out rows, which are a sample too, counts in both.

    Args:
        of: The loss now.
        reference: The loss on held-out rows.
        factor: The harmless factor, such as 1.1.
        level: How often the verdict may be wrong, ever.
        effect: How many rows are worth one independent row.
    """
    interval = mean_sequence(of, level, effect)
    holds_below, fell_above = reference.low * factor, reference.high * factor
    seen = of.mean / reference.value - 1.0 if reference.value > 0 else 0.0
    if interval is not None and interval.low > fell_above:
        least = interval.low / reference.high - 1.0 if reference.high > 0 else seen
        return JudgedLoss(PerformanceVerdict.FELL, interval, least)
    if interval is not None and interval.high < holds_below:
        return JudgedLoss(PerformanceVerdict.HOLDS, interval, seen)
    limit = fell_above if of.mean > fell_above else holds_below
    is_decidable = of.mean > fell_above or of.mean < holds_below
    needed = rows_to_settle(of, limit, level, effect) if is_decidable else None
    return JudgedLoss(PerformanceVerdict.OPEN, interval, seen, needed)


class PerformanceRules(NamedTuple):
    """What is judged of one model.

    Attributes:
        margin: By which share a metric may be worse than held out without having fallen.
        windows: Full hours of each rolling window, beside the hour that has begun.
        false_alarm_days: Mean days to a wrong "fell" of the rolling windows of a version, all of them together.
    """

    margin: float = MARGIN
    windows: tuple[int, ...] = (1, 24, 168)
    false_alarm_days: float = 30.0

    @classmethod
    def of(cls, settings: MonitoringRules) -> "PerformanceRules":
        """Read the rules of a model."""
        return cls(settings.performance_margin, settings.performance_windows, settings.false_alarm_days)


def window_name(hours: int) -> str:
    """Name a window in one or two words.

    >>> [window_name(hours) for hours in (1, 6, 24, 72, 168)]
    ['hour', '6 hours', 'day', '3 days', 'week']
    """
    known = {1: "hour", 24: "day", 168: "week"}
    return known.get(hours, f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours")


def harmless_factor(task: MeasuredTask, margin: float) -> float:
    """Return the factor of the loss that is added up: an RMSE may grow by the margin, so its square by more."""
    return (1.0 + margin) ** 2 if task is MeasuredTask.NUMBER else 1.0 + margin
