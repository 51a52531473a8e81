"""The summary of a shift as lines: what fired, what was decided, what was changed, and who was here."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from console.presentation.phrases import NOTHING, age, ago, counted, instant
from widgets.line import Line, Span

if TYPE_CHECKING:
    from core.view.shift import ShiftEntry, ShiftSummary

_TONES: Final = {"firing": "bad", "acknowledged": "accent"}


def shift_lines(summary: "ShiftSummary") -> list[Line]:
    """Write a summary out, the newest first; whatever is open comes with its state."""
    firing = counted(summary.still_firing, "alert")
    at = summary.checked_until
    known = f"firing as of {instant(at)}: no engine evaluates." if at else "firing now."
    lines = [
        Line(
            (
                (f"{instant(summary.since)} to {instant(summary.until)}. ", "muted"),
                (f"{firing} {known}", "bad" if summary.still_firing else "good"),
            )
        )
    ]
    if summary.is_cut:
        lines.append(Line((("The shift has more records than are read: its beginning is missing.", "warn"),)))
    lines += _headed("Fired", summary.counts["fired"], _fired_lines(summary))
    lines += _headed("Decided about alerts", summary.counts["decisions"], _entry_lines(summary.decisions, summary))
    lines += _headed("Changed", summary.counts["changes"], _entry_lines(summary.changes, summary))
    lines += _headed("Who was here", summary.counts["people"], _people_lines(summary))
    return lines


def left_lately_lines(left_at: datetime, since: datetime, until: datetime) -> list[Line]:
    """Say why a summary begins before the user left: that was a moment ago, or lies ahead of this clock.

    Args:
        left_at: When the user left.
        since: Where the summary begins.
        until: The present.
    """
    told = f"You left {ago(left_at, until)}: the summary covers the last {age(since, until)}."
    return [Line(((told, "accent"),))]


def _headed(title: str, n: int, lines: Sequence[Line]) -> list[Line]:
    head: list[Span] = [(title, "title"), (f"  {n}" if n else "", "muted")]
    left_out = n - len(lines)
    more = [Line(((f"and {left_out:,} earlier", "muted"),))] if left_out > 0 else []
    return [Line(), Line(tuple(head)), *(lines or [Line(((NOTHING, "muted"),))]), *more]


def _fired_lines(summary: "ShiftSummary") -> list[Line]:
    return [
        Line(
            (
                (f"{age(alert.last_at, summary.until):>4} ", "muted"),
                (f"{alert.state}  ", _TONES.get(alert.state, "good" if alert.state == "resolved" else "muted")),
                (alert.summary or alert.name, ""),
                (f"  ({alert.n_fired} times)" if alert.n_fired > 1 else "", "muted"),
            )
        )
        for alert in summary.fired
    ]


def _entry_lines(entries: "Sequence[ShiftEntry]", summary: "ShiftSummary") -> list[Line]:
    return [
        Line(
            (
                (f"{age(entry.at, summary.until):>4} ", "muted"),
                (f"{entry.who} ", ""),
                (f"{entry.what} ", "strong"),
                (entry.object, ""),
                (f": {entry.reason}" if entry.reason else "", "muted"),
            )
        )
        for entry in entries
    ]


def _people_lines(summary: "ShiftSummary") -> list[Line]:
    return [
        Line(
            (
                (f"{age(person.last_at, summary.until):>4} ", "muted"),
                (f"{person.who}  ", "strong"),
                (f"{counted(person.n_changes, 'change')} through {', '.join(person.through)}", ""),
                (f", first {ago(person.first_at, summary.until)}", "muted"),
            )
        )
        for person in summary.people
    ]
