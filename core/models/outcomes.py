"""Rows that a model answered, and what became of them where it is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray
from core.losses import LEAST_PROBABILITY
from core.models.interface import Model


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The answers to rows, usually rows that the model did not learn from.

    Attributes:
        rows: The rows.
        answer: Numbers, the probability of the second of two classes, probabilities of shape (n, n_classes), or
            anomaly scores.
        actual: Numbers, or positions of classes, NaN where unknown; None if nothing is known.
        classes: Names of the classes; empty for numbers and scores.
    """

    rows: pd.DataFrame
    answer: AnyArray
    actual: FloatArray | None
    classes: tuple[str, ...] = ()

    @property
    def predictions(self) -> "pd.Series[float] | pd.Series[str]":
        """What is predicted of each row: a number, a probability, a score, or the likeliest of several classes."""
        if self.answer.ndim == 1:
            return pd.Series(np.asarray(self.answer, dtype=np.float64))
        names = np.array([str(name) for name in self.classes] or list(map(str, range(self.answer.shape[1]))), object)
        return pd.Series(names[self.answer.argmax(axis=1)], dtype=object)

    @property
    def residuals(self) -> "pd.Series[float] | None":
        """What the answers were off by, NaN where the truth is unknown; None if it is known of no row.

        The outcome less the number or the probability; of three classes or more, what the true class lacks of 1.
        """
        if self.actual is None:
            return None
        if self.answer.ndim == 1:
            return pd.Series(np.asarray(self.actual - self.answer, dtype=np.float64))
        known = np.isfinite(self.actual) & (self.actual >= 0)
        off = np.full(len(self.actual), np.nan)
        off[known] = 1.0 - self.answer[known, self.actual[known].astype(np.int64)]
        return pd.Series(off)


def outcomes_by(model: Any, frame: pd.DataFrame) -> Outcomes:
    """Answer the rows of a frame as the model itself does where it knows how, else as `outcomes_of`."""
    found: Outcomes = model.outcomes(frame) if hasattr(model, "outcomes") else outcomes_of(model, frame)
    return found


def outcomes_of(model: Model, frame: pd.DataFrame) -> Outcomes:
    """Answer the rows of a frame, and find the truth where its label is there.

    Args:
        model: A model with a label.
        frame: The rows, in the model's layout.
    """
    actual = None if model.task == "detection" else model.actual(frame)
    classes = ("0", "1") if model.task == "classification" else ()
    return Outcomes(frame, np.asarray(model.predict(frame), dtype=np.float64), actual, classes)


def losses_of(one: Outcomes, other: Outcomes) -> tuple[str, FloatArray, FloatArray]:
    """Return the loss of each row for both: log loss of classes, absolute error of numbers, NaN where unknown."""
    assert one.actual is not None
    assert other.actual is not None
    if not one.classes:
        return "absolute error", np.abs(one.actual - one.answer), np.abs(other.actual - other.answer)
    return "log loss", _log_losses(one), _log_losses(other)


def _log_losses(outcomes: Outcomes) -> FloatArray:
    assert outcomes.actual is not None
    answer = outcomes.answer
    if answer.ndim == 1:
        answer = np.column_stack([1.0 - answer, answer])
    known = np.isfinite(outcomes.actual) & (outcomes.actual >= 0)
    losses = np.full(len(answer), np.nan)
    given = answer[known, outcomes.actual[known].astype(np.int64)]
    losses[known] = -np.log(np.clip(given, LEAST_PROBABILITY, None))
    return losses
