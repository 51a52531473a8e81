"""The report of one version: metrics by window and slice, the verdict, the worst slice and the reliability curve."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from core.arrays import FloatArray
from core.explain.deny_list import NONE_DENIED, DenyList
from core.explain.documents import DENIED
from core.monitoring.data_profile import DataProfile
from core.monitoring.documents import MetricPoint, MonitoredMetric
from core.monitoring.performance.calibration import calibration_of
from core.monitoring.performance.deciding import DECIDING, DECIDING_SCORE, as_shown, deciding_metric, deciding_moments
from core.monitoring.performance.dependence import LEAST_CELLS, Dependence
from core.monitoring.performance.held_out import HeldOutFigures, held_out
from core.monitoring.performance.layout import Layout, MeasuredTask
from core.monitoring.performance.metrics import HIGHER_IS_BETTER, MeasuredMetric, metrics_of
from core.monitoring.performance.sequences import LEVEL
from core.monitoring.performance.shown import PerformanceReport, WindowOutcomes
from core.monitoring.performance.state import HOUR_US, HOURS_A_DAY, N_HOUR_CELLS, PerformanceState
from core.monitoring.performance.verdict import JudgedLoss, PerformanceRules, harmless_factor, judge, window_name
from core.monitoring.performance.worst_slice import slice_metrics, worst_of
from core.monitoring.verdicts import MOST_AWAITED, PerformanceVerdict

AWAITED = 0.05
"""The share of awaited outcomes from which a fall says that bad news may have come first."""
_N_POINTS = 48


class RollingWindow(NamedTuple):
    """The rows of one window.

    Attributes:
        name: "hour", "day", "week"; empty for the whole life.
        sums: Of the answers given in it.
        cells: Of these, by cell of callers, rows and scores; None of the whole life.
        n_answered: All answers given in it.
        since: Its begin.
        level: Of the intervals that are shown: over all looks for as long as the window lasts.
        verdict_level: Of the verdict.
    """

    name: str
    sums: FloatArray
    cells: FloatArray | None
    n_answered: int
    since: datetime
    level: float
    verdict_level: float


def report_of(
    state: PerformanceState,
    profile: DataProfile | None,
    now: datetime,
    *,
    by: str = "",
    rules: PerformanceRules = PerformanceRules(),  # noqa: B008 - it cannot change
    denied: DenyList = NONE_DENIED,
) -> PerformanceReport:
    """Report on a version; the cost does not depend on how many outcomes there are.

    A slice of a denied column may be the worst and counts as such, but is not named.

    Args:
        state: Its sums.
        profile: What it achieved on held-out rows.
        now: The time.
        by: Only slices of this column are listed.
        rules: What is judged.
        denied: Columns whose slices must not appear.
    """
    layout, names = state.layout, tuple(map(window_name, rules.windows))
    awaited = _awaited(state.n_outcomes, state.n_answered)
    if layout is None:
        return PerformanceReport(
            as_of=now,
            n_answered=state.n_answered,
            awaited_share=awaited,
            reason="no outcomes yet",
            margin=rules.margin,
            judged_windows=names,
        )
    dependence, then = Dependence.of(state), held_out(profile, layout.task)
    windows = windows_of(state, layout, now, rules)
    judged = [(window, _judged(layout, window, then, dependence, rules.margin)) for window in windows]
    deciding = deciding_metric(layout.task)
    metrics: list[MonitoredMetric] = []
    for window, found in judged:
        metrics += _metrics(layout, window, dependence, then, deciding, found)
    if metrics:
        metrics[0] = replace(metrics[0], points=_course(state, layout, now))
    speaks = [_speaks_for_today(layout, window, found, now) for window, found in judged]
    verdict, reason, needed = _verdict(judged, speaks, metrics, deciding, then)
    if verdict is PerformanceVerdict.FELL and (awaited or 0.0) > AWAITED:
        reason += f"; {awaited:.0%} of the outcomes are awaited, and those that come early may be worse"
    holds_today = _holds_today(layout, judged, now)
    if verdict is PerformanceVerdict.HOLDS and not holds_today:
        reason += "; the outcomes of the last day alone do not say so"
    slices = slice_metrics(state, profile, then, dependence, now, rules.margin)
    visible = [each for each in slices if not denied.denies_slice(each.slice)]
    worst = worst_of(slices)
    if worst is not None and worst not in visible:
        worst = replace(worst, slice=DENIED)
    effect = dependence.effects.get("correct", 1.0)
    return PerformanceReport(
        as_of=now,
        task=layout.task,
        verdict=verdict,
        reason=reason,
        n_outcomes=state.n_outcomes,
        n_answered=state.n_answered,
        awaited_share=awaited,
        holds_today=verdict is PerformanceVerdict.HOLDS and holds_today,
        n_needed=needed,
        windows=tuple(_outcomes(layout, window) for window in windows),
        margin=rules.margin,
        judged_windows=names,
        metrics=tuple(metrics),
        slices=tuple(each for each in visible if not by or each.slice.partition("=")[0] == by),
        worst_slice=worst,
        calibration=calibration_of(
            layout, state.life, profile.calibration if profile is not None else (), effect=effect
        ),
        notes=tuple(_notes(state, then, dependence)),
    )


def windows_of(
    state: PerformanceState,
    layout: Layout,
    now: datetime,
    rules: PerformanceRules = PerformanceRules(),  # noqa: B008 - it cannot change
) -> list[RollingWindow]:
    """Return the whole life, and the rolling windows from the longest to the shortest.

    A window begins at a full hour, so a new one begins every hour, with a sequence of its own. The level of those that
    are shown is shared by all that begin while one lasts. That of verdicts is shared by all that begin in
    `rules.false_alarm_days`, of every length, so one wrong verdict is expected in that time at most.
    """
    begun = datetime.fromtimestamp(state.begun_us / 1e6, UTC)
    found = [RollingWindow("", state.life, None, state.n_answered, begun, LEVEL, LEVEL)]
    this_hour = int(now.timestamp()) // 3600
    verdict_level = min(LEVEL, 1.0 / (HOURS_A_DAY * rules.false_alarm_days * len(rules.windows)))
    for n_hours in sorted(rules.windows, reverse=True):
        first = this_hour - n_hours
        sums, cells = np.zeros(layout.n_sums), np.zeros((N_HOUR_CELLS, state.cells.shape[1]))
        for hour, each in state.hours.items():
            if hour >= first:
                layout.combine(sums, each)
                cells += state.hour_cells[hour]
        answered = sum(n for hour, n in state.answered.items() if hour >= first)
        since = datetime.fromtimestamp(first * 3600, UTC)
        found.append(RollingWindow(window_name(n_hours), sums, cells, answered, since, LEVEL / n_hours, verdict_level))
    return found


def _effects(dependence: Dependence, window: RollingWindow, level: float) -> Mapping[str, float]:
    return dependence.effects if window.cells is None else dependence.within(window.cells, window.sums, level)


def _judged(
    layout: Layout, window: RollingWindow, then: HeldOutFigures, dependence: Dependence, margin: float
) -> JudgedLoss | None:
    of = deciding_moments(layout, window.sums)
    if of is None or then.deciding is None:
        return None
    effect = _effects(dependence, window, window.verdict_level).get(DECIDING_SCORE[layout.task], 1.0)
    factor = harmless_factor(layout.task, margin)
    return judge(of, then.deciding, factor, level=window.verdict_level, effect=effect)


def _metrics(
    layout: Layout,
    window: RollingWindow,
    dependence: Dependence,
    then: HeldOutFigures,
    deciding: str,
    judged: JudgedLoss | None,
) -> list[MonitoredMetric]:
    effects = _effects(dependence, window, window.level)
    found = [
        monitored(each, then, window=window.name)
        for each in metrics_of(layout, window.sums, level=window.level, effects=effects)
    ]
    if judged is not None:
        found = [
            replace(each, verdict=judged.verdict, reason=_reason(each, judged)) if each.metric == deciding else each
            for each in found
        ]
    return sorted(found, key=lambda each: each.metric != deciding)


def monitored(found: MeasuredMetric, then: HeldOutFigures, *, window: str = "", of_slice: str = "") -> MonitoredMetric:
    """Put a metric into the form in which it is shown."""
    reference = then.metrics.get(found.name)
    return MonitoredMetric(
        metric=found.name,
        value=found.value,
        low=None if found.interval is None else found.interval.low,
        high=None if found.interval is None else found.interval.high,
        n=found.n,
        reference=None if reference is None else reference.value,
        reference_low=None if reference is None else reference.low,
        reference_high=None if reference is None else reference.high,
        higher_is_better=found.name in HIGHER_IS_BETTER,
        window=window,
        slice=of_slice,
        reason=f"within {found.error:.2g}, since scores are counted in bins" if found.error else "",
    )


def _reason(found: MonitoredMetric, judged: JudgedLoss) -> str:
    """Say a verdict in one sentence."""
    where = f"over the last {found.window}" if found.window else "over its whole life"
    now = f"{found.metric} {found.value:.4g}"
    if found.low is not None and found.high is not None:
        now += f" ({found.low:.4g} to {found.high:.4g})"
    compared = f"{now} on {found.n:,} outcomes {where}, {found.reference:.4g} on held-out rows"
    if judged.verdict is PerformanceVerdict.FELL:
        at_least = 1.0 + judged.worse_by
        if found.metric == DECIDING[MeasuredTask.NUMBER]:  # its loss is the square
            at_least = at_least**0.5
        return f"{compared}: worse, certainly {at_least:.3g} times that of held-out rows or more"
    if judged.verdict is PerformanceVerdict.HOLDS:
        return f"{compared}: it is not worse by more than the margin"
    if judged.n_needed is not None:
        return f"{compared}: about {judged.n_needed:,} outcomes in all would settle it"
    return f"{compared}: the held-out rows are too few to settle a difference this small"


def _verdict(
    judged: Sequence[tuple[RollingWindow, JudgedLoss | None]],
    speaks: Sequence[bool],
    metrics: Iterable[MonitoredMetric],
    deciding: str,
    then: HeldOutFigures,
) -> tuple[PerformanceVerdict, str, int | None]:
    """Choose the verdict of the version: it fell where any window fell; else it holds where any window holds.

    A fall is over once a shorter window holds that speaks for today: else a bad week would be a fall until as many good
    outcomes have come that they drown it.
    """
    reasons = {each.window: each.reason for each in metrics if each.metric == deciding}
    found = [
        (window, each, is_now)
        for (window, each), is_now in zip(judged, speaks, strict=True)
        if each is not None and window.name in reasons
    ]
    if not found:
        why = "no outcomes yet" if then.deciding is not None else "there is no figure on held-out rows to compare with"
        return PerformanceVerdict.OPEN, why, None
    overruled = max((k for k, (_, _, is_now) in enumerate(found) if is_now), default=0)
    fell = [(k, window, each) for k, (window, each, _) in enumerate(found) if each.verdict is PerformanceVerdict.FELL]
    if lasting := [one for one in fell if one[0] >= overruled]:
        _, window, each = max(lasting, key=lambda one: one[2].worse_by)
        return each.verdict, reasons[window.name], None
    holds = [(window, each) for window, each, _ in found if each.verdict is PerformanceVerdict.HOLDS]
    if not holds:
        window, each, _ = found[0]
        return each.verdict, reasons[window.name], each.n_needed
    window, each = holds[-1]
    before = f"; it was worse before: {reasons[fell[0][1].name]}" if fell else ""
    return each.verdict, reasons[window.name] + before, each.n_needed


def _speaks_for_today(layout: Layout, window: RollingWindow, found: JudgedLoss | None, now: datetime) -> bool:
    """Whether a window holds that includes the last day, and has most of its outcomes."""
    return (
        found is not None
        and found.verdict is PerformanceVerdict.HOLDS
        and window.since <= now - timedelta(days=1)
        and (_outcomes(layout, window).awaited_share or 0.0) <= MOST_AWAITED
    )


def _holds_today(layout: Layout, judged: Iterable[tuple[RollingWindow, JudgedLoss | None]], now: datetime) -> bool:
    """Whether the shortest window that covers the last day holds, with most of its outcomes."""
    covering = [(window, each) for window, each in judged if window.since <= now - timedelta(days=1)]
    window, each = covering[-1] if covering else next(iter(judged))
    awaited = _outcomes(layout, window).awaited_share
    return each is not None and each.verdict is PerformanceVerdict.HOLDS and (awaited or 0.0) <= MOST_AWAITED


def _course(state: PerformanceState, layout: Layout, now: datetime) -> tuple[MetricPoint, ...]:
    """Return the deciding metric hour by hour."""
    this_hour = int(now.timestamp()) // 3600
    points = []
    for hour in sorted(hour for hour in state.hours if hour > this_hour - _N_POINTS):
        value, n = _value(layout, state.hours[hour])
        if n:
            at = datetime.fromtimestamp(hour * HOUR_US / 1e6, UTC) + timedelta(hours=1)
            points.append(MetricPoint(at=min(at, now), value=value, n=n))
    return tuple(points)


def _value(layout: Layout, sums: FloatArray) -> tuple[float | None, int]:
    of = deciding_moments(layout, sums)
    if of is not None:
        return as_shown(layout.task, of.mean), int(of.n)
    names = ("correct", "n") if layout.task is MeasuredTask.CLASS else ("reported", "reported_n")
    total, n = (layout.scalar(sums, name) for name in names)
    return (total / n if n else None), int(n)


def _outcomes(layout: Layout, window: RollingWindow) -> WindowOutcomes:
    n_outcomes = layout.n_outcomes(window.sums)
    return WindowOutcomes(
        window=window.name,
        since=window.since,
        n_answered=window.n_answered,
        n_outcomes=n_outcomes,
        awaited_share=_awaited(n_outcomes, window.n_answered),
    )


def _awaited(n_outcomes: int, n_answered: int) -> float | None:
    return max(1.0 - n_outcomes / n_answered, 0.0) if n_answered else None


def _notes(state: PerformanceState, then: HeldOutFigures, dependence: Dependence) -> Iterable[str]:
    if then.deciding is None:
        yield "the version has no residuals on held-out rows, so nothing is compared"
    if any(effect == float("inf") for effect in dependence.effects.values()):
        few = f"fewer than {LEAST_CELLS} callers or requests"
        yield f"{few}: how alike their outcomes are is unknown, so there are no intervals"
    elif (most := max(dependence.effects.values(), default=1.0)) > 1.5:
        yield f"outcomes of one caller or request are alike: {most:,.1f} of them count as one"
    if state.n_other_form:
        yield f"{state.n_other_form:,} outcomes of answers of another form are left out"
    if state.is_behind:
        yield "earlier outcomes are still being read"
