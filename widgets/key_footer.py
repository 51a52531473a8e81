"""The last line: the keys that work now, or a sentence that answers the last action."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.cells import cell_len

from widgets.line import Line, Span, clean
from widgets.painted import Painted


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
        """Show a sentence instead of the keys; "" brings the keys back."""
        self._sentence = (clean(sentence), tone) if sentence else None
        self.repaint()

    @property
    def sentence(self) -> str:
        """The sentence that is shown, or ""."""
        return self._sentence[0] if self._sentence else ""

    def n_lines(self, width: int) -> int:
        """Always one line."""
        return 1

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the sentence, or as many keys as fit."""
        if self._sentence:
            return [Line(((" ", ""), self._sentence))]
        hints = list(self._hints)
        while hints and 1 + sum(map(_hint_width, hints)) > width:
            droppable = [hint for hint in hints if not hint.pinned]
            dim = [hint for hint in droppable if not hint.enabled]  # a dim key never takes the room of a usable one
            hints.remove((dim or droppable or hints)[-1])
        return [Line(((" ", ""), *(span for hint in hints for span in _spans(hint))))]


def _spans(hint: KeyHint) -> tuple[Span, ...]:
    key, label = clean(hint.key), clean(hint.label)
    if hint.enabled:
        return ((key, "key"), (f" {label}  ", "muted"))
    return ((f"({key} {label})  ", "off"),)


def _hint_width(hint: KeyHint) -> int:
    return sum(cell_len(text) for text, _ in _spans(hint))
