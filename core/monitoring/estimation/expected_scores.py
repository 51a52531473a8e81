"""The scores that answers have on average over outcomes with known probabilities."""

from types import MappingProxyType

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.models.ranking import expected_auc

LEAST = float(np.finfo(np.float64).eps)
EVENT_SCORES = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "auc",
    "brier",
    "log_loss",
)
NUMBER_SCORES = ("mae", "rmse")
EVENT_RATE = "event_rate"
IS_LOSS = frozenset({"brier", "log_loss", *NUMBER_SCORES})
IN_WORDS = MappingProxyType(
    {
        "accuracy": "accuracy",
        "precision": "precision",
        "recall": "recall",
        "f1": "F1",
        "auc": "AUC",
        "brier": "Brier score",
        "log_loss": "log loss",
        "mae": "MAE",
        "rmse": "RMSE",
        EVENT_RATE: "share of events",
    }
)


def expected_scores(
    answer: FloatArray, chance: FloatArray, decided: BoolArray | None, weight: FloatArray
) -> dict[str, float]:
    """Compute the scores of probabilities that a model answered.

    Args:
        answer: The probabilities, shape (n,).
        chance: The probability of each row's event, or what happened: 1 or 0, shape (n,).
        decided: The rows that the model declares events; None if it does not decide.
        weight: How often each row counts, shape (n,).
    Returns:
        The scores; those that are undefined are left out, such as the precision where no row is declared an event.
        Precision, recall and F1 are ratios of expected counts.

    >>> found = expected_scores(np.array([0.2, 0.8]), np.array([0.0, 1.0]), np.array([False, True]), np.ones(2))
    >>> found["accuracy"], found["auc"], round(found["brier"], 2)
    (1.0, 1.0, 0.04)
    """
    total = float(weight.sum())
    events = weight * chance
    others = weight - events
    n_events = float(events.sum())
    clipped = np.clip(answer, LEAST, 1.0 - LEAST)
    found = {EVENT_RATE: n_events / total}
    if decided is not None:
        n_declared, n_found = float(weight[decided].sum()), float(events[decided].sum())
        found["accuracy"] = (n_found + float(others[~decided].sum())) / total
        if n_declared > 0:
            found["precision"] = n_found / n_declared
        if n_events > 0:
            found["recall"] = n_found / n_events
            found["f1"] = 2.0 * n_found / (n_declared + n_events)
    area = expected_auc(chance, answer, weight)
    if np.isfinite(area):
        found["auc"] = area
    found["brier"] = float(events @ np.square(1.0 - answer) + others @ np.square(answer)) / total
    found["log_loss"] = -float(events @ np.log(clipped) + others @ np.log1p(-clipped)) / total
    return found
