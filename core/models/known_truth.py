"""The quality of a model, measured against the best possible model, where the law of the labels is known.

A raw score alone says little: .84 is a poor R² here and a perfect AUC there. Synthetic data have a truth: the expected
label of each row, or the probability behind it. It determines the best attainable score on the given rows, the
*optimum*; *attainment* is a model's share of it.
"""

import math

import numpy as np
import pandas as pd

from core import intervals
from core.arrays import AnyArray, FloatArray
from core.models.errors import UnknownTruthError
from core.models.interface import Attainment
from core.models.ranking import auc, average_precision, expected_auc, log_loss

LUCK = 0.001
"""How often at most the leak alarm may be luck.

Noise alone separates a model close to the optimum from it, either way, so limits of 95 % would sound the alarm for up
to 1 panel in 40; a leak is far beyond both limits.
"""


def truth_rows(truth: pd.DataFrame | None, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the truth about some of a panel's rows, by their index.

    Raises:
        UnknownTruthError: The panel has no truth.
    """
    if truth is None:
        raise UnknownTruthError
    return truth if len(truth) == len(rows) else truth.loc[rows.index]


def number_metrics(actual: FloatArray, score: FloatArray, expected: FloatArray | None = None) -> dict[str, float]:
    """Evaluate predicted numbers.

    Args:
        actual: The labels, on the learning scale, shape (n,).
        score: The predictions.
        expected: The expected label of each row, if it is known.
    Returns:
        `r2`, `mae`, `loss`; with the truth also `optimum`, the R² of the expected labels, and `attainment`, in which
        the noise of the labels cancels.
    """
    metrics = {
        "r2": r_squared(actual, score),
        "mae": float(np.mean(np.abs(actual - score))),
        "loss": float(np.mean(np.square(actual - score))),
    }
    if expected is not None:
        metrics["optimum"] = r_squared(actual, expected)
        metrics["attainment"] = 1.0 - float(np.sum(np.square(expected - score)) / np.sum(_explained(actual, expected)))
    return metrics


def number_attainment(actual: FloatArray, score: FloatArray, expected: FloatArray, group: AnyArray) -> Attainment:
    """Compare R² with that of the expected labels, with an interval over groups.

    The attainment is 1 less the squared distance from the expected label, over what that explains of the variance.
    """
    value, optimum = r_squared(actual, score), r_squared(actual, expected)
    miss, explained = np.square(expected - score), _explained(actual, expected)
    share = 1.0 - float(miss.sum() / explained.sum())
    lost = intervals.ratio_interval(miss, explained, group)
    low, high = (1.0 - lost.high, 1.0 - lost.low) if lost else (share, share)
    leak = loses_less(np.square(actual - score), np.square(actual - expected), group)
    return Attainment("R²", value, optimum, share, low, high, share, leak, len(actual))


def probability_metrics(happened: FloatArray, score: FloatArray, chance: FloatArray | None = None) -> dict[str, float]:
    """Evaluate log odds.

    Args:
        happened: 1 where the event occurred, shape (n,).
        score: Log odds.
        chance: The true probability of each row's event, if it is known.
    Returns:
        `auc`, `log_loss`, `loss`; with the truth also `optimum` (AUC), `log_loss_optimum`, `attainment` and
        `gini_attainment`. The last two use the probability behind each label instead of the label itself.
    """
    loss = log_loss(happened, score)
    metrics = {"auc": auc(happened, score), "log_loss": loss, "loss": loss}
    if chance is not None:
        chance = np.clip(chance, 1e-12, 1 - 1e-12)  # of a certain event the log odds are infinite
        optimum, reached = expected_auc(chance, chance), expected_auc(chance, score)
        metrics["optimum"] = optimum
        metrics["log_loss_optimum"] = log_loss(chance, np.log(chance / (1 - chance)))
        metrics["attainment"] = reached / optimum
        metrics["gini_attainment"] = _gini(reached, optimum)
    return metrics


def probability_attainment(happened: FloatArray, score: FloatArray, chance: FloatArray, group: AnyArray) -> Attainment:
    """Compare the AUC with that of the probability behind the label, with an interval over groups."""
    value, of_value = intervals.auc_influence(happened, score)
    best, of_best = intervals.auc_influence(happened, chance)
    optimum, of_optimum = intervals.auc_influence(chance, chance)
    reached, of_reached = intervals.auc_influence(chance, score)
    gap, of_gap = optimum - reached, of_optimum - of_reached
    lost = intervals.positive_interval(gap / optimum, of_gap / gap - of_optimum / optimum, group) if gap > 0 else None
    low, high = (1.0 - lost.high, 1.0 - lost.low) if lost else unseen(group)
    leak = is_better(value - best, of_value - of_best, group)
    gini = _gini(reached, optimum)
    return Attainment("AUC", value, optimum, reached / optimum, low, high, gini, leak, len(happened))


def detection_attainment(strange: FloatArray, score: FloatArray, evidence: FloatArray, group: AnyArray) -> Attainment:
    """Compare the average precision with that of the optimal, likelihood-ratio score, with an interval over groups.

    Args:
        strange: 1 for an anomaly, shape (n,).
        score: The model's scores.
        evidence: The optimal scores.
        group: The group of each row.
    """
    value, of_value = intervals.average_precision_influence(strange, score)
    optimum, of_optimum = intervals.average_precision_influence(strange, evidence)
    share = value / optimum
    found = intervals.positive_interval(share, of_value / value - of_optimum / optimum, group)
    low, high = found or unseen(group)
    leak = is_better(value - optimum, of_value - of_optimum, group)
    return Attainment("average precision", value, optimum, share, low, high, share, leak, len(strange))


def detection_metrics(strange: FloatArray, score: FloatArray, evidence: FloatArray | None = None) -> dict[str, float]:
    """Evaluate anomaly scores.

    Args:
        strange: 1 for an anomaly, shape (n,).
        score: The model's scores.
        evidence: The optimal scores, if they are known.
    Returns:
        `average_precision` and `loss`, its distance from 1; with the truth also its `optimum` and the `attainment`.
    """
    precision = average_precision(strange, score)
    metrics = {"average_precision": precision, "loss": 1.0 - precision}
    if evidence is not None:
        metrics["optimum"] = average_precision(strange, evidence)
        metrics["attainment"] = precision / metrics["optimum"]
    return metrics


def r_squared(actual: FloatArray, score: FloatArray) -> float:
    """Return the share of the variance that predictions explain; NaN where nothing varies, as in a single row."""
    total = float(np.sum(np.square(actual - actual.mean())))
    return float(1 - np.sum(np.square(actual - score)) / total) if total else math.nan


def is_better(difference: float, influence: FloatArray, group: AnyArray) -> bool:
    """Whether a score beats the best possible score by more than luck (`LUCK`)."""
    found = intervals.difference_interval(influence * len(group), group, tail=1 - LUCK)
    return difference > 0 and found is not None and found.low + difference > 0


def loses_less(loss: FloatArray, least_loss: FloatArray, group: AnyArray) -> bool:
    """Whether predictions lose less than the best possible ones by more than luck (`LUCK`)."""
    found = intervals.difference_interval(least_loss - loss, group, tail=1 - LUCK)
    return found is not None and found.low > 0


def unseen(group: AnyArray) -> tuple[float, float]:
    """Return the limits of a full attainment: at 95 % no more groups than 1 - 0.05^(1/n) are unlike those seen."""
    unlike = 1.0 - 0.05 ** (1.0 / len(np.unique(group)))
    return 1.0 - unlike, 1.0 + unlike


def _gini(reached: float, optimum: float) -> float:
    """Return the share from 0.5; all of it where all events have one chance, so that nothing can be ranked."""
    return (reached - 0.5) / (optimum - 0.5) if optimum != 0.5 else 1.0


def _explained(actual: FloatArray, expected: FloatArray) -> FloatArray:
    return np.asarray(np.square(actual - actual.mean()) - np.square(actual - expected))
