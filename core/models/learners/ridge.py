"""Ridge regression from sums of products, for many strengths at once; and logistic regression from earlier weights."""

from collections.abc import Iterator, Sequence

import numpy as np

from core.arrays import FloatArray, IntArray


class Sums:
    """Sums over rows; they hold no row, so the number of rows costs no memory."""

    def __init__(self) -> None:
        self._n_rows = 0
        self._products: FloatArray | None = None  # of all columns and the target, shifted to the first rows' means
        self._totals = self._shift = np.empty(0)

    def add(self, design: FloatArray, target: FloatArray) -> None:
        """Add rows."""
        rows = np.column_stack((design, target))
        if self._products is None:
            # Shifted, so that a column far from zero does not lose its spread to rounding.
            self._shift = rows.mean(axis=0)
            self._totals, self._products = np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1]))
        rows -= self._shift
        self._n_rows += len(rows)
        self._totals += rows.sum(axis=0)
        self._products += rows.T @ rows

    def solve(self, strengths: Sequence[float]) -> Iterator[tuple[float, FloatArray, float]]:
        """Yield each strength with its coefficients and intercept.

        Source:
            Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), section 3.4.1.
        """
        assert self._products is not None
        mean = self._totals / self._n_rows
        covered = self._products - self._n_rows * np.outer(mean, mean)
        values, vectors = np.linalg.eigh(covered[:-1, :-1])
        values = np.maximum(values, 0.0)
        moment = vectors.T @ covered[:-1, -1]
        centre = mean + self._shift
        for strength in strengths:
            coefficients = vectors @ (moment / (values + strength))
            yield strength, coefficients, float(centre[-1] - centre[:-1] @ coefficients)


def softmax(score: FloatArray) -> FloatArray:
    """Turn log odds into probabilities, shape (n, n_classes)."""
    odds = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def moved_weights(
    design: FloatArray, target: IntArray, weights: FloatArray, intercept: FloatArray, strength: float
) -> tuple[FloatArray, FloatArray]:
    """Return weights and intercepts of a logistic regression that rows have moved from where they were.

    Args:
        design: Shape (n, columns).
        target: The class of each row, shape (n,).
        weights: Before, shape (columns, n_classes).
        intercept: Before, shape (n_classes,).
        strength: Of the penalty on the squared distance; that of the intercepts is free.
    Source:
        The mode of a logistic likelihood under a normal prior whose mean is the earlier weights: Bishop, Pattern
        Recognition and Machine Learning (2006), section 4.5.
    """
    from scipy.optimize import minimize

    n_columns, n_classes = weights.shape
    offset, hit = design @ weights + intercept, np.eye(n_classes)[target]

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        moves, shift = flat[:-n_classes].reshape(n_columns, n_classes), flat[-n_classes:]
        chance = softmax(offset + design @ moves + shift)
        off = chance - hit
        value = (
            -np.log(np.clip((chance * hit).sum(axis=1), 1e-300, None)).sum() + strength / 2.0 * np.square(moves).sum()
        )
        return float(value), np.concatenate([(design.T @ off + strength * moves).ravel(), off.sum(axis=0)])

    found = minimize(loss, np.zeros((n_columns + 1) * n_classes), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    moves, shift = found.x[:-n_classes].reshape(n_columns, n_classes), found.x[-n_classes:]
    weights, intercept = weights + moves, intercept + shift
    if n_classes == 2:  # one column of weights serves both classes, as where they are fitted
        weights, intercept = weights - weights[:, :1], intercept - intercept[0]
    return weights, intercept
