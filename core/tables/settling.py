"""Columns that fit two readings, settled by the other columns of the same file: one writer uses one decimal mark."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from core.tables.clock_times import CLOCK, DURATION
from core.tables.reading_of_column import Reading
from core.tables.signature import ColumnForm, ColumnKind

MOST_TOLD = 6  # words for an empty cell that a note lists
_SPELLED = {
    ".": "a decimal point",
    ",": "a decimal comma",
    "day-first": "the day before the month",
    "month-first": "the month before the day",
}
_TIMES = {CLOCK: "clock times, in minutes of the day", DURATION: "durations, in seconds"}
_MARKS = {",": "commas", ".": "points", "'": "apostrophes", " ": "blanks"}


def settled(readings: Mapping[str, Reading]) -> tuple[dict[str, Reading], list[str]]:
    """Settle doubts by the other columns, and tell how columns were read.

    Returns:
        The readings, and a sentence for each column that is read as more than plain numbers, words or ISO dates.
    """
    clear = [reading for reading in readings.values() if reading.doubt is None]
    marks = {reading.form.decimal for reading in clear} - {""}
    orders = {reading.form.order for reading in clear} - {""}
    found, notes = dict(readings), []
    for name, reading in readings.items():
        evidence = orders if reading.kind is ColumnKind.TIME else marks
        if reading.doubt is not None and len(evidence) == 1:
            (said,) = evidence
            found[name] = replace(reading.doubt.choices[said], gaps=reading.gaps)
            notes.append(f"{name} is read with {_SPELLED[said]}, as other columns of the file are written.")
        notes.extend(_told(name, found[name]))
    return found, notes


def _told(name: str, reading: Reading) -> list[str]:
    order = reading.form.order if reading.doubt is None else ""
    return [*told_form(name, msgspec.structs.replace(reading.form, order=order)), *told_gaps(name, reading.gaps)]


def told_form(name: str, form: ColumnForm) -> list[str]:
    """Tell how a column was written, where that is more than plain numbers, words or ISO dates."""
    parts = []
    if form.decimal == ",":
        parts.append("a decimal comma")
    if form.thousands:
        parts.append(f"{_MARKS[form.thousands]} between thousands")
    if form.unit:
        parts.append(f"the unit {form.unit}, figures as written")
    if form.scales:
        parts.append(f"{', '.join(form.scales)} for thousands and more")
    notes = [f"{name} is read as numbers with {' and '.join(parts)}."] if parts else []
    if form.time:
        notes.append(f"{name} is read as {_TIMES[form.time]}.")
    if form.order:
        notes.append(f"{name} is read as dates with {_SPELLED[form.order]}.")
    return notes


def told_gaps(name: str, gaps: Mapping[str, int]) -> list[str]:
    """Tell which words of a column were read as missing, and how often."""
    if not gaps:
        return []
    words = ", ".join(f"{word!r} ({n:,})" for word, n in list(gaps.items())[:MOST_TOLD])
    more = ", …" if len(gaps) > MOST_TOLD else ""
    return [f"{counted_gaps(name, gaps).removesuffix('.')}: {words}{more}."]


def counted_gaps(name: str, gaps: Mapping[str, int]) -> str:
    """Tell how many cells of a column were read as missing, without the words."""
    return f"{name}: {sum(gaps.values()):,} cells are read as missing."
