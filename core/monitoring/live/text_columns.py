"""One column of text cells, counted by level and, where the profile has slices of it, by slice.

Each cell is looked up once, and all counts follow from its number: of a served row, the cells of text cost the most.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from core.arrays import FloatArray, IntArray
from core.monitoring.live.level_counts import LevelCounts, LevelIndex
from core.monitoring.live.sketch import SliceCounts


class _Codes(dict[Any, int]):
    """The numbers of known cells; unknown cells have one number of their own, and are not kept."""

    unknown: int

    def __missing__(self, cell: object) -> int:
        return self.unknown


class TextColumn:
    """Counts one column.

    Attributes:
        name: Of the column.
        is_counted: Whether its levels are counted, not its slices only.
    """

    def __init__(self, name: str, levels: LevelIndex | None, slices: Iterable[str]) -> None:
        """Prepare.

        Args:
            name: Of the column.
            levels: How to count its levels; None to count its slices only.
            slices: The levels of which the profile has slices.
        """
        self.name = name
        self.is_counted = levels is not None
        self._levels = levels
        self._slices = list(slices)
        # A column of many levels is counted by the hashes of their names, so that any name is known.
        known = [] if levels is None or levels.is_bucketed else levels.names
        self._names: list[Any] = list(dict.fromkeys((*known, *self._slices)))
        self._n_levels = len(known)
        self._codes = _Codes({name: code for code, name in enumerate(self._names)})
        self._missing = self._codes.setdefault(None, len(self._names))
        self._codes.unknown = self._missing + 1
        self._slice_codes = np.array([self._codes[level] for level in self._slices], dtype=np.int64)
        self._slice_of_code = np.full(self._codes.unknown + 1, len(self._slices), dtype=np.int64)
        self._slice_of_code[self._slice_codes] = np.arange(len(self._slices))

    @property
    def slice_names(self) -> list[str]:
        """The slices of the profile, by their number."""
        return [f"{self.name}={level}" for level in self._slices]

    def codes(self, cells: Sequence[Any]) -> IntArray:
        """Look the cells up, each once."""
        return np.fromiter(map(self._codes.__getitem__, cells), dtype=np.intp, count=len(cells))

    def slice_numbers(self, codes: IntArray) -> IntArray:
        """Return the number of the slice of each code; of a cell in none, one more than the last."""
        return self._slice_of_code[codes]

    def count(
        self, cells: Sequence[Any], predictions: FloatArray | None, codes: IntArray | None = None
    ) -> tuple[LevelCounts | None, Mapping[str, SliceCounts]]:
        """Count cells.

        Args:
            cells: One of each row; None is empty.
            predictions: By row the position of its prediction, in whole steps; None if they are not numbers.
            codes: Of the cells; None if they have not been looked up.
        Returns:
            The levels, if they are counted, and the slices that occur, by name.
        """
        if self._levels is not None and self._levels.is_bucketed and not self._slices:
            return self._count_names(self._levels, Counter(cells)), {}
        codes = self.codes(cells) if codes is None else codes
        rows = np.bincount(codes, minlength=self._codes.unknown + 1)
        slices = self._count_slices(codes, rows, predictions) if self._slices else {}
        if self._levels is None:
            return None, slices
        if self._levels.is_bucketed:
            return self._count_names(self._levels, Counter(cells)), slices
        return self._count_levels(self._levels, cells, codes, rows), slices

    def _count_levels(self, levels: LevelIndex, cells: Sequence[Any], codes: IntArray, rows: IntArray) -> LevelCounts:
        others: Counter[Any] = Counter()
        if rows[self._codes.unknown]:
            others.update([cells[at] for at in np.flatnonzero(codes == self._codes.unknown).tolist()])
        for code in range(self._n_levels, self._missing):  # slices of levels that the reference does not have
            if rows[code]:
                others[self._names[code]] += int(rows[code])
        found = self._count_names(levels, others) if others else levels.nothing()
        found.levels += rows[: self._n_levels]
        found.missing += int(rows[self._missing])
        return found

    def _count_slices(
        self, codes: IntArray, rows: IntArray, predictions: FloatArray | None
    ) -> Mapping[str, SliceCounts]:
        n_rows = rows[self._slice_codes].tolist()
        steps = None
        if predictions is not None:
            # Whole steps, of which a few million add up without rounding.
            steps = np.bincount(codes, weights=predictions, minlength=self._codes.unknown + 1)[self._slice_codes]
        return {
            f"{self.name}={level}": SliceCounts(n) if steps is None else SliceCounts(n, n, int(steps[at]))
            for at, (level, n) in enumerate(zip(self._slices, n_rows, strict=True))
            if n
        }

    @staticmethod
    def _count_names(levels: LevelIndex, found: Counter[Any]) -> LevelCounts:
        missing = found.pop(None, 0)
        by_name: Counter[str] = Counter()
        for name, n in found.items():
            by_name[name if type(name) is str else str(name)] += n
        return levels.count(by_name, by_name.values(), missing)
