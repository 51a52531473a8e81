"""The constant prediction: the mean, or the share of each class. It ships where nothing predicts better."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.learners.learner import Dumped, Files, FitOnceLearner
from core.models.learners.samples import Sample


class ConstantLearner(FitOnceLearner):
    """Answers every row alike."""

    name = "constant"
    is_fast = True
    value: FloatArray  # shape (1,) for a number, (n_classes,) for classes

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        self.value = np.atleast_1d(constant_answer(sample.target, self.n_classes))

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        return np.tile(self.value, (len(matrix), 1)) if self.n_classes else np.full(len(matrix), self.value[0])

    @override
    def dump(self) -> Dumped:
        return {}, {"value": self.value}, {}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.value = arrays["value"]
        if self.value.shape != (self.n_classes or 1,):
            raise ValueError("the constant does not fit the task")


def constant_answer(target: FloatArray, n_classes: int) -> FloatArray:
    """Return the constant with the least loss: the mean, or the share of each class."""
    if not n_classes:
        return np.array(target.mean())
    counts = np.bincount(target.astype(np.int64), minlength=n_classes)
    return np.asarray(counts / counts.sum())
