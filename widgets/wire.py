"""The bytes sent over the line: the same screen in fewer bytes.

Textual 8.2 repaints a range of a line from the left edge of its widget, and writes every piece of text with its whole
style and a reset. Here only the cells that change are written, and a style as the difference from the one before it.
Only how a finished drawing is put into bytes is changed, and a test holds what a terminal shows to what Textual's own
writer shows. A whole repaint is written whole: it repairs a terminal into which another program has written, and one
that has been another size or has shown a shell meanwhile. Any resize, Ctrl+L and the return from a shell cause one.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment

from widgets.terminal_cells import (
    BLANK,
    PLAIN,
    CellStyle,
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


class LeanChops(ChopsUpdate):
    """A partial repaint of the cells that change."""

    def render_segments(self, console: Console) -> str:
        """Put the spans into bytes."""
        pen, system = _Pen(), colour_system(console)
        shown = _SHOWN.setdefault(console, TerminalCells())
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= last or end <= first:
                    continue
                start, stop = max(first, x), min(end, last)
                if start >= stop:
                    continue
                cells = cells_of(strip.crop(start - x, stop - x), system)
                if len(cells) == stop - start:
                    for place, run in shown.changes(y, start, cells, system):
                        pen.move_to(place, y)
                        pen.write(run)
                else:  # the terminal may show such a sign in more cells than one, or in fewer
                    pen.move_to(start, y)
                    pen.write(cells)
                    shown.forget(y, start, stop)
        return pen.text()


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
