"""Counting rows as servers hold them: numbers as a matrix, texts as tuples, answers as a list."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.models.scoring.fields import Rows
from core.monitoring.live.level_counts import LevelIndex
from core.monitoring.live.number_counts import NumberGrid
from core.monitoring.live.sketch import PREDICTION, ColumnCounts, LiveSketch, ProfileIndex, SliceCounts

_BLOCK = 2_048  # rows


class Served(NamedTuple):
    """The rows of one answered request."""

    rows: Rows
    values: Sequence[Any]  # by row a number, or the probabilities of the classes


class SketchCounter:
    """Counts the answered rows of one version, many requests at a time."""

    def __init__(
        self, index: ProfileIndex, *, numbers: Sequence[str], texts: Sequence[str], classes: Sequence[str] = ()
    ) -> None:
        """Prepare.

        Args:
            index: The profile of the version.
            numbers: Names of the columns of `Rows.numbers`.
            texts: Names of the places of `Rows.texts`; both are empty where rows hold their cells by name.
            classes: Names of the classes, in the order of their probabilities.
        """
        self._index = index
        self._is_open = not numbers and not texts
        self._classes = tuple(classes)
        self._numbers = [
            (at, name, how) for at, name in enumerate(numbers) if isinstance(how := index.columns.get(name), NumberGrid)
        ]
        self._texts = [
            (at, name, how) for at, name in enumerate(texts) if isinstance(how := index.columns.get(name), LevelIndex)
        ]
        self._n_texts = len(texts)
        self._slices = _slices_by_column(index.profile.slices)
        self._sliced_at = [(at, name) for at, name in enumerate(texts) if name in self._slices]

    @property
    def left_out(self) -> list[str]:
        """The features of the profile that are not counted, since requests do not carry them in their kind."""
        if self._is_open:
            return []
        counted = {name for _, name, _ in (*self._numbers, *self._texts)}
        return [name for name in self._index.columns if name not in counted]

    def count(self, served: Sequence[Served]) -> LiveSketch:
        """Count the rows of some requests."""
        sketch = LiveSketch(sum(len(each.values) for each in served))
        if not sketch.n:
            return sketch
        predictions = self._count_answers(sketch, list(chain.from_iterable(each.values for each in served)))
        if self._is_open:
            self._count_open(sketch, [row for each in served for row in each.rows.texts], predictions)
            return sketch
        if self._numbers:
            columns = _by_column(np.concatenate([each.rows.numbers for each in served]))
            for at, name, how in self._numbers:
                sketch.features[name] = how.count(columns[at])
        if self._texts or self._sliced_at:
            by_place = self._texts_by_place(served, sketch.n)
            for at, name, levels in self._texts:
                sketch.features[name] = _count_names(levels, by_place[at])
            for at, name in self._sliced_at:
                self._count_slices(sketch, name, by_place[at], predictions)
        return sketch

    def _texts_by_place(self, served: Sequence[Served], n_rows: int) -> list[list[Any]]:
        """Return the cells of each place; slices of one list are several times quicker than a transposition."""
        cells = list(chain.from_iterable(chain.from_iterable(each.rows.texts for each in served)))
        if len(cells) != n_rows * self._n_texts:
            raise ValueError(f"{n_rows} rows of {self._n_texts} texts have {len(cells)} cells")
        return [cells[at :: self._n_texts] for at in range(self._n_texts)]

    def _count_open(self, sketch: LiveSketch, rows: list[Mapping[str, Any]], predictions: FloatArray | None) -> None:
        for name, how in self._index.columns.items():
            cells = [row.get(name) for row in rows]
            sketch.features[name] = (
                _count_cells(how, cells) if isinstance(how, NumberGrid) else _count_names(how, cells)
            )
        for name in self._slices:
            self._count_slices(sketch, name, [row.get(name) for row in rows], predictions)

    def _count_answers(self, sketch: LiveSketch, values: list[Any]) -> FloatArray | None:
        """Count the predictions; return them as positions for sums by slice, if they are numbers."""
        how = self._index.answers.get(PREDICTION)
        if how is None:
            return None
        is_probabilities = isinstance(values[0], list)
        if isinstance(how, NumberGrid) and not is_probabilities:
            numbers = np.array(values, dtype=np.float64)
            sketch.answers[PREDICTION] = how.count(numbers)
            return how.position(numbers) if self._slices and how.has_sums else None
        if isinstance(how, LevelIndex) and is_probabilities:
            likeliest: AnyArray = np.array(values, dtype=np.float64).argmax(axis=1)
            n_rows = np.bincount(likeliest)
            classes = self._classes or tuple(map(str, range(len(n_rows))))
            found = {classes[at]: int(n_rows[at]) for at in np.flatnonzero(n_rows)}
            sketch.answers[PREDICTION] = how.count(found, found.values())
        return None

    def _count_slices(
        self, sketch: LiveSketch, column: str, cells: Sequence[Any], predictions: FloatArray | None
    ) -> None:
        names = self._slices[column]
        at = np.array([names.get(cell, -1) for cell in cells], dtype=np.int64)
        there = at >= 0
        rows = np.bincount(at[there], minlength=len(names))
        steps = None
        if predictions is not None:
            # Whole steps, of which a few million add up without rounding.
            steps = np.bincount(at[there], weights=predictions[there], minlength=len(names))
        for level, number in names.items():
            n = int(rows[number])
            if n:
                own = SliceCounts(n) if steps is None else SliceCounts(n, n, int(steps[number]))
                sketch.slices.setdefault(f"{column}={level}", SliceCounts()).add(own)


def _by_column(matrix: FloatArray) -> FloatArray:
    """Return the columns of a matrix as rows that lie together; by blocks, which stay in the cache."""
    found = np.empty(matrix.shape[::-1])
    for start in range(0, len(matrix), _BLOCK):
        found[:, start : start + _BLOCK] = matrix[start : start + _BLOCK].T
    return found


def _slices_by_column(slices: Iterable[str]) -> dict[str, dict[Any, int]]:
    """Number the levels of each column of which the profile has slices, named `column=level`."""
    found: dict[str, dict[Any, int]] = {}
    for name in slices:
        column, _, level = name.partition("=")
        levels = found.setdefault(column, {})
        levels[level] = len(levels)
    return found


def _count_names(how: LevelIndex, cells: Sequence[Any]) -> ColumnCounts:
    found = Counter(cells)
    missing = found.pop(None, 0)
    by_name: Counter[str] = Counter()
    for name, n in found.items():
        by_name[name if type(name) is str else str(name)] += n
    return how.count(by_name, by_name.values(), missing)


def _count_cells(how: NumberGrid, cells: Sequence[Any]) -> ColumnCounts:
    """Count cells of any kind in a column of numbers; texts are unreadable."""
    numbers = np.array([cell if isinstance(cell, float | int) else np.nan for cell in cells], dtype=np.float64)
    n_texts = sum(1 for cell in cells if isinstance(cell, str))
    found = how.count(numbers)
    found.missing -= n_texts
    found.unreadable += n_texts
    return found
