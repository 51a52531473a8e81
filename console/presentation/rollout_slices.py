"""The slices of a rollout, worst first, and how far the answers of both versions differ."""

from collections.abc import Sequence

from console.presentation.phrases import number, share
from core.rollout import Disagreement, GuardReading, Rollout
from widgets.line import Line
from widgets.rows import Cell, Row

MOST_ROWS = 3
"""How many slices the table of metrics shows; `w` shows all of them."""


def worst_slices(rollout: Rollout) -> tuple[GuardReading, ...]:
    """Return the worst slices, for a table."""
    return rollout.observed.slices[:MOST_ROWS]


def difference_row(rollout: Rollout) -> Row | None:
    """Draw how far the answers differ as a row of the table of metrics; None before both answered a row."""
    if not rollout.observed.disagreement:
        return None
    found = rollout.observed.disagreement[0]
    cells = (
        Cell("differ", "muted"),
        "",
        Cell(share(found.share_different, 1), "strong"),
        number(found.mean),
        Cell(f"p95 {number(found.p95)}", "muted"),
        Cell(f"{found.n:,}", "muted"),
        "",
        "",
        Cell(worst_level_text(rollout.observed.disagreement), "muted"),
    )
    return Row("differ", cells)


def worst_level_text(found: Sequence[Disagreement]) -> str:
    """Name the level on which answers differ most, if there are levels."""
    return f"most on {found[1].subject}: {share(found[1].share_different, 1)}" if len(found) > 1 else ""


def difference_lines(rollout: Rollout) -> list[Line]:
    """Write out how far the answers differ, all rows first and then the level that differs most."""
    if not rollout.plan.is_paired:
        return []
    title = Line((("How far the answers differ", "title"),))
    observed, tolerance = rollout.observed, rollout.plan.difference_tolerance
    if not observed.disagreement:
        return [Line(), title, Line((("No row has been answered by both versions yet.", "muted"),))]
    limit = "at all" if not tolerance else f"by more than {tolerance:g}"
    lines = [Line(), title, Line(((f"Different: {limit}. No outcome is needed.", "muted"),))]
    for found in observed.disagreement:
        classes = f", class {share(found.share_class_changed, 1)}" if found.n_class_changed else ""
        size = f"mean {number(found.mean)}, p95 {number(found.p95)}"
        head = f"{share(found.share_different, 1):>6} "
        lines.append(Line(((head, "strong"), (found.subject, ""), (f"  {size}{classes}, {found.n:,} rows", "muted"))))
    return lines
