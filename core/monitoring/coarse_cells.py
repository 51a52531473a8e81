"""The coarse cells of a profiled column: few enough to count rows by hour, or to follow each share over time.

Cells follow from the profile alone, so that counts of different rows agree on them. Every cell of the values holds
rows of the reference; rows outside its range, or with a level that it has not seen, have cells of their own.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.monitoring.compare_numbers import tenths
from core.monitoring.data_profile import ColumnProfile
from core.tables.signature import ColumnKind

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMED = 12  # levels with a cell of their own; the other levels share a cell
LEAST_CELL_ROWS = 10  # of the reference
LEAST_CELL_SHARE = 0.005
N_COARSE_BUCKETS = 8


@dataclass(frozen=True, slots=True)
class NumberCells:
    """Cells of numbers: ranges in ascending order, then what lies below and above the range of the reference.

    Attributes:
        edges: The upper edge of each range but the last.
        least: The smallest number of the reference.
        greatest: The largest.
        reference: Rows of the reference by range.
    """

    edges: FloatArray
    least: float
    greatest: float
    reference: IntArray

    @property
    def n_values(self) -> int:
        """Cells of values within the range."""
        return len(self.reference)

    @property
    def n_outside(self) -> int:
        """Cells of values that the reference does not have."""
        return 2

    def codes(self, numbers: FloatArray) -> IntArray:
        """Return the cell of each number."""
        found = np.searchsorted(self.edges, numbers, side="left").astype(np.int64)
        found[numbers < self.least] = self.n_values
        found[numbers > self.greatest] = self.n_values + 1
        return found

    def codes_of_places(self, points: FloatArray) -> IntArray:
        """Return the cell of each place among the points of the profile: below the first, at it, above it..."""
        places = np.empty(2 * len(points) + 1)
        places[1::2] = points
        places[2::2] = np.nextafter(points, np.inf)
        places[0] = np.nextafter(points[0], -np.inf)
        return self.codes(places)


@dataclass(frozen=True)
class LevelCells:
    """Cells of a category: frequent levels, then all others that the reference has, then levels that it has not.

    Attributes:
        names: The frequent levels, the most frequent first; of buckets, their numbers.
        others: The levels that share a cell.
        reference: Rows of the reference by cell, levels never seen left out.
        is_bucketed: Whether levels are known by the hash of their names only.
    """

    names: tuple[str, ...]
    others: frozenset[str]
    reference: IntArray
    is_bucketed: bool = False

    @property
    def n_values(self) -> int:
        """Cells of levels that the reference has."""
        return len(self.reference)

    @property
    def n_outside(self) -> int:
        """Cells of levels never seen; buckets do not show such levels."""
        return 0 if self.is_bucketed else 1

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.names)} | dict.fromkeys(self.others, len(self.names))

    def code(self, name: str) -> int:
        """Return the cell of a level, or of a bucket by its number."""
        if self.is_bucketed:
            return int(name) % self.n_values
        return self._numbers.get(name, self.n_values)

    def count(self, rows: "dict[str, int]") -> IntArray:
        """Count the rows of levels by cell."""
        found = np.zeros(self.n_values + self.n_outside, dtype=np.int64)
        for name, n in rows.items():
            found[self.code(name)] += n
        return found


CoarseCells = NumberCells | LevelCells


def cells_of(column: ColumnProfile) -> CoarseCells | None:
    """Return the coarse cells of a column; None if its reference has no values."""
    if not column.n:
        return None
    if column.kind is ColumnKind.CATEGORY:
        return _level_cells(column)
    sketch = column.sketch()
    edges = tenths(sketch)
    at = np.searchsorted(sketch.points, edges, side="left")
    shared = sketch.points[np.minimum(at, len(sketch.points) - 1)] == edges
    up_to = np.where(shared, sketch.up_to[np.minimum(at, len(sketch.points) - 1)], 0)
    up_to[~shared] = sketch.below[np.minimum(at, len(sketch.points) - 1)][~shared]
    kept = _with_enough(up_to.astype(np.int64), column.n)
    rows = np.diff(np.append(up_to[kept], column.n), prepend=0).astype(np.int64)
    return NumberCells(edges[kept], float(sketch.points[0]), float(sketch.points[-1]), rows)


def _with_enough(up_to: IntArray, n: int) -> BoolArray:
    """Mark the edges that leave enough rows of the reference in every cell."""
    least = max(LEAST_CELL_ROWS, int(LEAST_CELL_SHARE * n))
    kept = np.zeros(len(up_to), dtype=np.bool_)
    start = 0
    for k, end in enumerate(up_to.tolist()):
        if end - start >= least and n - end >= least:
            kept[k], start = True, end
    return kept


def _level_cells(column: ColumnProfile) -> LevelCells:
    if column.buckets:
        rows = np.array(column.buckets, dtype=np.int64).reshape(-1, N_COARSE_BUCKETS).sum(axis=0)
        return LevelCells(tuple(map(str, range(N_COARSE_BUCKETS))), frozenset(), rows, is_bucketed=True)
    ordered = sorted(column.levels.items(), key=lambda pair: (-pair[1], pair[0]))
    least = max(LEAST_CELL_ROWS, int(LEAST_CELL_SHARE * column.n))
    named = [(name, n) for name, n in ordered[:MOST_NAMED] if n >= least]
    others = dict(ordered[len(named) :])
    rows = [n for _, n in named] + ([sum(others.values())] if others else [])
    return LevelCells(tuple(name for name, _ in named), frozenset(others), np.array(rows, dtype=np.int64))


def cell_codes(cells: CoarseCells, there: "pd.Series[Any]") -> IntArray:
    """Return the cell of each value that is there.

    Args:
        cells: The cells of the column.
        there: Its values without empty cells, as `column_drift.present_values` returns them.
    """
    import pandas as pd

    if isinstance(cells, NumberCells):
        return cells.codes(there.to_numpy(dtype=np.float64))
    numbers, names = pd.factorize(there)
    texts = np.array([str(name) for name in names], dtype=object)
    if cells.is_bucketed:
        of_names = (pd.util.hash_array(texts) % N_COARSE_BUCKETS).astype(np.int64)
    else:
        of_names = np.array([cells.code(text) for text in texts], dtype=np.int64)
    return of_names[numbers] if len(of_names) else np.zeros(0, dtype=np.int64)
