"""Metrics of predictions, each with a 95 % interval over groups: by resampling, or by DeLong's variance.

Rows of one group are similar, so an interval over rows would be too narrow; without groups, rows are resampled.
"""

from collections.abc import Callable, Iterator

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.models.ranking import auc, average_precision

N_BOOTSTRAP = 200
INTERVAL = (0.025, 0.975)
Metrics = dict[str, float]


def row_losses(target: FloatArray, answer: FloatArray) -> FloatArray:
    """Return the loss of each row: squared error of numbers, log loss of probabilities."""
    if answer.ndim == 1:
        return np.asarray(np.square(target - answer))
    chosen = answer[np.arange(len(target)), target.astype(np.int64)]
    return np.asarray(-np.log(np.clip(chosen, 1e-15, None)))


def regression_metrics(actual: FloatArray, answer: FloatArray, group: AnyArray, *, seed: int) -> Metrics:
    """Measure predicted numbers.

    Returns:
        `mae`, `rmse`, `r2`, each with `_low` and `_high`, and `loss`, the mean squared error. R² is left out if
        all actual values are equal.
    """
    # Relative to a shared point, so that values around a million do not lose their spread to rounding.
    centred = actual - actual.mean()
    sums = _Sums(
        group,
        np.ones_like(actual),
        np.abs(actual - answer),
        np.square(actual - answer),
        centred,
        np.square(centred),
    )

    def measure(n: FloatArray, miss: FloatArray, squared: FloatArray, total: FloatArray, spread: FloatArray) -> Named:
        variance = spread - np.square(total) / n
        return {
            "mae": miss / n,
            "rmse": np.sqrt(squared / n),
            "r2": 1.0 - np.divide(squared, variance, out=np.full_like(squared, np.nan), where=variance > 0),
        }

    metrics = sums.measured(measure, seed=seed)
    return metrics | {"loss": float(np.mean(np.square(actual - answer)))}


def classification_metrics(actual: FloatArray, answer: FloatArray, group: AnyArray, *, seed: int) -> Metrics:
    """Measure probabilities of classes.

    Args:
        actual: Position of each row's class, shape (n,).
        answer: Probabilities, shape (n, n_classes).
        group: Group of each row, shape (n,).
        seed: The seed of the resampling.
    Returns:
        `accuracy`, `log_loss` and `auc`, each with `_low` and `_high`; for two classes also `average_precision` of the
        second. For more classes the AUC is the mean of each class against the others. `loss` is the log loss.
    """
    is_right = (answer.argmax(axis=1) == actual).astype(np.float64)
    losses = row_losses(actual, answer)

    def measure(n: FloatArray, right: FloatArray, loss: FloatArray) -> Named:
        return {"accuracy": right / n, "log_loss": loss / n}

    metrics = _Sums(group, np.ones_like(actual), is_right, losses).measured(measure, seed=seed)
    if answer.shape[1] == 2:
        metrics |= ranking_metrics(actual, answer[:, 1], group, seed=seed)
    else:
        metrics |= _auc_of_each_class(actual, answer, group)
    return metrics | {"loss": float(losses.mean())}


def _auc_of_each_class(actual: FloatArray, answer: FloatArray, group: AnyArray) -> Metrics:
    """Measure the mean AUC of each class against the others, with its interval on the scale of log odds.

    Returns:
        An empty mapping if there is only one class.
    Source:
        DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), on whose parts of a row the variance over groups is
        based as in Obuchowski, Biometrics 53 (1997). Resampling would sort once per class and draw.
    """
    from scipy.stats import norm, rankdata

    present = [k for k in range(answer.shape[1]) if 0 < np.count_nonzero(actual == k) < len(actual)]
    if not present:
        return {}
    values, part = [], np.zeros(len(actual))  # part: a row's contribution to the mean
    for k in present:
        happened = actual == k
        n_others = np.where(happened, np.count_nonzero(~happened), np.count_nonzero(happened))
        rank, own = rankdata(answer[:, k]), np.empty(len(actual))
        own[happened], own[~happened] = rankdata(answer[happened, k]), rankdata(answer[~happened, k])
        won = (rank - own) / n_others  # the share of the other rows that a row ranks above
        won[~happened] = 1.0 - won[~happened]
        values.append(float(won[happened].mean()))
        part += (won - values[-1]) / (len(actual) - n_others) / len(present)
    value, by_group = float(np.mean(values)), np.bincount(np.unique(group, return_inverse=True)[1], weights=part)
    if len(by_group) < 2 or not 0.0 < value < 1.0:
        return {"auc": value}
    error = float(np.sqrt(np.square(by_group).sum() * len(by_group) / (len(by_group) - 1)))
    reach = float(norm.ppf(INTERVAL[1])) * error / (value * (1.0 - value))
    odds = value / (1.0 - value)
    low, high = odds * np.exp(-reach), odds * np.exp(reach)
    return {"auc": value, "auc_low": float(low / (1.0 + low)), "auc_high": float(high / (1.0 + high))}


def ranking_metrics(happened: FloatArray, score: FloatArray, group: AnyArray, *, seed: int) -> Metrics:
    """Measure how well scores rank the outcomes: `auc` and `average_precision`, with intervals.

    Returns:
        An empty mapping if there is only one outcome.
    """
    if happened.min() == happened.max():
        return {}
    order = np.argsort(score, kind="stable")  # once; sorted rows sort fast
    happened, score, group = happened[order], score[order], group[order]
    measures: dict[str, Callable[..., float]] = {"auc": auc, "average_precision": average_precision}
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    for weight in _weights(group, seed):
        for name, measure in measures.items():
            drawn[name].append(measure(happened, score, weight))
    metrics: Metrics = {}
    for name, measure in measures.items():
        metrics[name] = measure(happened, score)
        metrics |= _interval(name, np.array(drawn[name]))
    return metrics


def skill(losses: FloatArray, constant_losses: FloatArray, group: AnyArray, *, seed: int) -> Metrics:
    """Measure the share by which the model reduces the loss of a constant prediction: `skill`, with its interval.

    Returns:
        At most 1; at 0 or below the model knows no more than the mean.
    """

    def measure(loss: FloatArray, constant: FloatArray) -> Named:
        return {"skill": 1.0 - np.divide(loss, constant, out=np.full_like(loss, np.nan), where=constant > 0)}

    return _Sums(group, losses, constant_losses).measured(measure, seed=seed)


Named = dict[str, FloatArray]


class _Sums:
    """Columns summed by group, so that resampling groups is one product of matrices."""

    def __init__(self, group: AnyArray, *columns: FloatArray) -> None:
        code = np.unique(group, return_inverse=True)[1]
        self.table = np.stack([np.bincount(code, weights=column) for column in columns])

    def measured(self, measure: Callable[..., Named], *, seed: int) -> Metrics:
        """Measure on all rows, and on groups drawn with replacement."""
        metrics: Metrics = {}
        values = measure(*self.table.sum(axis=1, keepdims=True))
        drawn = measure(*np.stack([self.table @ count for count in _counts(self.table.shape[1], seed)], axis=1))
        for name, value in values.items():
            if np.isfinite(value[0]):
                metrics[name] = float(value[0])
                metrics |= _interval(name, drawn[name])
        return metrics


def _weights(group: AnyArray, seed: int) -> Iterator[FloatArray]:
    """How often each row counts, draw by draw."""
    code = np.unique(group, return_inverse=True)[1]
    return (count[code] for count in _counts(int(code.max()) + 1, seed))


def _counts(n_groups: int, seed: int) -> Iterator[FloatArray]:
    """How often each group is drawn, N_BOOTSTRAP times, each of shape (n_groups,)."""
    rng = np.random.default_rng(seed)
    for _ in range(N_BOOTSTRAP):
        yield np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups).astype(np.float64)


def _interval(name: str, drawn: FloatArray) -> Metrics:
    known = drawn[np.isfinite(drawn)]
    if known.size < N_BOOTSTRAP // 2:
        return {}
    low, high = np.quantile(known, INTERVAL)
    return {f"{name}_low": float(low), f"{name}_high": float(high)}
