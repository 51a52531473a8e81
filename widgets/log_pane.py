"""A pane of lines that grow at the end: it follows them, or stays where the operator scrolled to."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.events import MouseScrollDown, MouseScrollUp
from textual.message import Message

from widgets.line import Line, fit_line
from widgets.lines_pane import wrap
from widgets.painted import Painted

MAX_LINES = 10_000
"""The lines kept: the oldest are dropped, so that a log of any length costs the same memory."""


class Entry(NamedTuple):
    """One line: its text, its tone, and how severe it is."""

    text: str
    tone: str = ""
    level: int = 0


class LogPane(Painted, can_focus=True):
    """Entries, the newest at the bottom. It posts `Moved` whenever what it says about itself may have changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_entries(1)", "Down", show=False),
        Binding("k,up", "scroll_entries(-1)", "Up", show=False),
        Binding("pagedown,space", "scroll_pages(1)", "Page down", show=False),
        Binding("pageup,b", "scroll_pages(-1)", "Page up", show=False),
        Binding("g,home", "oldest", "First", show=False),
        Binding("G,end,l", "follow", "Follow", show=False),
        Binding("w", "wrap", "Wrap", show=False),
    ]

    class Moved(Message):
        """The pane follows or no longer follows, found something, or holds other lines."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._all: deque[Entry] = deque(maxlen=MAX_LINES)
        self._shown: deque[Entry] = deque(maxlen=MAX_LINES)
        self._accepts: Callable[[Entry], bool] = lambda _: True
        self._top: int | None = None  # the first entry in view; None follows the newest
        self._found: int | None = None
        self._sought = ""
        self.n_unseen = 0
        """The entries that came since the pane stopped following."""
        self.wraps = False

    @property
    def follows(self) -> bool:
        """Whether the newest entry stays in view."""
        return self._top is None

    @property
    def n_shown(self) -> int:
        """The number of entries that pass the filter."""
        return len(self._shown)

    @property
    def text(self) -> str:
        """The entries that pass the filter, for the clipboard."""
        return "\n".join(entry.text for entry in self._shown)

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries at the end; a pane that was scrolled up stays where it is."""
        for entry in entries:
            self._all.append(entry)
            if not self._accepts(entry):
                continue
            if len(self._shown) == MAX_LINES:  # the oldest goes: what is in view keeps its place
                self._top = None if self._top is None else max(0, self._top - 1)
                self._found = None if not self._found else self._found - 1
            self._shown.append(entry)
            self.n_unseen += not self.follows
        self._changed()

    def show_only(self, accepts: Callable[[Entry], bool]) -> None:
        """Show only the entries that a filter accepts, and follow again."""
        self._accepts = accepts
        self._shown = deque(filter(accepts, self._all), maxlen=MAX_LINES)
        self._found = None
        self.action_follow()

    def search(self, text: str) -> int:
        """Go to the newest entry with a text in it, ignoring case; an empty text ends the search.

        Returns:
            How many entries have it.
        """
        self._sought, self._found = text.casefold(), None
        if text:
            self.find(-1)
        self._changed()
        return sum(map(self._matches, self._shown))

    def find(self, direction: int) -> bool:
        """Go to the next entry with the text of the search, or to the previous one if negative."""
        here = self._found if self._found is not None else len(self._shown) if direction < 0 else -1
        entries = range(here - 1, -1, -1) if direction < 0 else range(here + 1, len(self._shown))
        index = next((index for index in entries if self._matches(self._shown[index])), None)
        if index is None:
            return False
        self._found = index
        self._go_to(index - self.size.height // 3)
        return True

    def _matches(self, entry: Entry) -> bool:
        return bool(self._sought) and self._sought in entry.text.casefold()

    def action_scroll_entries(self, n: int) -> None:
        """Scroll by entries; upwards the pane stops following, at the end it follows again."""
        top = self._first_in_view() if self._top is None else self._top
        if n > 0 and (self.follows or top + n >= self._first_in_view()):
            self.action_follow()
        else:
            self._go_to(top + n)

    def action_scroll_pages(self, n: int) -> None:
        """Scroll by pages."""
        self.action_scroll_entries(n * max(1, self.size.height - 1))

    def action_oldest(self) -> None:
        """Go to the oldest entry."""
        self._go_to(0)

    def action_follow(self) -> None:
        """Go to the newest entry, and follow."""
        self._top, self.n_unseen = None, 0
        self._changed()

    def action_wrap(self) -> None:
        """Wrap long entries, or cut them."""
        self.wraps = not self.wraps
        self._changed()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Turn the wheel: three entries at a time."""
        event.stop()
        self.action_scroll_entries(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Turn the wheel back."""
        event.stop()
        self.action_scroll_entries(-3)

    def _go_to(self, top: int) -> None:
        if self._top is None:
            self.n_unseen = 0
        self._top = max(0, min(top, len(self._shown) - 1)) if self._shown else None
        self._changed()

    def _first_in_view(self) -> int:
        """Find the first entry in view while the newest is at the bottom."""
        n_rows, index = 0, len(self._shown)
        while index > 0 and n_rows < self.size.height:
            index -= 1
            n_rows += len(self._rows(index, self.size.width))
        return index

    def paint(self, width: int, height: int) -> Sequence[Line]:
        """Draw the entries in view."""
        if self._top is None:
            first = self._first_in_view()
            rows = [row for index in range(first, len(self._shown)) for row in self._rows(index, width)]
            return rows[-height:]
        entries = range(self._top, len(self._shown))
        return list(itertools.islice((row for index in entries for row in self._rows(index, width)), height))

    def _rows(self, index: int, width: int) -> list[Line]:
        entry = self._shown[index]
        ground = "cursor" if index == self._found else ""
        line = Line(((entry.text, entry.tone),), ground)
        if self.wraps:
            return wrap(line, max(width, 4))
        return [fit_line(line, width, ellipsis=self.glyphs.ellipsis)]

    def _changed(self) -> None:
        self.repaint()
        self.post_message(self.Moved())
