"""Counting rows as servers hold them: numbers as a matrix, texts as tuples, answers as a list."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from core.arrays import AnyArray, FloatArray, IntArray
from core.models.scoring.fields import Rows
from core.monitoring.live.level_counts import LevelIndex
from core.monitoring.live.number_counts import NumberCounts, NumberGrid
from core.monitoring.live.number_stack import NumberStack, SliceSums
from core.monitoring.live.sketch import PREDICTION, LiveSketch, ProfileIndex, SliceCounts, SliceMoves
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
        self.index = index
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
        places = {name: place for place, name in enumerate(index.measured_slices)}
        self._n_measured = len(places)
        self._measured = [
            (at, text, np.array([*(places.get(name, -1) for name in text.slice_names), -1], dtype=np.int64))
            for at, text in self._texts
            if not self._is_open and self._stacked and not places.keys().isdisjoint(text.slice_names)
        ]
        stacked = [name for _, name, _ in self._stacked]
        self._measured_columns = [stacked.index(name) if name in stacked else -1 for name in index.measured_features]
        answer = index.answers.get(PREDICTION)
        self._answers = NumberStack([answer]) if isinstance(answer, NumberGrid) and answer.has_sums else None

    @property
    def left_out(self) -> list[str]:
        """The features of the profile that are not counted, since requests do not carry them in their kind."""
        if self._is_open:
            return []
        counted = {name for _, name, _ in self._numbers} | {text.name for _, text in self._texts if text.is_counted}
        return [name for name in self.index.columns if name not in counted]

    def count(self, served: Sequence[Served]) -> LiveSketch:
        """Count the rows of some requests."""
        sketch = LiveSketch(sum(len(each.values) for each in served))
        if not sketch.n:
            return sketch
        predictions = self._count_answers(sketch, list(chain.from_iterable(each.values for each in served)))
        if self._is_open:
            self._count_open(sketch, [row for each in served for row in each.rows.texts], predictions)
            return sketch
        by_place = self._texts_by_place(served, sketch.n) if self._texts else []
        codes = {at: text.codes(by_place[at]) for at, text, _ in self._measured}
        if self._numbers:
            matrix = np.concatenate([each.rows.numbers for each in served])
            sums = self._slice_sums(codes, sketch.n)
            stacked = self._stack.count(matrix if self._is_whole else matrix[:, self._stacked_at], sums)
            if sums is not None:
                sketch.moves = self._slice_moves(sums)
            sketch.features.update(zip([name for _, name, _ in self._stacked], stacked, strict=True))
            for at, name, how in self._single:
                sketch.features[name] = how.count(np.ascontiguousarray(matrix[:, at]))
        for at, text in self._texts:
            self._count_texts(sketch, text, by_place[at], predictions, codes.get(at))
        return sketch

    def _slice_sums(self, codes: Mapping[int, IntArray], n_rows: int) -> SliceSums | None:
        """Find the rows of each slice whose means of features the profile has; None without such a slice."""
        if not self._measured:
            return None
        is_in = np.zeros((self._n_measured + 1, n_rows), dtype=np.bool_)
        rows = np.arange(n_rows)
        for at, text, places in self._measured:
            is_in[places[text.slice_numbers(codes[at])], rows] = True
        return SliceSums(is_in[:-1], len(self._stacked))

    def _slice_moves(self, sums: SliceSums) -> SliceMoves:
        """Put the sums into the order of the profile; features that requests do not carry have no rows."""
        found = []
        for each in (sums.rows, sums.steps):
            with_none = np.column_stack((np.rint(each).astype(np.int64), np.zeros(len(each), dtype=np.int64)))
            found.append(with_none[:, self._measured_columns])
        return SliceMoves(*found)

    def _texts_by_place(self, served: Sequence[Served], n_rows: int) -> list[list[Any]]:
        """Return the cells of each place; slices of one list are several times quicker than a transposition."""
        cells = list(chain.from_iterable(chain.from_iterable(each.rows.texts for each in served)))
        if len(cells) != n_rows * self._n_texts:
            raise ValueError(f"{n_rows} rows of {self._n_texts} texts have {len(cells)} cells")
        return [cells[at :: self._n_texts] for at in range(self._n_texts)]

    def _count_open(self, sketch: LiveSketch, rows: list[Mapping[str, Any]], predictions: FloatArray | None) -> None:
        for name, how in self.index.columns.items():
            if isinstance(how, NumberGrid):
                sketch.features[name] = _count_cells(how, [row.get(name) for row in rows])
        for _, text in self._texts:
            self._count_texts(sketch, text, [row.get(text.name) for row in rows], predictions)

    def _count_texts(
        self,
        sketch: LiveSketch,
        text: TextColumn,
        cells: Sequence[Any],
        predictions: FloatArray | None,
        codes: IntArray | None = None,
    ) -> None:
        levels, slices = text.count(cells, predictions, codes)
        if levels is not None:
            sketch.features[text.name] = levels
        for name, counts in slices.items():
            sketch.slices.setdefault(name, SliceCounts()).add(counts)

    def _count_answers(self, sketch: LiveSketch, values: list[Any]) -> FloatArray | None:
        """Count the predictions; return them as positions for sums by slice, if they are numbers."""
        how = self.index.answers.get(PREDICTION)
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
