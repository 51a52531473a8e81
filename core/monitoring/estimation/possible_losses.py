"""Between which limits the loss of a row lies, whatever its outcome."""

from typing import NamedTuple

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.losses import LEAST_PROBABILITY


class PossibleLosses(NamedTuple):
    """The losses that are possible, whatever the outcomes.

    Attributes:
        least: Of each row, shape (n,).
        most: Of each row, shape (n,); None if losses have no upper limit.
    """

    least: FloatArray
    most: FloatArray | None


def possible_losses(answer: AnyArray, n_classes: int) -> PossibleLosses:
    """Return the limits of the loss that decides: log loss, chance of a wrong class, or absolute error.

    Args:
        answer: The answers, shape (n,) or (n, n_classes).
        n_classes: How many classes there are; 0 of numbers.

    >>> [round(float(each[0]), 3) for each in possible_losses(np.array([0.5]), 2)]
    [0.693, 0.693]
    """
    if not n_classes:
        return PossibleLosses(np.zeros(len(answer)), None)
    if answer.ndim > 1:
        return PossibleLosses(np.zeros(len(answer)), np.ones(len(answer)))
    chance = np.clip(answer, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    likelier = np.maximum(chance, 1.0 - chance)
    return PossibleLosses(np.asarray(-np.log(likelier)), np.asarray(-np.log1p(-likelier)))
