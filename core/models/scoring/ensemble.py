"""An ensemble on compiled features: each member compiled, and the combination of their scores."""

import numpy as np

from core.arrays import FloatArray
from core.models.learners.learner import ContinuingLearner
from core.models.learners.members import EnsembleLearner
from core.models.scoring.features import CompiledSpace
from core.models.scoring.fields import Rows
from core.models.scoring.learner import CompiledLearner


class CompiledEnsemble:
    """Scores checked rows as the ensemble scores matrices.

    Attributes:
        is_fast: Whether every member takes microseconds for one row.
    """

    def __init__(self, learner: EnsembleLearner, space: CompiledSpace) -> None:
        self._combination = learner.combination
        self._members = [CompiledLearner(member, space) for member in learner.members.values()]
        self.is_fast = all(member.is_fast for member in self._members)

    def score(self, rows: Rows) -> FloatArray:
        """Predict on the learning scale, shape (n,)."""
        return self._combination.score(np.column_stack([member.score(rows) for member in self._members]))


def compiled(learner: ContinuingLearner, space: CompiledSpace) -> CompiledLearner | CompiledEnsemble:
    """Compile a learner, or every member of an ensemble."""
    return CompiledEnsemble(learner, space) if isinstance(learner, EnsembleLearner) else CompiledLearner(learner, space)
