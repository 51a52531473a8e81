"""How well scores rank: AUC and average precision, on labels, and, for the AUC, on the probabilities behind them."""

import numpy as np

from core.arrays import FloatArray


def expected_auc(chance: FloatArray, score: FloatArray, weight: FloatArray | None = None) -> float:
    """Compute the AUC a score has on average over labels drawn with known probabilities.

    Args:
        chance: Probability of each row's event, shape (n,).
        score: Higher for likelier rows, shape (n,).
        weight: How often each row counts, shape (n,); by default once.
    Returns:
        The sum over pairs i ≠ j of p_i (1 - p_j) [1(s_i > s_j) + ½ 1(s_i = s_j)], over the sum of p_i (1 - p_j);
        NaN when no event, or no other outcome, is possible.

    >>> expected_auc(np.array([0.0, 1.0]), np.array([0.1, 0.9]))
    1.0
    >>> expected_auc(np.array([0.5, 0.5]), np.array([0.1, 0.9]))
    0.5
    """
    weight = np.ones_like(chance) if weight is None else weight
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    events, others = (weight * chance)[order], (weight * (1.0 - chance))[order]
    first = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))  # of each run of equal scores
    run_events, run_others = np.add.reduceat(events, first), np.add.reduceat(others, first)
    below = np.concatenate(([0.0], np.cumsum(run_others)[:-1]))
    itself = float(np.sum(weight * chance * (1.0 - chance)))
    won = float(np.sum(run_events * (below + run_others / 2))) - itself / 2
    pairs = float(events.sum() * others.sum()) - itself
    return won / pairs if pairs > 0 else float("nan")


def auc(happened: FloatArray, score: FloatArray, weight: FloatArray | None = None) -> float:
    """Compute the area under the ROC curve; ties count half. NaN if there is only one outcome.

    >>> auc(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.1, 0.3]))
    0.5
    """
    return expected_auc(happened, score, weight)


def average_precision(happened: FloatArray, score: FloatArray, weight: FloatArray | None = None) -> float:
    """Compute the mean precision at each event, from the highest score down; equal scores enter together.

    Returns:
        0 to 1; NaN without an event.

    >>> average_precision(np.array([1.0, 0.0, 1.0]), np.array([3.0, 2.0, 1.0]))
    0.8333333333333333
    """
    weight = np.ones_like(happened) if weight is None else weight
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last = np.flatnonzero(np.concatenate((ranked[1:] != ranked[:-1], [True])))
    events = np.cumsum((weight * happened)[order])[last]
    entered = np.cumsum(weight[order])[last]
    if events[-1] <= 0:
        return float("nan")
    found = np.diff(events, prepend=0.0)
    return float(np.sum(found * np.divide(events, entered, out=np.zeros_like(events), where=entered > 0)) / events[-1])


def log_loss(chance: FloatArray, log_odds: FloatArray) -> float:
    """Compute the mean log loss of log odds against labels, or against the probabilities behind them.

    >>> round(log_loss(np.array([1.0, 0.0]), np.array([0.0, 0.0])), 4)
    0.6931
    """
    return float(np.mean(np.logaddexp(0.0, log_odds) - chance * log_odds))
