"""The order of a table's rows by one column: numbers as numbers, versions as versions, ages as times, missing last."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from core.natural_order import natural
from widgets.rows import Row

MISSING = frozenset({"", "–", "-"})
"""Texts of cells without a value; they stand last in either direction."""


class Order(msgspec.Struct, frozen=True):
    """The column that a table is sorted by, and the direction."""

    key: str
    descending: bool = False

    def reversed(self) -> Order:
        """Return the other direction."""
        return Order(self.key, not self.descending)


def sort_rows(rows: Iterable[Row], index: int, *, descending: bool = False) -> list[Row]:
    """Sort rows by one column; rows that are equal there keep their order.

    Args:
        rows: The rows, in their usual order.
        index: The place of the column.
        descending: The largest first; an instant counts as its age, so the oldest is the largest.
    """
    keyed = [(_key(row, index), row) for row in rows]
    present = [(key, row) for key, row in keyed if key is not None]
    present.sort(key=lambda pair: pair[0], reverse=descending)
    return [row for _, row in present] + [row for key, row in keyed if key is None]


def next_order(keys: Sequence[str], now: Order | None) -> Order | None:
    """Choose the column after the one sorted by now; after the last column comes the usual order.

    >>> next_order(["model", "age"], Order("model")), next_order(["model", "age"], Order("age"))
    (Order(key='age', descending=False), None)
    """
    place = keys.index(now.key) + 1 if now is not None and now.key in keys else 0
    return Order(keys[place]) if place < len(keys) else None


def _key(row: Row, index: int) -> tuple[Any, ...] | None:
    if (rank := getattr(row.cells[index], "rank", None)) is not None:
        return (0, rank)
    value = row.value(index)
    if isinstance(value, datetime):
        return (0, -value.timestamp())
    if isinstance(value, int | float):
        return (0, value) if math.isfinite(value) else None
    text = str(value)
    return None if text.strip() in MISSING else (1, natural(text))
