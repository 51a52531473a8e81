"""The row of screen names: each with its key, the current screen marked."""

from collections.abc import Sequence

from textual.events import Click
from textual.message import Message

from widgets.line import Line, Span, n_cells
from widgets.painted import Painted


class ScreenRow(Painted):
    """The row of screens, each with its key, the current one marked; a click goes there."""

    class Chosen(Message):
        """A click on a screen's name."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, screens: Sequence[tuple[str, str, str]], current: str) -> None:
        """Take (key, name, title) of every screen, and the name of the current screen."""
        super().__init__(id="screens")
        self._screens = tuple(screens)
        self._current = current

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the row; without room for all names, only the current screen shows its name."""
        return [Line(tuple(span for _, spans in self._pieces(width) for span in spans))]

    def on_click(self, event: Click) -> None:
        """Go to the screen whose name was clicked."""
        x = 0
        for name, spans in self._pieces(self.size.width):
            x += sum(n_cells(text) for text, _ in spans)
            if event.x < x:
                self.post_message(self.Chosen(name))
                return

    def _pieces(self, width: int) -> list[tuple[str, list[Span]]]:
        named = [(name, self._piece(key, title, name == self._current)) for key, name, title in self._screens]
        if sum(n_cells(text) for _, spans in named for text, _ in spans) <= width:
            return named
        return [
            (name, self._piece(key, title if name == self._current else "", name == self._current))
            for key, name, title in self._screens
        ]

    def _piece(self, key: str, title: str, is_current: bool) -> list[Span]:
        if is_current:
            return [(f"[{key} {title}]", "strong")]
        return [(f" {key}", "key"), (f" {title} " if title else " ", "muted")]
