"""The plane of a chart: points become dots, and dots become cells of braille or plain characters.

One cell has one colour, so that a row takes few changes of style; where two series meet in a cell, the later one gives
its colour and both give their dots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from widgets.glyphs import Glyphs
from widgets.line import Span

_BRAILLE = 0x2800
# The bit of each dot of a braille cell, by row and column.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))

PlanePoint = tuple[float, float]


class Frame(msgspec.Struct, frozen=True):
    """The visible part of the plane, and its size in dots."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    n_columns: int
    n_rows: int

    def dot(self, x: float, y: float) -> tuple[int, int]:
        """Find the dot of a point: (column, row), row 0 on top."""
        column = (x - self.x_low) / (self.x_high - self.x_low) * (self.n_columns - 1)
        row = (self.y_high - y) / (self.y_high - self.y_low) * (self.n_rows - 1)
        return (
            max(0, min(self.n_columns - 1, round(column))),
            max(0, min(self.n_rows - 1, round(row))),
        )


def is_drawable(x: float, y: float) -> bool:
    """Whether a point has a place on a plane."""
    # NaN compares false. Values near the largest float would make the range around them infinite.
    return abs(x) < 1e300 and abs(y) < 1e300


class Plane:
    """The cells between the axes."""

    def __init__(self, n_columns: int, n_rows: int, glyphs: Glyphs) -> None:
        self._n_columns, self._n_rows = n_columns, n_rows
        self._glyphs = glyphs
        self._braille = glyphs.name == "unicode"
        self._cells: dict[tuple[int, int], int] = {}
        self._signs: dict[tuple[int, int], str] = {}
        self._tones: dict[tuple[int, int], str] = {}
        self.cursor: int | None = None
        """The column of the cursor."""

    @property
    def dots_across(self) -> int:
        """The dots of one cell across."""
        return 2 if self._braille else 1

    @property
    def n_dots(self) -> tuple[int, int]:
        """The dots across and down."""
        return (self._n_columns * 2, self._n_rows * 4) if self._braille else (self._n_columns, self._n_rows)

    def row_of(self, dot_row: int) -> int:
        """Find the line of text in which a dot lies."""
        return dot_row // 4 if self._braille else dot_row

    def draw(
        self, points: Iterable[PlanePoint], frame: Frame, *, tone: str, marker: str, is_ended: bool = True
    ) -> None:
        """Draw the line of a series and end it in its marker, unless it is the edge of a band."""
        last: tuple[int, int] | None = None
        end: tuple[int, int] | None = None
        for x, y in points:
            if not is_drawable(x, y):
                last = None
                continue
            dot = frame.dot(x, y)
            for column, row in _stroke(last or dot, dot):
                self._set(column, row, marker, tone)
            last = end = dot
        if end is not None and is_ended:
            cell = (end[0] // 2, end[1] // 4) if self._braille else end
            self._signs[cell], self._tones[cell] = marker, tone

    def _set(self, column: int, row: int, marker: str, tone: str) -> None:
        if self._braille:
            cell = (column // 2, row // 4)
            self._cells[cell] = self._cells.get(cell, 0) | _DOTS[row % 4][column % 2]
        else:
            cell = (column, row)
            self._signs[cell] = marker
        self._tones[cell] = tone

    def row(self, row: int) -> Iterator[Span]:
        """Draw one line of the plane; blanks take the tone of their neighbours."""
        text, tone = "", ""
        for column in range(self._n_columns):
            cell = (column, row)
            sign = self._signs.get(cell) or (chr(_BRAILLE | self._cells[cell]) if cell in self._cells else " ")
            its_tone = self._tones.get(cell, tone)
            if column == self.cursor and sign == " ":
                sign, its_tone = self._glyphs.upright, "accent"
            if its_tone != tone and text:
                yield text, tone
                text = ""
            text, tone = text + sign, its_tone
        yield text, tone


def _stroke(start: tuple[int, int], end: tuple[int, int]) -> Iterable[tuple[int, int]]:
    """Walk the dots of a straight line."""
    n_steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    if n_steps == 0:
        yield end
        return
    for step in range(n_steps + 1):
        yield (
            start[0] + round((end[0] - start[0]) * step / n_steps),
            start[1] + round((end[1] - start[1]) * step / n_steps),
        )
