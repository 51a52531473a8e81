"""Numbers counted at the points of a profile: how many lie at each point and in each gap between two.

Counting is exact, and the same whatever the order of the rows and the batches in which they come: sums are kept in
whole steps, so that no rounding depends on the order.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.monitoring.data_profile import ColumnProfile
from core.monitoring.number_sketch import CountedNumbers

FEW_VALUES = 20
"""Numbers that repeat this few different values are compared value by value; then other values are counted by value."""
N_CELLS = 1 << 13
_SUBSTEPS = 1 << 11
STEPS = N_CELLS * _SUBSTEPS
"""Steps in the range of the reference: the unit of the sums."""
FURTHEST_STEPS = float(1 << 34)
"""No number counts as further away from the reference: about a thousand of its ranges."""
_CHUNK = 1 << 15  # rows whose intermediate results stay in the cache of a core
_FEW_ROWS = 2_048  # below, a search for each number is quicker than cells


@dataclass(slots=True)
class NumberCounts:
    """One column of numbers.

    Attributes:
        cells: Rows by place, shape (2 k + 1,) for k points: below the first point, at it, between it and the second...
        missing: Empty cells.
        unreadable: Filled cells that hold no number, infinite ones included.
        infinite: Infinite cells.
        steps: Sum of the distances of all numbers from the least point, in steps.
        below: The same of the numbers below the least point.
        above: Sum of the distances from the greatest point of the numbers above it, in steps.
        others: Rows by value, of values that are not a point; only if the reference repeats few values.
    """

    cells: IntArray
    missing: int = 0
    unreadable: int = 0
    infinite: int = 0
    steps: int = 0
    below: int = 0
    above: int = 0
    others: dict[float, int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Cells with a number."""
        return int(self.cells.sum())

    @property
    def rows(self) -> int:
        """All cells."""
        return self.n + self.missing + self.unreadable

    def add(self, other: "NumberCounts") -> None:
        """Add the counts of other rows.

        Raises:
            ValueError: They are of another profile.
        """
        if len(other.cells) != len(self.cells):
            raise ValueError("the counts are of two profiles")
        self.cells = self.cells + other.cells
        self.missing += other.missing
        self.unreadable += other.unreadable
        self.infinite += other.infinite
        self.steps += other.steps
        self.below += other.below
        self.above += other.above
        self.add_others(other.others)

    def add_others(self, found: dict[float, int]) -> None:
        """Count values that are not a point: the smallest few, so that the order of rows does not matter."""
        for value, n in found.items():
            self.others[value] = self.others.get(value, 0) + n
        for value in sorted(self.others)[FEW_VALUES + 1 :]:
            del self.others[value]


class NumberGrid:
    """Counts numbers at the points of one profiled column.

    Numbers are dealt into many equal cells. Only numbers that share a cell with a point are compared with the points,
    so the counts are exact: dealing keeps the order of any two numbers.
    """

    def __init__(self, stored: ColumnProfile) -> None:
        """Prepare.

        Args:
            stored: The profile of the column.
        """
        self.points = np.array(stored.points, dtype=np.float64)
        n_points = len(self.points)
        self._least = float(self.points[0]) if n_points else 0.0
        with np.errstate(all="ignore"):
            width = float(self.points[-1] - self.points[0]) if n_points else 1.0
            width = width or abs(self._least) or 1.0
            self.step = width / STEPS
            self.steps_a_unit = float(np.divide(STEPS, width))
        self.has_sums = n_points > 0 and 0 < self.step < np.inf and np.isfinite(self.steps_a_unit)
        self.end_steps = float(STEPS) if n_points > 1 else 0.0  # the greatest point, in steps
        is_whole = sum(stored.equal) == stored.n
        self.counts_others = 0 < n_points <= FEW_VALUES and is_whole

    def nothing(self) -> NumberCounts:
        """Return the counts of no rows."""
        return NumberCounts(np.zeros(2 * len(self.points) + 1, dtype=np.int64))

    def count(self, values: FloatArray) -> NumberCounts:
        """Count numbers; NaN is an empty cell."""
        found = self.nothing()
        deals = len(values) >= _FEW_ROWS and self.has_sums
        grid = np.zeros(N_CELLS + 2, dtype=np.int64) if deals else None
        with np.errstate(all="ignore"):
            for start in range(0, len(values), _CHUNK):
                self._count_chunk(found, values[start : start + _CHUNK], grid)
        if grid is not None:
            there = np.flatnonzero(grid)
            clear = there[self._n_points[there] == 0]
            np.add.at(found.cells, 2 * self._n_before[clear], grid[clear])
        return found

    def counted(self, counts: NumberCounts) -> CountedNumbers:
        """Return counts in the form that comparisons take."""
        up_to = np.cumsum(counts.cells)
        n = int(up_to[-1])
        outside = (-counts.below * self.step, counts.above * self.step) if self.has_sums else None
        return CountedNumbers(up_to[:-1:2], up_to[1::2], n, sample=None, outside=outside)

    def mean(self, counts: NumberCounts) -> float | None:
        """Return the mean; None without numbers."""
        n = counts.n
        return self._least + counts.steps / n * self.step if n and self.has_sums else None

    def position(self, values: FloatArray) -> FloatArray:
        """Return the distances of numbers from the least point in whole steps, which add up without rounding."""
        with np.errstate(all="ignore"):
            return np.clip(np.rint((values - self._least) * self.steps_a_unit), -FURTHEST_STEPS, FURTHEST_STEPS)

    def value(self, steps: float) -> float:
        """Return the number at a distance from the least point."""
        return self._least + steps * self.step

    @cached_property
    def _point_cells(self) -> IntArray:
        return self._cells(self.position(self.points))

    @cached_property
    def _n_points(self) -> IntArray:
        """The number of points in each cell."""
        return np.bincount(self._point_cells, minlength=N_CELLS + 2)

    @cached_property
    def _is_shared(self) -> BoolArray:
        return self._n_points > 0

    @cached_property
    def _n_before(self) -> IntArray:
        """The number of points in smaller cells, by cell."""
        return np.searchsorted(self._point_cells, np.arange(N_CELLS + 2), side="left").astype(np.int64)

    def _cells(self, steps: FloatArray) -> IntArray:
        at = steps * (1.0 / _SUBSTEPS)
        at += 1.0
        np.clip(at, 0.0, N_CELLS + 1.0, out=at)
        return at.astype(np.intp)

    def _count_chunk(self, found: NumberCounts, values: FloatArray, grid: IntArray | None) -> None:
        is_number = np.isfinite(values)
        if not is_number.all():
            n_lost, n_empty = int(len(values) - np.count_nonzero(is_number)), int(np.count_nonzero(np.isnan(values)))
            found.missing += n_empty
            found.infinite += n_lost - n_empty
            found.unreadable += n_lost - n_empty
            values = values[is_number]
        if not len(values):
            return
        if self.has_sums:
            steps = values - self._least
            steps *= self.steps_a_unit
            np.rint(steps, out=steps)
            if steps.min() < 0 or steps.max() > self.end_steps:
                np.clip(steps, -FURTHEST_STEPS, FURTHEST_STEPS, out=steps)
                found.below += int(steps[values < self.points[0]].sum())
                found.above += int((steps[values > self.points[-1]] - self.end_steps).sum())
            found.steps += int(steps.sum())
            if grid is not None:
                cells = self._cells(steps)
                grid += np.bincount(cells, minlength=N_CELLS + 2)
                is_near = self._is_shared[cells]
                if self.counts_others:
                    self.count_others(found, values[~is_near])
                near = np.flatnonzero(is_near)
                values = self._compare(found, values[near], cells[near])
        self._search(found, values)

    def _compare(self, found: NumberCounts, values: FloatArray, cells: IntArray) -> FloatArray:
        """Place numbers that share a cell with one point; return the numbers that share it with several."""
        is_alone = self._n_points[cells] == 1
        more = values[:0]
        if not is_alone.all():
            more, values, cells = values[~is_alone], values[is_alone], cells[is_alone]
        before = self._n_before[cells]
        points = self.points[before]
        before *= 2
        before += values >= points
        before += values > points
        if self.counts_others:
            self.count_others(found, values[values != points])
        found.cells += np.bincount(before, minlength=len(found.cells))
        return more

    def _search(self, found: NumberCounts, values: FloatArray) -> None:
        """Find the place of each number among the points."""
        if not len(self.points):
            found.cells[0] += len(values)
            return
        at = np.searchsorted(self.points, values, side="left")
        equal = self.points[np.minimum(at, len(self.points) - 1)] == values
        found.cells += np.bincount(2 * at + equal, minlength=len(found.cells))
        if self.counts_others:
            self.count_others(found, values[~equal])

    @staticmethod
    def count_others(found: NumberCounts, values: FloatArray) -> None:
        """Count values that are not a point."""
        if len(values):
            others, n_rows = np.unique(values + 0.0, return_counts=True)  # -0.0 is 0.0, whichever came first
            found.add_others(dict(zip(others.tolist(), n_rows.tolist(), strict=True)))
