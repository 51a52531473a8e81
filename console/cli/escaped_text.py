"""The last door to the terminal: every text of a command passes it, whoever prints it."""

import io
from collections.abc import Callable, Iterator

import msgspec
from typing_extensions import override

from core.escape import escaped, is_shown_as_is

KEPT = "\n\t"


class Control(str):
    """A control sequence of our own, such as the one that clears a line; the one text that is not escaped."""

    __slots__ = ()


def for_terminal(text: str) -> str:
    """Return a text as it may go out: escaped, unless it is a `Control`."""
    return text if isinstance(text, Control) else escaped(text, keep=KEPT)


def _ignore(text: str) -> None:
    """Ignore a text: most commands draw nothing that it could run into."""


_announce: Callable[[str], None] = _ignore


def before_text(announce: Callable[[str], None] | None) -> None:
    """Call a function with every text before it goes out, so that a drawn line makes room; None ends it."""
    global _announce  # noqa: PLW0603 - one line is drawn on one terminal
    _announce = announce or _ignore


class EscapedText(io.TextIOWrapper):
    """A stream that sends nothing which a terminal would obey."""

    @override
    def write(self, text: str, /) -> int:
        _announce(text)
        super().write(for_terminal(text))
        return len(text)


def terminal_cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Spell a value as JSON in which every character that a terminal would obey or hide is a `\\u` escape."""
    encoded = msgspec.json.encode(value)
    text = (encoded if indent is None else msgspec.json.format(encoded, indent=indent)).decode()
    return text if is_shown_as_is(text, keep="\n") else "".join(_spelled(text))


def _spelled(text: str) -> Iterator[str]:
    for character in text:
        if character == "\n" or is_shown_as_is(character):
            yield character
        else:  # JSON has escapes of 16 bits
            units = character.encode("utf-16-be", "surrogatepass")
            yield "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
