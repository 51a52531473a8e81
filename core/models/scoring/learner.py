"""A learner on compiled features: linear coefficients, trees, or both; builds only the matrices that are read."""

import threading
from typing import Any

import numpy as np

from core.arrays import Float32Array, FloatArray
from core.models.learners.learner import ContinuingLearner
from core.models.learners.samples import Matrices
from core.models.scoring.booster import FastTrees
from core.models.scoring.features import CompiledSpace
from core.models.scoring.fields import Rows
from core.models.scoring.one_row import OneRow


class CompiledLearner:
    """Scores checked rows exactly as the learner scores matrices.

    Attributes:
        is_fast: Whether the learner's score could be decomposed, so that one row takes microseconds.
    """

    def __init__(self, learner: ContinuingLearner, space: CompiledSpace) -> None:
        self._learner = learner
        self._space = space
        parts = learner.parts()
        self.is_fast = parts is not None
        self._intercept, self._coefficients = (parts.intercept, parts.coefficients) if parts else (0.0, None)
        self._trees = FastTrees(parts.booster) if parts is not None and parts.booster is not None else None
        self._of_thread = threading.local()

    def score(self, rows: Rows) -> FloatArray:
        """Predict on the learning scale, shape (n,)."""
        space = self._space
        if self.is_fast and len(rows.numbers) == 1:
            return np.array([self._score_one(rows.numbers[0], rows.texts[0])])
        numbers = rows.numbers[:, : len(space.numbers)]
        values = space.values(numbers, rows.texts)
        if not self.is_fast:
            return self._learner.score(Matrices(space.linear(values, rows.texts), space.trees(values, rows.texts)))
        if self._coefficients is None:
            score = np.full(len(rows), self._intercept)
        else:
            score = space.linear(values, rows.texts).astype(np.float64) @ self._coefficients + self._intercept
        if self._trees is not None:
            score += self._trees.scores(space.trees(values, rows.texts))
        return score

    def linear(self, rows: Rows) -> Float32Array:
        """Build the linear matrix alone, shape (n, n_linear)."""
        space = self._space
        return space.linear(space.values(rows.numbers[:, : len(space.numbers)], rows.texts), rows.texts)

    def _score_one(self, numbers: FloatArray, texts: Any) -> float:
        try:
            row: OneRow = self._of_thread.row
        except AttributeError:
            row = self._of_thread.row = OneRow(self._space)
        row.read(numbers[: len(self._space.numbers)], texts)
        score = self._intercept
        if self._coefficients is not None:
            score = float(row.linear(texts) @ self._coefficients) + score
        if self._trees is not None:
            trees = self._trees.single()
            row.trees(texts, trees.row)
            score += trees.score()
        return score
