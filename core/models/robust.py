"""Robust statistics: the spread of ordinary residuals, and the weight of each row."""

import numpy as np

from core.arrays import FloatArray

HUBER = 2.0  # standard deviations up to which a row counts in full


def robust_scale(misses: FloatArray) -> float:
    """Measure the standard deviation of ordinary rows, unaffected by a few per cent of outliers.

    Args:
        misses: Residuals, observed minus predicted, shape (n,).
    Returns:
        1.4826 times the median absolute residual; at least 1e-6.
    Source:
        Hampel, Journal of the American Statistical Association 69, 1974.

    >>> round(robust_scale(np.array([-1.0, 1.0, -1.0, 1.0, 500.0])), 4)
    1.4826
    """
    return max(1.4826 * float(np.median(np.abs(misses))), 1e-6)


def huber_weight(misses: FloatArray, scale: float) -> FloatArray:
    """Weigh rows so that weighted least squares minimises Huber's loss.

    Args:
        misses: Residuals, observed minus predicted, shape (n,).
        scale: Standard deviation of the ordinary rows.
    Returns:
        1 up to `HUBER` standard deviations, then falling as one over the residual.
    Source:
        Huber, Annals of Mathematical Statistics 35, 1964.

    >>> huber_weight(np.array([0.5, -4.0]), 1.0).tolist()
    [1.0, 0.5]
    """
    return np.minimum(1.0, HUBER * scale / np.maximum(np.abs(misses), 1e-12))
