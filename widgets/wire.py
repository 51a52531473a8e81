"""The bytes sent over the line: the same screen in fewer bytes.

Textual 8.2 repaints a range of a line from the left edge of its widget, and writes every piece of text with its whole
style and a reset. Here only the cells that change are written, a style as the difference from the one before it, and
lines that have moved are moved by the terminal. Only how a finished drawing is put into bytes is changed, and a test
holds what a terminal shows to what Textual's own writer shows. A whole repaint is written whole: it repairs a terminal
into which another program has written, and one that has been another size or has shown a shell meanwhile. Any resize,
Ctrl+L and the return from a shell cause one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from weakref import WeakKeyDictionary

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment

from widgets.scrolling import LEAST_LINES, find_move
from widgets.terminal_cells import (
    BLANK,
    PLAIN,
    CellStyle,
    LineMove,
    TerminalCell,
    TerminalCells,
    cells_of,
    change,
    is_covered,
    style_codes,
)
from widgets.textual_internals import ChangesCompositor, ChopsUpdate, LayoutUpdate, OwnCompositor, colour_system

_SHOWN: WeakKeyDictionary[Console, TerminalCells] = WeakKeyDictionary()
"""What the terminal of each console shows: all screens of an app draw on the same."""


class _Pen:
    """Writes cells one after another and remembers the place and the look that the terminal is in."""

    def __init__(self) -> None:
        self._look = PLAIN
        self._line: int | None = None
        self._parts: list[str] = []

    def move_to(self, x: int, y: int) -> None:
        self._parts.append(f"\x1b[{x + 1}G" if y == self._line else f"\x1b[{y + 1};{x + 1}H")
        self._line = y

    def move_lines(self, move: LineMove) -> None:
        """Let the terminal move lines; its cursor is at the upper left then."""
        self._change_to(PLAIN)
        self._parts.append(move.sequence)
        self._line = None

    def write(self, cells: Iterable[TerminalCell]) -> None:
        append = self._parts.append
        for cell in cells:
            sign, look = cell
            if look is not self._look and not is_covered(self._look, cell):
                if sign == BLANK and not (self._look.shows_on_blanks or look.shows_on_blanks):
                    look = self._look._replace(background=look.background)
                self._change_to(look)
            append(sign)

    def write_whole(self, segments: Iterable[Segment], system: ColorSystem) -> None:
        """Write segments piece by piece: quicker than cell by cell."""
        for text, style, control in segments:
            if text and not control:
                look = style_codes(style, system)
                if look is not self._look:
                    self._change_to(look)
                self._parts.append(text)

    def _change_to(self, look: CellStyle) -> None:
        self._parts.append(change(self._look, look))
        if look.link != self._look.link:
            self._parts.append(f"\x1b]8;;{look.link}\x1b\\")
        self._look = look

    def text(self) -> str:
        """Everything written, the terminal left in its plain style."""
        self._change_to(PLAIN)
        return "".join(self._parts)


class _Piece(NamedTuple):
    """Cells to be drawn from a place on."""

    y: int
    start: int
    cells: list[TerminalCell]
    end: int

    @property
    def is_known(self) -> bool:
        """Whether each cell is one of the terminal; it may show a strange sign in more cells than one, or in fewer."""
        return len(self.cells) == self.end - self.start


class LeanChops(ChopsUpdate):
    """A partial repaint of the cells that change; lines that have moved are moved by the terminal."""

    def render_segments(self, console: Console) -> str:
        """Put the spans into bytes."""
        pen, system = _Pen(), colour_system(console)
        shown = _SHOWN.setdefault(console, TerminalCells())
        pieces = list(self._pieces(system))
        if (moved := _moved(pieces, shown, system)) is not None:
            move, pieces = moved
            pen.move_lines(move)
            shown.move(move)
        for piece in pieces:
            if piece.is_known:
                for place, run in shown.changes(piece.y, piece.start, piece.cells, system):
                    pen.move_to(place, piece.y)
                    pen.write(run)
            else:
                pen.move_to(piece.start, piece.y)
                pen.write(piece.cells)
                shown.forget(piece.y, piece.start, piece.end)
        return pen.text()

    def _pieces(self, system: ColorSystem) -> Iterator[_Piece]:
        """Yield what is drawn, from top to bottom."""
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= last or end <= first:
                    continue
                start, stop = max(first, x), min(end, last)
                if start < stop:
                    yield _Piece(y, start, cells_of(strip.crop(start - x, stop - x), system), stop)


def _moved(pieces: list[_Piece], shown: TerminalCells, system: ColorSystem) -> tuple[LineMove, list[_Piece]] | None:
    """Find the lines that are best moved, and what is to be drawn then: of these lines, all of each."""
    drawn = {piece.y for piece in pieces}
    if len(drawn) < LEAST_LINES or not all(piece.is_known for piece in pieces):
        return None
    before = {y: shown.line(y, system) for y in range(min(drawn), max(drawn) + 1)}
    width = max(*map(len, before.values()), *(piece.end for piece in pieces))
    before = {y: line + [None] * (width - len(line)) for y, line in before.items()}
    after = {y: line.copy() for y, line in before.items()}
    for y, start, cells, end in pieces:
        after[y][start:end] = cells
    if (move := find_move(before, after)) is None:
        return None
    inside = range(move.top, move.bottom)
    beside = [piece for piece in pieces if piece.y not in inside]
    return move, beside + [_Piece(y, 0, [cell for cell in after[y] if cell is not None], width) for y in inside]


class LeanLayout(LayoutUpdate):
    """A whole repaint, every style written as a difference."""

    def render_segments(self, console: Console) -> str:
        """Put the lines into bytes."""
        pen, system = _Pen(), colour_system(console)
        shown = _SHOWN[console] = TerminalCells()
        for y, line in enumerate(self.strips, self.region.y):
            strips = tuple(line)
            pen.move_to(self.region.x, y)
            for strip in strips:
                pen.write_whole(strip, system)
            shown.draw_line(y, strips)
        return pen.text()


class LeanCompositor(ChangesCompositor):
    """Textual's compositor with a leaner way to write."""

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        """Render a full update."""
        update = super().render_full_update(simplify=simplify)
        return LeanLayout(update.strips, update.region)

    def render_partial_update(self) -> ChopsUpdate | None:
        """Render a partial update."""
        update = super().render_partial_update()
        return update and LeanChops(update.chops, update.spans, update.chop_ends)


class LeanScreen(OwnCompositor):
    """A screen that sends fewer bytes: `class MyScreen(LeanScreen, Screen[None])`, and so with `ModalScreen`."""

    COMPOSITOR = LeanCompositor
