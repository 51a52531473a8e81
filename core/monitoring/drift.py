"""Drift statistics: how far two samples of a column are apart, and how certain that is. Pure functions of counts.

A fixed threshold on the population stability index raises alarms on a third of all features at 200 rows and on none
at a million; here an effect must be both large enough to matter and statistically certain, at any number of rows.
"""

import numpy as np

from core.arrays import FloatArray, IntArray

N_BINS = 10
LEAST_EXPECTED = 5  # rows per bin on each side, from which the law of the PSI holds
BOUND_ROWS = 100  # values on each side, from which an upper bound of the PSI holds as often as it says
MATTERS = 0.1  # nats: the default PSI from which a policy speaks of drift
SETTLED_SHARE = 0.9  # of the unmoved columns


def harmless_psi(matters: float) -> float:
    """Return the PSI that is harmless however certain: a fifth of the PSI that matters, 0.02 for 0.1 nats."""
    return matters / 5


def harmless_ks_statistic(matters: float) -> float:
    """Return the harmless gap between distribution functions; gaps scale with the square root of the PSI.

    >>> harmless_ks_statistic(0.1)
    0.05
    """
    return float(0.05 * np.sqrt(matters / MATTERS))


def population_stability_index(reference: IntArray, current: IntArray) -> float:
    """Measure how far a distribution over bins has moved.

    Args:
        reference: Rows per bin on one side, shape (n_bins,).
        current: Rows per bin on the other, shape (n_bins,).
    Returns:
        The index in nats, 0 where both agree; half a row is added to each bin, so that empty bins have a
        logarithm.
    Source:
        Yurdakul and Naranjo, Statistical properties of the population stability index, Journal of Risk Model
        Validation 14(4), 2020; the half row is Krichevsky and Trofimov's, IEEE Transactions on Information Theory
        27(2), 1981.

    >>> round(population_stability_index(np.array([500, 500]), np.array([400, 600])), 4)
    0.0405
    """
    return float(population_stability_indices(reference, current))


def population_stability_indices(reference: IntArray, current: IntArray) -> FloatArray:
    """Return the index of several distributions over the same bins, which are the last axis of both arrays."""
    n_bins = reference.shape[-1]
    before = (reference + 0.5) / (reference.sum(axis=-1, keepdims=True) + 0.5 * n_bins)
    after = (current + 0.5) / (current.sum(axis=-1, keepdims=True) + 0.5 * n_bins)
    return np.asarray(np.sum((after - before) * np.log(after / before), axis=-1))


def psi_p_value(psi: float, n_reference: int, n_current: int, n_bins: int, *, harmless: float = 0.0) -> float:
    """Return the probability of a PSI at least this large if the true PSI is `harmless`.

    Args:
        psi: The measured population stability index, nats.
        n_reference: Rows on one side.
        n_current: Rows on the other.
        n_bins: Number of bins.
        harmless: The true PSI under the null hypothesis; 0 for "nothing has moved".
    Returns:
        1 for a single bin, since nothing can move.
    Source:
        Without drift, psi / (1/n + 1/m) follows a χ² law with n_bins - 1 degrees of freedom; with a true PSI δ the
        non-central one with δ / (1/n + 1/m): Potgieter et al., arXiv 2307.11878 (2023).

    >>> round(psi_p_value(0.1, 200, 200, 10), 3)
    0.35
    """
    from scipy.stats import chi2, ncx2

    if n_bins < 2:
        return 1.0
    scale = 1.0 / n_reference + 1.0 / n_current
    if harmless == 0.0:
        return float(chi2.sf(psi / scale, n_bins - 1))
    return float(ncx2.sf(psi / scale, n_bins - 1, harmless / scale))


def ks_statistic(reference: FloatArray, current: FloatArray) -> float:
    """Measure the largest gap between two distribution functions.

    Args:
        reference: Values in ascending order, shape (n,).
        current: Values in ascending order, shape (m,).

    >>> ks_statistic(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.5
    """
    # The gap is widest at a reference value or just before it: in between only the other function grows.
    first = np.flatnonzero(np.concatenate(([True], reference[1:] != reference[:-1])))
    points, up_to = reference[first], np.append(first[1:], len(reference))
    under = np.searchsorted(current, points, side="left")
    shared = np.flatnonzero(current[np.minimum(under, len(current) - 1)] == points)
    until = under.copy()
    until[shared] = np.searchsorted(current, points[shared], side="right")  # elsewhere the same as on the left
    return widest_gap((first, up_to, len(reference)), (under, until, len(current)))


def widest_gap(reference: tuple[IntArray, IntArray, int], current: tuple[IntArray, IntArray, int]) -> float:
    """Measure the largest gap between two distribution functions at some values of the reference, or just below.

    Args:
        reference: How many of its numbers are smaller than each value, how many are no greater, and all of them.
        current: The same of the other side.
    """
    (below, up_to, n), (under, until, m) = reference, current
    above, beneath = up_to / n - until / m, under / m - below / n
    return float(max(above.max(), beneath.max(), 0.0))


def psi_bound(psi: float, n_reference: int, n_current: int, n_bins: int, *, level: float) -> float:
    """Return an upper bound of the true PSI that holds except with probability `level`.

    Source:
        The non-central law of `psi_p_value`, solved for the PSI at which so small a measurement has that probability.

    >>> round(psi_bound(0.02, 1000, 1000, 10, level=0.05), 3)
    0.026
    """
    if n_bins < 2:
        return 0.0
    return noncentral_bound(psi / (1.0 / n_reference + 1.0 / n_current), n_reference, n_current, n_bins, level=level)


def noncentral_bound(statistic: float, n_reference: int, n_current: int, n_bins: int, *, level: float) -> float:
    """Return the PSI at which a statistic of the non-central χ² law is so small only with probability `level`."""
    return (1.0 / n_reference + 1.0 / n_current) * _noncentrality(statistic, n_bins, level)


def rows_to_settle(tolerance: float, n_bins: int, *, level: float) -> int:
    """Return how many rows on each side it takes to show that an unmoved column is within a tolerance.

    Args:
        tolerance: The PSI to rule out, nats.
        n_bins: Number of bins.
        level: Probability of ruling it out wrongly.
    Returns:
        The number with which nine in ten unmoved columns are settled.
    Source:
        `psi_bound` at the PSI that nine in ten unmoved columns stay below; that PSI itself is no larger than the
        tolerance either.

    >>> rows_to_settle(0.1, 10, level=0.05)
    407
    """
    from scipy.special import chdtri

    if n_bins < 2:
        return 0
    usual = float(chdtri(n_bins - 1, 1.0 - SETTLED_SHARE))
    return int(np.ceil(2.0 * max(_noncentrality(usual, n_bins, level), usual) / tolerance))


def _noncentrality(statistic: float, n_bins: int, level: float) -> float:
    from scipy.optimize import brentq
    from scipy.special import chdtr, chndtr

    if chdtr(n_bins - 1, statistic) <= level:
        return 0.0
    above = 4.0 * (statistic + n_bins + 10.0)  # far enough for every level in use
    return float(brentq(lambda shift: chndtr(statistic, n_bins - 1, shift) - level, 0.0, above, rtol=1e-6))


def total_variation(reference: IntArray, current: IntArray) -> float:
    """Measure the share of rows that would have to change their level to make two distributions equal.

    >>> total_variation(np.array([50, 50]), np.array([40, 60]))
    0.1
    """
    gaps = reference / reference.sum() - current / current.sum()
    return float(round(np.abs(gaps).sum() / 2, 12))
