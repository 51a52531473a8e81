"""The health of live models as rows: the worst first, and why."""

from collections.abc import Sequence
from datetime import datetime

from console.presentation.cells import age_cell
from console.presentation.live_health import HEALTH_WIDTH, RANKS, health_cell
from console.presentation.phrases import NOTHING, counted, number
from console.presentation.unattended import brief_absence
from console.presentation.verdicts import performance_cell, verdict_cell
from core.monitoring.documents import ModelMonitoring, VersionMonitoring
from core.monitoring.reasoning import Said, as_of, reasoning
from core.monitoring.verdicts import DriftVerdict
from core.view.snapshot import Snapshot
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
        return Cell("no profile", "warn") if version.no_profile else Cell(NOTHING, "muted")
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


def as_of_text(snapshot: Snapshot, *, is_past: bool = False, in_full: bool = False) -> str:
    """Say of when the verdicts are and that nobody watches now; empty if they are of the last minute.

    Args:
        snapshot: The workspace.
        is_past: Whether the past is played back: then it is not said who watches now.
        in_full: Whether there is room for a sentence.
    """
    said = as_of(snapshot.monitoring, snapshot.taken_at, snapshot.absence, is_past=is_past)
    if in_full or not said or is_past or snapshot.absence is None:
        return said
    return f"{said.partition(';')[0]}, {brief_absence(snapshot.absence)}"


def reasoning_lines(version: VersionMonitoring) -> list[Line]:
    """Write out the whole reasoning about a live version, in the colours of its verdicts."""
    lines: list[Line] = []
    for paragraph in reasoning(version):
        lines += [Line()] if lines else []
        lines.append(Line(((paragraph.head.text, _tone(paragraph.head) or "title"),)))
        lines += [Line((("  ", ""), (line.text, _tone(line)))) for line in paragraph.lines]
    return lines


def _tone(said: Said) -> str:
    return "muted" if said.is_aside else _TONES.get(str(said.state), "")


_TONES = {
    "failing": "bad",
    "degraded": "warn",
    "healthy": "good",
    "alarm": "bad",
    "watch": "warn",
    "stable": "good",
    "fell": "bad",
    "holds": "good",
}
