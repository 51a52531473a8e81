"""The cells that a terminal shows, so that only those that change are sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import SGR_STYLES, Strip

from widgets.textual_internals import attribute_bits

BLANK = " "
SECOND_HALF = ""
"""The sign of the second cell of a wide sign: the terminal fills it."""
_SEEN_ON_BLANKS = frozenset(("4", "7", "9", "21", "51", "52", "53"))
"""Attributes that show where there is no sign: lines, frames, and the colours exchanged."""
_OFF = {
    "1": "22",
    "2": "22",
    "3": "23",
    "4": "24",
    "5": "25",
    "6": "25",
    "7": "27",
    "8": "28",
    "9": "29",
    "21": "24",
    "51": "54",
    "52": "54",
    "53": "55",
}
"""What ends an attribute.

Source:
    ECMA-48, 5th edition, 8.3.117 (SGR).
"""


class CellStyle(NamedTuple):
    """A style as codes for a terminal; one with a link has where it leads, too."""

    attributes: tuple[str, ...] = ()
    foreground: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    link: str = ""

    @property
    def shows_on_blanks(self) -> bool:
        """Whether a blank shows more of it than the background."""
        return bool(self.link) or not _SEEN_ON_BLANKS.isdisjoint(self.attributes)


TerminalCell = tuple[str, CellStyle]
PLAIN = CellStyle()


@lru_cache(maxsize=4096)
def style_codes(style: Style | None, system: ColorSystem) -> CellStyle:
    """Give the codes of a style; the terminal's own colours need none."""
    if style is None:
        return PLAIN
    on = attribute_bits(style)
    attributes = tuple(SGR_STYLES[bit] for bit in range(on.bit_length()) if on & (1 << bit))
    fore, back = style.color, style.bgcolor
    foreground = fore.downgrade(system).get_ansi_codes() if fore and not fore.is_default else ()
    background = back.downgrade(system).get_ansi_codes(False) if back and not back.is_default else ()
    return _one_of_a_kind(CellStyle(attributes, tuple(foreground), tuple(background), style.link or ""))


@lru_cache(maxsize=4096)
def on_blanks(look: CellStyle) -> CellStyle:
    """Return the part of a look that is seen on a blank."""
    return look if look.shows_on_blanks else _one_of_a_kind(CellStyle(background=look.background))


@lru_cache(maxsize=4096)
def _one_of_a_kind(look: CellStyle) -> CellStyle:
    """Return the same object for equal looks, which are then compared at once."""
    return look


@lru_cache(maxsize=16384)
def change(old: CellStyle, new: CellStyle) -> str:
    """Write what turns one look into another, the shorter way: attribute by attribute, or from the plain look.

    >>> change(CellStyle(("1",), ("31",)), CellStyle((), ("31",)))
    '\\x1b[22m'
    >>> change(CellStyle(("1",), ("31",), ("44",)), PLAIN)
    '\\x1b[0m'
    """
    ended = {_OFF[code] for code in old.attributes if code not in new.attributes}
    codes = [
        *sorted(ended),
        *(code for code in new.attributes if code not in old.attributes or _OFF[code] in ended),
        *_colour(old.foreground, new.foreground, "39"),
        *_colour(old.background, new.background, "49"),
    ]
    anew = ["0", *new.attributes, *new.foreground, *new.background]
    shorter = min((";".join(each) for each in (codes, anew)), key=len)
    return f"\x1b[{shorter}m" if codes else ""


def _colour(old: tuple[str, ...], new: tuple[str, ...], own: str) -> tuple[str, ...]:
    return () if old == new else new or (own,)


def cells_of(segments: Iterable[Segment], system: ColorSystem) -> list[TerminalCell]:
    """Split segments into cells. A sign with its accents is one cell; a wide sign has a second one.

    >>> [ascii(sign) for sign, _ in cells_of([Segment("a\\u65e5e\\u0301")], ColorSystem.STANDARD)]
    ["'a'", "'\\\\u65e5'", "''", "'e\\\\u0301'"]
    """
    cells: list[TerminalCell] = []
    for text, style, control in segments:
        if control or not text:
            continue
        look = style_codes(style, system)
        blank = (BLANK, on_blanks(look))
        if text.isascii():
            cells.extend(blank if sign == BLANK else (sign, look) for sign in text)
            continue
        for sign in text:
            width = cell_len(sign)
            if width == 0 and cells:
                _add_accent(cells, sign)
            else:
                cells.append(blank if sign == BLANK else (sign, look))
                cells.extend([(SECOND_HALF, look)] * (width - 1))
    return cells


def _add_accent(cells: list[TerminalCell], accent: str) -> None:
    place = len(cells) - 1
    while place and cells[place][0] == SECOND_HALF:
        place -= 1
    sign, look = cells[place]
    cells[place] = (sign + accent, look)


class LineMove(NamedTuple):
    """Lines of the terminal that move together, over its whole width."""

    top: int  # the first line that takes part
    bottom: int  # the line behind the last one
    n_down: int  # by how many lines they move down; up if negative

    @property
    def new_lines(self) -> range:
        """The lines that are blank afterwards."""
        if self.n_down > 0:
            return range(self.top, self.top + self.n_down)
        return range(self.bottom + self.n_down, self.bottom)

    @property
    def sequence(self) -> str:
        """What tells a terminal to move them.

        The lines that come in are blank, in the colours that are set then: a terminal has to be in its plain style.
        Lines are inserted or deleted between margins, and not scrolled by SU and SD: the Linux console knows only the
        former.

        Source:
            ECMA-48, 5th edition, 8.3.67 (IL), 8.3.32 (DL); DEC VT100, DECSTBM.
        """
        act = f"{self.n_down}L" if self.n_down > 0 else f"{-self.n_down}M"
        return f"\x1b[{self.top + 1};{self.bottom}r\x1b[{self.top + 1}H\x1b[{act}\x1b[r"


def blank_line(n_cells: int) -> list[TerminalCell | None]:
    """Return the cells of a line that a terminal has put in, in its plain style."""
    return [(BLANK, PLAIN)] * n_cells


class TerminalCells:
    """What a terminal shows, as far as it is known."""

    def __init__(self) -> None:
        self._lines: dict[int, list[TerminalCell | None]] = {}
        self._drawn: dict[int, tuple[Strip, ...]] = {}  # lines that were drawn whole, not yet split into cells

    def draw_line(self, y: int, strips: Iterable[Strip]) -> None:
        """Note a line that was drawn whole, from the left edge on."""
        self._lines.pop(y, None)
        self._drawn[y] = tuple(strips)

    def changes(
        self, y: int, start: int, cells: Sequence[TerminalCell], system: ColorSystem
    ) -> Iterator[tuple[int, Sequence[TerminalCell]]]:
        """Note that cells are drawn from a place on, and yield those that differ, in runs with the place of each."""
        line = self.line(y, system)
        line.extend([None] * (start + len(cells) - len(line)))
        place = 0
        while (place := _next_change(line, start, cells, place)) < len(cells):
            end = _end_of_run(line, start, cells, place)
            yield start + place, cells[place:end]
            place = end
        line[start : start + len(cells)] = cells

    def forget(self, y: int, start: int, end: int) -> None:
        """Note that cells show something that is not known."""
        line = self._lines.get(y)
        if line is None:
            self._drawn.pop(y, None)
        else:
            line[start:end] = [None] * (end - start)

    def move(self, move: LineMove) -> None:
        """Note that the terminal has moved lines, all of which were asked for before."""
        lines = [self._lines.pop(y, []) for y in range(move.top, move.bottom)]
        width = max(map(len, lines))
        blank = [blank_line(width) for _ in move.new_lines]
        lines = blank + lines[: -len(blank)] if move.n_down > 0 else lines[len(blank) :] + blank
        self._lines.update(enumerate(lines, move.top))

    def line(self, y: int, system: ColorSystem) -> list[TerminalCell | None]:
        """Return the cells of a line from the left edge on, None where one is not known; it may be short or empty."""
        line = self._lines.get(y)
        if line is None:
            line = []
            for strip in self._drawn.pop(y, ()):
                cells = cells_of(strip, system)
                line.extend(cells if len(cells) == strip.cell_length else [None] * strip.cell_length)
            self._lines[y] = line
        return line


_CHEAPER_BYTES = 5
"""A move along the line takes at least four bytes, and six from column 100 on."""


def _next_change(line: Sequence[TerminalCell | None], start: int, cells: Sequence[TerminalCell], place: int) -> int:
    while place < len(cells) and line[start + place] == cells[place]:
        place += 1
    while 0 < place < len(cells) and cells[place][0] == SECOND_HALF:
        place -= 1
    return place


def _end_of_run(line: Sequence[TerminalCell | None], start: int, cells: Sequence[TerminalCell], place: int) -> int:
    """Find the end of a run: unchanged cells in it are written again where that is cheaper than to move past them."""
    end, look = place + 1, cells[place][1]
    while end < len(cells):
        following = end if cells[end][0] == SECOND_HALF else _next_change(line, start, cells, end)
        if following == end:
            sign, own = cells[end]
            look = look if sign == BLANK else own
            end += 1
        elif following < len(cells) and _is_cheap(cells[end:following], look):
            end = following
        else:
            return end
    return end


def _is_cheap(cells: Sequence[TerminalCell], look: CellStyle) -> bool:
    n_bytes = len("".join(sign for sign, _ in cells).encode())
    return n_bytes <= _CHEAPER_BYTES and all(is_covered(look, each) for each in cells)


def is_covered(look: CellStyle, cell: TerminalCell) -> bool:
    """Whether a cell can be written in a look without a change of it."""
    sign, own = cell
    return own == look or (sign == BLANK and not look.shows_on_blanks and own == on_blanks(look))
