"""Scikit-learn's histogram gradient boosting; categories are read as the ranks of their levels."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.domains.table.models.learner import Files, Rows, TableLearner
from core.models.persistence.skops_files import dump_estimator, load_estimator
from core.models.scores import row_losses

ESTIMATOR = "estimator.skops"


class HistogramTableLearner(TableLearner):
    """Numbers and two classes; the loss of several classes is none that a saved file may hold."""

    name = "hist_gradient_boosting"
    defaults: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 0.08,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 15,
        "l2_regularization": 1.0,
        "max_iter": 200,
    }
    estimator: Any

    @override
    def tune(self, learn: Rows, judge: Rows, *, seed: int) -> None:
        self.tuned = {"max_iter": float(self.parameters["max_iter"])}
        self.learn(learn, seed=seed)
        stages = (
            self.estimator.staged_predict_proba(judge.matrix)
            if self.n_classes
            else self.estimator.staged_predict(judge.matrix)
        )
        with _one_thread():
            losses = [float(row_losses(judge.target, np.asarray(answer)).mean()) for answer in stages]
        self.tuned = {"max_iter": float(np.argmin(losses) + 1)}
        self.learn(learn, seed=seed)

    @override
    def learn(self, rows: Rows, *, seed: int) -> None:
        kind = HistGradientBoostingClassifier if self.n_classes else HistGradientBoostingRegressor
        settings = {**self.parameters, "max_iter": int(self.tuned["max_iter"])}
        estimator = kind(**settings, early_stopping=False, random_state=seed % (2**32))
        target = rows.target.astype(np.int64) if self.n_classes else rows.target
        with _one_thread():
            self.estimator = estimator.fit(rows.matrix, target)

    @override
    def answer(self, matrix: FloatArray) -> FloatArray:
        with _one_thread():
            answers = self.estimator.predict_proba(matrix) if self.n_classes else self.estimator.predict(matrix)
        return np.asarray(answers, dtype=np.float64)

    @override
    def dump(self) -> tuple[dict[str, AnyArray], Files]:
        return {}, {ESTIMATOR: dump_estimator(self.estimator)}

    @override
    def restore(self, arrays: Mapping[str, AnyArray], files: Files) -> None:
        kind = "Classifier" if self.n_classes else "Regressor"
        self.estimator = load_estimator(files[ESTIMATOR], expected=f"HistGradientBoosting{kind}")


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()  # looks at every library that is loaded, which takes its time


def _one_thread() -> Any:
    """Keep OpenMP to one thread: two that wait for each other on a busy machine are a hundred times slower."""
    return _threads().limit(limits=1, user_api="openmp")
