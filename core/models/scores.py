"""Metrics of predictions, each with its 95 % interval over groups, or over rows if there are no groups."""

import math
from collections.abc import Sequence

import numpy as np

from core import intervals
from core.arrays import AnyArray, FloatArray
from core.intervals import Interval
from core.models.ranking import auc, average_precision

Metrics = dict[str, float]


def row_losses(target: FloatArray, answer: FloatArray) -> FloatArray:
    """Return the loss of each row: squared error of numbers, log loss of probabilities."""
    if answer.ndim == 1:
        return np.asarray(np.square(target - answer))
    chosen = answer[np.arange(len(target)), target.astype(np.int64)]
    return np.asarray(-np.log(np.clip(chosen, 1e-15, None)))


def unseen_mistake(target: FloatArray, answer: FloatArray) -> FloatArray | None:
    """Return what a mistake would have cost in each row that is surer than every mistake seen.

    A sample without a mistake among its surest rows does not show how much the mistakes of a confident model cost,
    however many mistakes it shows among the others.

    Returns:
        0 for all other rows, shape (n,); None for numbers.
    """
    return None if answer.ndim == 1 else unseen_in_losses(row_losses(target, answer))


def unseen_in_losses(log_losses: FloatArray) -> FloatArray:
    """Return what `unseen_mistake` does, from the log losses of the rows."""
    given = np.exp(-log_losses)  # the probability of the class that came
    surest_mistake = max(0.5, 1.0 - float(given.min()))
    cost = -np.log(np.clip(1.0 - given, 1e-15, None))
    return np.asarray(np.where(given > surest_mistake, cost, 0.0))


def regression_metrics(actual: FloatArray, answer: FloatArray, group: AnyArray) -> Metrics:
    """Measure predicted numbers.

    Returns:
        `mae`, `rmse`, `r2`, each with `_low` and `_high`, and `loss`, the mean squared error. R² is left out if
        all actual values are equal.
    """
    # Relative to a shared point, so that values around a million do not lose their spread to rounding.
    centred = actual - actual.mean()
    miss, squared, spread = np.abs(actual - answer), np.square(actual - answer), np.square(centred)
    loss = float(squared.mean())
    mae = intervals.mean_interval(miss, group, reference=float(np.abs(centred).mean()))
    mse = intervals.mean_interval(squared, group, reference=float(spread.mean()))
    metrics = _with_interval("mae", float(miss.mean()), mae)
    metrics |= _with_interval("rmse", math.sqrt(loss), mse and Interval(math.sqrt(mse.low), math.sqrt(mse.high)))
    if spread.sum() > 0:
        unexplained = intervals.unexplained_interval(squared, actual, group)
        metrics |= _with_interval("r2", 1.0 - float(squared.sum() / spread.sum()), _rest(unexplained))
    return metrics | {"loss": loss}


def classification_metrics(actual: FloatArray, answer: FloatArray, group: AnyArray) -> Metrics:
    """Measure probabilities of classes.

    Args:
        actual: Position of each row's class, shape (n,).
        answer: Probabilities, shape (n, n_classes).
        group: Group of each row, shape (n,).
    Returns:
        `accuracy`, `log_loss` and `auc`, each with `_low` and `_high`; for two classes also `average_precision` of the
        second. For more classes the AUC is the mean of each class against the others. `loss` is the log loss.
    """
    is_right, losses = answer.argmax(axis=1) == actual, row_losses(actual, answer)
    loss = float(losses.mean())
    metrics = _with_interval("accuracy", float(is_right.mean()), intervals.share_interval(is_right, group))
    unseen = unseen_mistake(actual, answer)
    bounds = intervals.mean_interval(losses, group, reference=_entropy(actual), unseen=unseen)
    metrics |= _with_interval("log_loss", loss, bounds)
    if answer.shape[1] == 2:
        metrics |= ranking_metrics(actual, answer[:, 1], group)
    elif present := [k for k in range(answer.shape[1]) if 0 < np.count_nonzero(actual == k) < len(actual)]:
        value = float(np.mean([auc((actual == k).astype(np.float64), answer[:, k]) for k in present]))
        metrics |= _with_interval("auc", value, intervals.auc_of_classes_interval(actual, answer, group))
    return metrics | {"loss": loss}


def ranking_metrics(happened: FloatArray, score: FloatArray, group: AnyArray) -> Metrics:
    """Measure how well scores rank the outcomes: `auc` and `average_precision`, with intervals.

    Returns:
        An empty mapping if there is only one outcome.
    """
    if happened.min() == happened.max():
        return {}
    precision = intervals.average_precision_interval(happened, score, group)
    return {
        **_with_interval("auc", auc(happened, score), intervals.auc_interval(happened, score, group)),
        **_with_interval("average_precision", average_precision(happened, score), precision),
    }


def skill(
    losses: FloatArray,
    constant_losses: FloatArray,
    group: AnyArray,
    *,
    unseen: FloatArray | None = None,
    n_folds: int | None = None,
) -> Metrics:
    """Measure the share by which the model reduces the loss of a constant prediction: `skill`, with its interval.

    Args:
        losses: The model's loss of each row, shape (n,).
        constant_losses: The loss of the constant prediction, shape (n,).
        group: Group of each row, shape (n,).
        unseen: What unseen mistakes would cost (`unseen_mistake`).
        n_folds: The folds of the cross-validation that the losses come from. Models of different folds share most of
            their rows, so their losses are not independent: the interval is wider by √(1 + 1/(n_folds − 1)).
    Source:
        Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52, 2003: the variance is larger
        by the ratio of tested to trained rows.
    Returns:
        At most 1; at 0 or below the model knows no more than the mean. Empty if the constant has no loss.
    """
    if constant_losses.sum() <= 0:
        return {}
    value = 1.0 - float(losses.sum() / constant_losses.sum())
    bounds = _rest(intervals.ratio_interval(losses, constant_losses, group, unseen=unseen))
    if bounds is not None and n_folds is not None:
        factor = math.sqrt(1.0 + 1.0 / (n_folds - 1))
        bounds = Interval(value - factor * (value - bounds.low), min(1.0, value + factor * (bounds.high - value)))
    return _with_interval("skill", value, bounds)


def mean_of(repeats: Sequence[Metrics]) -> Metrics:
    """Average metrics and the ends of their intervals over the repeats of a cross-validation of the same rows.

    The repeats are no further evidence, so no interval becomes narrower.
    """
    shared = [name for name in repeats[0] if all(name in metrics for metrics in repeats)]
    return {name: float(np.mean([metrics[name] for metrics in repeats])) for name in shared}


def _rest(interval: Interval | None) -> Interval | None:
    """Turn the interval of a share into that of the rest."""
    return interval and Interval(1.0 - interval.high, 1.0 - interval.low)


def _with_interval(name: str, value: float, interval: Interval | None) -> Metrics:
    if interval is None:
        return {name: value}
    # A rounding error of the sums must not leave the value outside its interval.
    return {name: value, f"{name}_low": min(interval.low, value), f"{name}_high": max(interval.high, value)}


def _entropy(actual: FloatArray) -> float:
    """The log loss of the share of each class."""
    share = np.bincount(actual.astype(np.int64)) / len(actual)
    return float(-np.sum(share[share > 0] * np.log(share[share > 0])))
