"""Slices: the deciding loss of each against its own held-out rows, and the worst, corrected for looking at all."""

from datetime import datetime

import numpy as np

from core.arrays import FloatArray
from core.intervals import Interval
from core.monitoring.data_profile import DataProfile
from core.monitoring.documents import MonitoredMetric
from core.monitoring.performance.deciding import DECIDING, DECIDING_SCORE, as_shown, deciding_metric, deciding_moments
from core.monitoring.performance.dependence import Dependence
from core.monitoring.performance.held_out import HeldOutFigure, HeldOutFigures
from core.monitoring.performance.layout import Layout, MeasuredTask
from core.monitoring.performance.metrics import HIGHER_IS_BETTER, GroupSums
from core.monitoring.performance.sequences import LEVEL, mean_sequence
from core.monitoring.performance.state import HOUR_US, HOURS_A_DAY, PerformanceState
from core.monitoring.performance.verdict import MARGIN, harmless_factor, judge
from core.monitoring.verdicts import MOST_AWAITED, PerformanceVerdict

DAYS = 7
_GRAVITY = {PerformanceVerdict.FELL: 0, PerformanceVerdict.OPEN: 1, PerformanceVerdict.HOLDS: 2}


def slice_metrics(
    state: PerformanceState,
    profile: DataProfile | None,
    then: HeldOutFigures,
    dependence: Dependence,
    now: datetime,
    margin: float = MARGIN,
) -> tuple[MonitoredMetric, ...]:
    """Return the deciding metric of each slice, the worst first: over its life, or over the last week if that is worse.

    A slice that fell and holds over the last week, with most of its outcomes, has recovered: its week counts.

    One level is shared by all slices and by both times (Bonferroni), so no interval of any slice misses, at any look,
    in 19 of 20 versions. Callers may have all their rows in one slice, so the dependence of all rows counts in each.

    Args:
        state: The sums of the version.
        profile: With the held-out rows of each slice.
        then: The references of the version.
        dependence: How alike the rows of callers are.
        now: The time.
        margin: By which share a slice may be worse than its held-out rows.
    """
    layout = state.layout
    if layout is None or not state.slice_names:
        return ()
    first_day = int(now.timestamp()) * 10**6 // HOUR_US // HOURS_A_DAY - DAYS
    week = np.zeros_like(state.slices)
    for day, sums in state.days.items():
        if day >= first_day:
            layout.combine(week, sums)
    is_known = (state.awaited_since(first_day * HOURS_A_DAY) or 0.0) <= MOST_AWAITED
    level = LEVEL / (2 * len(state.slice_names))
    found = []
    for position, name in enumerate(state.slice_names):
        of_slice = profile.slices.get(name) if profile is not None else None
        reference = then.of_slice(of_slice) if of_slice is not None else None
        both = [
            _metric(layout, sums[position], name, window, reference, dependence, level, margin)
            for window, sums in (("", state.slices), ("week", week))
        ]
        if there := [each for each in both if each is not None]:
            recovered = [each for each in there if each.window and each.verdict is PerformanceVerdict.HOLDS]
            found.append(recovered[0] if recovered and is_known else min(there, key=_order))
    return tuple(sorted(found, key=_order))


def worst_of(slices: tuple[MonitoredMetric, ...]) -> MonitoredMetric | None:
    """Return the worst slice that is compared with its held-out rows, or without any the worst of all."""
    return next((each for each in slices if each.reference is not None), slices[0] if slices else None)


def _order(found: MonitoredMetric) -> tuple[int, float]:
    """Order by verdict, then by how much worse a slice is than held out."""
    value = found.value or 0.0
    badness = value / found.reference if found.reference else -value if found.higher_is_better else value
    return _GRAVITY[found.verdict], -badness


def _metric(
    layout: Layout,
    sums: FloatArray,
    name: str,
    window: str,
    reference: HeldOutFigure | None,
    dependence: Dependence,
    level: float,
    margin: float,
) -> MonitoredMetric | None:
    metric, task = deciding_metric(layout.task), layout.task
    if task is MeasuredTask.CLASS:
        group = GroupSums(layout, sums, level, dependence.effects)
        share = group.share(metric, group["correct"], group["n"])
        return None if share is None else _shown(metric, share.value, share.interval, share.n, name, window)
    of = deciding_moments(layout, sums)
    if of is None:
        return None
    effect = dependence.effects.get(DECIDING_SCORE[task], 1.0)
    interval = mean_sequence(of, level, effect)
    shown = _shown(metric, of.mean, interval, int(of.n), name, window, task)
    if reference is None:
        return shown
    judged = judge(of, reference, harmless_factor(task, margin), level=level, effect=effect)
    value, low, high = (as_shown(task, end) for end in reference)
    return MonitoredMetric(
        metric=metric,
        value=shown.value,
        low=shown.low,
        high=shown.high,
        n=shown.n,
        verdict=judged.verdict,
        reason=_reason(shown, value, judged.verdict, judged.worse_by),
        reference=value,
        reference_low=low,
        reference_high=high,
        window=window,
        slice=name,
    )


def _shown(
    metric: str,
    value: float,
    interval: Interval | None,
    n: int,
    name: str,
    window: str,
    task: MeasuredTask = MeasuredTask.CLASS,
) -> MonitoredMetric:
    return MonitoredMetric(
        metric=metric,
        value=as_shown(task, value),
        low=None if interval is None else as_shown(task, interval.low),
        high=None if interval is None else as_shown(task, interval.high),
        n=n,
        higher_is_better=metric in HIGHER_IS_BETTER,
        window=window,
        slice=name,
    )


def _reason(found: MonitoredMetric, reference: float, verdict: PerformanceVerdict, worse_by: float) -> str:
    compared = f"{found.metric} {found.value:.4g} on {found.n:,} outcomes, {reference:.4g} on held-out rows"
    if verdict is PerformanceVerdict.FELL:
        of = "squared loss" if found.metric == DECIDING[MeasuredTask.NUMBER] else "loss"
        return f"{compared}: its {of} is at least {worse_by:.0%} higher, corrected for all slices"
    return f"{compared}: {'within the margin' if verdict is PerformanceVerdict.HOLDS else 'not settled'}"
