"""Duplicate rows."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from core.arrays import BoolArray, IntArray
from core.quality.cells import Cells
from core.quality.check import Measurement

KeyColumns = Mapping[str, Literal["name", "date", "number"]]


def duplicates(key: KeyColumns, same_thing: KeyColumns | None = None) -> Callable[[Cells], Measurement]:
    """Count duplicate rows.

    Args:
        key: Columns that together must be unique, with their kinds.
        same_thing: Columns that identify the same thing under another key; checked where all are present.
    """

    def measure(cells: Cells) -> Measurement:
        rows = _repeats([_codes(cells, name, kind) for name, kind in key.items()])
        if same_thing and all(cells.has(name) for name in same_thing):
            rows = rows | _repeats([_codes(cells, name, kind) for name, kind in same_thing.items()])
        return Measurement(float(rows.sum()), cells.n_rows, rows)

    return measure


def _codes(cells: Cells, name: str, kind: str) -> IntArray:
    if kind == "name":
        return cells.labels(name).codes
    if kind == "date":
        return cells.dates(name).astype(np.int64)
    return np.unique(cells.numbers(name), return_inverse=True)[1].astype(np.int64)


def _repeats(keys: list[IntArray]) -> BoolArray:
    """Return which rows repeat an earlier row in every key."""
    order = np.lexsort(keys[::-1])
    same = np.ones(len(order) - 1, dtype=np.bool_)
    for key in keys:
        same &= np.diff(key[order]) == 0
    repeated = np.zeros(len(order), dtype=np.bool_)
    repeated[order[1:]] = same
    return repeated
