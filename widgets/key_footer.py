"""The last line: the keys that work now. A sentence that answers the last action stands above them for its time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from widgets.line import Line, Span, clean, n_cells
from widgets.lines_pane import wrap
from widgets.painted import Painted

MOST_SENTENCE_LINES = 3
"""The lines of a sentence that are shown: the list above must stay a list."""


class KeyHint(msgspec.Struct, frozen=True):
    """A key and its action here."""

    key: str
    label: str
    enabled: bool = True
    pinned: bool = False
    """Stays when there is no room for every key."""


class KeyFooter(Painted):
    """Keys from left to right by importance; keys that do not work now are muted, in parentheses."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._hints: tuple[KeyHint, ...] = ()
        self._sentence: Span | None = None

    def set_keys(self, hints: Sequence[KeyHint]) -> None:
        """Show these keys, the most important first."""
        if tuple(hints) != self._hints:
            self._hints = tuple(hints)
            self.repaint()

    def say(self, sentence: str, tone: str = "") -> None:
        """Show a sentence above the keys; "" takes it away."""
        self._sentence = (clean(sentence), tone) if sentence else None
        self.resize_to_content()

    @property
    def sentence(self) -> str:
        """The sentence that is shown, or ""."""
        return self._sentence[0] if self._sentence else ""

    def n_lines(self, width: int) -> int:
        """Count the lines of the sentence, and the line of the keys."""
        return len(self._sentence_lines(width)) + 1

    def _sentence_lines(self, width: int) -> list[Line]:
        """Break the sentence into lines; the last one that there is room for is cut."""
        if self._sentence is None:
            return []
        lines = wrap(Line(((" ", ""), self._sentence)), width)
        if len(lines) > MOST_SENTENCE_LINES:
            rest = " ".join(line.text.strip() for line in lines[MOST_SENTENCE_LINES - 1 :])
            lines = [*lines[: MOST_SENTENCE_LINES - 1], Line(((f" {rest}", self._sentence[1]),))]
        return lines

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the sentence, and as many keys as fit."""
        hints = list(self._hints)
        while hints and 1 + sum(map(_hint_width, hints)) > width:
            droppable = [hint for hint in hints if not hint.pinned]
            dim = [hint for hint in droppable if not hint.enabled]  # a dim key never takes the room of a usable one
            hints.remove((dim or droppable or hints)[-1])
        return [*self._sentence_lines(width), Line(((" ", ""), *(span for hint in hints for span in _spans(hint))))]


def _spans(hint: KeyHint) -> tuple[Span, ...]:
    key, label = clean(hint.key), clean(hint.label)
    if hint.enabled:
        return ((key, "key"), (f" {label}  ", "muted"))
    return ((f"({key} {label})  ", "off"),)


def _hint_width(hint: KeyHint) -> int:
    return sum(n_cells(text) for text, _ in _spans(hint))
