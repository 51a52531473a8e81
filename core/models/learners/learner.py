"""The face every learning method has, whatever it learns from: it learns, answers, and is written down without pickle.

There are two ways to learn. A `ContinuingLearner` goes on from panel to panel at a cost that does not grow. A
`FitOnceLearner` settles on rows held out how much to learn, then learns once, from one matrix; `reservoir.py` makes a
continuing learner of any that has trees.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.errors import MissingExtraError
from core.models.learners.feature_space import FeatureSpace
from core.models.learners.samples import Matrices, Sample

LearningTask = Literal["regression", "classification", "detection"]
Files = dict[str, bytes]
Dumped = tuple[dict[str, Any], dict[str, AnyArray], Files]

LEAST_CHANCE = 1e-4  # certainty that log odds are cut at


class MatrixColumns(Protocol):
    """The columns of the matrix that a learner reads."""

    @property
    def tree_columns(self) -> tuple[str, ...]:
        """Their names, such that LightGBM's text can hold them."""

    @property
    def n_levels(self) -> tuple[int, ...]:
        """Of each how many levels it has, 0 for a number."""

    @property
    def category_positions(self) -> list[int]:
        """Which of them hold categories."""


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """A score that is a constant, plus the linear matrix times coefficients, plus trees, as far as there are any."""

    intercept: float
    coefficients: FloatArray | None = None
    booster: Any = None  # a `lightgbm.Booster` on the tree matrix


class Learner(ABC):
    """One method of learning a target from rows.

    Args:
        space: What the matrices are made of.
        task: What is learned.
        parameters: What the settings say of the algorithm; `defaults` names what may be said.
        n_classes: Of a classification.
        defaults: Instead of the method's own.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    extra: ClassVar[str | None] = None  # the optional extra it needs; the module has the same name

    def __init__(
        self,
        space: MatrixColumns,
        task: LearningTask,
        parameters: Mapping[str, Any],
        *,
        n_classes: int = 2,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        own = self.defaults if defaults is None else defaults
        self.columns = space
        self.task: LearningTask = task
        self.n_classes = n_classes if task == "classification" else 0
        self.parameters = {**own, **{k: v for k, v in parameters.items() if k in own}}

    @classmethod
    def require(cls) -> None:
        """Check that what the method needs is installed.

        Raises:
            MissingExtraError: It lives in an optional extra that is not.
            LightGbmUnavailableError: It is LightGBM, which cannot be loaded here.
        """
        if cls.extra is not None:
            try:
                import_module(cls.extra)
            except ImportError:
                raise MissingExtraError(cls.extra, cls.extra) from None

    @abstractmethod
    def learn(self, sample: Sample, *, seed: int) -> None:
        """Learn from rows not seen before: on top of what is known, or as much as was settled."""

    @abstractmethod
    def dump(self) -> Dumped:
        """Write the whole state as JSON values, arrays and files."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        """Take up what `dump` wrote, such that learning goes on to the same bytes.

        Raises:
            ArtifactError, KeyError, ValueError: It does not hold together.
        """


class ContinuingLearner(Learner):
    """A method that goes on learning: regression learns the target itself, classification learns log odds.

    Attributes:
        space: How the matrices were made.
    """

    continues_by: ClassVar[str]  # `{groups}` stands for what the domain calls its groups

    def __init__(self, space: FeatureSpace, task: LearningTask, parameters: Mapping[str, Any]) -> None:
        super().__init__(space, task, parameters)
        self.space = space

    @abstractmethod
    def score(self, matrices: Matrices) -> FloatArray:
        """Answer on the scale of the link: the target itself, or log odds. Shape (n,)."""

    def parts(self) -> ScoreParts | None:
        """Take the score apart for serving, which then computes it without matrices; None where that cannot be done."""
        return None

    def preview(self, matrices: Matrices) -> FloatArray:
        """Score rows that will be learned from next; a learner may keep what `learn` can use."""
        return self.score(matrices)

    @abstractmethod
    def importance(self) -> dict[str, float]:
        """Say how much each column of the table matters; shares that sum to 1."""


class FitOnceLearner(Learner):
    """A method that learns once, from the one matrix of a sample.

    Attributes:
        is_fast: Whether it answers one row in microseconds, so that a server need not hand it to a thread.
        tuned: What was settled on rows held out.
    """

    name: ClassVar[str]
    is_fast: ClassVar[bool] = False

    def __init__(self, space: MatrixColumns, task: LearningTask, parameters: Mapping[str, Any], **more: Any) -> None:
        super().__init__(space, task, parameters, **more)
        self.tuned: dict[str, float] = {}

    def tune(self, learn: Sample, judge: Sample, *, seed: int) -> None:
        """Learn from some rows, and settle on others how much to learn; there may be nothing to settle."""
        self.learn(learn, seed=seed)

    @abstractmethod
    def answer(self, matrix: AnyArray) -> FloatArray:
        """Answer rows: numbers of shape (n,), or probabilities of shape (n, n_classes).

        Args:
            matrix: Shape (n, columns); NaN for an empty cell, a category by the position of its level.
        """

    @property
    def row_booster(self) -> Any:
        """The `lightgbm.Booster` that answers a row with one number, for serving, which asks it directly; else None."""
        return None


class TreesLearner(FitOnceLearner):
    """A method that grows trees, and so can say what each column was good for."""

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        self.fit(sample.matrices.trees, sample.target, None, seed=seed)

    @abstractmethod
    def fit(self, matrix: AnyArray, target: FloatArray, weight: FloatArray | None, *, seed: int) -> None:
        """Grow trees from nothing.

        Args:
            matrix: As `answer` reads it.
            target: Shape (n,): the number to learn, or the position of the class.
            weight: How far each row is believed, shape (n,); None where all are alike.
            seed: Of everything drawn.
        """

    def score(self, matrix: AnyArray) -> FloatArray:
        """Answer on the scale of the link, shape (n,); of classes there are two."""
        answer = self.answer(matrix)
        if answer.ndim == 1:
            return answer
        chance = np.clip(answer[:, 1], LEAST_CHANCE, 1 - LEAST_CHANCE)
        return np.asarray(np.log(chance / (1 - chance)), dtype=np.float64)

    @abstractmethod
    def gains(self) -> FloatArray:
        """Importance per column of the matrix, shape (columns,)."""
