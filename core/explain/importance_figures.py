"""How sure importances are: intervals of mean sizes, bounds of ranks, and errors of shares, by groups of rows."""

from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray, IntArray
from core.intervals import mean_interval
from core.intervals.units import ERROR_RATE, Units, t_quantile


class ImportanceFigures(NamedTuple):
    """Of each column, all of shape (columns,).

    Attributes:
        means: The mean size of its contributions.
        low: The lower end of its 95 % interval, NaN for rows of one group.
        high: The upper end.
        best_ranks: The best rank that it may have, 1 for the largest.
        worst_ranks: The worst.
        shares: Of the sum over columns.
        share_errors: Their standard errors, NaN for rows of one group.
    """

    means: FloatArray
    low: FloatArray
    high: FloatArray
    best_ranks: IntArray
    worst_ranks: IntArray
    shares: FloatArray
    share_errors: FloatArray


def importance_figures(sizes: FloatArray, units: IntArray) -> ImportanceFigures:
    """Say how sure the mean sizes of contributions are; rows of a group are one piece of evidence.

    Args:
        sizes: The size of each contribution, shape (n, columns).
        units: The group of each row, shape (n,).
    Source:
        `core.intervals.sums` for the intervals, whose coverage is simulated from 20 rows and 5 groups on.
    """
    found, means = Units(units), sizes.mean(axis=0)
    # A group unlike those seen may rely on a column as much as on columns in general.
    usual = float(means.mean()) if means.size else 0.0
    intervals = [mean_interval(column, units, reference=usual) for column in sizes.T]
    sums = np.stack([found.sums(column) for column in sizes.T], axis=1) if means.size else np.zeros((found.n, 0))
    totals = sums.sum(axis=1)
    whole = float(totals.sum())
    shares = sums.sum(axis=0) / whole if whole else np.zeros(len(means))
    best, worst = _rank_bounds(means, sums, found)
    return ImportanceFigures(
        means=means,
        low=np.array([np.nan if each is None else each.low for each in intervals]),
        high=np.array([np.nan if each is None else each.high for each in intervals]),
        best_ranks=best,
        worst_ranks=worst,
        shares=shares,
        share_errors=_ratio_errors(sums - shares * totals[:, None], whole),
    )


def _rank_bounds(means: FloatArray, sums: FloatArray, units: Units) -> tuple[IntArray, IntArray]:
    """Bound the rank of each column at 95 %: below those that are certainly larger, above those certainly smaller.

    Each column is compared with every other one by Student's t over groups, at the level that Bonferroni leaves to it.
    Resampled ranks would be too narrow where importances lie close together.

    Source:
        Mogstad, Romano, Shaikh and Wilhelm, Inference for ranks, Review of Economic Studies 91 (2024).
    """
    n_columns = len(means)
    if units.n < 2 or n_columns < 2:
        return np.ones(n_columns, dtype=np.int64), np.full(n_columns, n_columns, dtype=np.int64)
    residuals = sums - means * units.sizes[:, None]
    products = residuals.T @ residuals
    own = np.diagonal(products)
    squares = np.maximum(own[:, None] + own[None, :] - 2.0 * products, 0.0)
    errors = np.sqrt(squares * units.n / (units.n - 1.0)) / units.sizes.sum()
    quantile = t_quantile(units.degrees_of_freedom, 1.0 - ERROR_RATE / (2.0 * (n_columns - 1)))
    ahead = means[:, None] - means[None, :] > quantile * errors  # the column of the row before that of the column
    return 1 + ahead.sum(axis=0), n_columns - ahead.sum(axis=1)


def _ratio_errors(residuals: FloatArray, whole: float) -> FloatArray:
    n = len(residuals)
    if n < 2 or not whole:
        return np.full(residuals.shape[1], np.nan)
    return np.asarray(np.sqrt(np.square(residuals).sum(axis=0) * n / (n - 1.0)) / whole)
