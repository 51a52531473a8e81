"""The bytes sent over the line: the same screen in fewer bytes.

Textual 8.2 repaints a range of a line from the left edge of its widget, and writes every piece of text with its whole
style and a reset. Here a repaint starts where the change starts, and a style is written as the difference from the one
before it. Only how a finished drawing is put into bytes is changed, and a test holds what a terminal shows to what
Textual's own writer shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import SGR_STYLES, Strip

from widgets.textual_internals import (
    ChangesCompositor,
    ChopsUpdate,
    LayoutUpdate,
    OwnCompositor,
    attribute_bits,
    colour_system,
)

_RESET = "\x1b[0m"


@lru_cache(maxsize=4096)
def _codes(style: Style, system: ColorSystem) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Give the codes of a style: attributes, foreground, background."""
    on = attribute_bits(style)
    attributes = tuple(SGR_STYLES[bit] for bit in range(on.bit_length()) if on & (1 << bit))
    fore, back = style.color, style.bgcolor  # the terminal's own colours need no code: a reset leads to them
    foreground = fore.downgrade(system).get_ansi_codes() if fore and not fore.is_default else ()
    background = back.downgrade(system).get_ansi_codes(False) if back and not back.is_default else ()
    return attributes, tuple(foreground), tuple(background)


@lru_cache(maxsize=16384)
def _change(old: Style | None, new: Style | None, system: ColorSystem) -> str:
    """Write what turns one style into another."""
    plain = ((), (), ())
    attributes, foreground, background = _codes(new, system) if new else plain
    old_attributes, old_foreground, old_background = _codes(old, system) if old else plain
    if set(attributes) >= set(old_attributes):
        added = [code for code in attributes if code not in old_attributes]
        fore = ["39"] if old_foreground and not foreground else list(foreground) if foreground != old_foreground else []
        back = ["49"] if old_background and not background else list(background) if background != old_background else []
        return f"\x1b[{';'.join([*added, *fore, *back])}m" if added or fore or back else ""
    return f"\x1b[{';'.join(['0', *attributes, *foreground, *background])}m"


class _Pen:
    """Writes segments one after another and remembers the style that the terminal is in."""

    def __init__(self, console: Console) -> None:
        self._system = colour_system(console)
        self._style: Style | None = None
        self._parts: list[str] = []

    def move_to(self, x: int, y: int) -> None:
        self._parts.append(f"\x1b[{y + 1};{x + 1}H")

    def write(self, segments: Iterable[Segment]) -> None:
        append = self._parts.append
        for text, style, control in segments:
            if control or not text:
                continue
            if style is not None and style.link:
                append(_change(self._style, None, self._system))
                append(Strip.render_style(style, text, self._system))
                self._style = None
                continue
            if style is not self._style:
                append(_change(self._style, style, self._system))
                self._style = style
            append(text)

    def text(self) -> str:
        """Everything written, the terminal left in its plain style."""
        if self._style is not None:
            self._parts.append(_RESET)
        return "".join(self._parts)


class LeanChops(ChopsUpdate):
    """A partial repaint that starts at the first cell that changed."""

    def render_segments(self, console: Console) -> str:
        """Put the spans into bytes."""
        pen = _Pen(console)
        for y, first, last in self.spans:
            at: int | None = None
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= last or end <= first:
                    continue
                start, stop = max(first, x), min(end, last)
                if start >= stop:
                    continue
                if at != start:
                    pen.move_to(start, y)
                pen.write(strip.crop(start - x, stop - x))
                at = stop
        return pen.text()


class LeanLayout(LayoutUpdate):
    """A whole repaint, every style written as a difference."""

    def render_segments(self, console: Console) -> str:
        """Put the lines into bytes."""
        pen = _Pen(console)
        for y, line in enumerate(self.strips, self.region.y):
            pen.move_to(self.region.x, y)
            for strip in line:
                pen.write(strip)
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
