"""The expected loss of a row, and its uncertainty, by the answer alone: for rows whose columns were not kept."""

from typing import NamedTuple

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.monitoring.estimation.held_out import HeldOutRows
from core.monitoring.estimation.possible_losses import PossibleLosses, possible_losses
from core.monitoring.labels.reference import HeldOutLoss, held_out_loss, held_out_losses

N_STRATA = 10
LEAST_IN_STRATUM = 10  # held-out rows, below which the stratum is taken for all rows


class RowLosses(NamedTuple):
    """The losses of rows as far as they can be known without outcomes.

    Attributes:
        expected: Of each row, shape (n,).
        uncertainty: Its standard deviation, shape (n,).
        metric: log_loss, accuracy (the loss is 1 for a wrong class) or mae.
        held_out: The loss of the held-out rows.
        possible: The limits of the losses.
    """

    expected: FloatArray
    uncertainty: FloatArray
    metric: str
    held_out: HeldOutLoss
    possible: PossibleLosses


def losses_by_strata(held_out: HeldOutRows, answer: AnyArray) -> RowLosses:
    """Expect of each row the mean loss of the held-out rows with answers of the same tenth.

    Args:
        held_out: Rows with outcomes.
        answer: The answers to the rows, as in `held_out`, shape (n,) or (n, n_classes).
    Source:
        Cochran, "Sampling Techniques", 3rd edition, 1977, chapter 5: strata by a variable that is known of every row.
    """
    metric, loss = held_out_losses(held_out)
    known, score = _score(held_out.answer), _score(answer)
    edges = np.unique(np.quantile(known, np.arange(1, N_STRATA) / N_STRATA))
    of_known, of_row = (np.searchsorted(edges, each, side="right") for each in (known, score))
    mean, spread = np.full(len(edges) + 1, loss.mean()), np.full(len(edges) + 1, loss.std())
    for at in range(len(edges) + 1):
        own = loss[of_known == at]
        if len(own) >= LEAST_IN_STRATUM:
            mean[at], spread[at] = own.mean(), own.std()
    possible = possible_losses(answer, len(held_out.classes))
    return RowLosses(mean[of_row], spread[of_row], metric, held_out_loss(held_out), possible)


def _score(answer: AnyArray) -> FloatArray:
    """Return what the strata are made of: the number, the probability of the event, or of the likeliest class."""
    return np.asarray(answer if answer.ndim == 1 else answer.max(axis=1), dtype=np.float64)
