"""Two-sample tests that hold at any number of rows, from one row on. Pure functions of counts and statistics."""

from collections.abc import Callable

import numpy as np

from core.arrays import FloatArray

MOST_EXACT_ROWS = 100  # on the smaller side; beyond, Kolmogorov's limit law is accurate, and a little cautious
MOST_EXACT_OTHER_ROWS = 20_000
MOST_EXACT_TERMS = 10_000  # of a hypergeometric tail; beyond, no cell of the table is small
SMALLEST = 1e-15  # a p-value below is rounding


def ks_p_value(statistic: float, n_reference: int, n_current: int) -> float:
    """Return the probability of a statistic at least this large if nothing has moved.

    Source:
        Exact where a side has few rows: the paths that stay within the statistic, Hodges, Arkiv för Matematik 3
        (1958). Otherwise Kolmogorov's limit law of √(nm/(n+m)) D: Smirnov, Annals of Mathematical Statistics 19
        (1948). Both are upper bounds where values repeat.

    >>> round(ks_p_value(0.136, 200, 200), 3)
    0.049
    >>> round(ks_p_value(1.0, 999, 1), 3)  # the lowest or the highest of 1,000 values
    0.002
    """
    few, many = sorted((n_reference, n_current))
    limit = kolmogorov_tail(statistic, n_reference, n_current)
    if few <= MOST_EXACT_ROWS and many <= MOST_EXACT_OTHER_ROWS and limit < 0.5:  # the law errs upwards
        return max(1.0 - _share_of_paths_within(statistic, few, many), SMALLEST)
    return limit


def kolmogorov_tail(gap: float, n_reference: int, n_current: int) -> float:
    """Return the limit law's probability that two samples of one distribution are farther apart than a gap.

    >>> kolmogorov_tail(-0.1, 200, 200)
    1.0
    """
    from scipy.special import kolmogorov

    return float(kolmogorov(np.sqrt(n_reference * n_current / (n_reference + n_current)) * max(gap, 0.0)))


def _share_of_paths_within(statistic: float, n: int, m: int) -> float:
    """Return the probability that all gaps between the distribution functions of n and m rows are smaller."""
    widest = (np.floor(statistic * n * m - 1e-7) + 0.5) / (n * m)  # the gaps are multiples of 1 / (nm)
    paths = (np.arange(m + 1) <= widest * m).astype(np.float64)
    for i in range(1, n + 1):
        low = max(int(np.ceil(m * (i / n - widest))), 0)
        high = min(int(np.floor(m * (i / n + widest))), m) + 1
        within = np.cumsum(paths[low:high] * (i / (i + m)))  # the factor makes the number of all paths 1
        paths[:] = 0.0
        paths[low:high] = within
    return float(paths[m])


def share_p_value(n_before: int, of_before: int, n_after: int, of_after: int) -> float:
    """Return the probability of two shares at least this far apart if the true shares are equal.

    Args:
        n_before: Rows in question on one side.
        of_before: Rows there.
        n_after: Rows in question on the other side.
        of_after: Rows there.
    Source:
        Twice the smaller tail of the hypergeometric law: Fisher, The Logic of Inductive Inference, Journal of the
        Royal Statistical Society 98 (1935); the pooled normal law where every cell is in the thousands.

    >>> share_p_value(0, 100, 0, 100)
    1.0
    >>> share_p_value(0, 200, 20, 200) < 1e-5
    True
    """
    from scipy.special import ndtr

    n_all, rows = n_before + n_after, of_before + of_after
    if n_all in (0, rows):
        return 1.0
    if min(n_all, rows - n_all, of_before, of_after) <= MOST_EXACT_TERMS:
        return _twice_the_smaller_tail(n_after, n_all, rows - n_all, of_after)
    pooled = n_all / rows
    error = np.sqrt(pooled * (1 - pooled) * (1 / of_before + 1 / of_after))
    return float(2 * ndtr(-abs(n_before / of_before - n_after / of_after) / error))


def _twice_the_smaller_tail(found: int, n_all: int, n_others: int, n_drawn: int) -> float:
    """Return the two-sided p-value of `found` rows in question among those drawn from all."""
    from scipy.special import gammaln

    support = np.arange(max(n_drawn - n_others, 0), min(n_all, n_drawn) + 1, dtype=np.float64)
    left = n_drawn - support
    logs = gammaln(support + 1) + gammaln(n_all - support + 1) + gammaln(left + 1) + gammaln(n_others - left + 1)
    weights = np.exp(logs.min() - logs)
    at = found - int(support[0])
    total = weights.sum()
    return float(min(2 * min(weights[at:].sum(), weights[: at + 1].sum()) / total, 1.0))


def share_bounds(n: float, of: float, level: float) -> tuple[float, float]:
    """Return the bounds that a true share is below and above, each except with probability `level`.

    Source:
        Clopper and Pearson, Biometrika 26 (1934): exact at any number of rows.

    >>> [round(bound, 3) for bound in share_bounds(0, 59, 0.05)]
    [0.0, 0.05]
    """
    from scipy.special import betaincinv

    low = float(betaincinv(n, of - n + 1, level)) if n else 0.0
    return low, float(betaincinv(n + 1, of - n, 1.0 - level)) if n < of else 1.0


def share_moved_p_value(n_before: int, of_before: int, n_after: int, of_after: int, harmless: float) -> float:
    """Return the probability of two shares at least this far apart if the true ones differ by `harmless` at most.

    Source:
        Inversion: the level at which the exact bounds of both shares come as close as `harmless`, on each side.

    >>> share_moved_p_value(0, 600, 1, 1, 0.05) >= 0.05  # one row in twenty may be such a row
    True
    >>> share_moved_p_value(0, 200, 60, 200, 0.05) < 1e-4
    True
    """
    if n_before / of_before > n_after / of_after:
        n_before, n_after = of_before - n_before, of_after - n_after
    return certainty(
        lambda level: share_bounds(n_after, of_after, level)[0] - share_bounds(n_before, of_before, level)[1],
        harmless,
    )


def certainty(least_gap: Callable[[float], float], harmless: float) -> float:
    """Return twice the smallest level at which the gap between two bounds is still above what is harmless.

    Args:
        least_gap: The gap between a lower and an upper bound by level; it shrinks with the level.
        harmless: The gap to exceed.
    """
    low, high = np.log(SMALLEST), np.log(0.5)
    if least_gap(0.5) <= harmless:
        return 1.0
    if least_gap(SMALLEST) > harmless:
        return 2 * SMALLEST
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if least_gap(float(np.exp(middle))) > harmless else (middle, high)
    return float(2 * np.exp(high))


def outside_p_value(n_outside: int, n_reference: int, n_current: int) -> float:
    """Return the probability of at least this many current values outside the reference's range.

    Source:
        Without drift all orders of the values are equally likely, so the two outer gaps of the reference hold as many
        current values as any two: at least k where the k + 1 greatest of all values hold one of the reference at most
        (Wilks, Annals of Mathematical Statistics 12, 1941). Equal values make it an upper bound.

    >>> outside_p_value(0, 100, 100)
    1.0
    >>> round(outside_p_value(1, 1, 1), 3), round(outside_p_value(2, 2, 2), 3)  # a third of the orders
    (1.0, 0.5)
    """
    from scipy.stats import hypergeom

    if not n_outside:
        return 1.0
    return float(np.clip(hypergeom.cdf(1, n_reference + n_current, n_reference, n_outside + 1), SMALLEST, 1.0))


def outside_moved_p_value(n_outside: int, n_reference: int, n_current: int, harmless: float) -> float:
    """Return the probability of this many values outside the range if a share `harmless` came from elsewhere.

    Source:
        Inverted as shares are: the exact bound of the share found, and that of the share that the range leaves out,
        which follows the beta law with 2 and n - 1 (Wilks, as for `outside_p_value`).

    >>> outside_moved_p_value(5, 1_000, 1_000, 0.01) > 0.05
    True
    >>> outside_moved_p_value(40, 1_000, 1_000, 0.01) < 1e-3
    True
    """
    from scipy.special import betaincinv

    if n_reference < 2:
        return 1.0

    def least_excess(level: float) -> float:
        left_out = float(1.0 - betaincinv(n_reference - 1, 2, level))
        return share_bounds(n_outside, n_current, level)[0] - left_out

    return certainty(least_excess, harmless)


def share_gap_bound(n_before: int, of_before: int, n_after: int, of_after: int, level: float) -> float:
    """Return an upper bound of the gap between two true shares that holds except with probability `level`.

    >>> round(share_gap_bound(0, 1_000, 0, 1_000, 0.05), 4)
    0.0037
    """
    before, after = share_bounds(n_before, of_before, level / 2), share_bounds(n_after, of_after, level / 2)
    return max(after[1] - before[0], before[1] - after[0])


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """Adjust p-values of many features: at most the share α of the features at or below α are false discoveries.

    Source:
        Benjamini and Hochberg, Journal of the Royal Statistical Society B 57(1), 1995.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * n / np.arange(1, n + 1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
