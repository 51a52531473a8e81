"""An isolation forest: rows that few splits isolate are anomalous. A rare level counts as an extreme value."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.learners.learner import Dumped, Files, FitOnceLearner
from core.models.learners.samples import Sample
from core.models.persistence.skops_files import dump_estimator, load_estimator

ESTIMATOR = "forest.skops"


def fit_forest(rows: AnyArray, parameters: Mapping[str, Any], *, seed: int) -> Any:
    """Fit scikit-learn's isolation forest.

    Args:
        rows: Shape (n, columns); no value may be missing.
        parameters: `n_estimators`, and `max_samples` for each of them.
        seed: The random seed.
    """
    from sklearn.ensemble import IsolationForest

    return IsolationForest(
        n_estimators=int(parameters["n_estimators"]),
        max_samples=min(int(parameters["max_samples"]), len(rows)),
        random_state=seed % (2**32),
        n_jobs=1,
    ).fit(rows)


class IsolationForestLearner(FitOnceLearner):
    """Detection without labels: no parameter is tuned on rows held out.

    Attributes:
        threshold: The score above which a row is an anomaly: the expected share of training rows is above it.
    """

    name = "isolation_forest"
    defaults: ClassVar[Mapping[str, Any]] = {"n_estimators": 100, "max_samples": 256, "expected_share": 0.02}
    estimator: Any
    rarity: list[FloatArray]

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        matrix = sample.matrices.trees
        self._describe(matrix)
        self.estimator = fit_forest(self.filled(matrix), self.parameters, seed=seed)
        scores = self.answer(matrix)
        self.threshold = float(np.quantile(scores, 1.0 - float(self.parameters["expected_share"])))

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        return np.asarray(-self.estimator.score_samples(self.filled(matrix)), dtype=np.float64)

    @override
    def dump(self) -> Dumped:
        rarity = np.concatenate(self.rarity) if self.rarity else np.empty(0)
        arrays: dict[str, AnyArray] = {
            "centre": self.centre,
            "rarity": rarity,
            "threshold": np.array([self.threshold]),
        }
        return {}, arrays, {ESTIMATOR: dump_estimator(self.estimator)}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.centre, self.threshold = arrays["centre"], float(arrays["threshold"][0])
        ends = np.cumsum([n_levels + 1 for n_levels in self.columns.n_levels if n_levels])
        if len(arrays["rarity"]) != (ends[-1] if len(ends) else 0) or len(self.centre) != len(self.columns.n_levels):
            raise ValueError("the arrays of the forest are of different sizes")
        self.rarity = np.split(arrays["rarity"], ends[:-1]) if len(ends) else []
        self.estimator = load_estimator(
            files.pop(ESTIMATOR), expected="IsolationForest", n_features=len(self.columns.n_levels)
        )

    def _describe(self, matrix: AnyArray) -> None:
        """Learn the medians that replace empty cells, and the rarity of each level, in nats."""
        self.centre = np.zeros(len(self.columns.n_levels))
        self.rarity = []
        for position, n_levels in enumerate(self.columns.n_levels):
            present = matrix[:, position][~np.isnan(matrix[:, position])]
            if n_levels:
                # The last place is for empty cells and unseen levels.
                counts = np.bincount(present.astype(np.int64), minlength=n_levels)
                counts = np.append(counts, len(matrix) - len(present))
                self.rarity.append(-np.log((counts + 0.5) / (len(matrix) + 0.5)))
            else:
                self.centre[position] = float(np.median(present)) if present.size else 0.0

    def filled(self, matrix: AnyArray) -> AnyArray:
        """Return a matrix as the forest reads it: medians for empty cells, and of each level its rarity."""
        filled = matrix.copy()
        rarity = iter(self.rarity)
        for position, n_levels in enumerate(self.columns.n_levels):
            column = filled[:, position]
            if n_levels:
                codes = np.where(np.isnan(column), n_levels, column).astype(np.int64)
                filled[:, position] = next(rarity)[codes]
            else:
                column[np.isnan(column)] = self.centre[position]
        return filled
