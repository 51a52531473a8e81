"""Numbers compared by their distribution functions, by tenths of the reference, and by its range."""

import numpy as np

from core.arrays import FloatArray, IntArray
from core.monitoring import drift, exact_tests, levels
from core.monitoring.moved import LEAST_ROWS, LEVEL, Moved, TestedMove, rows_needed, worth
from core.monitoring.number_sketch import (
    CountedNumbers,
    NumberSketch,
    counted_distance,
    jensen_shannon_distance,
    tenth_ranks,
    wasserstein_distance,
)

HARMLESS_OUTSIDE = 0.2
"""Of the harmless gap of shares: 1 % of the rows outside the reference's range are harmless, for 0.1 nats."""


def compare_numbers(before: NumberSketch, after: CountedNumbers, matters: float, effect: float) -> Moved:
    """Compare numbers.

    Args:
        before: The reference, whole or in edges.
        after: The current values, counted at its points.
        matters: The PSI from which a move is drift, nats.
        effect: How many rows are worth one independent row.
    """
    n, m = worth(before.n, effect), worth(after.n, effect)
    statistic = drift.widest_gap((before.below, before.up_to, before.n), (after.below, after.up_to, after.n))
    needed = rows_needed(matters, drift.N_BINS, effect)
    distance = counted_distance(before, after) if after.sample is None else wasserstein_distance(before, after.sample)
    if min(n, m) < LEAST_ROWS:
        return Moved(
            None, statistic, False, False, None, rows_needed=needed, design_effect=effect, wasserstein=distance
        )
    counts = bin_numbers(before, after, effect)
    psi, n_bins = drift.population_stability_index(*counts), counts.shape[1]
    p = exact_tests.ks_p_value(statistic, n, m)
    has_law = min(n, m) >= drift.LEAST_EXPECTED * drift.N_BINS
    if p > LEVEL:
        tested = TestedMove(p)
    elif has_law:
        tested = TestedMove(p, max(p, drift.psi_p_value(psi, n, m, n_bins, harmless=drift.harmless_psi(matters))))
    else:
        gap = statistic - drift.harmless_ks_statistic(matters)
        tested = TestedMove(p, max(p, exact_tests.kolmogorov_tail(gap, n, m)))
    share, outside = _outside(after, (n, m), matters)
    return Moved(
        psi=psi if n_bins > 1 else None if statistic else 0.0,
        effect=statistic,
        by_level=False,
        has_law=has_law,
        tested=tested,
        outside_share=share,
        outside_excess=share - 2 / (n + 1),  # what a range of n values leaves out by chance
        outside=outside if has_law else None,
        psi_bound=psi_bound(counts, psi, (n, m), effect) if min(n, m) >= drift.BOUND_ROWS else None,
        rows_needed=needed,
        design_effect=effect,
        chi_square=levels.homogeneity(counts)[0] if n_bins > 1 else None,
        jensen_shannon=jensen_shannon_distance(*counts),
        wasserstein=distance,
    )


def _outside(after: CountedNumbers, rows: tuple[int, int], matters: float) -> tuple[float, TestedMove]:
    """Return the share of current values outside the range of the reference, and its test."""
    share = 1 - int(after.up_to[-1] - after.below[0]) / after.n
    found = int(share * rows[1] + 1e-9)
    p = exact_tests.outside_p_value(found, *rows)
    if p > LEVEL:
        return share, TestedMove(p)
    harmless = HARMLESS_OUTSIDE * drift.harmless_ks_statistic(matters)
    return share, TestedMove(p, max(p, exact_tests.outside_moved_p_value(found, *rows, harmless)))


def psi_bound(counts: IntArray, psi: float, rows: tuple[int, int], effect: float) -> float:
    """Return an upper bound of the true PSI of bins, never below the PSI found.

    Both the law of the PSI and that of X² give one; with few rows in each bin the half rows make that of the PSI too
    small, and with large moves X² is the smaller.
    """
    by_psi = drift.psi_bound(psi, *rows, counts.shape[1], level=LEVEL)
    return max(by_psi, levels.homogeneity_bound(levels.thinned(counts, effect), level=LEVEL), psi)


def bin_numbers(before: NumberSketch, after: CountedNumbers, effect: float = 1.0) -> IntArray:
    """Count numbers in tenths of the reference.

    A value that fills a tenth or more by itself has its own bin, so that what leaves it for smaller or larger values
    is seen; neighbours are merged until both sides expect enough rows in each bin.

    Args:
        before: The reference, whole or in edges.
        after: The current values, counted at its points.
        effect: How many rows are worth one independent row.
    Returns:
        Rows per bin, shape (2, n_bins).
    """
    return _merge_neighbours(count_in_tenths(before, after), effect)


def count_in_tenths(before: NumberSketch, after: CountedNumbers) -> IntArray:
    """Count numbers in the tenths of the reference, without merging any.

    Args:
        before: The reference, whole or in edges.
        after: The current values, counted at its points.
    Returns:
        Rows per bin, shape (2, n_bins).
    """
    edges = tenths(before)
    at = np.searchsorted(before.points, edges, side="left")
    is_point = before.points[at] == edges
    sides = (before.below, before.up_to, before.n), (after.below, after.up_to, after.n)
    counts = [np.diff(np.where(is_point, up_to[at], below[at]), prepend=0, append=n) for below, up_to, n in sides]
    return np.stack(counts).astype(np.int64)


def tenths(before: NumberSketch) -> FloatArray:
    """Return the upper edges of the bins; values that occur, so that no sum can overflow."""
    edges, n_times = np.unique(before.value(tenth_ranks(before.n)), return_counts=True)
    return np.union1d(edges, np.nextafter(edges[n_times > 1], -np.inf))


def _merge_neighbours(counts: IntArray, effect: float) -> IntArray:
    pooled, rows = counts.sum(axis=0), counts.sum(axis=1)
    least = min(drift.LEAST_EXPECTED * effect * int(rows.sum()) / int(rows.min()), int(rows.sum()) / 2)
    starts, collected = [0], 0
    for position, n_rows in enumerate(pooled):
        if collected >= least:
            starts.append(position)
            collected = 0
        collected += int(n_rows)
    if collected < least and len(starts) > 1:
        starts.pop()
    return np.add.reduceat(counts, starts, axis=1)
