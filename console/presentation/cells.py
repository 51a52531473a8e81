"""Cells that spell a value and keep it: a table sorts by the value, and an export writes it."""

from datetime import datetime

from console.presentation.phrases import age, duration, number, percent, share, size
from widgets.rows import Cell


def age_cell(since: datetime | None, now: datetime) -> Cell:
    """Spell how long ago something happened."""
    return Cell(age(since, now), value=since)


def share_cell(value: float | None, digits: int = 1, tone: str = "") -> Cell:
    """Spell a share of 1 as a percentage."""
    return Cell(share(value, digits), tone, value)


def percent_cell(value: float | None) -> Cell:
    """Spell a percentage in whole points."""
    return Cell(percent(value), value=value)


def number_cell(value: float | None, unit: str = "") -> Cell:
    """Spell a measurement."""
    return Cell(number(value, unit), value=value)


def duration_cell(seconds: float | None, *, at_most: bool = False) -> Cell:
    """Spell a duration; round it up if it is an upper limit."""
    return Cell(duration(seconds, at_most=at_most), value=seconds)


def size_cell(n_bytes: float | None) -> Cell:
    """Spell an amount of bytes."""
    return Cell(size(n_bytes), value=n_bytes)
