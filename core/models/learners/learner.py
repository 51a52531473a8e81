"""The face every learning method has: it learns, goes on learning, scores, and can be written down without pickle."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal, Self

from core.arrays import AnyArray, FloatArray
from core.models.errors import MissingExtraError
from core.models.learners.feature_space import FeatureSpace
from core.models.learners.samples import Matrices, Sample

Task = Literal["regression", "classification"]
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """A score that is a constant, plus the linear matrix times coefficients, plus trees, as far as there are any."""

    intercept: float
    coefficients: FloatArray | None = None
    booster: Any = None  # a `lightgbm.Booster` on the tree matrix


class Learner(ABC):
    """One method of learning a target from a sample, able to go on learning from the next.

    Args:
        space: How the matrices were made.
        task: Regression learns the target itself; classification learns log odds.
        parameters: What the settings say of the algorithm; `defaults` names what may be said.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    continues_by: ClassVar[str]  # `{groups}` stands for what the domain calls its groups
    extra: ClassVar[str | None] = None  # the optional extra it needs; the module has the same name

    def __init__(self, space: FeatureSpace, task: Task, parameters: Mapping[str, Any]) -> None:
        self.space = space
        self.task: Task = task
        self.parameters = {**self.defaults, **{k: v for k, v in parameters.items() if k in self.defaults}}

    @classmethod
    def require(cls) -> None:
        """Check that what the method needs is installed.

        Raises:
            MissingExtraError: It lives in an optional extra that is not.
        """
        if cls.extra is not None:
            try:
                import_module(cls.extra)
            except ImportError:
                raise MissingExtraError(cls.extra, cls.extra) from None

    @abstractmethod
    def learn(self, sample: Sample, *, seed: int) -> None:
        """Learn from rows not seen before, on top of what is known."""

    @abstractmethod
    def score(self, matrices: Matrices) -> FloatArray:
        """Answer on the scale of the link: the target itself, or log odds. Shape (n,)."""

    def parts(self) -> ScoreParts | None:
        """Take the score apart for serving, which then computes it without matrices; None where that cannot be done."""
        return None

    def preview(self, matrices: Matrices) -> FloatArray:
        """Score rows that will be learnt from next; a learner may keep what `learn` can use."""
        return self.score(matrices)

    @abstractmethod
    def importance(self) -> dict[str, float]:
        """Say how much each column of the table matters; shares that sum to 1."""

    @abstractmethod
    def dump(self) -> tuple[dict[str, Any], dict[str, AnyArray], Files]:
        """Write the whole state as JSON values, arrays and files."""

    @classmethod
    @abstractmethod
    def restore(
        cls,
        space: FeatureSpace,
        task: Task,
        parameters: Mapping[str, Any],
        state: Mapping[str, Any],
        arrays: Mapping[str, AnyArray],
        files: Files,
    ) -> Self:
        """Rebuild from `dump`, such that learning goes on to the same bytes."""
