"""Lines that moved up or down, which a terminal moves by itself: only the lines that come in are sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import ne

from widgets.terminal_cells import LineMove, TerminalCell, blank_line

_MOVE_BYTES = 20
"""To set the margins, to go there, to insert or delete lines, and to take the margins back, about."""
_RUN_BYTES = 9
"""A move of the cursor and a change of style, about."""
LEAST_LINES = 3
"""As many lines must be seen to have moved: fewer are sent as cheaply."""
_MOST_DISTANCES = 3
_Cells = Sequence[TerminalCell | None]


def find_move(shown: Mapping[int, _Cells], wanted: Mapping[int, _Cells]) -> LineMove | None:
    """Find the move that brings the lines shown closest to those that are wanted.

    Args:
        shown: The cells of each line on the terminal; None where one is not known.
        wanted: The cells of the same lines that shall be there, equal where a line does not change.
    Returns:
        The move that saves most bytes; None where no move saves any.
    """
    best, most = None, 0
    for n_down in _likely_distances(shown, wanted):
        for lines in _neighbours([y for y in sorted(wanted) if None not in wanted[y]]):
            move, saved = _best_range(shown, wanted, lines, n_down)
            if saved > most:
                best, most = move, saved
    return best


def _likely_distances(shown: Mapping[int, _Cells], wanted: Mapping[int, _Cells]) -> list[int]:
    """Return by how many lines texts have moved, the most frequent distance first."""
    votes: Counter[int] = Counter()
    for lines in _neighbours([y for y in sorted(wanted) if wanted[y] != shown[y]]):
        if len(lines) < LEAST_LINES:
            continue
        first, last = _changed_columns(shown, wanted, lines)
        places = defaultdict(list)
        for y in lines:
            places[_text(shown[y], first, last)].append(y)
        for y in lines:
            text = _text(wanted[y], first, last)
            if not text.isspace():
                votes.update(y - place for place in places[text] if place != y)
    return [n_down for n_down, n_lines in votes.most_common(_MOST_DISTANCES) if n_lines >= LEAST_LINES - 1]


def _neighbours(lines: Sequence[int]) -> list[list[int]]:
    """Divide lines into those without another one between them."""
    breaks = [0, *(place for place, (above, y) in enumerate(pairwise(lines), 1) if y != above + 1), len(lines)]
    return [list(lines[start:end]) for start, end in pairwise(breaks)]


def _changed_columns(
    shown: Mapping[int, _Cells], wanted: Mapping[int, _Cells], lines: Sequence[int]
) -> tuple[int, int]:
    changed = [_changes(shown[y], wanted[y]) for y in lines]
    return min(each.find(1) for each in changed), max(each.rfind(1) for each in changed) + 1


def _text(cells: _Cells, first: int, last: int) -> str:
    return "".join([cell[0] if cell else "\0" for cell in cells[first:last]])


def _best_range(
    shown: Mapping[int, _Cells], wanted: Mapping[int, _Cells], lines: Sequence[int], n_down: int
) -> tuple[LineMove | None, int]:
    """Find the lines that are best moved by a distance, and how many bytes that saves."""
    alone = {y: _n_bytes(shown[y], wanted[y]) for y in lines}
    best, most = None, 0
    start, saved = lines[0], 0
    for y in lines:
        if y - n_down not in alone:
            continue
        if saved <= 0:
            start, saved = y, 0
        saved += alone[y] - _n_bytes(shown[y - n_down], wanted[y])
        move = LineMove(min(start, start - n_down), max(y, y - n_down) + 1, n_down)
        if saved > most + _MOVE_BYTES:
            to_fill = sum(_n_bytes(blank_line(len(wanted[new])), wanted[new]) - alone[new] for new in move.new_lines)
            if (gain := saved - _MOVE_BYTES - to_fill) > most:
                best, most = move, gain
    return best, most


def _changes(old: _Cells, new: _Cells) -> bytes:
    """Return a byte for each cell: 1 where it changes."""
    return bytes(map(ne, old, new))


def _n_bytes(old: _Cells, new: _Cells) -> int:
    """Estimate the bytes that turn one line into another."""
    changes = _changes(old, new)
    return changes.count(1) + _RUN_BYTES * (b"\0" + changes).count(b"\0\1")
