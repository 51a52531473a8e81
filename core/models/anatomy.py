"""What a model's answers are made of, for whoever explains them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import pandas as pd

from core.arrays import AnyArray, FloatArray
from core.models.learners.feature_space import FeatureSpace
from core.models.learners.flat_forest import FlatForest
from core.models.learners.learner import ContinuingLearner, FitOnceLearner
from core.models.learners.samples import Matrices

AnswerCurve = Literal["", "logistic", "sinh"]
FOREST_SCALE: Final = "log2 of the anomaly score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """The learner behind a model, and how it reads a table.

    Attributes:
        columns: Of each column of the tree matrix, the column of the table behind it.
        matrices: Builds the matrices of rows.
        learner: What answers on them; for a forest alone, its trees.
        space: The frozen design, for learners with a linear matrix.
        centre: The learner's zero, in the unit of the margin.
        spread: The learner's one, in the unit of the margin.
        scale: The margin in words, such as "log odds".
        to_answer: Turns margins into the values of `predict`.
        classes: The names of the classes; empty for numbers and scores.
        members: Of a stack of models, whose score is `constant` plus their weighted scores, each of them; else none.
        constant: Of a stack.
        curve: How answers follow from margins, where they are not the margins: the logistic function, or the hyperbolic
            sine.
        sinh_unit: What the hyperbolic sine is multiplied by.
    """

    columns: tuple[str, ...]
    matrices: Callable[[pd.DataFrame], Matrices]
    learner: ContinuingLearner | FitOnceLearner | FlatForest
    scale: str
    to_answer: Callable[[FloatArray], AnyArray]
    space: FeatureSpace | None = None
    centre: float = 0.0
    spread: float = 1.0
    classes: tuple[str, ...] = ()
    members: "tuple[MemberAnatomy, ...]" = ()
    constant: float = 0.0
    curve: AnswerCurve = ""
    sinh_unit: float = 1.0


@dataclass(frozen=True, slots=True)
class MemberAnatomy:
    """A member of a stack of models.

    Attributes:
        name: Its name.
        anatomy: What it is made of; it reads matrices of its own.
        weight: Of its score in the stack's.
    """

    name: str
    anatomy: Anatomy
    weight: float
