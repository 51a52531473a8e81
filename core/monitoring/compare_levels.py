"""Categories, and numbers that repeat few values, compared level by level."""

import numpy as np

from core.arrays import IntArray
from core.monitoring import drift, exact_tests, levels
from core.monitoring.compare_numbers import psi_bound
from core.monitoring.levels import NONE_UNNAMED, UnnamedLevels
from core.monitoring.moved import LEAST_ROWS, LEVEL, Moved, TestedMove, rows_needed, worth
from core.monitoring.number_sketch import jensen_shannon_distance

LEAST_SHOWN = 0.5
"""Of the move of rare levels: a group of levels with fewer than two rows each shows less of its move."""


def compare_levels(
    counts: IntArray,
    alone: IntArray,
    matters: float,
    effect: float,
    unnamed: UnnamedLevels = NONE_UNNAMED,
    unnamed_alone: UnnamedLevels = NONE_UNNAMED,
) -> Moved:
    """Compare the rows of levels; unseen levels have a test of their own.

    Args:
        counts: Rows per level, the most frequent level first, shape (2, n_levels).
        alone: The same of rows that do not depend on each other.
        matters: The PSI from which a move is drift, nats.
        effect: How many rows are worth one independent row.
        unnamed: Current rows of unseen levels that are not among the first.
        unnamed_alone: The same of rows that do not depend on each other.
    """
    n, m = int(counts[0].sum()), int(counts[1].sum()) + unnamed.rows
    worth_rows = worth(n, effect), worth(m, effect)
    n_levels = counts.shape[1] + unnamed.levels
    bins = levels.pool_with_unnamed(counts, unnamed, effect) if unnamed.rows else levels.pool_levels(counts, effect)
    n_groups = bins.shape[1] if bins.shape[1] < n_levels else 0
    has_law = bins.shape[1] > 1
    if not has_law and n_levels > 1:  # the most frequent level against all others, by exact tests
        bins = levels.split_off(np.column_stack((counts, [0, unnamed.rows])))
    needed = rows_needed(matters, n_levels if n_groups else bins.shape[1], effect)
    if min(worth_rows) < LEAST_ROWS:
        seen = drift.total_variation(*bins)
        return Moved(None, seen, True, False, None, rows_needed=needed, design_effect=effect)
    names_rows = n_levels > (n + m) / 2 and min(worth_rows) >= drift.LEAST_EXPECTED * drift.N_BINS
    psi = drift.population_stability_index(*bins)
    thin = levels.thinned(bins, effect)
    bound = gap_bound = None
    if not has_law:
        others = (0, 0) if n_levels == 1 else thin[:, 1].tolist()
        gap_bound = exact_tests.share_gap_bound(others[0], worth_rows[0], others[1], worth_rows[1], LEVEL)
    elif min(worth_rows) >= drift.BOUND_ROWS and not names_rows:
        bound = psi_bound(bins, psi, worth_rows, effect)
        if n_groups and not unnamed.rows:  # within a group opposite moves cancel, so that the levels bound them too
            bound = max(bound, levels.homogeneity_bound(levels.thinned_levels(counts, effect), level=LEVEL))
    hidden = levels.hidden_share(counts, effect, LEAST_SHOWN) if n_groups else 0.0
    if unnamed.rows:  # in one bin opposite moves cancel
        hidden = float(bins[:, -1].sum() / bins.sum())
    n_unseen = int(counts[1, counts[0] == 0].sum()) + unnamed.rows
    return Moved(
        psi=None if names_rows else psi,
        effect=drift.total_variation(*bins),
        by_level=True,
        has_law=has_law,
        tested=None if names_rows else _test_levels(thin, has_law=has_law, matters=matters),
        unseen_share=n_unseen / m,
        unseen_excess=n_unseen / m - int((counts[0] == 1).sum()) / n,
        unseen=_test_unseen(alone, matters, unnamed_alone) if n_levels > 1 else None,
        n_groups=n_groups if has_law else 0,
        hidden_share=hidden,
        psi_bound=bound,
        gap_bound=gap_bound,
        names_rows=names_rows,
        rows_needed=needed,
        design_effect=effect,
        chi_square=levels.homogeneity(bins)[0] if bins.shape[1] > 1 else None,
        jensen_shannon=jensen_shannon_distance(*bins),
    )


def _test_levels(bins: IntArray, *, has_law: bool, matters: float) -> TestedMove:
    p = levels.homogeneity_p_value(bins)
    if p > LEVEL:
        return TestedMove(p)
    if has_law:
        return TestedMove(p, max(p, levels.homogeneity_moved_p_value(bins, drift.harmless_psi(matters))))
    (a, b), (c, d) = bins.tolist()
    return TestedMove(
        p, max(p, exact_tests.share_moved_p_value(a, a + b, c, c + d, drift.harmless_ks_statistic(matters)))
    )


def _test_unseen(counts: IntArray, matters: float, unnamed: UnnamedLevels) -> TestedMove:
    if min(int(counts[0].sum()), int(counts[1].sum()) + unnamed.rows) < LEAST_ROWS:
        return TestedMove()
    # Which deals of the rows would leave a level unseen follows from its rows, so that of unnamed levels Good's decide.
    p = levels.unseen_moved_p_value(counts, 0.0, unnamed) if unnamed.rows else levels.unseen_p_value(counts)
    if p > LEVEL:
        return TestedMove(p)
    harmless = drift.harmless_ks_statistic(matters)
    return TestedMove(p, max(p, levels.unseen_moved_p_value(counts, harmless, unnamed)))
