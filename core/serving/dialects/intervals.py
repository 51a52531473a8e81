"""Conformal intervals beside answers: what is refused, and the limits of each row, for every dialect that has them."""

from typing import NamedTuple

import numpy as np

from core.explain.conformal import Conformal, ConformalError
from core.serving.dialects.dialect import Answered
from core.serving.errors import BadRequestError


class AnswerIntervals(NamedTuple):
    """The intervals of the rows of one answer.

    Attributes:
        level: That was kept: the least one that the version offers from the wanted level on.
        low: Of numbers, the lower limit of each row.
        high: The upper limit of each row.
        classes: Of classes, the set of each row; None for numbers.
    """

    level: float
    low: list[float] = []
    high: list[float] = []
    classes: list[list[str]] | None = None


def require_level(level: float | None, conformal: Conformal | None, *, field: str) -> None:
    """Refuse a level that a version cannot keep.

    Args:
        level: The wanted level; None: no interval is wanted.
        conformal: The intervals of the version.
        field: Where the request says it.
    Raises:
        BadRequestError: The version has no intervals, or none of this level.
    """
    if level is None:
        return
    if conformal is None:
        raise BadRequestError("cannot be answered: the version has no conformal intervals", field=field)
    try:
        conformal.radius(level)
    except ConformalError as error:
        raise BadRequestError(f"cannot be answered: {str(error).rstrip('.')}", field=field) from None


def intervals_of(answered: Answered, level: float) -> AnswerIntervals:
    """Return the interval of each answer, or the set of classes; `require_level` has let the level pass."""
    conformal = answered.conformal
    assert conformal is not None
    answers = np.array(answered.values, dtype=np.float64)
    kept, _ = conformal.radius(level)
    if conformal.classes:
        return AnswerIntervals(kept, classes=[list(found) for found in conformal.classes_of(answers, level)])
    low, high = conformal.bounds(answers, level)
    return AnswerIntervals(kept, low.tolist(), high.tolist())
