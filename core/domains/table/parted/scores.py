"""The answers to the rows of a part, and how the loss falls with the number of trees."""

from typing import Any

import numpy as np
from scipy.special import expit, softmax

from core.arrays import FloatArray
from core.domains.table.models.encoding import Encoding
from core.domains.table.parted.share import encoded
from core.executors.packing import PlainValue
from core.models.learners.lightgbm_trees import LightGbmTrees
from core.models.persistence.tree_text import checked_text
from core.models.scores import row_losses
from core.tables import TableSignature


class ScoredPart:
    """Trees on a worker."""

    def __init__(self, shared: PlainValue) -> None:
        self._shared = shared
        self._signature = TableSignature.from_bytes(shared["signature"])
        self._encoding = Encoding(self._signature.columns)
        n_classes = len(self._signature.classes)
        self._n_scores = n_classes if n_classes > 2 else 1
        trees = LightGbmTrees(self._encoding, {})
        trees.read(checked_text(shared["trees"], n_features=len(self._signature.columns), n_scores=self._n_scores))
        self._booster: Any = trees.booster

    def do(self, task: PlainValue) -> PlainValue:
        """Answer the rows of a part that a task names.

        Returns:
            Their number, and either their answers on the scale that is learned, or with `curve` the sum of their losses
            after each number of trees.
        """
        matrix, target = encoded(task, self._shared, self._signature, self._encoding)
        if not len(matrix):
            empty = np.empty((0, self._n_scores) if self._n_scores > 1 else 0)
            return np.zeros(self._shared["n_trees"]) if task["curve"] else empty
        if task["curve"]:
            return self._curve(matrix, target)
        return self._booster.predict(matrix, num_threads=1, num_iteration=self._shared["n_trees"])

    def _curve(self, matrix: FloatArray, target: FloatArray) -> FloatArray:
        raw = np.zeros((len(matrix), self._n_scores))
        found = np.empty(self._shared["n_trees"])
        for k in range(len(found)):
            more = self._booster.predict(matrix, num_threads=1, start_iteration=k, num_iteration=1, raw_score=True)
            raw += np.asarray(more).reshape(raw.shape)
            found[k] = row_losses(target, self._answers(raw)).sum()
        return found

    def _answers(self, raw: FloatArray) -> FloatArray:
        if self._n_scores > 1:
            return np.asarray(softmax(raw, axis=1))
        if self._signature.classes:
            chance = expit(raw[:, 0])
            return np.stack((1.0 - chance, chance), axis=1)
        return raw[:, 0]
