"""Ridge regression from sums of products, for many strengths at once."""

from collections.abc import Iterator, Sequence

import numpy as np

from core.arrays import FloatArray


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
