"""The columns of a table, and which of them fit into a width."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from widgets.line import Align

_LEAST_WORD = 4


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
    priority: int = 0
    """In a narrow pane the column with the highest number is dropped first; 0 always stays."""


def fit_columns(columns: Sequence[Column], width: int, *, gap: int = 1) -> tuple[tuple[int, int], ...]:
    """Choose which columns fit, and how wide each is.

    Args:
        columns: The columns, in the order shown.
        width: The available cells.
        gap: The blanks between two columns.

    Returns:
        (index of the column, its width) from left to right. Columns of the highest priority number are dropped until
        the rest fits; what is left over goes to flexible columns by their shares.

    >>> fit_columns([Column("model", "MODEL", 6, flex=1), Column("note", "NOTE", 20, priority=1)], 20)
    ((0, 20),)
    """
    kept = list(range(len(columns)))

    def needed() -> int:
        return sum(columns[index].width for index in kept) + gap * (len(kept) - 1)

    while needed() > width and any(columns[index].priority for index in kept):
        # Of two equal columns the right one is dropped.
        kept.remove(max(kept, key=lambda index: (columns[index].priority, index)))
    widths = {index: columns[index].width for index in kept}
    spare = width - needed()
    # A cut word can still be recognised; a cut number is another number.
    words = [index for index in kept if columns[index].align == "left"]
    while spare < 0 and words and widths[longest := max(words, key=lambda index: widths[index])] > _LEAST_WORD:
        widths[longest] -= 1
        spare += 1
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
    return tuple((index, widths[index]) for index in kept)
