"""The table model for rows of a request: encoded for its learner, without making a table."""

from collections.abc import Callable
from typing import Any

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.learners.learner import FitOnceLearner
from core.models.scoring.booster import FastTrees
from core.models.scoring.fields import Rows, fields_of
from core.models.scoring.scorer import RowScorer
from core.tables.signature import ColumnKind, TableSignature


class TableRows:
    """Encodes rows exactly as `Encoding` encodes tables, without making a table.

    Args:
        signature: Of the model; it must have no time column.
    """

    def __init__(self, signature: TableSignature) -> None:
        self.n_columns = len(signature.columns)
        is_text = [column.kind is ColumnKind.CATEGORY for column in signature.columns]
        self._numbers_at = np.flatnonzero(np.logical_not(is_text))
        self._codes_at = [
            (position, {level: float(code) for code, level in enumerate(signature.columns[position].levels)})
            for position in np.flatnonzero(is_text).tolist()
        ]

    def read_one(self, numbers: FloatArray, texts: Any, into: AnyArray) -> None:
        """Encode one row into a buffer of shape (n_columns,)."""
        into[self._numbers_at] = numbers
        for (position, codes), text in zip(self._codes_at, texts, strict=True):
            into[position] = codes.get(text, np.nan)

    def matrix(self, rows: Rows) -> FloatArray:
        """Encode rows, shape (n, n_columns)."""
        out = np.empty((len(rows), self.n_columns))
        for row, numbers, texts in zip(out, rows.numbers, rows.texts, strict=True):
            self.read_one(numbers, texts, row)
        return out


class TableScorer(RowScorer):
    """Scores rows with the learner of a table model.

    Args:
        answer: Predicts encoded rows, as the model does.
        signature: Of the model; it has no time column.
        learner: The model's.
        scale: Centre and spread that turn the learner's answer into the model's.
    """

    def __init__(
        self,
        answer: Callable[[FloatArray], FloatArray],
        signature: TableSignature,
        *,
        learner: FitOnceLearner,
        scale: tuple[float, float],
    ) -> None:
        self._answer_matrix = answer
        self._rows = TableRows(signature)
        self.fields = fields_of(signature)
        self.is_fast = learner.is_fast
        self._complete, booster = learner.complete, learner.row_booster
        self._centre, self._spread = scale
        self._trees = FastTrees(booster, raw=False, dtype=np.float64) if booster is not None else None

    @override
    def answer(self, rows: Rows) -> FloatArray:
        if self._trees is not None and len(rows) == 1:
            trees = self._trees.single()
            self._rows.read_one(rows.numbers[0], rows.texts[0], trees.row)
            answer = self._complete(trees.row, trees.score())
            return np.array([self._centre + self._spread * answer])
        return self._answer_matrix(self._rows.matrix(rows))
