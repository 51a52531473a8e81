"""The rows of a table: cells that spell a value and keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import overload

import msgspec

from widgets.line import Line

CellValue = float | datetime | str
UNREAD_TEXT = "…"
"""Stands in each cell of a row that is not on the page that was read."""


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
    found_by: str = ""
    """What the filter finds the row by, beside its cells, such as a name that has no column."""

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


class RowPage(Sequence[Row]):
    """The rows of a list of which only one page is read. Rows outside the page have their key, and no values yet."""

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        n_before: int,
        n_after: int,
        key_at: Callable[[int], str],
        place_of: Callable[[str], int | None],
    ) -> None:
        """Make a list.

        Args:
            rows: The rows of the page.
            n_before: How many rows come before the page.
            n_after: How many rows come after the page.
            key_at: Returns the key of the row at a place of the list, from 0.
            place_of: Returns the place of the row with a key; None if the list has no such row.
        """
        self.loaded = tuple(rows)
        self._n_before, self._n_rows = n_before, n_before + len(rows) + n_after
        self._key_at, self._place_of = key_at, place_of
        self._n_cells = len(rows[0].cells) if rows else 0

    def __len__(self) -> int:
        return self._n_rows

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        """Return a row; one outside the page is unread."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._n_rows))]
        place = index + self._n_rows if index < 0 else index
        if not 0 <= place < self._n_rows:
            raise IndexError(index)
        if 0 <= place - self._n_before < len(self.loaded):
            return self.loaded[place - self._n_before]
        key = self._key_at(place)
        return Row(key, (key, *(UNREAD_TEXT,) * (self._n_cells - 1)), "muted")

    def __iter__(self) -> Iterator[Row]:
        return (self[place] for place in range(self._n_rows))

    def place_of(self, key: str | None) -> int | None:
        """Return the place of the row with a key, or None if the list has no such row."""
        place = None if key is None else self._place_of(key)
        return place if place is not None and 0 <= place < self._n_rows else None
