"""Tracked runs as rows, nested runs below their parent, and as facts."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from console.presentation.cells import age_cell, duration_cell
from console.presentation.headline import headline_of_run
from console.presentation.phrases import NOTHING, duration, instant, number, size
from core.tracking import Run, RunStatus
from core.tracking.comparison import flatten
from core.tracking.divergence import words_for_values
from core.tracking.experiments import EXPERIMENT, best_runs, experiment_of, model_type_of
from core.view.snapshot import EpochSeries
from widgets.bars import sparkline
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line
from widgets.rows import Cell, Row

COLUMNS = (
    Column("mark", " ", 1),
    Column("run", "RUN", 10, is_key=True),
    Column("name", "NAME", 12, flex=2, max_width=34, cut="middle"),
    Column("status", "STATUS", 10),
    Column("metric", "METRIC", 18, flex=1, max_width=26),
    Column("experiment", "EXPERIMENT", 10, flex=1, max_width=28, priority=2),
    Column("age", "AGE", 4, align="right", field="started_at"),
    Column("took", "TOOK", 6, align="right", field="duration_seconds", priority=2),
    Column("who", "BY", 8, flex=1, max_width=20, priority=1),
    Column("tags", "TAGS", 12, flex=2, max_width=40, priority=3),
)
_TONES = {
    RunStatus.RUNNING: "good",
    RunStatus.FINISHED: "accent",
    RunStatus.FAILED: "bad",
    RunStatus.LOST: "bad",
    RunStatus.STOPPED: "muted",
}
_TREND_WIDTH = 16
_MAX_NAME_WIDTH = 28


def nested(runs: Sequence[Run]) -> Iterator[tuple[Run, int]]:
    """Order runs newest first, each followed by its nested runs, oldest first; with the depth of each.

    A run whose parent is missing counts as a top-level run.
    """
    known = {run.run_id for run in runs}
    parts: dict[str, list[Run]] = {}
    for run in runs:
        parts.setdefault(run.parent_id if run.parent_id in known else "", []).append(run)
    waiting = [(run, 0) for run in reversed(parts.get("", ()))]
    while waiting:
        run, depth = waiting.pop()
        yield run, depth
        waiting += [(part, depth + 1) for part in parts.get(run.run_id, ())]


def run_rows(
    runs: Sequence[Run], now: datetime, glyphs: Glyphs, marked: Sequence[str] = (), *, flat: bool = False
) -> list[Row]:
    """Draw runs as rows of `COLUMNS`, newest first; their key is the run's id.

    Args:
        runs: The runs, oldest first.
        now: The present.
        glyphs: The signs of this terminal.
        marked: The ids of the marked runs.
        flat: Do not indent nested runs, since their parents are not above them.
    """
    best = best_runs(runs)
    return [
        Row(
            run.run_id,
            (
                Cell(glyphs.mark if run.run_id in marked else " ", "accent"),
                Cell(f"{'' if flat else '  ' * depth}{run.run_id}", "strong", run.run_id),
                run.name or run.session_id,
                status_cell(run.status, glyphs),
                Cell(headline_of_run(run), "bad" if run.diverged else ""),
                _experiment_cell(run, best),
                age_cell(run.started_at, now),
                duration_cell(run.duration_seconds),
                run.started_by.partition("@")[0],
                Cell(_tags(run), "muted"),
            ),
            "muted" if run.status is RunStatus.STOPPED else "",
        )
        for run, depth in nested(runs)
    ]


def _experiment_cell(run: Run, best: frozenset[str]) -> Cell:
    """Name the experiment of a run, and say if it is the best run of it."""
    name = experiment_of(run) or ""
    return Cell(f"best: {name}", "good", name) if run.run_id in best else Cell(name)


def _tags(run: Run) -> str:
    return " ".join(f"{name}={text}" for name, text in sorted(run.tags.items()) if name != EXPERIMENT)


def status_cell(status: RunStatus, glyphs: Glyphs) -> Cell:
    """Draw the status of a run with a glyph, its word and a tone."""
    glyph = {
        RunStatus.RUNNING: glyphs.dot,
        RunStatus.FINISHED: glyphs.passed,
        RunStatus.STOPPED: glyphs.hollow,
    }.get(status, glyphs.failed)
    return Cell(f"{glyph} {status}", _TONES[status], str(status))


def detail_lines(run: Run, epochs: EpochSeries, now: datetime, glyphs: Glyphs) -> list[Line]:
    """Write out a run: status, metrics with their course, parameters, environment."""
    status = status_cell(run.status, glyphs)
    lines = [Line(((f"{run.run_id} {run.name}", "strong"), ("  ", ""), (status.text, status.tone)))]
    so_far = f"{duration((now - run.started_at).total_seconds())} so far"
    facts = [
        ("started", f"{instant(run.started_at)}, by {run.started_by}"),
        ("took", duration(run.duration_seconds) if run.ended_at else so_far),
        ("session", run.session_id),
        ("part of", run.parent_id),
        ("experiment", experiment_of(run) or ""),
        ("model type", model_type_of(run) or ""),
    ]
    if run.status is RunStatus.LOST:
        facts.append(("lost", "its process has been silent for too long; the run resumes when it reports again"))
    lines += _facts((name, text) for name, text in facts if text)
    lines += _metrics(run, epochs, glyphs)
    for title, values in (
        ("Parameters", run.parameters),
        ("Tags", run.tags),
        ("Data", run.data_hashes),
        ("Git", run.git or {}),
        ("Environment", run.environment),
    ):
        lines += _section(title, _facts((name, _spelled(value)) for name, value in sorted(flatten(values).items())))
    files = [
        Line(((f"{artifact.sha256[:12]}  ", "muted"), (artifact.path, ""), (f"  {size(artifact.n_bytes)}", "muted")))
        for artifact in run.artifacts
    ]
    return lines + _section("Files", files)


def _metrics(run: Run, epochs: EpochSeries, glyphs: Glyphs) -> list[Line]:
    words = words_for_values(run.diverged, run.undefined)
    names = sorted({*run.metrics, *epochs, *words})
    width = _width_of(names)
    lines = []
    for name in names:
        values = [value for _, value in epochs.get(name, ())]
        last = number(run.metrics.get(name, values[-1] if values else None))
        word, tone = words.get(name, last), "bad" if name in run.diverged else "strong"
        trend = sparkline(values, _TREND_WIDTH, glyphs=glyphs) if len(values) > 1 else ""
        lines.append(Line(((f"{name:<{width}}  ", "muted"), (f"{word:>8}  ", tone), (trend, "accent"))))
    return _section("Metrics", lines)


def _section(title: str, lines: list[Line]) -> list[Line]:
    return [Line(), Line(((title, "title"),)), *lines] if lines else []


def _facts(pairs: Iterable[tuple[str, str]]) -> list[Line]:
    facts = list(pairs)
    width = _width_of([name for name, _ in facts])
    return [Line(((f"{name:<{width}}  ", "muted"), (text, ""))) for name, text in facts]


def _width_of(names: Sequence[str]) -> int:
    return min(max(map(len, names), default=0), _MAX_NAME_WIDTH)


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NOTHING if value is None else str(value)
