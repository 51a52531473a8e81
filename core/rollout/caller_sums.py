"""Sums of one metric by caller: the unit that was randomised is the unit that is judged.

Callers are kept in cells of the line from 0 to 1 on which `Router` places them: a thousand numbers for a step of the
rollout, whatever the traffic, and each of few callers has a cell of its own. A cell never lies across the share of a
step, so all of it belongs to one arm at a time.
"""

import zlib
from functools import cached_property

import msgspec
import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.rollout.distinct_units import DistinctUnits

N_CELLS = 1_024
LEAST_CELLS = 64
"""The cells of the smallest part of the line: below, a small share would never have callers enough to be judged."""
LARGEST_VALUE = 1e100
"""A larger loss is set aside and counted: its sums could exceed the numbers of a machine."""

_HALF_LINE = 2.0**63


class CellLayout:
    """The cells of a rollout: the parts of the line between the shares of its steps, each divided evenly."""

    def __init__(self, shares: tuple[float, ...], n_cells: int = N_CELLS) -> None:
        """Divide the line.

        Args:
            shares: The candidate's shares, ascending; empty where both versions answer every request.
            n_cells: The approximate number of cells.

        >>> CellLayout((0.05, 0.1, 0.2)).n_by_part.tolist()
        [64, 64, 102, 819]
        """
        self.shares = shares
        self.edges = np.array([0.0, *shares, 1.0])
        self.widths = np.diff(self.edges)  # the probability that a caller is in this part
        self.n_by_part = np.where(self.widths > 0, np.maximum(LEAST_CELLS, np.rint(self.widths * n_cells)), 0).astype(
            np.int64
        )
        self.first = np.concatenate([[0], np.cumsum(self.n_by_part)])

    @property
    def n(self) -> int:
        """The number of cells."""
        return int(self.first[-1])

    @property
    def n_steps(self) -> int:
        """The number of shares, at least one."""
        return max(len(self.shares), 1)

    @cached_property
    def parts(self) -> IntArray:
        """The part of the line that each cell is in: the first step at which it belongs to the candidate."""
        return np.repeat(np.arange(len(self.widths)), self.n_by_part)

    @cached_property
    def cell_widths(self) -> FloatArray:
        """How much of the line each cell covers."""
        return np.repeat(self.widths / np.maximum(self.n_by_part, 1), self.n_by_part)

    @cached_property
    def of_candidate(self) -> BoolArray:
        """Whether a cell belongs to the candidate, shape (cells, steps)."""
        steps = np.arange(self.n_steps)
        return np.asarray(self.parts[:, None] <= steps) & bool(self.shares)

    def cells(self, places: FloatArray) -> IntArray:
        """Return the cell of each place on the line."""
        part = np.searchsorted(self.edges[1:-1], places, side="right")
        within = (places - self.edges[part]) / np.maximum(self.widths[part], 1e-300)
        index = (within * self.n_by_part[part]).astype(np.int64)
        return np.asarray(self.first[part] + np.clip(index, 0, self.n_by_part[part] - 1))


def places_of(numbers: IntArray) -> FloatArray:
    """Turn the numbers of callers or of requests, which spread evenly over 64 bits, into places from 0 to 1."""
    return np.asarray((numbers.astype(np.float64) + _HALF_LINE) / (2 * _HALF_LINE))


class StoredSums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums as they are written to a file."""

    n: bytes
    total: bytes
    baseline: bytes = b""
    n_set_aside: int = 0
    least: float = 0.0
    is_binary: bool = True
    largest: float = 0.0
    units: tuple[bytes, bytes] = (b"", b"")
    n_capped: int = 0


class CallerSums:
    """The number and the sum of one metric's values by cell and step.

    For arms, `total` holds the values of whichever arm the cell belongs to at a step. For pairs, `total` holds those
    of the candidate and `baseline` those of the stable version on the same requests.
    """

    __slots__ = (
        "baseline",
        "by_caller",
        "is_binary",
        "largest",
        "layout",
        "least",
        "n",
        "n_capped",
        "n_set_aside",
        "total",
        "units",
    )

    def __init__(self, layout: CellLayout, before: StoredSums | None = None, *, by_caller: bool = False) -> None:
        """Continue from earlier sums.

        Args:
            layout: The cells.
            before: The earlier sums.
            by_caller: Whether what an arm can have missed is a kind of caller, and not a kind of value.
        Raises:
            ValueError: The earlier sums do not fit the layout.
        """
        self.layout, self.by_caller = layout, by_caller
        size = layout.n * layout.n_steps
        self.n = _array(before.n, size) if before else np.zeros(size)
        self.total = _array(before.total, size) if before else np.zeros(size)
        self.baseline = _array(before.baseline, size) if before and self.is_paired else np.zeros(size)
        self.n_set_aside = before.n_set_aside if before else 0
        self.n_capped = before.n_capped if before else 0
        self.least = before.least if before else 0.0
        self.is_binary = before.is_binary if before else True
        self.largest = before.largest if before else 0.0  # of the values of arms; of the differences of pairs
        stored_units = before.units if before else (b"", b"")
        self.units = (DistinctUnits(stored_units[0]), DistinctUnits(stored_units[1]))  # of stable, of the candidate

    @property
    def is_paired(self) -> bool:
        """Whether both versions answered every request."""
        return not self.layout.shares

    @property
    def has_negative(self) -> bool:
        """Whether a value was ever negative, so that a ratio of means says nothing."""
        return self.least < 0

    @property
    def stored(self) -> StoredSums:
        """The sums to write to a file."""
        return StoredSums(
            n=zlib.compress(self.n.tobytes(), 1),
            total=zlib.compress(self.total.tobytes(), 1),
            baseline=zlib.compress(self.baseline.tobytes(), 1) if self.is_paired else b"",
            n_set_aside=self.n_set_aside,
            n_capped=self.n_capped,
            least=self.least,
            is_binary=self.is_binary,
            largest=self.largest,
            units=(self.units[0].stored, self.units[1].stored),
        )

    def add(
        self,
        cells: IntArray,
        steps: IntArray,
        values: FloatArray,
        *,
        counted: bool = True,
        units: IntArray | None = None,
    ) -> None:
        """Add values of whichever arm each cell belongs to.

        Args:
            cells: The cell of each value's caller.
            steps: The step at which the request was routed.
            values: The values.
            counted: Whether each value is also an observation; False where observations are added by `count`.
            units: The number of each value's caller, or of its request if it has none; None if they are not counted.
        """
        usable = self._usable(values)
        if not usable.all():
            cells, steps, values = cells[usable], steps[usable], values[usable]
            units = None if units is None else units[usable]
        self._note(values)
        self.largest = max(self.largest, float(values.max(initial=0.0)))
        where = cells * self.layout.n_steps + steps
        self.total += np.bincount(where, weights=values, minlength=len(self.total))
        if units is not None:
            is_candidate = self.layout.of_candidate[cells, steps]
            self.units[0].add(units[~is_candidate])
            self.units[1].add(units[is_candidate])
        if counted:
            self.n += np.bincount(where, minlength=len(self.n))

    def count(self, cells: IntArray, steps: IntArray) -> None:
        """Add observations without values."""
        self.n += np.bincount(cells * self.layout.n_steps + steps, minlength=len(self.n))

    def add_pairs(
        self, cells: IntArray, stable: FloatArray, candidate: FloatArray, *, units: IntArray | None = None
    ) -> None:
        """Add the values of both versions on the same requests; `units` as in `add`."""
        usable = self._usable(stable, candidate)
        if units is not None:
            self.units[1].add(units[usable])
        cells, stable, candidate = cells[usable], stable[usable], candidate[usable]
        self._note(stable)
        self._note(candidate)
        self.largest = max(self.largest, float(np.abs(candidate - stable).max(initial=0.0)))
        self.n += np.bincount(cells, minlength=len(self.n))
        self.total += np.bincount(cells, weights=candidate, minlength=len(self.n))
        self.baseline += np.bincount(cells, weights=stable, minlength=len(self.n))

    def merge(self, other: "CallerSums") -> None:
        """Add the sums of other observations of the same metric."""
        self.n += other.n
        self.total += other.total
        self.baseline += other.baseline
        self.n_set_aside += other.n_set_aside
        self.n_capped += other.n_capped
        self.least = min(self.least, other.least)
        self.largest = max(self.largest, other.largest)
        for mine, others in zip(self.units, other.units, strict=True):
            mine.merge(others)
        self.is_binary = self.is_binary and other.is_binary

    def by_cell(self, column: FloatArray) -> FloatArray:
        """Return a column with the shape (cells, steps)."""
        return column.reshape(self.layout.n, self.layout.n_steps)

    def arms(self) -> tuple[float, float, float, float]:
        """Return the number and the sum of the values of the stable version, then of the candidate."""
        if self.is_paired:
            n = float(self.n.sum())
            return n, float(self.baseline.sum()), n, float(self.total.sum())
        candidate = self.layout.of_candidate.ravel()
        n, total = float(self.n @ candidate), float(self.total @ candidate)
        return float(self.n.sum()) - n, float(self.total @ ~candidate), n, total

    def _usable(self, *columns: FloatArray) -> BoolArray:
        usable = np.logical_and.reduce([np.abs(column) <= LARGEST_VALUE for column in columns])  # NaN is not
        self.n_set_aside += int(len(usable) - usable.sum())
        return np.asarray(usable)

    def _note(self, values: FloatArray) -> None:
        if len(values):
            self.least = min(self.least, float(values.min()))
            self.is_binary = self.is_binary and bool(((values == 0) | (values == 1)).all())


def _array(stored: bytes, size: int) -> FloatArray:
    try:
        found = np.frombuffer(zlib.decompress(stored), dtype=np.float64)
    except (zlib.error, ValueError) as error:
        raise ValueError(f"sums by caller cannot be read: {error}") from error
    if len(found) != size or not np.isfinite(found).all():
        raise ValueError(f"sums by caller have {len(found)} finite cells at most, {size} are needed")
    return found.copy()
