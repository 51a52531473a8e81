"""Which cells the rows of a minute are counted in: of each column those of its values, then those without."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.arrays import AnyArray, FloatArray, IntArray
from core.monitoring.coarse_cells import CoarseCells, LevelCells, NumberCells, cells_of
from core.monitoring.data_profile import ColumnProfile, DataProfile
from core.monitoring.verdicts import DriftType

ColumnKey = tuple[DriftType, str]
MinuteCounts = Mapping[ColumnKey, IntArray]
"""By column, the rows of each cell of its layout."""

LEAST_REFERENCE_ROWS = 100
"""Independent rows of the reference, below which its error leaves nothing to judge by."""


@dataclass(frozen=True)
class ColumnLayout:
    """The cells of one column: its values, values outside the reference, empty cells, unreadable cells.

    Attributes:
        key: The kind of the column and its name.
        stored: Its profile.
        cells: The cells of its values.
    """

    key: ColumnKey
    stored: ColumnProfile
    cells: CoarseCells

    @property
    def has_enough_values(self) -> bool:
        """Whether the reference has enough values to compare others with."""
        return self.stored.n / self.stored.effect >= LEAST_REFERENCE_ROWS

    @property
    def n_values(self) -> int:
        """Cells of values that the reference has."""
        return self.cells.n_values

    @property
    def outside(self) -> slice:
        """The cells of values that the reference does not have."""
        return slice(self.n_values, self.n_values + self.cells.n_outside)

    @property
    def missing(self) -> int:
        """The cell of empty cells."""
        return self.n_values + self.cells.n_outside

    @property
    def unreadable(self) -> int:
        """The cell of cells that could not be read."""
        return self.missing + 1

    @property
    def width(self) -> int:
        """All cells."""
        return self.missing + 2

    @cached_property
    def reference(self) -> IntArray:
        """Rows of the reference by cell."""
        rows = np.zeros(self.width, dtype=np.int64)
        rows[: self.n_values] = self.cells.reference
        rows[self.missing], rows[self.unreadable] = self.stored.missing, self.stored.unreadable
        return rows

    @cached_property
    def is_number(self) -> bool:
        """Whether its values have an order."""
        return isinstance(self.cells, NumberCells)

    @cached_property
    def has_rest(self) -> bool:
        """Whether its last cell of values is shared by rare levels."""
        return isinstance(self.cells, LevelCells) and bool(self.cells.others)

    def counts(self, values: IntArray, missing: int, unreadable: int) -> IntArray:
        """Return the rows of all cells.

        Args:
            values: Rows by cell of the values, those outside the reference included.
            missing: Empty cells.
            unreadable: Cells that could not be read.
        """
        return np.concatenate((values, [missing, unreadable])).astype(np.int64)

    def within(self, counts: AnyArray) -> AnyArray:
        """Return counts of values alone, by cell of the reference.

        Numbers outside its range count at its ends, and new levels with the rare ones: which of the rare levels the
        reference has is chance, so that they have fewer rows later, and levels never seen have more.
        """
        values = counts[..., : self.n_values].copy()
        if self.is_number:
            values[..., 0] += counts[..., self.n_values]
            values[..., -1] += counts[..., self.n_values + 1]
        elif self.has_rest:
            values[..., -1] += counts[..., self.outside].sum(axis=-1)
        return values

    def judged(self, counts: AnyArray) -> AnyArray:
        """Return counts of values by the cells that a PSI compares: new levels have their own if none are rare."""
        return self.within(counts) if self.is_number or self.has_rest else counts[..., : self.missing]

    def distances(self) -> FloatArray:
        """Return the distance between the medians of neighbouring cells of numbers, in their unit."""
        up_to = np.cumsum(self.cells.reference)
        middles = (up_to - self.cells.reference / 2) / up_to[-1]
        return np.diff(self.stored.sketch().quantiles(middles))


def layouts_of(profile: DataProfile) -> dict[ColumnKey, ColumnLayout]:
    """Return the layouts of all columns whose reference is large enough.

    Of a column that is mostly empty the values may be too few: then its empty and unreadable cells are followed alone.
    """
    found = {}
    for key, column in columns_of(profile).items():
        if (cells := cells_of(column)) is None:
            continue
        layout = ColumnLayout(key, column, cells)
        if layout.has_enough_values or column.rows / max(column.missing_effect, 1.0) >= LEAST_REFERENCE_ROWS:
            found[key] = layout
    return found


def columns_of(profile: DataProfile) -> dict[ColumnKey, ColumnProfile]:
    """Return what a profile knows: the features, the predictions, the target and the errors."""
    columns = [(DriftType.FEATURE, column) for column in profile.features]
    columns += [
        (kind, column)
        for kind, column in (
            (DriftType.PREDICTION, profile.prediction),
            (DriftType.TARGET, profile.target),
            (DriftType.RESIDUAL, profile.residual),
        )
        if column is not None
    ]
    return {(kind, column.name): column for kind, column in columns}
