"""The loss on held-out rows that wanted outcomes are compared with: a sample, too, so it has limits."""

from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray
from core.intervals import mean_interval, share_interval
from core.losses import LEAST_PROBABILITY
from core.monitoring.estimation.held_out import HeldOutRows

NO_LIMIT = 1e300  # where rows of one group do not tell their error


class HeldOutLoss(NamedTuple):
    """The mean loss of the held-out rows, and its 95 % limits.

    Attributes:
        mean: Of these rows.
        low: Its lower limit.
        high: Its upper limit.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def exactly(cls, mean: float) -> "HeldOutLoss":
        """Return a loss that has no error, or of which none is known."""
        return cls(mean, mean, mean)

    @property
    def in_words(self) -> str:
        """The loss with its limits.

        >>> HeldOutLoss(0.5, 0.42, 0.58).in_words
        '0.5 (0.42 to 0.58) on held-out rows'
        """
        if self.high >= NO_LIMIT:
            return f"{self.mean:.4g} on held-out rows of a single group, which do not tell their error"
        between = f" ({self.low:.4g} to {self.high:.4g})" if self.low < self.high else ""
        return f"{self.mean:.4g}{between} on held-out rows"


def held_out_losses(held_out: HeldOutRows) -> tuple[str, FloatArray]:
    """Return the metric of a version, log_loss, accuracy (a loss of 1 for a wrong class) or mae, and each row's loss.

    Args:
        held_out: Its held-out rows.
    """
    if not held_out.classes:
        return "mae", np.asarray(np.abs(held_out.actual - held_out.answer), dtype=np.float64)
    if held_out.answer.ndim == 2:
        return "accuracy", np.asarray(held_out.answer.argmax(axis=1) != held_out.actual, dtype=np.float64)
    chance = np.clip(np.where(held_out.actual >= 0.5, held_out.answer, 1.0 - held_out.answer), LEAST_PROBABILITY, 1.0)
    return "log_loss", np.asarray(-np.log(chance))


def held_out_loss(held_out: HeldOutRows) -> HeldOutLoss:
    """Return the mean loss of the held-out rows with its limits; rows of one group count together.

    Args:
        held_out: The rows.
    """
    metric, loss = held_out_losses(held_out)
    group = np.arange(len(loss)) if held_out.units is None else held_out.units
    if metric == "accuracy":
        found = share_interval(loss, group)
    else:  # where no loss differs, the loss of an answer that knows nothing bounds the mean
        ignorant = np.log(2.0) if held_out.classes else np.abs(held_out.actual - np.median(held_out.actual)).mean()
        found = mean_interval(loss, group, reference=float(ignorant))
    mean = float(loss.mean())
    low, high = (0.0, NO_LIMIT) if found is None else found
    return HeldOutLoss(mean, min(low, mean), max(high, mean))
