"""The sums by caller of one guard on every level of every slice."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.rollout.caller_sums import CallerSums, CellLayout, StoredSums
from core.rollout.plan import Guard
from core.rollout.slices import Slice, SliceLevel, levels_of, places_of_many
from core.telemetry.predictions import Scored, ScoredPair, ServedRequest

Observations = Sequence[ServedRequest] | Sequence[Scored] | Sequence[ScoredPair]


def slice_key(guard: Guard, level: SliceLevel) -> str:
    """Return the name of the sums of a guard on one level."""
    return f"{guard.name}@{level}"


class SlicedSums:
    """Adds up a guard's values by level; a level has sums from its first value on."""

    def __init__(
        self, guard: Guard, slices: Sequence[Slice], layout: CellLayout, before: Mapping[str, StoredSums]
    ) -> None:
        """Continue from earlier sums.

        Args:
            guard: The guard.
            slices: The slice columns of the plan.
            layout: The cells of callers.
            before: The earlier sums, by `slice_key`.
        Raises:
            ValueError: The earlier sums do not fit the layout.
        """
        self.layout = layout
        self._slices = tuple(slices)
        self._keys = [slice_key(guard, level) for level in levels_of(slices)]
        self.sums = {key: CallerSums(layout, before[key]) for key in self._keys if key in before}

    def add(
        self, observations: Observations, cells: IntArray, steps: IntArray, known: BoolArray, values: FloatArray
    ) -> None:
        """Add values of either arm; `known` says of which the cell is known."""
        self._each(observations, known, lambda sums, which: sums.add(cells[which], steps[which], values[which]))

    def add_pairs(
        self, observations: Observations, places: FloatArray, stable: FloatArray, candidate: FloatArray
    ) -> None:
        """Add the values of both versions on the same rows."""
        cells, known = self.layout.cells(places), np.ones(len(places), dtype=np.bool_)
        self._each(
            observations, known, lambda sums, which: sums.add_pairs(cells[which], stable[which], candidate[which])
        )

    def _each(self, observations: Observations, known: BoolArray, add: Callable[[CallerSums, IntArray], None]) -> None:
        """Add, level by level, the observations that are on it."""
        known = known & np.array([each.slices is not None for each in observations])
        where = np.flatnonzero(known)
        codes = np.array([each.slices or 0 for each in observations], dtype=np.int64)[where]
        for places in places_of_many(self._slices, codes):
            for place in np.unique(places).tolist():
                key = self._keys[place]
                add(self.sums.setdefault(key, CallerSums(self.layout)), where[places == place])
