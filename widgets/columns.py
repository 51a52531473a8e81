"""The columns of a table, and which of them fit into a width."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from widgets.line import Align, Cut

_LEAST_WORD = 4
_TELLING_NAME = 24
"""The cells of a name that tell it from its neighbours; a longer one may be cut in the middle."""


class Column(msgspec.Struct, frozen=True):
    """One column of a table."""

    key: str
    title: str
    width: int
    """Its cells; with `flex`, its minimum."""
    flex: int = 0
    """Its share of the width that is left over; 0 keeps it fixed."""
    max_width: int = 0
    """The maximum of a flexible column; 0 is no limit."""
    align: Align = "left"
    cut: Cut = "end"
    """Where its cells are cut; a column of names ("middle") gets the room that is left over before others do."""
    field: str = ""
    """The name of its values in files, where `key` names something else: an age is shown, its instant is written."""
    priority: int = 0
    """In a narrow pane the column with the highest number is dropped first; 0 always stays."""

    is_key: bool = False
    """Whether it names what the keys act on: it cannot be hidden."""

    @property
    def is_titled(self) -> bool:
        """Whether it has a title; a column of marks has none, and is neither chosen nor sorted by."""
        return bool(self.title.strip())


def fit_columns(
    columns: Sequence[Column], width: int, *, gap: int = 1, longest: Sequence[int] = ()
) -> tuple[tuple[int, int], ...]:
    """Choose which columns fit, and how wide each is.

    Args:
        columns: The columns, in the order shown.
        width: The available cells.
        gap: The blanks between two columns.
        longest: The width of the longest cell of each column; empty if it is not known.

    Returns:
        (index of the column, its width) from left to right. Columns of the highest priority number are dropped until
        the rest fits and names can be told apart; names are cut before their own column is dropped. What is left over
        goes to names until the longest is whole, then to flexible columns by their shares. Cells that no word of a
        column fills go to columns whose words are cut.

    >>> fit_columns([Column("model", "MODEL", 6, flex=1), Column("note", "NOTE", 20, priority=1)], 20)
    ((0, 20),)
    """
    kept = list(range(len(columns)))

    def needed(told_apart: set[int]) -> int:
        names = (min(longest[index], _TELLING_NAME) if index in told_apart else 0 for index in kept)
        return sum(map(max, (columns[index].width for index in kept), names)) + gap * (len(kept) - 1)

    named = {index for index in range(len(longest)) if columns[index].cut == "middle"}
    while any(columns[index].priority for index in kept):
        # Of two equal columns the right one is dropped; one of names only where it has no room even cut.
        last = max(kept, key=lambda index: (columns[index].priority, index))
        if needed(named - {last}) <= width:
            break
        kept.remove(last)
    widths = {index: columns[index].width for index in kept}
    spare = width - needed(set())
    # A cut word can still be recognised; a cut number is another number.
    words = [index for index in kept if columns[index].align == "left"]
    # A number such as ro-0012 tells its row from the others by its end, so it is cut last.
    numbers = {index for index in words if columns[index].is_key and columns[index].cut == "end"}
    for group in ([index for index in words if index not in numbers], sorted(numbers)):
        while spare < 0 and group and widths[widest := max(group, key=lambda index: widths[index])] > _LEAST_WORD:
            widths[widest] -= 1
            spare += 1
    names = [index for index in kept if index in named]
    for n_left, index in zip(range(len(names), 0, -1), names, strict=True):
        part = max(0, min(longest[index] - widths[index], spare // n_left))
        widths[index] += part
        spare -= part
    flexible = [index for index in kept if columns[index].flex]
    while spare > 0 and flexible:
        shares = sum(columns[index].flex for index in flexible)
        handed = 0
        for index in list(flexible):
            part = max(1, spare * columns[index].flex // shares)
            if (limit := columns[index].max_width) and widths[index] + part >= limit:
                part = max(0, limit - widths[index])
                flexible.remove(index)
            part = min(part, spare - handed)
            widths[index] += part
            handed += part
        spare -= handed
    if longest:
        _share_unfilled(columns, kept, widths, longest)
    return tuple((index, widths[index]) for index in kept)


def _share_unfilled(
    columns: Sequence[Column], kept: Sequence[int], widths: dict[int, int], longest: Sequence[int]
) -> None:
    """Hand the cells that no word of a column fills to columns whose words are cut, names first.

    Columns of numbers keep their width: their longest value changes with each measurement, and the list would jump.
    """
    words = [index for index in kept if columns[index].align == "left" and columns[index].is_titled]
    unfilled = {index: widths[index] - max(longest[index], len(columns[index].title) + 1) for index in words}
    for taker in sorted(words, key=lambda index: columns[index].cut != "middle"):
        for giver in sorted(words, key=lambda index: -unfilled[index]):
            part = min(longest[taker] - widths[taker], unfilled[giver])
            if giver != taker and part > 0:
                widths[taker] += part
                widths[giver] -= part
                unfilled[giver] -= part
