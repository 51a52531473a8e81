"""A line of text as plain data: spans with a tone, fitted to terminal cells and safe to send.

Data never reaches the terminal as markup or as an escape sequence: unprintable characters are replaced here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec
from rich.cells import cell_len, set_cell_size

from core.escape import escaped, is_shown_as_is

Align = Literal["left", "right", "center"]
Cut = Literal["end", "middle"]
"""Where a text that is too long loses its characters: names differ at both ends."""
Span = tuple[str, str]
"""A text and its tone; "" is the tone of ordinary text."""

TONES = (
    *("strong", "muted", "accent", "key", "title", "good", "warn", "bad", "alarm", "off", "line"),
    *(f"series-{number}" for number in range(1, 7)),
)

# A cursor movement costs up to eight bytes, so cells that are nearer to each other than this go in one piece.
_NEAR = 8
_SPACES = str.maketrans("\t\n\r", "   ")


class Line(msgspec.Struct, frozen=True):
    """One line: spans from left to right over one ground."""

    spans: tuple[Span, ...] = ()
    ground: str = ""

    @property
    def text(self) -> str:
        """The characters of the line without their tones."""
        return "".join(text for text, _ in self.spans)

    @property
    def width(self) -> int:
        """The number of terminal cells that the line takes."""
        return sum(n_cells(text) for text, _ in self.spans)


def n_cells(text: str) -> int:
    """Return the number of terminal cells that a printable text takes.

    Rich remembers the last 4,096 texts that it has counted. A clock or a counter is another text each second, so only
    what needs Rich's table is counted by it.

    >>> n_cells("spread"), n_cells("\u65e5")
    (6, 2)
    """
    return len(text) if text.isascii() else cell_len(text)


def clean(text: str, *, replacement: str = "�") -> str:
    r"""Make a text of unknown origin safe for one line of a terminal.

    Args:
        text: Anything, control characters and direction overrides included.
        replacement: The substitute for an unprintable character.

    Returns:
        The text with line breaks and tabs as single spaces and other unprintable characters replaced.

    >>> clean("a\tb\x1b[2Jc", replacement="?")
    'a b?[2Jc'
    """
    return text if is_shown_as_is(text) else escaped(text.translate(_SPACES), by=replacement)


def fit(text: str, width: int, *, align: Align = "left", cut: Cut = "end", ellipsis: str = "…") -> str:
    """Bring a text to an exact number of terminal cells.

    Args:
        text: Printable text; characters may be two cells wide.
        width: The cells to fill.
        align: Where the text stands when it is shorter.
        cut: Where the text is cut when it is longer.
        ellipsis: The sign of the characters that were cut.

    Returns:
        A text of exactly `width` cells.

    >>> fit("downgrade", 6), fit("12", 4, align="right"), fit("emea_spread_07", 9, cut="middle")
    ('downg…', '  12', 'emea…d_07')
    """
    if width <= 0:
        return ""
    length = n_cells(text)
    if length > width:
        return _shortened(text, width, cut, ellipsis)
    spare = width - length
    if align == "right":
        return " " * spare + text
    if align == "center":
        return " " * (spare // 2) + text + " " * (spare - spare // 2)
    return text + " " * spare


def _shortened(text: str, width: int, cut: Cut, ellipsis: str) -> str:
    n_tail = (width - 1) // 2 if cut == "middle" else 0
    tail = set_cell_size(text[::-1], n_tail)[::-1] if n_tail else ""
    return set_cell_size(text, width - 1 - n_tail) + ellipsis + tail if width > 1 else ellipsis


def shorten(text: str, width: int, *, cut: Cut = "middle", ellipsis: str = "…") -> str:
    """Cut a text that is too long; unlike `fit`, leave a shorter text as it is.

    >>> shorten("emea_spread_07", 9), shorten("spread", 9)
    ('emea…d_07', 'spread')
    """
    return text if n_cells(text) <= width else fit(text, width, cut=cut, ellipsis=ellipsis)


def fit_line(line: Line, width: int, *, ellipsis: str = "…") -> Line:
    """Cut or fill a line to an exact number of terminal cells, and join neighbours that need no change of style.

    Blank spans take the tone before them: a blank looks alike in every tone, and each change of style costs bytes.
    """
    spans: list[Span] = []
    room = width
    for text, tone in line.spans:
        if room == 0:
            break
        length = n_cells(text)
        _append(spans, text if length <= room else fit(text, room, ellipsis=ellipsis), tone)
        room -= min(length, room)
    if room:
        _append(spans, " " * room, "")
    return Line(tuple(spans), line.ground)


def _append(spans: list[Span], text: str, tone: str) -> None:
    if not text:
        return
    if spans and (spans[-1][1] == tone or text.isspace()):
        spans[-1] = (spans[-1][0] + text, spans[-1][1])
    else:
        spans.append((text, tone))


def changed_ranges(old: Line, new: Line) -> list[tuple[int, int]]:
    """Find the cells in which two lines of equal width differ.

    Args:
        old: The line on the terminal.
        new: The line to show.

    Returns:
        Ranges (first cell, cell after the last) from left to right; ranges that are near each other are joined.

    >>> changed_ranges(Line((("epoch 41 of 100", ""),)), Line((("epoch 42 of 100", ""),)))
    [(7, 8)]
    """
    width = max(old.width, new.width)
    if old.ground != new.ground or old.width != new.width:
        return [(0, width)]
    before, after = list(_cells(old.spans)), list(_cells(new.spans))
    if all(cell_len(character) == 1 for character in {*old.text, *new.text}):
        return list(_runs(cell for cell in range(width) if before[cell] != after[cell]))
    return _outer_range(before, after, width)


def _cells(spans: Iterable[Span]) -> Iterator[tuple[str, str]]:
    for text, tone in spans:
        for character in text:
            yield character, "" if character == " " else tone


def _runs(cells: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for cell in cells:
        if first is None or last is None:
            first = cell
        elif cell - last > _NEAR:
            yield first, last + 1
            first = cell
        last = cell
    if first is not None and last is not None:
        yield first, last + 1


def _outer_range(before: list[tuple[str, str]], after: list[tuple[str, str]], width: int) -> list[tuple[int, int]]:
    """Do the same where some character is not one cell wide: from the first difference to the last."""
    if before == after:
        return []
    shortest = min(len(before), len(after))
    head = next((index for index in range(shortest) if before[index] != after[index]), shortest)
    # A mark that combines with the character before it is repainted together with that character.
    while head and any(head < len(side) and cell_len(side[head][0]) == 0 for side in (before, after)):
        head -= 1
    tail = 0
    while tail < shortest - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    while tail and any(cell_len(side[-tail][0]) == 0 for side in (before, after)):
        tail -= 1
    first = cell_len("".join(character for character, _ in after[:head]))
    last = width - cell_len("".join(character for character, _ in after[len(after) - tail :]))
    return [(first, last)]


def key_line(*keys: tuple[str, str]) -> Line:
    """Explain keys in one line.

    >>> key_line(("Esc", "closes"), ("y", "copies")).text
    'Esc closes  y copies'
    """
    gaps = ["  "] * (len(keys) - 1) + [""]
    explained = zip(keys, gaps, strict=True)
    return Line(tuple(span for (key, does), gap in explained for span in ((key, "key"), (f" {does}{gap}", "muted"))))


def section(title: str, sentences: Sequence[str]) -> list[Line]:
    """Put sentences under a title, below a blank line; return no line without sentences."""
    if not sentences:
        return []
    return [Line(), Line(((title, "title"),)), *(Line(((sentence, ""),)) for sentence in sentences)]
