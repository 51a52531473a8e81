"""The interface of every learning method: it learns, answers, and is saved without pickle.

There are two kinds. A `ContinuingLearner` continues from panel to panel at a constant cost. A
`FitOnceLearner` tunes its complexity on rows held out, then learns once, from one matrix; `reservoir.py` makes a
continuing learner of any tree method.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.errors import MissingExtraError, NotContinuableError, NothingGainedError
from core.models.learners.samples import JudgingFold, Matrices, Sample

LearningTask = Literal["regression", "classification", "detection"]
Files = dict[str, bytes]
Dumped = tuple[dict[str, Any], dict[str, AnyArray], Files]

LEAST_CHANCE = 1e-4  # certainty at which log odds are clipped


class MatrixColumns(Protocol):
    """The columns of the matrix that a learner reads."""

    @property
    def tree_columns(self) -> tuple[str, ...]:
        """Their names, in a form that LightGBM's text allows."""

    @property
    def n_levels(self) -> tuple[int, ...]:
        """The number of levels of each, 0 for a number."""

    @property
    def category_positions(self) -> list[int]:
        """Which columns are categories."""


class LearningColumns(MatrixColumns, Protocol):
    """The columns of both matrices of a continuing learner."""

    @property
    def n_linear(self) -> int:
        """How many columns the linear matrix has."""

    @property
    def prior_sd(self) -> FloatArray:
        """The prior standard deviation of each linear column's effect."""

    @property
    def linear_sources(self) -> tuple[tuple[str, ...], ...]:
        """The columns of the table behind each linear column."""

    @property
    def directions(self) -> list[int]:
        """Per column of the tree matrix: 1 where the prediction may only rise."""


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """A score: a constant, plus the linear matrix times coefficients, plus trees; each part is optional."""

    intercept: float
    coefficients: FloatArray | None = None
    booster: Any = None  # a `lightgbm.Booster` on the tree matrix


class Learner(ABC):
    """A method of learning a target from rows.

    Args:
        space: Defines the matrices.
        task: The kind of prediction.
        parameters: The algorithm's parameters in the settings; `defaults` lists the allowed names.
        n_classes: The number of classes of a classification.
        defaults: Overrides the method's own defaults.
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
        self.given = dict(parameters)
        self.parameters = {**own, **{k: v for k, v in parameters.items() if k in own}}

    @classmethod
    def require(cls) -> None:
        """Check that the method's libraries are installed.

        Raises:
            MissingExtraError: Its optional extra is not installed.
            LightGbmUnavailableError: It is LightGBM, which cannot be loaded on this machine.
        """
        if cls.extra is not None:
            try:
                import_module(cls.extra)
            except ImportError:
                raise MissingExtraError(cls.extra, cls.extra) from None

    @abstractmethod
    def learn(self, sample: Sample, *, seed: int) -> None:
        """Learn from new rows: in addition to earlier rows, or with the tuned complexity."""

    @abstractmethod
    def dump(self) -> Dumped:
        """Write the whole state as JSON values, arrays and files."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        """Restore what `dump` wrote, such that further learning gives the same bytes.

        Raises:
            ArtifactError, KeyError, ValueError: The state is inconsistent.
        """


class ContinuingLearner(Learner):
    """A method that keeps learning: regression learns the target itself, classification learns log odds.

    Attributes:
        space: Defines the matrices.
    """

    continues_by: ClassVar[str]  # `{groups}` is replaced by the domain's word for its groups
    cross_validates: ClassVar[bool] = False  # whether it predicts its first panel out of fold by itself

    def __init__(self, space: LearningColumns, task: LearningTask, parameters: Mapping[str, Any]) -> None:
        super().__init__(space, task, parameters)
        self.space = space

    @abstractmethod
    def score(self, matrices: Matrices) -> FloatArray:
        """Answer on the scale of the link: the target itself, or log odds. Shape (n,)."""

    def parts(self) -> ScoreParts | None:
        """Decompose the score for serving, which then computes it without matrices; None if that is impossible."""
        return None

    def preview(self, matrices: Matrices) -> FloatArray:
        """Score rows to learn from next; a learner may cache results that `learn` can use."""
        return self.score(matrices)

    @abstractmethod
    def importance(self) -> dict[str, float]:
        """Return the importance of each column of the table; shares that sum to 1."""

    def account(self) -> dict[str, Any]:
        """Return what the model's report says of this learner alone; plain JSON values."""
        return {}


class FitOnceLearner(Learner):
    """A method that learns once, from the single matrix of a sample.

    Attributes:
        is_fast: Whether it answers one row in microseconds, so that a server need not use a thread.
        tuned: The parameters settled on rows held out.
    """

    name: ClassVar[str]
    is_fast: bool = False

    def __init__(self, space: MatrixColumns, task: LearningTask, parameters: Mapping[str, Any], **more: Any) -> None:
        super().__init__(space, task, parameters, **more)
        self.tuned: dict[str, Any] = {}

    def tune(self, rows: Sample, folds: Sequence[JudgingFold], *, seed: int) -> list[FloatArray]:
        """Settle the complexity on folds; some methods have nothing to settle.

        Args:
            rows: The rows that the folds select from.
            folds: One or more.
            seed: The random seed.
        Returns:
            For each fold, the answers to its judged rows by the method fitted to its other rows, with what the other
            folds settle: no row judges what was settled on it, unless there is only one fold. The learner is left
            fitted to the rows of the first fold.
        """
        answers = []
        for fold in reversed(folds):
            self.learn(rows.take(fold.learn), seed=seed)
            answers.append(self.answer(rows.matrices.trees[fold.judge]))
        return answers[::-1]

    def shares(self) -> FloatArray | None:
        """Return roughly how much each column of the matrix contributes, shape (columns,); None if unknown."""
        return None

    @abstractmethod
    def answer(self, matrix: AnyArray) -> FloatArray:
        """Predict rows: numbers of shape (n,), or probabilities of shape (n, n_classes).

        Args:
            matrix: Shape (n, columns); NaN for an empty cell, a category by the position of its level.
        """

    def why_not_continued(self) -> str | None:
        """Say why it cannot learn on from new rows; None if it can."""
        return f"{self.name} learns once, from all rows at a time, and keeps none of them"

    def learn_on(self, rows: Sample, *, seed: int) -> None:
        """Continue from the present state with rows that are new to it, as far as rows held out of them call for.

        Args:
            rows: The new rows.
            seed: The random seed.
        Raises:
            NothingGainedError: No step from the present state does better on the rows held out.
            NotContinuableError: It cannot learn on.
        """
        raise NotContinuableError(self.why_not_continued() or self.name)

    @property
    def row_booster(self) -> Any:
        """The `lightgbm.Booster` that answers a row with one number, for serving to call directly; else None."""
        return None

    def complete(self, row: AnyArray, answer: float) -> float:
        """Turn the answer of `row_booster` into the learner's: a number, or the probability of the second class.

        Args:
            row: Shape (columns,).
            answer: The booster's answer to it.
        """
        return answer


def learn_on_together(name: str, parts: Iterable[FitOnceLearner], rows: Sample, *, seed: int) -> None:
    """Let every part of a method learn on; a part that gains nothing stays as it is.

    Raises:
        NothingGainedError: No part gains anything.
        NotContinuableError: A part cannot learn on.
    """
    n_gained = 0
    for part in parts:
        with suppress(NothingGainedError):
            part.learn_on(rows, seed=seed)
            n_gained += 1
    if not n_gained:
        raise NothingGainedError(name, len(rows))


class TreesLearner(FitOnceLearner):
    """A method that grows trees, and so knows the importance of each column."""

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        self.fit(sample.matrices.trees, sample.target, None, seed=seed)

    @abstractmethod
    def fit(self, matrix: AnyArray, target: FloatArray, weight: FloatArray | None, *, seed: int) -> None:
        """Grow trees from scratch.

        Args:
            matrix: As `answer` reads it.
            target: Shape (n,): the number to learn, or the position of the class.
            weight: The weight of each row, shape (n,); None for equal weights.
            seed: The random seed.
        """

    def score(self, matrix: AnyArray) -> FloatArray:
        """Answer on the scale of the link, shape (n,); at most two classes."""
        answer = self.answer(matrix)
        if answer.ndim == 1:
            return answer
        chance = np.clip(answer[:, 1], LEAST_CHANCE, 1 - LEAST_CHANCE)
        return np.asarray(np.log(chance / (1 - chance)), dtype=np.float64)

    @override
    def shares(self) -> FloatArray | None:
        return self.gains()

    @abstractmethod
    def gains(self) -> FloatArray:
        """Importance per column of the matrix, shape (columns,)."""
