"""A model with a label: compiled features, then the learner that ships."""

from collections.abc import Callable

from typing_extensions import override

from core.arrays import FloatArray
from core.models.learners.feature_space import FeatureSpace
from core.models.learners.learner import ContinuingLearner
from core.models.scoring.ensemble import compiled
from core.models.scoring.features import CompiledSpace
from core.models.scoring.fields import Field, Rows
from core.models.scoring.scorer import RowScorer


class SupervisedScorer(RowScorer):
    """Predicts rows exactly as a `SupervisedModel` does."""

    def __init__(
        self,
        space: FeatureSpace,
        learner: ContinuingLearner,
        to_answer: Callable[[FloatArray], FloatArray],
        *,
        field: Callable[[str, tuple[str, ...] | None], Field],
        unit: str,
    ) -> None:
        """Compile a trained model.

        Args:
            space: Its features.
            learner: The learner that ships.
            to_answer: Turns scores into the values of `predict`.
            field: Describes a column, by its name and its known levels.
            unit: The unit of the answer.
        Raises:
            UnsupportedSpaceError: It reads a derived column without a compiled form.
        """
        features = CompiledSpace(space)
        self._learner = compiled(learner, features)
        self._to_answer = to_answer
        self.fields = [field(name, features.levels.get(name)) for name in (*features.numbers, *features.categories)]
        self.unit = unit
        self.is_fast = self._learner.is_fast

    @override
    def answer(self, rows: Rows) -> FloatArray:
        return self._to_answer(self._learner.score(rows))
