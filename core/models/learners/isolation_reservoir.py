"""An isolation forest that keeps learning: a new fit on a bounded, uniform sample of the rows seen."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, Float32Array, FloatArray
from core.models.errors import ArtifactError
from core.models.learners.flat_forest import FlatForest
from core.models.learners.isolation_forest import ESTIMATOR, fit_forest
from core.models.learners.learner import Dumped, Files, Learner, LearningTask, MatrixColumns
from core.models.learners.samples import Sample
from core.models.persistence.skops_files import load_estimator

MAX_ROWS = 4096


class IsolationReservoir(Learner):
    """Detection without labels, on numeric columns.

    Attributes:
        centre: The replacement for missing values in each column: the median of the first panel.
        held: The rows it is fitted to.
    """

    defaults: ClassVar[Mapping[str, Any]] = {"n_estimators": 100, "max_samples": 256}
    continues_by = f"a new fit on a uniform sample of the rows seen, at most {MAX_ROWS}"

    def __init__(
        self, space: MatrixColumns, task: LearningTask = "detection", parameters: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(space, task, parameters or {})
        self.n_columns = len(space.tree_columns)
        self.centre: FloatArray = np.empty(0)
        self.held: Float32Array = np.empty((0, self.n_columns), dtype=np.float32)
        self.ticket: FloatArray = np.empty(0)  # each row drew a key on arrival; the rows with the lowest keys stay
        self._trees: FlatForest | None = None

    @property
    def trees(self) -> FlatForest:
        """The trees; only after training."""
        assert self._trees is not None
        return self._trees

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        rows = sample.matrices.trees
        if not len(self.centre):
            # A column without any value keeps zero.
            self.centre = np.array(
                [np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0 for column in rows.T]
            )
        held = np.concatenate((self.held, self.filled(rows)))
        ticket = np.concatenate((self.ticket, np.random.default_rng(seed).random(len(rows))))
        keep = np.sort(np.argsort(ticket, kind="stable")[:MAX_ROWS])
        self.held, self.ticket = held[keep], ticket[keep]
        self._trees = FlatForest.of(fit_forest(self.held, self.parameters, seed=seed), n_features=self.n_columns)

    def score(self, rows: AnyArray) -> FloatArray:
        """Score how soon a row is isolated; higher is stranger. Shape (n,), about 0.3 to 0.8."""
        return self.trees.score(self.filled(rows))

    def split_counts(self) -> FloatArray:
        """Count the splits on each column."""
        return np.bincount(self.trees.splits, minlength=self.n_columns).astype(np.float64)

    @override
    def dump(self) -> Dumped:
        return {}, {"centre": self.centre, "held": self.held, "ticket": self.ticket, **self.trees.dump()}, {}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.centre, self.held, self.ticket = arrays["centre"], arrays["held"], arrays["ticket"]
        if self.centre.shape != (self.n_columns,) or self.held.shape != (len(self.ticket), self.n_columns):
            raise ArtifactError("the forest's stored rows do not have the columns it reads")
        if ESTIMATOR in files:  # written by the first releases
            estimator = load_estimator(files.pop(ESTIMATOR), expected="IsolationForest", n_features=self.n_columns)
            self._trees = FlatForest.of(estimator, n_features=self.n_columns)
        else:
            self._trees = FlatForest.restore(arrays, n_features=self.n_columns)

    def filled(self, rows: AnyArray) -> Float32Array:
        """Replace missing values by the centre."""
        return np.where(np.isfinite(rows), rows, self.centre).astype(np.float32)
