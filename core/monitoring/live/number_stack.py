"""Many columns of numbers counted together: an operation of numpy on all columns of a block costs what one column does.

A server counts a few thousand rows at a time. Column by column, most of that time would go into the calls themselves.
"""

from collections.abc import Sequence

import numpy as np

from core.arrays import AnyArray, ArrayOf, BoolArray, FloatArray, IntArray
from core.monitoring.live.number_counts import FURTHEST_STEPS, STEPS, NumberCounts, NumberGrid

_N_CELLS = 1 << 12  # of a column: few enough that the tables of all columns stay in the cache of a core
_SUBSTEPS = STEPS // _N_CELLS
_WIDTH = _N_CELLS + 2  # with a cell below the least point, and a cell from the greatest point on
_MOST_IN_BLOCK = 1 << 14  # cells of the matrix, whose intermediate results stay in the cache, too


class SliceSums:
    """Adds up columns by slice: whole steps, whose sums are exact whatever the order of the rows.

    Attributes:
        rows: Cells with a number, shape (n_slices, number of grids).
        steps: Their sums, in steps, of the same shape.
    """

    def __init__(self, is_in: BoolArray, n_columns: int) -> None:
        """Prepare.

        Args:
            is_in: Which row is in which slice, shape (n_slices, n).
            n_columns: How many columns are counted.
        """
        self._is_in = is_in.astype(np.float64)
        self.rows: FloatArray = np.zeros((len(is_in), n_columns))
        self.steps: FloatArray = np.zeros((len(is_in), n_columns))

    def add(self, start: int, steps: FloatArray, lost: BoolArray | None) -> None:
        """Add a block of rows.

        Args:
            start: The number of its first row.
            steps: By column and row; 0 where there is no number.
            lost: Where there is no number; None if there is one everywhere.
        """
        own = self._is_in[:, start : start + steps.shape[1]]
        self.steps += own @ steps.T
        self.rows += own.sum(axis=1)[:, None]
        if lost is not None:
            self.rows -= own @ lost.T


class NumberStack:
    """Counts columns of a matrix exactly as their grids do one by one.

    The numbers of each column are dealt into equal cells. Most cells have no point of the profile, so their numbers are
    placed by one look into a table; only the others are compared with the points.
    """

    def __init__(self, grids: Sequence[NumberGrid]) -> None:
        """Prepare.

        Args:
            grids: How to count each column; all of them have sums.
        """
        self._grids = list(grids)
        points = [grid.points for grid in grids]
        self._n_places = np.array([2 * len(each) + 1 for each in points], dtype=np.int64)
        self._first_places = np.cumsum(self._n_places) - self._n_places
        self._least = np.array([[each[0]] for each in points])
        self._factors = np.array([[grid.steps_a_unit] for grid in grids])
        self._ends = np.array([[grid.end_steps] for grid in grids])
        self._offsets = 1.0 + _WIDTH * np.arange(len(points), dtype=np.float64)[:, None]
        # Behind the points of a column stands what no number reaches, so that a search ends there.
        self._points = np.concatenate([np.append(each, np.inf) for each in points]) if points else np.empty(0)
        first_points = np.cumsum([0, *(len(each) + 1 for each in points[:-1])])
        n_before = np.empty((len(points), _WIDTH), dtype=np.int32)
        self._is_near = np.zeros(len(points) * _WIDTH, dtype=np.bool_)
        for at, grid in enumerate(grids):
            cells = self._dealt(grid.position(grid.points)[None], np.ones((1, 1)))[0]
            n_before[at] = np.searchsorted(cells, np.arange(_WIDTH), side="left")
            self._is_near[at * _WIDTH + cells] = True
        self._places = (2 * n_before + self._first_places[:, None]).astype(np.int32).ravel()
        # From a place to twice the number of the point behind it: the columns before have other numbers of the two.
        self._shift = (2 * first_points - self._first_places).astype(np.int64)
        self._with_others = [at for at, grid in enumerate(grids) if grid.counts_others]

    def count(self, matrix: FloatArray, by_slice: "SliceSums | None" = None) -> list[NumberCounts]:
        """Count the columns of a matrix, shape (n, number of grids); NaN is an empty cell.

        Args:
            matrix: The rows.
            by_slice: Takes the sums of each slice of these rows.
        """
        found = [grid.nothing() for grid in self._grids]
        if not found:
            return found
        n_rows = max(_MOST_IN_BLOCK // len(found), 1)
        places = np.zeros(int(self._n_places.sum()) + 1, dtype=np.int64)
        with np.errstate(all="ignore"):
            for start in range(0, len(matrix), n_rows):
                block = np.ascontiguousarray(matrix[start : start + n_rows].T)
                places += self._count_block(found, block, start, by_slice)
        for counts, first, n in zip(found, self._first_places.tolist(), self._n_places.tolist(), strict=True):
            counts.cells = places[first : first + n].copy()
        return found

    def _count_block(
        self, found: list[NumberCounts], values: FloatArray, start: int, by_slice: "SliceSums | None"
    ) -> IntArray:
        """Count some rows, one column after the other; return how many lie at each place of all columns."""
        steps = values - self._least
        steps *= self._factors
        np.rint(steps, out=steps)
        lost: BoolArray | None = None
        least, most = steps.min(axis=1), steps.max(axis=1)
        if not (np.isfinite(least).all() and np.isfinite(most).all()):
            lost = self._lost(found, values, steps)
            least, most = steps.min(axis=1), steps.max(axis=1)
        if (least < 0).any() or (most > self._ends[:, 0]).any():
            np.clip(steps, -FURTHEST_STEPS, FURTHEST_STEPS, out=steps)
            below = np.minimum(steps, 0.0).sum(axis=1).tolist()
            above = (np.maximum(steps, self._ends) - self._ends).sum(axis=1).tolist()
            for counts, under, over in zip(found, below, above, strict=True):
                counts.below += int(under)
                counts.above += int(over)
        for counts, total in zip(found, steps.sum(axis=1).tolist(), strict=True):
            counts.steps += int(total)
        if by_slice is not None:
            by_slice.add(start, steps, lost)
        cells = self._dealt(steps, self._offsets)
        places = self._places[cells]
        is_near = self._is_near[cells]
        if lost is not None:
            is_near &= ~lost
        near = np.flatnonzero(is_near)
        if len(near):
            places.ravel()[near] = self._compared(values.ravel()[near], places.ravel()[near], near // values.shape[1])
        if lost is not None:
            places[lost] = int(self._n_places.sum())
        for at in self._with_others:
            self._grids[at].count_others(found[at], self._others(values[at], places[at], at))
        return np.bincount(places.ravel(), minlength=int(self._n_places.sum()) + 1)

    @staticmethod
    def _dealt(steps: FloatArray, offsets: FloatArray) -> ArrayOf[np.intp]:
        """Return the cell of each number; this overwrites the steps."""
        steps *= 1.0 / _SUBSTEPS
        np.clip(steps, -1.0, float(_N_CELLS), out=steps)
        steps += offsets
        return steps.astype(np.intp)

    def _compared(self, values: FloatArray, places: AnyArray, columns: AnyArray) -> AnyArray:
        """Place numbers whose cells have points, from the place before the first of these points."""
        shift = self._shift[columns]
        at = (places + shift) >> 1
        points = self._points[at]
        above = np.flatnonzero(values > points)
        while len(above):
            at[above] += 1
            points[above] = self._points[at[above]]
            above = above[values[above] > points[above]]
        found: AnyArray = 2 * at - shift + (values == points)
        return found

    def _lost(self, found: list[NumberCounts], values: FloatArray, steps: FloatArray) -> BoolArray | None:
        """Count the cells that hold no number, and give them the least step; return where they are."""
        lost = ~np.isfinite(values)
        n_lost, n_empty = lost.sum(axis=1).tolist(), np.isnan(values).sum(axis=1).tolist()
        for counts, all_lost, empty in zip(found, n_lost, n_empty, strict=True):
            counts.missing += empty
            counts.infinite += all_lost - empty
            counts.unreadable += all_lost - empty
        steps[lost] = 0.0
        return lost if any(n_lost) else None  # else the distance alone is beyond all numbers

    def _others(self, values: FloatArray, places: AnyArray, at: int) -> FloatArray:
        """Return the numbers of a column that are no point of it."""
        first = int(self._first_places[at])
        is_gap = (places < first + int(self._n_places[at])) & ((places - first) % 2 == 0)
        found: FloatArray = values[is_gap]
        return found
