"""Lines of text that wrap to their pane and scroll, and captions without focus."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.cells import chop_cells
from textual.binding import Binding, BindingType
from textual.events import MouseScrollDown, MouseScrollUp
from textual.message import Message

from widgets.line import Line, Span, clean, n_cells
from widgets.painted import Painted

MAX_INDENT = 28


def wrap(line: Line, width: int) -> list[Line]:
    """Break a wide line at its blanks, and indent the rest below the text it belongs to.

    >>> [part.text for part in wrap(Line((("reason  ", "muted"), ("too few rows", ""))), 16)]
    ['reason  too few', '        rows']
    >>> [part.text for part in wrap(Line((("  too few rows", ""),)), 12)]
    ['  too few', '  rows']
    """
    if line.width <= width or width < 4:
        return [line]
    first_text = line.spans[0][0]
    is_label = first_text.endswith(" ")
    indent = n_cells(first_text) if is_label else len(first_text) - len(first_text.lstrip(" "))
    indent = min(indent, MAX_INDENT, width // 2)
    lines: list[Line] = []
    spans: list[Span] = []
    used = 0
    for word, tone in _words(line.spans, width - indent):
        length = n_cells(word)
        if used + n_cells(word.rstrip()) > width and spans:
            lines.append(_stripped(spans, line.ground))
            spans, used = ([(" " * indent, "")] if indent else []), indent
            if word.isspace():
                continue
        spans.append((word, tone))
        used += length
    return [*lines, _stripped(spans, line.ground)]


def _words(spans: Sequence[Span], longest: int) -> Iterator[Span]:
    """Split spans into words that keep the blanks behind them; a word longer than a line is cut."""
    for text, tone in spans:
        start = 0
        while start < len(text):
            end = start
            while end < len(text) and text[end] != " ":
                end += 1
            while end < len(text) and text[end] == " ":
                end += 1
            word = text[start:end]
            start = end
            if n_cells(word.rstrip()) <= longest:
                yield word, tone
            else:
                yield from ((piece, tone) for piece in chop_cells(word, longest))


def _stripped(spans: Sequence[Span], ground: str) -> Line:
    *head, (text, tone) = spans
    return Line((*head, (text.rstrip(), tone)), ground)


class LinesPane(Painted, can_focus=True):
    """Text in lines that wrap to the pane; keys scroll a longer text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_lines(1)", "Down", show=False),
        Binding("k,up", "scroll_lines(-1)", "Up", show=False),
        Binding("g,home", "scroll_lines(-1000000)", "First", show=False),
        Binding("G,end", "scroll_lines(1000000)", "Last", show=False),
        Binding("pagedown,space", "scroll_pages(1)", "Page down", show=False),
        Binding("pageup", "scroll_pages(-1)", "Page up", show=False),
    ]

    class Seen(Message):
        """Other lines than before have been on the screen, or have not been on it."""

    def __init__(self, lines: Sequence[Line] = (), *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._content: tuple[Line, ...] = tuple(lines)
        self._given: tuple[Line, ...] | None = None  # the content of `show`, as it was handed over
        self._wrapped_to: tuple[int, list[Line]] | None = None  # the content at the last width
        self._top = 0
        self._n_seen, self._seen_width = 0, 0
        self._scroll_keys = "j, PgDn"

    @property
    def scroll_keys(self) -> str:
        """The keys that show the lines below, as the mark in the last row names them; "" where no key does."""
        return self._scroll_keys

    @scroll_keys.setter
    def scroll_keys(self, keys: str) -> None:
        if keys != self._scroll_keys:
            self._scroll_keys = keys
            self.repaint()

    @property
    def lines(self) -> tuple[Line, ...]:
        """The text of the pane before wrapping."""
        return self._content

    def show(self, lines: Sequence[Line], *, from_top: bool = False) -> None:
        """Replace the text; only the cells that differ are sent."""
        given = tuple(lines)
        if given == self._given and not from_top:
            return
        self._given = given
        content = tuple(Line(tuple((clean(text), tone) for text, tone in line.spans), line.ground) for line in given)
        if from_top:
            self._top = 0
        if content != self._content or from_top:
            self._content, self._wrapped_to = content, None
            self._n_seen = 0
            self.resize_to_content()

    @property
    def text(self) -> str:
        """The whole text, for the clipboard."""
        return "\n".join(line.text.rstrip() for line in self._content)

    def n_lines(self, width: int) -> int:
        """Count the lines once wrapped."""
        return max(1, len(self._wrapped(width)))

    @property
    def n_unseen(self) -> int:
        """Count the lines, from the last one up, that have not been on the screen yet."""
        return max(0, len(self._wrapped(self._seen_width)) - self._n_seen) if self._seen_width else len(self._content)

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the lines in view; a mark in the last row announces more lines."""
        wrapped = self._wrapped(width)
        self._top = max(0, min(self._top, len(wrapped) - height))
        shown = wrapped[self._top : self._top + height]
        n_below = len(wrapped) - self._top - height
        if n_below > 0 and height > 1:
            keys = f": {self._scroll_keys}" if self._scroll_keys else ""
            shown[-1] = Line(((f"{self.glyphs.down} {n_below + 1} more lines{keys}", "muted"),))
        return shown

    def _draw(self) -> list[Line]:
        """Draw what goes onto the screen, and remember how far it went."""
        lines = super()._draw()
        before = self.n_unseen
        width, height = self.size
        if width != self._seen_width:  # other line breaks
            self._n_seen, self._seen_width = 0, width
        end = self._top + height
        n_lines = len(self._wrapped(width))
        self._n_seen = max(self._n_seen, end - 1 if end < n_lines and height > 1 else end)
        if self.n_unseen != before:
            self.post_message(self.Seen())
        return lines

    def action_scroll_lines(self, n_lines: int) -> None:
        """Scroll by lines."""
        self._top = max(0, self._top + n_lines)
        self.repaint()

    def action_scroll_pages(self, n_pages: int) -> None:
        """Scroll by pages."""
        self.action_scroll_lines(n_pages * max(1, self.size.height - 2))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Turn the wheel: three lines at a time."""
        event.stop()
        self.action_scroll_lines(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Turn the wheel back."""
        event.stop()
        self.action_scroll_lines(-3)

    def _wrapped(self, width: int) -> list[Line]:
        if self._wrapped_to is None or self._wrapped_to[0] != width:
            self._wrapped_to = width, [part for line in self._content for part in wrap(line, width)]
        return self._wrapped_to[1]


class Caption(LinesPane, can_focus=False):
    """Lines that never take the focus, so that no key scrolls them unless their screen says which."""

    def __init__(self, lines: Sequence[Line] = (), *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(lines, id=id, classes=classes)
        self._scroll_keys = ""
