"""Counting rows as servers hold them: numbers as a matrix, texts as tuples, answers as a list."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.models.scoring.fields import Rows
from core.monitoring.live.level_counts import LevelIndex
from core.monitoring.live.number_counts import NumberCounts, NumberGrid
from core.monitoring.live.number_stack import NumberStack
from core.monitoring.live.sketch import PREDICTION, LiveSketch, ProfileIndex, SliceCounts
from core.monitoring.live.text_columns import TextColumn


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
        grids = [(at, name, index.columns[name]) for at, name in enumerate(numbers) if name in index.columns]
        self._numbers = [(at, name, how) for at, name, how in grids if isinstance(how, NumberGrid)]
        self._stacked = [(at, name, how) for at, name, how in self._numbers if how.has_sums]
        self._single = [(at, name, how) for at, name, how in self._numbers if not how.has_sums]
        self._stack = NumberStack([how for _, _, how in self._stacked])
        self._stacked_at = [at for at, _, _ in self._stacked]
        self._is_whole = self._stacked_at == list(range(len(numbers)))  # no column has to be taken out
        slices = _slices_by_column(index.profile.slices)
        self._has_slices = bool(slices)
        names = index.columns if self._is_open else texts
        self._texts = [
            (at, TextColumn(name, how if isinstance(how, LevelIndex) else None, slices.get(name, ())))
            for at, name in enumerate(names)
            if isinstance(how := index.columns.get(name), LevelIndex) or name in slices
        ]
        if self._is_open:  # slices of what is no feature
            self._texts += [(-1, TextColumn(name, None, slices[name])) for name in slices if name not in index.columns]
        self._n_texts = len(texts)
        answer = index.answers.get(PREDICTION)
        self._answers = NumberStack([answer]) if isinstance(answer, NumberGrid) and answer.has_sums else None

    @property
    def left_out(self) -> list[str]:
        """The features of the profile that are not counted, since requests do not carry them in their kind."""
        if self._is_open:
            return []
        counted = {name for _, name, _ in self._numbers} | {text.name for _, text in self._texts if text.is_counted}
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
            matrix = np.concatenate([each.rows.numbers for each in served])
            stacked = self._stack.count(matrix if self._is_whole else matrix[:, self._stacked_at])
            sketch.features.update(zip([name for _, name, _ in self._stacked], stacked, strict=True))
            for at, name, how in self._single:
                sketch.features[name] = how.count(np.ascontiguousarray(matrix[:, at]))
        if self._texts:
            by_place = self._texts_by_place(served, sketch.n)
            for at, text in self._texts:
                self._count_texts(sketch, text, by_place[at], predictions)
        return sketch

    def _texts_by_place(self, served: Sequence[Served], n_rows: int) -> list[list[Any]]:
        """Return the cells of each place; slices of one list are several times quicker than a transposition."""
        cells = list(chain.from_iterable(chain.from_iterable(each.rows.texts for each in served)))
        if len(cells) != n_rows * self._n_texts:
            raise ValueError(f"{n_rows} rows of {self._n_texts} texts have {len(cells)} cells")
        return [cells[at :: self._n_texts] for at in range(self._n_texts)]

    def _count_open(self, sketch: LiveSketch, rows: list[Mapping[str, Any]], predictions: FloatArray | None) -> None:
        for name, how in self._index.columns.items():
            if isinstance(how, NumberGrid):
                sketch.features[name] = _count_cells(how, [row.get(name) for row in rows])
        for _, text in self._texts:
            self._count_texts(sketch, text, [row.get(text.name) for row in rows], predictions)

    def _count_texts(
        self, sketch: LiveSketch, text: TextColumn, cells: Sequence[Any], predictions: FloatArray | None
    ) -> None:
        levels, slices = text.count(cells, predictions)
        if levels is not None:
            sketch.features[text.name] = levels
        for name, counts in slices.items():
            sketch.slices.setdefault(name, SliceCounts()).add(counts)

    def _count_answers(self, sketch: LiveSketch, values: list[Any]) -> FloatArray | None:
        """Count the predictions; return them as positions for sums by slice, if they are numbers."""
        how = self._index.answers.get(PREDICTION)
        if how is None:
            return None
        is_probabilities = isinstance(values[0], list)
        if isinstance(how, NumberGrid) and not is_probabilities:
            numbers = np.array(values, dtype=np.float64)
            (found,) = [how.count(numbers)] if self._answers is None else self._answers.count(numbers[:, None])
            sketch.answers[PREDICTION] = found
            return how.position(numbers) if self._has_slices and how.has_sums else None
        if isinstance(how, LevelIndex) and is_probabilities:
            likeliest: AnyArray = np.array(values, dtype=np.float64).argmax(axis=1)
            n_rows = np.bincount(likeliest)
            classes = self._classes or tuple(map(str, range(len(n_rows))))
            by_class = {classes[at]: int(n_rows[at]) for at in np.flatnonzero(n_rows)}
            sketch.answers[PREDICTION] = how.count(by_class, by_class.values())
        return None


def _slices_by_column(slices: Iterable[str]) -> dict[str, list[str]]:
    """Return the levels of each column of which the profile has slices, named `column=level`."""
    found: dict[str, list[str]] = {}
    for name in slices:
        column, _, level = name.partition("=")
        found.setdefault(column, []).append(level)
    return found


def _count_cells(how: NumberGrid, cells: Sequence[Any]) -> NumberCounts:
    """Count cells of any kind in a column of numbers; texts are unreadable."""
    numbers = np.array([cell if isinstance(cell, float | int) else np.nan for cell in cells], dtype=np.float64)
    n_texts = sum(1 for cell in cells if isinstance(cell, str))
    found = how.count(numbers)
    found.missing -= n_texts
    found.unreadable += n_texts
    return found
