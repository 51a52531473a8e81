"""Live sketches in the coarse cells of the sequential verdict."""

from collections.abc import Mapping

import numpy as np

from core.arrays import IntArray
from core.monitoring.coarse_cells import N_COARSE_BUCKETS, LevelCells, NumberCells
from core.monitoring.live import PREDICTION, RESIDUAL, TARGET, LevelCounts, LiveSketch, NumberCounts
from core.monitoring.sequential.layout import ColumnKey, ColumnLayout
from core.monitoring.verdicts import DriftType

ANSWERS = {DriftType.PREDICTION: PREDICTION, DriftType.RESIDUAL: RESIDUAL, DriftType.TARGET: TARGET}


class SketchBins:
    """Counts the rows of sketches by coarse cell."""

    def __init__(self, layouts: Mapping[ColumnKey, ColumnLayout]) -> None:
        """Prepare.

        Args:
            layouts: The columns of the version.
        """
        self._layouts = layouts
        self._cells = {key: _cells(layout) for key, layout in layouts.items()}

    def counts(self, sketch: LiveSketch) -> dict[ColumnKey, IntArray]:
        """Return the rows of each cell by column; a column that is not counted is left out."""
        found = {}
        for key, layout in self._layouts.items():
            kind, name = key
            own = sketch.features.get(name) if kind is DriftType.FEATURE else sketch.answers.get(ANSWERS[kind])
            if own is not None:
                found[key] = layout.counts(_values(layout, self._cells[key], own), own.missing, own.unreadable)
        return found


def _cells(layout: ColumnLayout) -> IntArray:
    """Return the coarse cell of each place, level or bucket that a sketch counts."""
    cells, stored = layout.cells, layout.stored
    if isinstance(cells, NumberCells):
        return cells.codes_of_places(np.array(stored.points))
    if cells.is_bucketed:
        return np.arange(len(stored.buckets), dtype=np.int64) % N_COARSE_BUCKETS
    return np.array([cells.code(name) for name in stored.levels], dtype=np.int64)


def _values(layout: ColumnLayout, cells: IntArray, own: NumberCounts | LevelCounts) -> IntArray:
    if isinstance(layout.cells, LevelCells) is not isinstance(own, LevelCounts):
        raise ValueError(f"{layout.key[1]} is counted as another kind than its profile has")
    rows = own.cells if isinstance(own, NumberCounts) else own.levels
    found = np.zeros(layout.missing, dtype=np.int64)
    np.add.at(found, cells, rows)
    if isinstance(own, LevelCounts) and layout.cells.n_outside:
        found[-1] += own.n_unseen_rows
    return found
