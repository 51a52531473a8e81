"""What is presumed of how alike live rows are, in the minutes before enough batches of them could be compared.

Rows of one caller are alike, so those of a batch differ from each other by less than those of the reference: of n rows,
d of which are worth one, the variance within the batch is (n - d) / n of that of the reference. One batch shows this of
all columns together, though of a single score only roughly. A move makes the scores of its own column alike, too, so of
each column the batch counts that shows the least.
"""

from dataclasses import dataclass, fields

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray

LEAST_ROWS = 10  # of a batch
ERRORS = 2.0  # standard errors beyond the estimate that are presumed
GROWTH_POWER = 0.66  # of the number of batches: so much larger is the effect presumed over all of them together
MOST_GROWN = 16.0  # batches
_LEFT_OUT = 0.1  # of the columns, those that differ most between batches: a move is not taken for dependence
_LEAST_INFORMED = 0.5  # of the kurtosis less 1: a share of one half would seem to have a variance without error
_FEW = 3  # columns, of which none is left out
_TELLING = 0.05  # information below which a score is too rare to show how alike rows are
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class ScoreSpread:
    """How much rows of the reference differ, by score and share.

    Attributes:
        variance: Of a row.
        kurtosis: The fourth moment of a row in squares of the variance.
    """

    variance: FloatArray
    kurtosis: FloatArray


@dataclass(slots=True)
class WarmUp:
    """What the batches so far show; every table has a number for each score and share.

    Attributes:
        columns: The number of its column.
        variance: Of a row of the reference.
        informs: How much a row says of the variance.
        batches: How many batches of rows there were.
        rows: Rows of these.
        inner: The sum of their squared distances from the mean of their batch, in variances of the reference.
        least: How many rows were worth one in the batch of its column that shows the least; infinite before any.
    """

    columns: IntArray
    variance: FloatArray
    informs: FloatArray
    batches: FloatArray
    rows: FloatArray
    inner: FloatArray
    least: FloatArray

    @classmethod
    def new(cls, columns: IntArray, spread: ScoreSpread) -> "WarmUp":
        """Return what is presumed before any row."""
        n = len(columns)
        told = 1.0 / np.maximum(spread.kurtosis - 1.0, _LEAST_INFORMED)
        informs = np.where(spread.variance > _NOTHING, told, 0.0)
        variance = np.maximum(spread.variance, _NOTHING)
        return cls(columns, variance, informs, np.zeros(n), np.zeros(n), np.zeros(n), np.full(n, np.inf))

    @property
    def has_batch(self) -> BoolArray:
        """Whether a batch of its column was counted."""
        return np.asarray(self._by_column(self.batches) > 0)

    def observe(self, rows: FloatArray, sums: FloatArray, squares: FloatArray, added: BoolArray) -> None:
        """Count the batches that are complete.

        Args:
            rows: Rows of the batch under way.
            sums: The sum of their scores.
            squares: The sum of their squared scores.
            added: Where rows came now.
        """
        complete = added & (rows >= LEAST_ROWS)
        if not complete.any():
            return
        apart = np.where(complete, (squares - sums**2 / np.maximum(rows, 1.0)) / self.variance, 0.0)
        told = self._by_column(np.where(complete, self.informs, 0.0))
        alike = self._by_column(np.where(complete, self.informs * (rows - apart), 0.0))
        alike = np.divide(alike, told, out=np.full_like(told, np.inf), where=told > _TELLING)
        self.least = np.minimum(self.least, alike)
        self.batches += complete
        self.rows += np.where(complete, rows, 0.0)
        self.inner += apart

    def effects(self, found: FloatArray, weights: FloatArray, *, power: float = GROWTH_POWER) -> FloatArray:
        """Return how many rows are presumed to be worth one independent row.

        Args:
            found: How far successive batches were apart, in variances of independent rows, weighted by their rows.
            weights: The sum of the weights.
            power: Of the number of batches, by which the effect over all of them together is presumed to be larger; 1
                where all of them have the same rows.
        Source:
            The variance within clusters and the design effect: Kish, Survey Sampling (1965), section 5.4.
        """
        weight = self.informs * self.rows
        if not weight.sum():
            return np.ones_like(weight)
        batches, rows = (float((weight * each).sum() / weight.sum()) for each in (self.batches, self.rows))
        alike = np.divide(self.rows - self.inner, self.batches, out=np.zeros_like(weight), where=self.batches > 0)
        n_columns = len(np.unique(self.columns[weight > 0]))
        error = (2.0 * rows / n_columns) ** 0.5 / batches
        common = max(float((weight * alike).sum() / weight.sum()) + ERRORS * error, self._between(found, weights), 1.0)
        own = np.where(np.isfinite(self.least), self.least, 0.0)
        grown = np.clip(self._by_column(self.batches, most=True), 1.0, MOST_GROWN) ** power
        return np.asarray(np.maximum(common, own) * grown)

    def _between(self, found: FloatArray, weights: FloatArray) -> float:
        """Return how far successive batches were apart, on average over the columns."""
        told = np.where(weights > 0, self.informs * self.rows, 0.0)
        ratio = np.divide(found, weights, out=np.zeros_like(found), where=weights > 0)
        there = np.bincount(self.columns, weights=told)
        by_column = np.sort(np.bincount(self.columns, weights=told * ratio)[there > 0] / there[there > 0])
        if not len(by_column):
            return 1.0
        kept = len(by_column) - (max(int(_LEFT_OUT * len(by_column)), 1) if len(by_column) > _FEW else 0)
        return float(by_column[:kept].mean())

    def _by_column(self, values: FloatArray, *, most: bool = False) -> FloatArray:
        if most:
            found = np.zeros(self.columns.max(initial=0) + 1)
            np.maximum.at(found, self.columns, values)
            return np.asarray(found[self.columns])
        return np.bincount(self.columns, weights=values).astype(np.float64)[self.columns]


WARM_TABLES = tuple(each.name for each in fields(WarmUp) if each.name in ("batches", "rows", "inner", "least"))
