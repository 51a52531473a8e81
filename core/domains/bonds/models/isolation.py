"""An isolation forest over the table as it stands: the detector everybody has, and the one to beat.

It sees rows that are odd in themselves. A spread that is odd only *for its rating and the state of the cycle* looks
ordinary to it, which is why the residual detector stands beside it.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd

from core.arrays import AnyArray, Float32Array, FloatArray
from core.domains.bonds.models.derived import DERIVED
from core.domains.bonds.models.designs import ANOMALY_FOREST
from core.models.errors import ArtifactError
from core.models.learners.flat_forest import FlatForest
from core.models.learners.isolation_forest import fit_forest
from core.models.learners.learner import Files
from core.models.learners.linear import shares
from core.models.persistence.skops_files import load_estimator

MAX_ROWS = 4096
OLD_FILE = "forest.skops"  # where artifacts of the first releases keep the forest


class IsolationDetector:
    """Isolation forest, refitted on a bounded uniform sample of all rows seen.

    Args:
        parameters: `n_estimators`, `max_samples`.
    """

    defaults: Mapping[str, Any] = {"n_estimators": 100, "max_samples": 256}
    continues_by = f"a new fit on a uniform sample of the rows seen, at most {MAX_ROWS}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = {**self.defaults, **{k: v for k, v in parameters.items() if k in self.defaults}}
        self.centre: FloatArray = np.empty(0)
        self.held: Float32Array = np.empty((0, len(ANOMALY_FOREST)), dtype=np.float32)
        self.ticket: FloatArray = np.empty(0)
        self.trees: FlatForest | None = None

    def learn(self, bonds: pd.DataFrame, *, seed: int) -> None:
        """Take rows into the sample and fit anew."""
        DERIVED.require(bonds, ANOMALY_FOREST, model="anomaly")
        raw = _table(bonds)
        if not len(self.centre):
            # A column without a single value keeps zero.
            self.centre = np.array(
                [np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0 for column in raw.T]
            )
        held = np.concatenate((self.held, self._filled(raw)))
        ticket = np.concatenate((self.ticket, np.random.default_rng(seed).random(len(raw))))
        keep = np.sort(np.argsort(ticket, kind="stable")[:MAX_ROWS])
        self.held, self.ticket = held[keep], ticket[keep]
        estimator = fit_forest(self.held, self.parameters, seed=seed)
        self.trees = FlatForest.of(estimator, n_features=len(ANOMALY_FOREST))

    def score(self, bonds: pd.DataFrame) -> FloatArray:
        """Tell how soon a row is isolated; the higher, the stranger. Shape (n,), about 0.3 to 0.8."""
        return self.fitted.score(self.filled(bonds))

    def importance(self) -> dict[str, float]:
        """Share of each of the table's columns among all splits."""
        counts = np.bincount(self.fitted.splits, minlength=len(ANOMALY_FOREST)).astype(np.float64)
        return shares(tuple(DERIVED.sources(name) for name in ANOMALY_FOREST), counts)

    def dump(self) -> dict[str, AnyArray]:
        """Write the whole state."""
        return {"centre": self.centre, "held": self.held, "ticket": self.ticket, **self.fitted.dump()}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> Self:
        """Read what `dump` wrote.

        Raises:
            ArtifactError: The arrays are no forest over the columns it reads.
        """
        detector = cls(parameters)
        detector.centre, detector.held, detector.ticket = arrays["centre"], arrays["held"], arrays["ticket"]
        n_features = len(ANOMALY_FOREST)
        if detector.centre.shape != (n_features,) or detector.held.shape != (len(detector.ticket), n_features):
            raise ArtifactError("the rows the forest holds are not of the columns it reads")
        if OLD_FILE in files:
            estimator = load_estimator(files[OLD_FILE], expected="IsolationForest")
            detector.trees = FlatForest.of(estimator, n_features=n_features)
        else:
            detector.trees = FlatForest.restore(arrays, n_features=n_features)
        return detector

    @property
    def fitted(self) -> FlatForest:
        """The trees; only once it has learnt."""
        assert self.trees is not None
        return self.trees

    def filled(self, bonds: pd.DataFrame) -> Float32Array:
        """The columns it reads, the median where there is no value."""
        return self._filled(_table(bonds))

    def _filled(self, raw: FloatArray) -> Float32Array:
        return np.where(np.isfinite(raw), raw, self.centre).astype(np.float32)


def _table(bonds: pd.DataFrame) -> FloatArray:
    return np.stack([DERIVED.read(bonds, name) for name in ANOMALY_FOREST], axis=1)
