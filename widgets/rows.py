"""The rows of a table: cells that spell a value and keep it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from widgets.line import Line

CellValue = float | datetime | str


class Cell(msgspec.Struct, frozen=True):
    """A text and what it means: one of `widgets.line.TONES`, or "" for ordinary text."""

    text: str
    tone: str = ""
    value: CellValue | None = None
    """The number, instant or word that the text spells: rows are sorted by it, and exports write it."""
    rank: int | None = None
    """The place of the value in an order of its own, such as that of severities."""
    brief: str = ""
    """What stands for the text where there is no room for all of it."""


class Row(msgspec.Struct, frozen=True):
    """One row: a key that stays the same while its cells change, and one cell per column; a line has several tones."""

    key: str
    cells: tuple[Cell | Line | str, ...]
    tone: str = ""
    """The tone of cells that name none of their own."""

    def text(self, index: int) -> str:
        """Return the text of a cell."""
        cell = self.cells[index]
        return cell if isinstance(cell, str) else cell.text

    @property
    def texts(self) -> list[str]:
        """The texts of its cells."""
        return [self.text(index) for index in range(len(self.cells))]

    def value(self, index: int) -> CellValue:
        """Return the value of a cell, else its text."""
        value = getattr(self.cells[index], "value", None)
        return self.text(index) if value is None else value
