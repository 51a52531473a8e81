"""The columns of a live version as rows by effect, and one column then and now."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from console.presentation.cells import age_cell, number_cell, share_cell
from console.presentation.charts import Chart
from console.presentation.health import reasoning_lines
from console.presentation.phrases import counted, duration, instant, number, share
from console.presentation.verdicts import column_cell
from core.monitoring.column_words import named, since_text
from core.monitoring.documents import BinShares, MetricPoint, MonitoredColumn, MonitoredMetric, VersionMonitoring
from core.monitoring.verdicts import DriftType, DriftVerdict
from widgets.bars import against, sparkline
from widgets.chart import Series
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line, Span, fit
from widgets.rows import Cell, Row

TREND_WIDTH = 10
HIGH_PSI = 0.25  # the least that a course is scaled to, nats: more than twice what is drift
BAR_WIDTH = 14
_BIN_WIDTH = 12
COLUMNS = (
    Column("column", "COLUMN", 16, flex=1, max_width=30, cut="middle", is_key=True),
    Column("verdict", "VERDICT", 8),
    Column("psi", "PSI", 6, align="right"),
    Column("evidence", "EVIDENCE", 8, align="right"),
    Column("importance", "OF MODEL", 8, align="right", priority=1),
    Column("since", "SINCE", 5, align="right", field="changed_at"),
    Column("trend", "TREND", TREND_WIDTH, priority=2),
    Column("reason", "REASON", 30, flex=3, priority=3),
)
_SECONDS_AN_HOUR = 3600.0
_DAY_SECONDS = 24 * _SECONDS_AN_HOUR


def column_rows(
    version: VersionMonitoring, now: datetime, glyphs: Glyphs, trend: Callable[[Sequence[float]], str]
) -> list[Row]:
    """Draw each watched column as a row of `COLUMNS`, the largest effect first, as the document has them.

    Args:
        version: The live version.
        now: The present.
        glyphs: The signs of this terminal.
        trend: Turns numbers into a sparkline.
    """
    if version.drift is None:
        return []
    return [
        Row(
            key_of(column),
            (
                Cell(name_of(column), "muted" if column.awaits_rows else ""),
                column_cell(column, glyphs),
                number_cell(column.psi if column.psi is None else round(column.psi, 3)),
                share_cell(min(column.evidence, 1.0), 0),
                share_cell(column.importance, 0),
                _since_cell(column, now),
                Cell(trend([math.nan if value is None else value for value in column.trend]), "accent"),
                Cell(column.reason, "muted"),
            ),
        )
        for column in version.drift.columns
    ]


def key_of(column: MonitoredColumn) -> str:
    """Tell a column from the answers and the errors, which may have its name."""
    return f"{column.type}:{column.name}"


def name_of(column: MonitoredColumn) -> str:
    """Name a column, the answers or the errors as an operator does."""
    word = named(column)
    return word if column.type in (DriftType.FEATURE, DriftType.QUALITY) else f"({word})"


def version_lines(version: VersionMonitoring, now: datetime, glyphs: Glyphs) -> list[Line]:
    """Write out the whole reasoning about a version, and each column that has moved, for a screen with one pane."""
    lines = reasoning_lines(version)
    for column in version.drift.columns if version.drift is not None else ():
        if column.verdict in (DriftVerdict.WATCH, DriftVerdict.ALARM):
            beside = together(version, column)
            lines += [Line(), Line(((name_of(column), "title"),)), *column_lines(column, now, glyphs, beside=beside)]
    return lines


def together(version: VersionMonitoring, column: MonitoredColumn) -> list[str]:
    """Name the columns that moved together with one."""
    columns = version.drift.columns if version.drift is not None and column.group else ()
    return [name_of(each) for each in columns if each.group == column.group and key_of(each) != key_of(column)]


def column_lines(column: MonitoredColumn, now: datetime, glyphs: Glyphs, *, beside: Sequence[str] = ()) -> list[Line]:
    """Write out one column: the verdict, since when, where, both distributions, and how far it moved.

    Args:
        column: The column.
        now: The present.
        glyphs: The signs of this terminal.
        beside: The columns that moved together with it.
    """
    cell = column_cell(column, glyphs)
    lines = [Line(((f"{cell.text}  ", cell.tone), (column.reason, "")))]
    lines += _facts(("since", _since(column, now)), ("where", column.slice))
    if column.shares is not None:
        lines += [Line(), *_distribution_lines(column.shares, glyphs), Line()]
    lines += _facts(
        ("evidence", f"{share(min(column.evidence, 1.0), 0)} of what decides, {counted(column.n, column.unit)}"),
        ("of model", f"{share(column.importance, 0)} of its importance" if column.importance is not None else ""),
        ("together", ", ".join(beside)),
        ("trend", _trend(column, glyphs)),
        ("measures", _measures(column)),
    )
    if column.quantiles:
        lines += [Line(), Line(((f"{'quantile':<9} {'then':>10} {'now':>10}", "muted"),))]
        lines += [
            Line(
                (
                    (f"{q.p:<9.0%} ", "muted"),
                    (f"{number(q.reference):>10}", ""),
                    (f" {number(q.current):>10}", "strong"),
                )
            )
            for q in column.quantiles
        ]
    return lines


def _facts(*facts: tuple[str, str]) -> list[Line]:
    return [Line(((f"{label:<9} ", "muted"), (text, ""))) for label, text in facts if text]


def _since_cell(column: MonitoredColumn, now: datetime) -> Cell:
    """Say how long ago a column changed; of a change before the version went live, the least that is known."""
    cell = age_cell(column.changed_at, now)
    return replace(cell, text=f">{cell.text}") if column.changed_before_live else cell


def _since(column: MonitoredColumn, now: datetime) -> str:
    at, low, high = column.changed_at, column.changed_from, column.changed_until
    if at is None or column.changed_before_live or column.changed_with:
        return since_text(column).removeprefix("since ")
    if low is None or high is None:
        return f"{instant(at)}"
    is_near = all((now - each).total_seconds() < _DAY_SECONDS for each in (low, high))
    between = [f"{each:%H:%M}" if is_near else instant(each) for each in (low, high)]
    return f"{instant(at)} ({' to '.join(between)})"


def _trend(column: MonitoredColumn, glyphs: Glyphs) -> str:
    values = [math.nan if value is None else value for value in column.trend]
    if not values:
        return ""
    span = duration(column.trend_seconds * len(values))
    return f"{trend_line(values, min(len(values), 2 * TREND_WIDTH), glyphs)}  PSI over {span}"


def trend_line(values: Sequence[float], width: int, glyphs: Glyphs) -> str:
    """Draw the course of a PSI; what is harmless stays low, so that noise does not look like drift.

    >>> from widgets.glyphs import UNICODE
    >>> trend_line([0.01, 0.002, 0.01], 3, UNICODE), trend_line([0.01, 0.4, 0.8], 3, UNICODE)
    ('▁▁▁', '▁▅█')
    """
    high = max([HIGH_PSI, *(value for value in values if math.isfinite(value))])
    return sparkline(values, width, low=0.0, high=high, glyphs=glyphs)


def _measures(column: MonitoredColumn) -> str:
    named = (
        ("PSI", column.psi),
        ("KS", column.ks),
        ("X²", column.chi_square),
        ("Jensen-Shannon", column.jensen_shannon),
        ("moved by", column.wasserstein),
    )
    return ", ".join(f"{name} {number(value)}" for name, value in named if value is not None)


def _distribution_lines(shares: BinShares, glyphs: Glyphs) -> list[Line]:
    """Draw the present shares as bars over a mark at each share of then."""
    names = shares.levels or [_bin_name(low, high) for low, high in zip(shares.edges, shares.edges[1:], strict=False)]
    most = max((*shares.reference, *shares.current), default=0.0) or 1.0
    bar = f"{glyphs.bar_full} now"
    lines = [Line(((f"{bar}  {glyphs.upright} then", "muted"),))]
    for name, then, now in zip(names, shares.reference, shares.current, strict=False):
        spans: tuple[Span, ...] = against(now / most, then / most, BAR_WIDTH, glyphs=glyphs)
        lines.append(
            Line(
                (
                    (f"{fit(name, _BIN_WIDTH, cut='middle', ellipsis=glyphs.ellipsis)} ", "muted"),
                    *spans,
                    (f" {share(now):>6}", "strong"),
                    (f" {share(then):>6}", "muted"),
                )
            )
        )
    return lines


def _bin_name(low: float, high: float) -> str:
    return f"{number(low)}–{number(high)}"


def monitoring_charts(version: VersionMonitoring) -> list[Chart]:
    """Draw the course of performance, realised and estimated with their bands, and of the columns that moved most."""
    charts = [chart for chart in map(_chart_of, _by_metric(version)) if chart.series]
    drift = version.drift
    moved = tuple(
        series
        for column in (drift.columns[:6] if drift is not None else ())
        if (series := Series(name_of(column), _trend_points(column))).points
    )
    return [*charts, *([Chart("Drift", "hours", "PSI", moved)] if moved else [])]


def performance_chart(version: VersionMonitoring) -> Chart | None:
    """Draw the course of the metric that decides; None before it has one."""
    return next((chart for chart in map(_chart_of, _by_metric(version)) if chart.series), None)


def _by_metric(version: VersionMonitoring) -> list[tuple[str, MonitoredMetric | None, MonitoredMetric | None]]:
    """Pair each metric as realised and as estimated."""
    realised = {m.metric: m for m in (version.performance.metrics if version.performance else ()) if m.points}
    estimated = {m.metric: m for m in (version.estimate.metrics if version.estimate else ()) if m.points}
    return [(name, realised.get(name), estimated.get(name)) for name in dict.fromkeys((*realised, *estimated))]


def _chart_of(metric: tuple[str, MonitoredMetric | None, MonitoredMetric | None]) -> Chart:
    name, realised, estimated = metric
    points = [point.at for each in (realised, estimated) if each is not None for point in each.points]
    end = max(points)
    series = []
    for each, word, tone, band in ((realised, "realised", "accent", "muted"), (estimated, "estimated", "warn", "line")):
        if each is None:
            continue
        series.append(Series("low", _points(each.points, end, lambda point: point.low), band, is_edge=True))
        series.append(Series("high", _points(each.points, end, lambda point: point.high), band, is_edge=True))
        series.append(Series(word, _points(each.points, end, lambda point: point.value), tone))
    return Chart(name, "hours", name, tuple(each for each in series if each.points))


def _points(
    points: Sequence[MetricPoint], end: datetime, read: Callable[[MetricPoint], float | None]
) -> tuple[tuple[float, float], ...]:
    return tuple(
        ((point.at - end).total_seconds() / _SECONDS_AN_HOUR, value)
        for point in points
        if (value := read(point)) is not None
    )


def _trend_points(column: MonitoredColumn) -> tuple[tuple[float, float], ...]:
    step = column.trend_seconds / _SECONDS_AN_HOUR
    n = len(column.trend)
    return tuple(((index + 1 - n) * step, value) for index, value in enumerate(column.trend) if value is not None)


def why_nothing(version: VersionMonitoring) -> str:
    """Say why no column is compared; of a version without a profile, what to do."""
    if version.no_profile:
        return f"Nothing is compared. {version.no_profile}"
    missing = "; ".join(version.health.missing)
    return f"Nothing is compared yet: {missing}." if missing else "Nothing is compared yet."
