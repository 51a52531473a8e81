"""A model with a label: compiled features, then the learner that ships."""

from typing import TYPE_CHECKING

from typing_extensions import override

from core.arrays import FloatArray
from core.models.scoring.features import CompiledSpace
from core.models.scoring.fields import Rows
from core.models.scoring.learner import CompiledLearner
from core.models.scoring.scorer import RowScorer

if TYPE_CHECKING:
    from core.models.supervised import SupervisedModel


class SupervisedScorer(RowScorer):
    """Answers rows as a `SupervisedModel` does."""

    def __init__(self, model: "SupervisedModel") -> None:
        """Compile a model that has learnt.

        Raises:
            UnsupportedSpaceError: It reads a derived column that has no compiled form.
        """
        assert model.space is not None
        space = CompiledSpace(model.space)
        self._learner = CompiledLearner(model.learners[model.shipping], space)
        self._to_answer = model.answer
        self.fields = [model.field(name, space.levels.get(name)) for name in (*space.numbers, *space.categories)]
        self.unit = model.unit

    @override
    def answer(self, rows: Rows) -> FloatArray:
        return self._to_answer(self._learner.score(rows))
