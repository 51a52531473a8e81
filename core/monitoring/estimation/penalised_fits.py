"""Logistic fits of few columns with a ridge penalty, fast enough for a bootstrap."""

import numpy as np

from core.arrays import FloatArray

N_STEPS = 15
SMALL = 1e-6
LONGEST_STEP = 3.0  # in any coefficient; separable rows would send a full step to infinity
LARGEST = 30.0  # of a linear predictor, beyond which exp overflows or an event is certain
LEAST_CURVATURE = 1e-6


def fit_chances(
    matrix: FloatArray,
    happened: FloatArray,
    weight: FloatArray,
    *,
    penalty: FloatArray,
    offset: FloatArray | None = None,
    start: FloatArray | None = None,
    n_steps: int = N_STEPS,
) -> FloatArray:
    """Fit the log odds of an event.

    Args:
        matrix: The columns, the constant among them, shape (n, k).
        happened: 1 where it happened, else 0; shares are allowed, shape (n,).
        weight: How often each row counts, shape (n,).
        penalty: Of the square of each coefficient, shape (k,).
        offset: Log odds that are added as they are, shape (n,).
        start: Coefficients to start from, shape (k,).
        n_steps: At most so many Newton steps; few from a near start are enough for a bootstrap.
    Returns:
        The coefficients, shape (k,).
    Source:
        le Cessie and van Houwelingen, "Ridge Estimators in Logistic Regression", Applied Statistics 41(1), 1992.

    >>> ones = np.ones((4, 1))
    >>> found = fit_chances(ones, np.array([1.0, 0, 0, 0]), np.ones(4), penalty=np.zeros(1))
    >>> round(float(np.exp(found[0])), 4)
    0.3333
    """
    found = np.zeros(matrix.shape[1]) if start is None else start.copy()
    diagonal = np.arange(len(found))
    for _ in range(n_steps):
        linear = matrix @ found if offset is None else offset + matrix @ found
        chance = chances(linear)
        curvature = weight * np.maximum(chance * (1.0 - chance), LEAST_CURVATURE)
        slope = matrix.T @ (weight * (happened - chance)) - penalty * found
        bend = (matrix * curvature[:, None]).T @ matrix
        bend[diagonal, diagonal] += penalty + LEAST_CURVATURE
        step = np.linalg.solve(bend, slope)
        longest = float(np.abs(step).max(initial=0.0))
        found = found + step * min(1.0, LONGEST_STEP / max(longest, SMALL))
        if longest < SMALL:
            break
    return found


def chances(log_odds: FloatArray) -> FloatArray:
    """Return the probabilities of log odds.

    >>> float(chances(np.array([0.0]))[0])
    0.5
    """
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -LARGEST, LARGEST))))


def log_odds(chance: FloatArray, least: float = SMALL) -> FloatArray:
    """Return the log odds of probabilities, which are clipped to `least` from either end."""
    clipped = np.clip(chance, least, 1.0 - least)
    return np.asarray(np.log(clipped / (1.0 - clipped)))
