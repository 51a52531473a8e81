"""Means over rows, of which whole groups are drawn again."""

from typing import Final

import numpy as np

from core.arrays import FloatArray, IntArray

N_RESAMPLES: Final = 400
LEVEL: Final = 0.95
_TAIL: Final = (1.0 - LEVEL) / 2.0
TAILS: Final = (_TAIL, 1.0 - _TAIL)


def resampled_means(sizes: FloatArray, units: IntArray, *, seed: int) -> FloatArray:
    """Return the mean of each column in each resample, shape (resamples, columns).

    Args:
        sizes: What is averaged, shape (n, columns).
        units: The group of each row, shape (n,).
        seed: Of the resamples.

    Source:
        Efron, Better bootstrap confidence intervals, Journal of the American Statistical Association 82 (1987), for the
        percentiles of such means; a group is resampled as a whole.
    """
    _, codes = np.unique(units, return_inverse=True)
    n_units = int(codes.max()) + 1
    sums = np.zeros((n_units, sizes.shape[1]))
    np.add.at(sums, codes, sizes)
    counts = np.bincount(codes, minlength=n_units).astype(np.float64)
    drawn = np.random.default_rng(seed).multinomial(n_units, np.full(n_units, 1.0 / n_units), size=N_RESAMPLES)
    means: FloatArray = (drawn @ sums) / np.maximum(drawn @ counts, 1.0)[:, None]
    return means
