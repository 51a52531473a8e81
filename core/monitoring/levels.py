"""Levels of two tables compared by their counts: homogeneity, and levels that one table has never seen.

All that is chosen here (which levels are pooled, and how) follows from the counts of both tables together. Without
drift each way of dealing the rows to the tables is then equally likely, and the laws of the tests are the laws of the
deal. They hold at any number of rows, and whichever table is the larger.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import AnyArray, IntArray
from core.monitoring import drift
from core.monitoring.drift import LEAST_EXPECTED
from core.monitoring.exact_tests import SMALLEST, certainty, share_bounds, share_p_value

LevelRows = tuple[AnyArray, IntArray]
"""The names of levels, and the rows of each."""

DEALS = 9_999


class UnnamedLevels(NamedTuple):
    """Current rows of levels that the reference does not have, of which it is not known which has how many.

    Attributes:
        rows: The rows.
        levels: How many levels they are, as estimated.
    """

    rows: int
    levels: int


NONE_UNNAMED = UnnamedLevels(0, 0)


def count_levels(reference: "pd.Series[Any]", current: "pd.Series[Any]") -> IntArray:
    """Count the rows of each level on both sides, shape (2, n_levels), the most frequent level first."""
    return align_levels(level_rows(reference), level_rows(current))


def align_levels(reference: LevelRows, current: LevelRows) -> IntArray:
    """Arrange the rows of each level on both sides, shape (2, n_levels), the most frequent level first."""
    (before, n_before), (after, n_after) = reference, current
    codes, levels = pd.factorize(np.concatenate((before, after)))
    counts = np.zeros((2, len(levels)), dtype=np.int64)
    counts[0, codes[: len(before)]], counts[1, codes[len(before) :]] = n_before, n_after
    # Equal counts stand in an order that no table decides: by the hash, since names that count up tell their table.
    order = np.argsort(pd.util.hash_array(np.asarray(levels).astype(str).astype(object)), kind="stable")
    return counts[:, order[np.argsort(-counts.sum(axis=0)[order], kind="stable")]]


def level_rows(values: "pd.Series[Any]") -> LevelRows:
    """Return the levels that occur, and the rows of each."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, names = values.cat.codes.to_numpy(), values.cat.categories.to_numpy(dtype=object)
        counts = np.bincount(codes.astype(np.intp) + 1, minlength=len(names) + 1)[1:]  # without empty cells
        return np.asarray(names[counts > 0]), np.asarray(counts[counts > 0], dtype=np.int64)
    found = values.value_counts(sort=False)
    return np.asarray(found.index.to_numpy(dtype=object)), np.asarray(found.to_numpy(), dtype=np.int64)


def pool_levels(counts: IntArray, effect: float = 1.0) -> IntArray:
    """Pool levels until both sides expect enough rows in each bin.

    Args:
        counts: Rows per level, the most frequent level first, shape (2, n_levels).
        effect: How many rows are worth one independent row.
    Returns:
        Rows per bin, shape (2, n_bins). Every level with enough rows stays alone, however many there are: in a group,
        opposite moves cancel. Rare levels form groups of neighbours by frequency. One bin where there are too few rows
        for two.

    >>> pool_levels(np.array([[60, 30, 4, 3, 3], [70, 20, 4, 5, 1]]))
    array([[60, 30, 10],
           [70, 20, 10]])
    """
    pooled, sides = counts.sum(axis=0), counts.sum(axis=1)
    least = LEAST_EXPECTED * effect * sides.sum() / sides.min()
    n_alone = int((pooled >= least).sum())
    starts = list(range(n_alone))
    up_to = np.cumsum(pooled, dtype=np.float64)  # the kind of the sums sought, or each search would copy all of it
    at = n_alone
    while at < len(pooled):
        starts.append(at)
        at = int(np.searchsorted(up_to, (up_to[at - 1] if at else 0) + least)) + 1
    if len(starts) > 1 and up_to[-1] - up_to[starts[-1] - 1] < least:  # the last group is too small to stand alone
        starts.pop()
    return np.add.reduceat(counts, starts, axis=1)


def pool_with_unnamed(counts: IntArray, unnamed: UnnamedLevels, effect: float = 1.0) -> IntArray:
    """Pool levels where only the rows of some unseen levels are known: all rare levels are one bin with them.

    Groups by frequency would hold levels of the current side alone, since frequencies are not known of unnamed levels.
    A level that is frequent enough to stand alone is hardly ever among them.

    Args:
        counts: Rows per named level, the most frequent level first, shape (2, n_levels).
        unnamed: The other levels.
        effect: How many rows are worth one independent row.
    Returns:
        Rows per bin, shape (2, n_bins), the bin of all others last.

    >>> pool_with_unnamed(np.array([[60, 30, 4, 3, 3], [70, 20, 4, 5, 0]]), UnnamedLevels(21, 9))
    array([[60, 30, 10],
           [70, 20, 30]])
    """
    pooled, sides = counts.sum(axis=0), counts.sum(axis=1)
    sides[1] += unnamed.rows
    least = LEAST_EXPECTED * effect * sides.sum() / sides.min()
    n_alone = int((pooled >= least).sum())
    if n_alone and sides.sum() - pooled[:n_alone].sum() < least:
        n_alone -= 1
    others = counts[:, n_alone:].sum(axis=1)
    others[1] += unnamed.rows
    return np.column_stack((counts[:, :n_alone], others))


def thinned(counts: IntArray, effect: float) -> IntArray:
    """Return the independent rows that rows are worth, so that the rows of each side add up.

    >>> thinned(np.array([[10, 5, 5], [4, 4, 2]]), 2.0)
    array([[5, 2, 3],
           [2, 2, 1]])
    """
    if effect == 1.0:
        return counts
    up_to = np.floor(np.cumsum(counts, axis=1) / effect + 1e-9).astype(np.int64)
    return np.diff(up_to, axis=1, prepend=0)


def thinned_levels(counts: IntArray, effect: float) -> IntArray:
    """Return the independent rows of the levels that still have one."""
    thin = thinned(counts, effect)
    return thin[:, thin.sum(axis=0) > 0]


def split_off(counts: IntArray) -> IntArray:
    """Return the most frequent level, and all others together."""
    return np.stack([counts[:, 0], counts[:, 1:].sum(axis=1)], axis=1)


def hidden_share(counts: IntArray, effect: float, least_shown: float) -> float:
    """Return the share of the rows in levels so rare that their moves do not show.

    Args:
        counts: Rows per level, the most frequent level first.
        effect: How many rows are worth one independent row.
        least_shown: A level with t rows shows (t - 1) / t of its move; below this share it is hidden.

    >>> hidden_share(np.array([[90, 1, 0], [92, 0, 17]]), 1.0, 0.5)
    0.005
    """
    rows = counts.sum(axis=0) / effect
    return float(rows[rows < 1.0 / (1.0 - least_shown)].sum() / rows.sum())


def homogeneity(counts: IntArray) -> tuple[float, float, float, float]:
    """Measure how far two sides differ over bins.

    Args:
        counts: Rows per bin, shape (2, n_bins), no bin empty on both sides.
    Returns:
        Pearson's X², and its mean, variance and skewness over all deals of the rows to the two sides.
    Source:
        Mean and variance are exact, from the factorial moments of the multivariate hypergeometric law (Haldane,
        Biometrika 31, 1940, gives both for such tables); the skewness is that of independent binomial bins, less one.
    """
    total = counts.sum(axis=0).astype(np.float64)
    n, other = sorted(float(side) for side in counts.sum(axis=1))
    few = counts[int(counts[0].sum() > counts[1].sum())].astype(np.float64)
    rows = n + other
    scale = rows * rows / (n * other)
    f1 = n / rows
    f2 = f1 * (n - 1) / (rows - 1)
    f3 = f2 * (n - 2) / (rows - 2) if rows > 2 else 0.0
    f4 = f3 * (n - 3) / (rows - 3) if rows > 3 else 0.0
    first = f2 * (total - 1) + f1  # of a²/t, a the rows of a bin on the smaller side, t those on both
    fourth = f4 * (total - 1) * (total - 2) * (total - 3) + 6 * f3 * (total - 1) * (total - 2) + 7 * f2 * (total - 1)
    own = (fourth + f1) / total
    less = total - 1
    pairs = f4 * (less.sum() ** 2 - (less**2).sum()) + (len(total) - 1) * (2 * f3 * less.sum() + len(total) * f2)
    variance = max(float(own.sum() + pairs - first.sum() ** 2) * scale**2, 0.0)
    mean = float(first.sum()) * scale - rows * n / (n * other) * n
    statistic = float((few**2 / total).sum()) * scale - rows * n / other
    spread = f1 * (1 - f1)
    per_bin = total * spread
    extra = (22 - 112 * spread) / per_bin + (1 - 30 * spread + 120 * spread**2) / per_bin**2
    third = 8.0 * (len(total) - 1) + float((extra * (1 - total / rows)).sum())
    return statistic, mean, variance, third / variance**1.5 if variance > 0 else 0.0


def homogeneity_p_value(counts: IntArray) -> float:
    """Return the probability of bins at least this different if nothing has moved.

    Source:
        Two bins: Fisher's exact test. More: the gamma law with the three moments of `homogeneity`, as Mielke and
        Berry, Permutation Methods (2007), section 3, propose for permutation tests.

    >>> homogeneity_p_value(np.array([[50], [70]]))
    1.0
    >>> round(homogeneity_p_value(np.array([[50, 30, 20], [30, 40, 30]])), 3)
    0.014
    """
    from scipy.special import gammaincc

    if counts.shape[1] < 2:
        return 1.0
    if counts.shape[1] == 2:
        (a, b), (c, d) = counts.tolist()
        return share_p_value(a, a + b, c, c + d)
    statistic, mean, variance, skewness = homogeneity(counts)
    if variance == 0.0:
        return 1.0
    shape = 4.0 / max(skewness, 0.1) ** 2
    return float(gammaincc(shape, max(shape + (statistic - mean) / np.sqrt(variance) * np.sqrt(shape), 0.0)))


def homogeneity_moved_p_value(counts: IntArray, harmless: float) -> float:
    """Return the probability of bins at least this different if the true PSI is `harmless`.

    Source:
        To second order PSI / (1/n + 1/m) is X²; its non-central law is that of Potgieter et al., arXiv 2307.11878
        (2023), after X² is brought to the mean and the variance of the χ² law.
    """
    from scipy.stats import ncx2

    if (like_chi2 := _like_chi2(counts)) is None:
        return 1.0
    n, m = counts.sum(axis=1)
    return float(ncx2.sf(like_chi2, counts.shape[1] - 1, harmless / (1 / n + 1 / m)))


def _like_chi2(counts: IntArray) -> float | None:
    """Bring X² to the mean and the variance of the χ² law; None if no deal could differ from another."""
    if (n_bins := counts.shape[1]) < 2:
        return None
    statistic, mean, variance, _ = homogeneity(counts)
    if variance == 0.0:
        return None
    return float(n_bins - 1 + (statistic - mean) * np.sqrt(2 * (n_bins - 1) / variance))


def homogeneity_bound(counts: IntArray, *, level: float) -> float:
    """Return an upper bound of the true PSI, to second order, that holds except with probability `level`.

    X² keeps its law in bins of few rows, where the half rows of the PSI make it too small. A level with t rows on both
    sides shows (t - 1) / t of its move, since one row alone fits any share; the bound makes up for it.

    Args:
        counts: Rows per bin or per level, shape (2, n_bins).
        level: Probability that the bound is below the truth.
    Source:
        The law of `homogeneity_moved_p_value`, solved for the PSI.

    >>> round(homogeneity_bound(np.array([[500, 500], [500, 500]]), level=0.05), 4)
    0.0
    """
    if (like_chi2 := _like_chi2(counts)) is None:
        return 0.0
    n, m = (int(side) for side in counts.sum(axis=1))
    shown = 1.0 - counts.shape[1] / (n + m)
    bound = drift.noncentral_bound(max(like_chi2, 0.0), n, m, counts.shape[1], level=level)
    return float(bound / max(shown, 1e-9))


def unseen_p_value(counts: IntArray) -> float:
    """Return the probability of at least this many current rows with levels absent from the reference.

    Args:
        counts: Rows per level, shape (2, n_levels): reference, current.
    Returns:
        1 if no row has such a level.
    Source:
        A level with t rows on both sides is absent from the reference in C(N - t, n) / C(N, n) of all deals. The
        deals carry the error that an estimate of the unseen share (Good, Biometrika 40, 1953) would have. Chernoff's
        bound holds, since the absences are negatively associated: Joag-Dev and Proschan, Annals of Statistics 11
        (1983). Where it does not decide, `DEALS` simulated deals do.

    >>> unseen_p_value(np.array([[50, 50], [40, 60]]))
    1.0
    >>> unseen_p_value(np.array([[500, 100, 0], [500, 80, 20]])) < 1e-5
    True
    """
    from scipy.special import gammaln

    n_unseen = int(counts[1, counts[0] == 0].sum())
    if not n_unseen:
        return 1.0
    n, m = (int(side) for side in counts.sum(axis=1))
    sizes, n_levels = np.unique(counts.sum(axis=0), return_counts=True)
    possible = sizes <= m
    sizes, n_levels = sizes[possible].astype(np.float64), n_levels[possible]
    absent = np.exp(gammaln(n + m - sizes + 1) - gammaln(m - sizes + 1) - gammaln(n + m + 1) + gammaln(m + 1))
    absent = np.clip(absent, 0.0, 1.0)
    if n_unseen <= float((sizes * n_levels * absent).sum()):
        return 1.0
    bound = _chernoff(n_unseen, sizes, n_levels, absent)
    if not 1e-3 < bound < 0.5:
        return bound
    relevant = absent > 1e-12
    deals = np.random.default_rng(0).binomial(n_levels[relevant], absent[relevant], (DEALS, int(relevant.sum())))
    return float((1 + (deals @ sizes[relevant] >= n_unseen).sum()) / (DEALS + 1))


def _chernoff(n_rows: int, sizes: Any, n_levels: Any, absent: Any) -> float:
    """Bound the probability that the sizes of the absent levels sum to at least `n_rows`."""
    from scipy.optimize import minimize_scalar

    known = absent > 0
    sizes, n_levels, logs = sizes[known], n_levels[known], np.log(absent[known])
    with np.errstate(divide="ignore"):
        present = np.log1p(-np.minimum(absent[known], 1.0))

    def exponent(log_tilt: float) -> float:
        tilt = np.exp(log_tilt)
        return float((n_levels * np.logaddexp(present, logs + tilt * sizes)).sum() - tilt * n_rows)

    found = minimize_scalar(exponent, bounds=(-20.0, 5.0), method="bounded", options={"xatol": 1e-3})
    return float(np.clip(np.exp(min(found.fun, 0.0)), SMALLEST, 1.0))


def unseen_moved_p_value(counts: IntArray, harmless: float, unnamed: UnnamedLevels = NONE_UNNAMED) -> float:
    """Return the probability of this many rows with unseen levels if a share `harmless` of the rows has new levels.

    Args:
        counts: Rows per level, shape (2, n_levels): reference, current.
        harmless: The share.
        unnamed: Unseen levels that are not among them.
    Source:
        The share to expect without new levels is that of the reference rows whose level was seen once, with the error
        √(f₁ + 2 f₂) / n: Good, Biometrika 40 (1953); the share found has exact bounds. Inverted as shares are.
    """
    from scipy.special import ndtri

    n, m = int(counts[0].sum()), int(counts[1].sum()) + unnamed.rows
    n_unseen = int(counts[1, counts[0] == 0].sum()) + unnamed.rows
    once, twice = int((counts[0] == 1).sum()), int((counts[0] == 2).sum())

    def least_excess(level: float) -> float:
        expected = max(share_bounds(once, n, level)[1], (once - ndtri(level) * np.sqrt(once + 2 * twice)) / n)
        return float(share_bounds(n_unseen, m, level)[0] - expected)

    return certainty(least_excess, harmless)
