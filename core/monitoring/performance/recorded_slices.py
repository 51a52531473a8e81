"""The slices that every prediction carries: the levels of the version's own slice columns, in one whole number.

A rollout uses the lowest bits for the slices of its plan (`core.rollout.slices`). The levels of the version's own
columns lie above them, behind a bit that says that they are there: predictions from before have none. Columns of
few levels take four bits and come first, as in predictions of earlier releases; those of more levels take six.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np

from core.arrays import BoolArray, IntArray
from core.monitoring.data_profile import DataProfile
from core.tables.signature import ColumnKind

ROLLOUT_BITS = 20
"""Kept for the slices of a rollout: five columns of four bits."""
HAS_LEVELS = 1 << ROLLOUT_BITS
MOST_COLUMNS = 10
MOST_LEVELS = 32  # of a column, beside those for an empty cell and for any other level
EMPTY, OTHER = "(empty)", "(other)"

_FIRST_BIT = ROLLOUT_BITS + 1
_LAST_BIT = 63  # SQLite's whole numbers have a sign
_FEW_BITS, _MANY_BITS = 4, 6


class RecordedColumn(msgspec.Struct, frozen=True):
    """A slice column of a version; number 0 is an empty cell, the one after the last level any other."""

    column: str
    levels: tuple[str, ...]

    @property
    def n_numbers(self) -> int:
        """How many numbers its cells have."""
        return len(self.levels) + 2

    @property
    def n_bits(self) -> int:
        """How many bits its numbers take."""
        return _FEW_BITS if self.n_numbers <= 1 << _FEW_BITS else _MANY_BITS

    @property
    def names(self) -> tuple[str, ...]:
        """The slices in the order of their numbers, as the profile names them.

        >>> RecordedColumn("region", ("EU", "US")).names
        ('region=(empty)', 'region=EU', 'region=US', 'region=(other)')
        """
        return tuple(f"{self.column}={level}" for level in (EMPTY, *self.levels, OTHER))


def recorded_columns(profile: DataProfile) -> tuple[RecordedColumn, ...]:
    """Return the slice columns of a version: the categories that its profile has slices of, and that requests bring.

    Columns of few levels come first; those of many follow while there are bits.
    """
    sliced = {name.partition("=")[0] for name in profile.slices}
    found = [
        RecordedColumn(feature.name, tuple(feature.levels))
        for feature in profile.features
        if feature.kind is ColumnKind.CATEGORY and feature.name in sliced and len(feature.levels) <= MOST_LEVELS
    ]
    kept: list[RecordedColumn] = []
    for column in sorted(found, key=lambda each: each.n_bits):  # in their order among those of as many bits
        if len(kept) < MOST_COLUMNS and _first_bits([*kept, column])[-1] <= _LAST_BIT:
            kept.append(column)
    return tuple(kept)


def _first_bits(columns: Sequence[RecordedColumn]) -> list[int]:
    """Return the first bit of each column, and the bit after the last column."""
    return list(accumulate((column.n_bits for column in columns), initial=_FIRST_BIT))


def coders(columns: Sequence[RecordedColumn]) -> list[Callable[[Any], int]]:
    """Return, for each column, the function from a cell to its part of the number; `HAS_LEVELS` is added by the caller.

    >>> code = coders([RecordedColumn("region", ("EU", "US"))])[0]
    >>> [code(cell) >> 21 for cell in (None, "EU", "US", "Mars")]
    [0, 1, 2, 3]
    """
    found: list[Callable[[Any], int]] = []
    for column, shift in zip(columns, _first_bits(columns), strict=False):
        parts: dict[Any, int] = {level: number << shift for number, level in enumerate(column.levels, start=1)}
        parts[None] = 0
        found.append(partial(_part, parts, (len(column.levels) + 1) << shift))
    return found


def _part(parts: Mapping[Any, int], other: int, cell: Any) -> int:
    try:
        return parts.get(cell, other)
    except TypeError:  # a list or an object in an open request
        return other


def code_of_row(columns: Sequence[RecordedColumn], row: Mapping[str, Any]) -> int:
    """Return the number that a prediction of this row carries; 0 if the version has no slices."""
    if not columns:
        return 0
    return HAS_LEVELS + sum(code(row.get(column.column)) for column, code in zip(columns, coders(columns), strict=True))


def level_numbers(columns: Sequence[RecordedColumn], codes: IntArray) -> "Iterable[tuple[IntArray, BoolArray]]":
    """Return, for each column, the numbers of the levels of many predictions, and of which they are known.

    Args:
        columns: Of the version.
        codes: The recorded numbers; 0 where there is none.
    """
    known = (codes & HAS_LEVELS) != 0
    for column, shift in zip(columns, _first_bits(columns), strict=False):
        numbers = (codes >> shift) & ((1 << column.n_bits) - 1)
        yield np.minimum(numbers, column.n_numbers - 1), known
