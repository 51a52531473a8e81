"""The whole reasoning about a live version, once for every face: `bondx drift why` prints it, `w` of screen 6 too."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from core.monitoring.column_words import MOVED, column_facts, instant, moved_columns, named
from core.monitoring.documents import EstimatePart, HealthState, ModelMonitoring, MonitoredMetric, VersionMonitoring
from core.monitoring.health.answers import compared, metric_text
from core.monitoring.sentences import false_alarm_sentence, performance_rules_sentence
from core.monitoring.verdicts import DriftVerdict, PerformanceVerdict

FRESH_SECONDS = 60
"""Figures older than this say of when they are: the engine writes figures without a new verdict every five minutes."""
SaidState = HealthState | DriftVerdict | PerformanceVerdict


class Said(NamedTuple):
    """One line of the reasoning.

    Attributes:
        text: The line.
        state: What it says, if it is a verdict: it decides the colour.
        is_aside: Whether it only explains.
    """

    text: str
    state: SaidState | None = None
    is_aside: bool = False


class Paragraph(NamedTuple):
    """What is known of one aspect.

    Attributes:
        head: The verdict and how much it rests on.
        lines: The reasons.
    """

    head: Said
    lines: tuple[Said, ...] = ()


def reasoning(version: VersionMonitoring) -> tuple[Paragraph, ...]:
    """Return everything that is known of a live version: health, drift, performance, estimate, labels, traffic."""
    found = (
        _health(version),
        _drift(version),
        _performance(version),
        estimate_paragraph(version.estimate) if version.estimate is not None else None,
        _labels(version),
        _traffic(version),
    )
    return tuple(each for each in found if each is not None)


def as_of(
    documents: Sequence[ModelMonitoring], taken_at: datetime, absence: str | None, *, is_past: bool = False
) -> str:
    """Say of when the verdicts and figures are, and why nobody watches now; empty if they are of the last minute.

    Args:
        documents: What is shown.
        taken_at: When it was read.
        absence: Why no engine is at work; None while one works.
        is_past: Whether the past is shown: then it is not said who watches now.
    """
    oldest = min((each.updated_at for each in documents), default=None)
    absence = None if is_past else absence
    if oldest is None or (absence is None and (taken_at - oldest).total_seconds() <= FRESH_SECONDS):
        return ""
    return f"as of {instant(oldest)}{f'; not watched now: {absence}' if absence else ''}"


def _health(version: VersionMonitoring) -> Paragraph:
    health = version.health
    since = f" since {instant(health.since)}" if health.since else ""
    lines = [Said(f"{each.state}, {each.source} ({each.weight:g}): {each.text}", each.state) for each in health.reasons]
    lines += [Said(f"not known: {missing}") for missing in health.missing]
    lines += [Said(f"cannot look at {name}: {why}", HealthState.FAILING) for name, why in version.failures.items()]
    if changes := ", ".join(f"{change.state} {instant(change.at)}" for change in health.changes[:-1]):
        lines.append(Said(f"before: {changes}", is_aside=True))
    return Paragraph(Said(f"{health.state}{since}", health.state), tuple(lines))


def _drift(version: VersionMonitoring) -> Paragraph | None:
    drift = version.drift
    if drift is None:
        return None
    since = f" since {instant(drift.since)}" if drift.since else ""
    lines = []
    if drift.false_alarm_days is not None:
        lines.append(Said(false_alarm_sentence(drift.false_alarm_days), is_aside=True))
    for column in moved_columns(drift, *MOVED):
        facts = "; ".join([column.reason, *column_facts(column)])
        lines.append(Said(f"{column.verdict}, {named(column)}: {facts}", column.verdict))
    for verdict in (DriftVerdict.INCONCLUSIVE, DriftVerdict.STABLE):
        judged = [column for column in drift.columns if column.verdict is verdict and not column.awaits_rows]
        if names := [named(column) for column in judged]:
            lines.append(Said(f"{verdict}: {', '.join(names)}", is_aside=True))
    if names := [named(column) for column in drift.columns if column.awaits_rows]:
        lines.append(Said(f"nothing to judge yet: {', '.join(names)}", is_aside=True))
    lines += [Said(note) for note in (drift.prediction_move, *drift.notes) if note]
    return Paragraph(Said(f"drift: {drift.verdict}, {drift.n_rows:,} rows counted{since}", drift.verdict), tuple(lines))


def _performance(version: VersionMonitoring) -> Paragraph | None:
    if (known := version.performance) is None:
        return None
    waiting = "" if known.awaited_share is None else f", {known.awaited_share:.0%} of the answers wait for theirs"
    lines = [Said(known.reason)] if known.reason else []
    if known.n_needed is not None:
        lines.append(Said(f"about {known.n_needed:,} outcomes in all would settle it"))
    lines += _metrics(known.metrics)
    if (worst := known.worst_slice) is not None:
        lines.append(Said(f"worst slice, {worst.slice}: {next(_metrics([worst])).text}", worst.verdict))
    lines += [Said(note, is_aside=True) for note in known.notes]
    if known.margin is not None and known.windows:
        lines.append(Said(performance_rules_sentence(known.margin, known.windows), is_aside=True))
    head = f"performance: {known.verdict}, {known.n_outcomes:,} outcomes{waiting}"
    return Paragraph(Said(head, known.verdict), tuple(lines))


def estimate_paragraph(estimate: EstimatePart) -> Paragraph:
    """Return what an estimate says, or why there is none."""
    if not estimate.metrics:
        notes = tuple(Said(note, is_aside=True) for note in estimate.notes)
        return Paragraph(Said(f"estimate without outcomes: {estimate.reason}"), notes)
    lines = [Said(estimate.reason)] if estimate.reason else []
    lines += _metrics(estimate.metrics)
    lines += [Said(note, is_aside=True) for note in estimate.notes]
    lines += [Said(f"earlier estimate, now known: {each.text}", each.state) for each in _metrics(estimate.scored)]
    if estimate.blind_to:
        lines.append(Said(f"it cannot see: {estimate.blind_to}"))
    head = f"estimate without outcomes: {estimate.verdict}, {estimate.n_rows:,} rows, {estimate.method}"
    return Paragraph(Said(head, estimate.verdict), tuple(lines))


def _labels(version: VersionMonitoring) -> Paragraph | None:
    if (labels := version.labels) is None:
        return None
    asked = f"asked for on {instant(labels.asked_at)} by {labels.asked_by}, of {labels.n_rows:,} rows"
    lines = [Said(note) for note in (labels.reason, labels.by_when) if note]
    lines += [Said(note, is_aside=True) for note in (*labels.notes, asked)]
    head = f"wanted outcomes: {labels.verdict}, {labels.n_outcomes:,} outcomes for {labels.n_wanted:,} wanted rows"
    return Paragraph(Said(head, labels.verdict), tuple(lines))


def _traffic(version: VersionMonitoring) -> Paragraph | None:
    if (traffic := version.traffic) is None:
        return None
    usual = "" if traffic.usual_p95_ms is None else f" (usually {traffic.usual_p95_ms:.3g} ms)"
    p50 = "" if traffic.p50_ms is None else f", p50 {traffic.p50_ms:.3g} ms"
    p95 = "" if traffic.p95_ms is None else f", p95 {traffic.p95_ms:.3g} ms{usual}"
    requests = f"{traffic.n_requests:,} requests in {traffic.minutes} minutes, {traffic.n_failed:,} failed"
    return Paragraph(Said(f"traffic: {requests}{p50}{p95}"))


def _metrics(metrics: Sequence[MonitoredMetric]) -> Iterator[Said]:
    for k, metric in enumerate(metrics):  # most are shown and not judged: the first decides
        is_judged = not k or bool(metric.reason) or metric.verdict is not PerformanceVerdict.OPEN
        where = f" where {metric.slice}" if metric.slice else ""
        window = f" in the last {metric.window}" if metric.window else ""
        verdict = f": {compared(metric)}" if is_judged else ""
        yield Said(f"{metric_text(metric)}{where}{window}{verdict}", metric.verdict)
