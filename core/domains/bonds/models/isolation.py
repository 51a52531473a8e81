"""An isolation forest over the plain table: the standard detector, and the baseline to beat.

It finds rows that are unusual in themselves. A spread that is unusual only *for its rating and the cycle* looks
ordinary to it, so it is paired with the residual detector.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray
from core.domains.bonds.models.derived import DERIVED
from core.domains.bonds.models.designs import ANOMALY_FOREST
from core.models.learners.isolation_reservoir import IsolationReservoir
from core.models.learners.learner import Files
from core.models.learners.linear import shares
from core.models.learners.samples import Matrices, Sample


class _ForestColumns:
    tree_columns = ANOMALY_FOREST
    n_levels = (0,) * len(ANOMALY_FOREST)
    category_positions: list[int] = []


class IsolationDetector:
    """The forest on the columns of bonds.

    Args:
        parameters: `n_estimators`, `max_samples`.
    """

    defaults = IsolationReservoir.defaults
    continues_by = IsolationReservoir.continues_by

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.learner = IsolationReservoir(_ForestColumns(), parameters=parameters)

    def learn(self, bonds: pd.DataFrame, *, seed: int) -> None:
        """Add rows to the sample, and refit."""
        DERIVED.require(bonds, ANOMALY_FOREST, model="anomaly")
        n_rows = len(bonds)
        rows = Sample(Matrices.of(forest_rows(bonds)), np.zeros(n_rows), np.ones(n_rows), np.arange(n_rows))
        self.learner.learn(rows, seed=seed)

    def score(self, bonds: pd.DataFrame) -> FloatArray:
        """Score how soon a row is isolated; higher is stranger. Shape (n,), about 0.3 to 0.8."""
        return self.learner.score(forest_rows(bonds))

    def importance(self) -> dict[str, float]:
        """Share of each of the table's columns among all splits."""
        return shares(tuple(DERIVED.sources(name) for name in ANOMALY_FOREST), self.learner.split_counts())

    def dump(self) -> dict[str, AnyArray]:
        """Write the whole state."""
        return self.learner.dump()[1]

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> Self:
        """Read what `dump` wrote.

        Raises:
            ArtifactError: The arrays are not a forest over the columns it reads.
        """
        detector = cls(parameters)
        detector.learner.restore({}, arrays, files)
        return detector


def forest_rows(bonds: pd.DataFrame) -> FloatArray:
    """Build the matrix of the forest's columns, NaN for a missing value; shape (n, columns)."""
    return np.stack([DERIVED.read(bonds, name) for name in ANOMALY_FOREST], axis=1)
