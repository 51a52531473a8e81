"""Whether an ensemble is better than its best single model: the improvement of the loss, with its interval."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import intervals
from core.arrays import AnyArray, FloatArray
from core.intervals.units import ERROR_RATE

RESAMPLES = 2_000
ROUNDING = 1e-12  # of the loss
CHUNK_CELLS = 4_000_000  # of the counts of a batch of resamples


@dataclass(frozen=True, slots=True)
class Improvement:
    """By how much the loss of the ensemble is below that of the single model.

    Attributes:
        value: Mean loss of the single model less that of the ensemble; below 0 where the ensemble is worse.
        low: Lower end of its 95 % interval; minus infinity for fewer than two groups.
        high: Upper end.
        single_loss: Mean loss of the single model.
        n_rows: Rows compared.
        n_groups: Their groups.
    """

    value: float
    low: float
    high: float
    single_loss: float
    n_rows: int
    n_groups: int

    @property
    def is_shown(self) -> bool:
        """Whether the rows show that the ensemble is better."""
        return self.low > 0.0

    @property
    def share(self) -> float:
        """The improvement as a share of the single model's loss; 0 where it has none."""
        return self.value / self.single_loss if self.single_loss > 0 else 0.0


def improvement(
    single: FloatArray,
    ensemble: FloatArray,
    group: AnyArray,
    *,
    seed: int,
    n_resamples: int = RESAMPLES,
    n_folds: int | None = None,
) -> Improvement:
    """Compare two models by pairs of losses, on rows that chose neither model nor its weights.

    The mean difference over rows is a ratio of sums over groups. Groups are drawn with replacement, and each draw is
    studentised by its own linearised error over groups, which covers skewed differences better than the quantiles of
    the draws do. Of few groups a bootstrap sees too little of the tails: the interval also covers that of
    `intervals.difference_interval`, so that both must be above zero.

    Args:
        single: Loss of each row by the single model, shape (n,).
        ensemble: Loss of the same rows by the ensemble, shape (n,).
        group: Group of each row, shape (n,): errors within a group are correlated.
        seed: Of the draws.
        n_resamples: How many.
        n_folds: The folds of the cross-validation that the losses come from. Its models share most of their rows, so
            the interval is wider by √(1 + 1/(n_folds − 1)).
    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 12.5: bootstrap-t.
        Field and Welsh, Bootstrapping clustered data, JRSS B 69 (2007): draws of whole groups.
        Nadeau and Bengio, Inference for the generalization error, Machine Learning 52 (2003): the wider interval.

    >>> losses = np.array([1.0, 1.2, 0.9, 1.1, 1.0, 1.3, 0.8, 1.0])
    >>> improvement(losses, losses - 0.01, np.arange(8), seed=0).is_shown
    True
    >>> improvement(losses, losses, np.arange(8), seed=0).is_shown
    False
    """
    code = np.unique(group, return_inverse=True)[1]
    n_groups, difference = int(code.max(initial=-1)) + 1, single - ensemble
    value = float(difference.mean()) if len(difference) else 0.0
    loss = float(single.mean()) if len(single) else 0.0
    if abs(value) <= ROUNDING * loss:  # the same answers, summed in another order
        value = 0.0
    if n_groups < 2:
        return Improvement(value, -math.inf, math.inf, loss, len(single), n_groups)
    sums = np.asarray(np.bincount(code, weights=difference), dtype=np.float64)
    sizes = np.bincount(code).astype(np.float64)
    error = _error(value, sums @ sums, sums @ sizes, sizes @ sizes, sizes.sum(), n_groups)
    low = high = value
    if error > ROUNDING * max(loss, abs(value)):
        ratios = _studentised(value, sums, sizes, seed=seed, n_resamples=n_resamples)
        upper, lower = np.quantile(ratios, [1.0 - ERROR_RATE / 2, ERROR_RATE / 2])
        low, high = value - float(upper) * float(error), value - float(lower) * float(error)
        if (other := intervals.difference_interval(difference, group)) is not None:
            low, high = min(low, other.low), max(high, other.high)
    if n_folds is not None:
        factor = math.sqrt(1.0 + 1.0 / (n_folds - 1))
        low, high = value - factor * (value - low), value + factor * (high - value)
    return Improvement(value, min(low, value), max(high, value), loss, len(single), n_groups)


def _studentised(value: float, sums: FloatArray, sizes: FloatArray, *, seed: int, n_resamples: int) -> FloatArray:
    """Return (mean of a draw − mean) / error of the draw, for each draw of groups."""
    rng = np.random.default_rng(seed)
    n_groups = len(sums)
    columns = np.column_stack((sums, sizes, sums * sums, sums * sizes, sizes * sizes))
    batch = max(1, CHUNK_CELLS // n_groups)
    ratios = []
    for start in range(0, n_resamples, batch):
        counts = rng.multinomial(n_groups, np.full(n_groups, 1.0 / n_groups), size=min(batch, n_resamples - start))
        total, size, squares, products, sizes_squared = (counts @ columns).T
        mean = total / size
        error = _error(mean, squares, products, sizes_squared, size, n_groups)
        # A draw of groups that all agree has no error: it says nothing about the tail it would be put into.
        sound = error > 0
        ratios.append((mean[sound] - value) / error[sound])
    found = np.concatenate(ratios)
    return found if len(found) else np.zeros(1)


def _error(mean: Any, squares: Any, products: Any, sizes: Any, size: Any, n: int) -> AnyArray:
    """Return the linearised standard error of a ratio of sums over n groups."""
    spread = np.maximum(squares - 2.0 * mean * products + mean * mean * sizes, 0.0)
    return np.asarray(np.sqrt(spread * n / (n - 1.0)) / size)
