"""The health of live models as rows: the worst first, and why."""

from collections.abc import Sequence
from datetime import datetime

from console.presentation.cells import age_cell
from console.presentation.live_health import HEALTH_WIDTH, RANKS, health_cell, health_lines
from console.presentation.phrases import NOTHING, counted, instant, number
from console.presentation.verdicts import performance_cell, verdict_cell
from core.monitoring.column_words import MOVED, moved_columns, named, since_text
from core.monitoring.documents import (
    EstimatePart,
    LabelsPart,
    ModelMonitoring,
    MonitoredMetric,
    PerformancePart,
    VersionMonitoring,
)
from core.monitoring.sentences import false_alarm_sentence
from core.monitoring.verdicts import DriftVerdict, PerformanceVerdict
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line
from widgets.rows import Cell, Row

COLUMNS = (
    Column("model", "MODEL", 15, flex=1, max_width=24, cut="middle", is_key=True),
    Column("version", "VERSION", 7, is_key=True, priority=1),
    Column("health", "HEALTH", HEALTH_WIDTH),
    Column("since", "FOR", 4, align="right", field="health_since_at", priority=3),
    Column("inputs", "INPUTS", 12, priority=2),
    Column("quality", "QUALITY", 14, flex=1, max_width=30, priority=4),
    Column("reason", "REASON", 30, flex=3, priority=5),
)


def key_of(model: str, version: VersionMonitoring) -> str:
    """Name a live version in one word."""
    return f"{model}@{version.version}"


def worst_first(monitoring: Sequence[ModelMonitoring]) -> list[tuple[str, VersionMonitoring]]:
    """List the live versions with their models: the worst health first, then the heaviest reason, then the name."""

    def badness(each: tuple[str, VersionMonitoring]) -> tuple[int, float, str]:
        model, version = each
        weight = version.health.reasons[0].weight if version.health.reasons else 0.0
        return -RANKS[version.health.state], -weight, model

    return sorted(((each.model, version) for each in monitoring for version in each.versions), key=badness)


def count_text(monitoring: Sequence[ModelMonitoring]) -> str:
    """Count what is watched: models, and versions if a model has several."""
    n_models, n_versions = len(monitoring), sum(len(each.versions) for each in monitoring)
    if n_models == n_versions:
        return f"{n_models} watched" if n_models else ""
    return f"{counted(n_versions, 'version')} of {counted(n_models, 'model')} watched"


def health_rows(monitoring: Sequence[ModelMonitoring], now: datetime, glyphs: Glyphs) -> list[Row]:
    """Draw each live version as a row of `COLUMNS`."""
    return [
        Row(
            key_of(model, version),
            (
                model,
                Cell(version.version, "" if version.role == "stable" else "accent"),
                health_cell(version.health, now, glyphs),
                age_cell(version.health.since, now),
                _inputs(version, glyphs),
                _quality(version, glyphs),
                Cell(reason_text(version), "muted"),
            ),
        )
        for model, version in worst_first(monitoring)
    ]


def reason_text(version: VersionMonitoring) -> str:
    """Give the heaviest reason, or what is missing for a verdict."""
    health = version.health
    if health.reasons:
        return health.reasons[0].text
    return health.missing[0] if health.missing else ""


def _inputs(version: VersionMonitoring, glyphs: Glyphs) -> Cell:
    drift = version.drift
    if drift is None:
        return Cell(NOTHING, "muted")
    n = sum(column.verdict is drift.verdict for column in drift.columns)
    is_moved = drift.verdict in (DriftVerdict.WATCH, DriftVerdict.ALARM)
    return verdict_cell(drift.verdict, glyphs, of=f" {n}/{len(drift.columns)}" if is_moved else "")


def _quality(version: VersionMonitoring, glyphs: Glyphs) -> Cell:
    """Draw the metric that decides: measured by outcomes, else estimated without."""
    for part, word in ((version.performance, ""), (version.estimate, "~")):
        if part is not None and part.metrics and part.metrics[0].value is not None:
            metric = part.metrics[0]
            found = performance_cell(part.verdict, glyphs)
            text = f"{found.text[0]} {metric.metric} {word}{number(metric.value)}"
            return Cell(text, found.tone, metric.value, found.rank)
    return Cell(NOTHING, "muted")


def interval_text(low: float | None, high: float | None) -> str:
    """Spell an interval.

    >>> interval_text(1.25, 2.0), interval_text(None, None)
    ('1.25 to 2', '–')
    """
    return NOTHING if low is None or high is None else f"{number(low)} to {number(high)}"


def metric_line(metric: MonitoredMetric, glyphs: Glyphs) -> Line:
    """Write out one metric: its value and interval, and the value on held-out rows."""
    beside = filter(
        None,
        (
            interval_text(metric.low, metric.high) if metric.low is not None else "",
            f"held out {number(metric.reference)}" if metric.reference is not None else "",
            counted(metric.n, "row") if metric.n else "",
            metric.slice,
            f"last {metric.window}" if metric.window else "",
        ),
    )
    found = performance_cell(metric.verdict, glyphs)
    is_judged = bool(metric.reason) or metric.verdict is not PerformanceVerdict.OPEN
    verdict = (metric.verdict, found.tone) if is_judged else ("", "")
    head = (f"{metric.metric:<12} ", "muted")
    return Line((head, (number(metric.value), "strong"), (f"  {'; '.join(beside)}  ", "muted"), verdict))


def reasoning_lines(version: VersionMonitoring, glyphs: Glyphs) -> list[Line]:
    """Write out the whole reasoning about a live version: health, inputs, performance, estimate, traffic."""
    lines = health_lines(version.health)
    lines += [Line((("cannot look  ", "muted"), (f"{name}: {why}", "bad"))) for name, why in version.failures.items()]
    for title, part in (
        ("Inputs and answers", _drift_lines(version, glyphs)),
        ("Performance by outcomes", _performance_lines(version, glyphs)),
        ("Performance estimated without outcomes", _estimate_lines(version, glyphs)),
        *((("Performance by a few wanted outcomes", _labels_lines(version, glyphs)),) if version.labels else ()),
        ("Traffic", _traffic_lines(version)),
        (
            "Course of its health",
            [Line(((f"{instant(each.at)}  ", "muted"), (each.state, ""))) for each in version.health.changes],
        ),
    ):
        lines += [Line(), Line(((title, "title"),)), *(part or [Line((("nothing yet", "muted"),))])]
    return lines


def _drift_lines(version: VersionMonitoring, glyphs: Glyphs) -> list[Line]:
    drift = version.drift
    if drift is None:
        return []
    cell = verdict_cell(drift.verdict, glyphs)
    lines = [Line(((cell.text, cell.tone), (f"  {drift.n_rows:,} rows since {instant(drift.since)}", "muted")))]
    if drift.false_alarm_days is not None:
        lines.append(Line(((false_alarm_sentence(drift.false_alarm_days), "muted"),)))
    for column in moved_columns(drift, *MOVED):
        found = verdict_cell(column.verdict, glyphs)
        since = f"; {when}" if (when := since_text(column)) else ""
        lines.append(Line(((f"{found.text:<14} ", found.tone), (f"{named(column)}: {column.reason}{since}", ""))))
    lines += [Line(((text, ""),)) for text in (drift.prediction_move, *drift.notes) if text]
    return lines


def _performance_lines(version: VersionMonitoring, glyphs: Glyphs) -> list[Line]:
    part = version.performance
    if part is None:
        return []
    lines = [_verdict_line(part, glyphs)]
    waiting = "" if part.awaited_share is None else f"; {part.awaited_share:.0%} of the answers wait for theirs"
    needed = "" if part.n_needed is None else f"; about {part.n_needed:,} in all would settle it"
    lines.append(Line(((f"{counted(part.n_outcomes, 'outcome')}{waiting}{needed}", "muted"),)))
    lines += [metric_line(metric, glyphs) for metric in part.metrics]
    if part.worst_slice is not None:
        worst = metric_line(part.worst_slice, glyphs)
        lines += [Line((("The worst slice, corrected for having looked at all of them:", "muted"),)), worst]
    return lines + [Line(((note, "muted"),)) for note in part.notes]


def _estimate_lines(version: VersionMonitoring, glyphs: Glyphs) -> list[Line]:
    part = version.estimate
    if part is None:
        return []
    if not part.metrics:
        return [Line(((part.reason, "muted"),)), *(Line(((note, "muted"),)) for note in part.notes)]
    lines = [_verdict_line(part, glyphs)]
    lines.append(Line(((", ".join(filter(None, (part.method, counted(part.n_rows, "row")))), "muted"),)))
    lines += [metric_line(metric, glyphs) for metric in part.metrics]
    if part.blind_to:
        lines.append(Line((("It cannot see ", "muted"), (part.blind_to, "warn"))))
    if part.scored:
        scored = (metric_line(metric, glyphs) for metric in part.scored)
        lines += [Line((("Earlier estimates beside what came of them:", "muted"),)), *scored]
    return lines + [Line(((note, "muted"),)) for note in part.notes]


def _labels_lines(version: VersionMonitoring, glyphs: Glyphs) -> list[Line]:
    part = version.labels
    if part is None:
        return []
    counts = (
        f"{counted(part.n_outcomes, 'outcome')} for {part.n_wanted:,} wanted of {counted(part.n_rows, 'row')}, "
        f"asked for on {instant(part.asked_at)} by {part.asked_by}"
    )
    return [
        _verdict_line(part, glyphs),
        Line(((counts, "muted"),)),
        *(Line(((text, "muted"),)) for text in (part.by_when, *part.notes) if text),
    ]


def _verdict_line(part: PerformancePart | EstimatePart | LabelsPart, glyphs: Glyphs) -> Line:
    found = performance_cell(part.verdict, glyphs)
    return Line(((f"{found.text:<12} ", found.tone), (part.reason, "")))


def _traffic_lines(version: VersionMonitoring) -> list[Line]:
    part = version.traffic
    if part is None:
        return []
    usual = "" if part.usual_p95_ms is None else f", usually {number(part.usual_p95_ms, 'ms')}"
    failed = f"{part.n_failed:,} failed"
    return [
        Line(((f"{counted(part.n_requests, 'request')} in {counted(part.minutes, 'minute')}, {failed}", ""),)),
        Line(((f"p50 {number(part.p50_ms, 'ms')}, p95 {number(part.p95_ms, 'ms')}{usual}", ""),)),
    ]
