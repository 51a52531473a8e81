"""The scores that everybody knows, under scikit-learn's names; those that do not apply are left out.

They judge answers on the rows' own labels. The attainment beside them says how good the best possible answers would be.
"""

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray
from core.models.ranking import auc

REGRESSION = ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r2_score")
DECISIONS = ("accuracy_score", "precision_score", "recall_score", "f1_score")
PROBABILITIES = ("roc_auc_score", "log_loss", "brier_score_loss")
STANDARD = frozenset((*REGRESSION, *DECISIONS, *PROBABILITIES))
"""Every name used here."""

_LEAST = float(np.finfo(np.float64).eps)  # scikit-learn clips probabilities at it for the log loss


def standard_scores(task: str, actual: AnyArray, answer: AnyArray, decided: BoolArray | None) -> dict[str, float]:
    """Measure the answers of a model.

    Args:
        task: "regression", "classification" (of an event: answers are probabilities), or "detection" (scores).
        actual: The label of each row, shape (n,).
        answer: The answer to each row, shape (n,).
        decided: The rows that the model declares events, if it decides.
    Returns:
        For a regression the errors and R²; for events AUC and, if decided, accuracy, precision, recall and F1, and for
        probabilities log loss and Brier score. Empty if labels or answers are of another kind, such as several classes.
    Source:
        scikit-learn's `sklearn.metrics`, functions of these names with their defaults. A precision, recall or F1
        without a case to count is 0, as there.

    >>> standard_scores("regression", np.array([1.0, 3.0]), np.array([1.0, 2.0]), None)["mean_squared_error"]
    0.5
    """
    if answer.ndim != 1 or len(answer) != len(actual) or not len(answer):
        return {}
    try:
        actual, answer = actual.astype(np.float64), answer.astype(np.float64)
    except (TypeError, ValueError):  # names of classes
        return {}
    if not (np.isfinite(answer).all() and np.isfinite(actual).all()):
        return {}
    if task == "regression":
        return _of_numbers(actual, answer)
    if not np.isin(actual, (0.0, 1.0)).all():
        return {}
    scores = {} if actual.min() == actual.max() else {"roc_auc_score": auc(actual, answer)}
    if decided is not None:
        scores |= _of_decisions(actual == 1, decided)
    if task == "classification" and answer.min() >= 0 and answer.max() <= 1:
        scores |= _of_probabilities(actual, answer)
    return scores


def _of_numbers(actual: FloatArray, answer: FloatArray) -> dict[str, float]:
    miss = actual - answer
    squared = float(np.mean(np.square(miss)))
    scores = {
        "mean_squared_error": squared,
        "root_mean_squared_error": float(np.sqrt(squared)),
        "mean_absolute_error": float(np.mean(np.abs(miss))),
    }
    spread = float(np.mean(np.square(actual - actual.mean())))
    return scores | ({"r2_score": 1.0 - squared / spread} if spread > 0 else {})


def _of_decisions(happened: BoolArray, decided: BoolArray) -> dict[str, float]:
    found = float(np.sum(happened & decided))
    return {
        "accuracy_score": float(np.mean(happened == decided)),
        "precision_score": found / max(float(decided.sum()), 1.0),
        "recall_score": found / max(float(happened.sum()), 1.0),
        "f1_score": 2.0 * found / max(float(decided.sum() + happened.sum()), 1.0),
    }


def _of_probabilities(actual: FloatArray, answer: FloatArray) -> dict[str, float]:
    clipped = np.clip(answer, _LEAST, 1.0 - _LEAST)
    return {
        "log_loss": float(-np.mean(np.where(actual == 1, np.log(clipped), np.log1p(-clipped)))),
        "brier_score_loss": float(np.mean(np.square(actual - answer))),
    }
