"""How far one column has moved, and how certain that is; the verdict needs the p-values of all columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import FloatArray, IntArray
from core.monitoring import drift, exact_tests, levels
from core.tables.signature import ColumnKind

FEW_VALUES = 20  # numbers that repeat this few different values are compared value by value
LEAST_ROWS = 5  # values on each side, below which they are not compared
LEVEL = 0.05  # of the statement that a column is stable; p-values above never lead to a verdict


@dataclass(frozen=True, slots=True)
class Tested:
    """The two p-values of one test: of no move at all, and of a move that is harmless; the second is never smaller."""

    p: float = 1.0
    moved_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the values of a column have moved.

    Attributes:
        psi: Population stability index, nats; None if there are too few rows or too many levels for it.
        effect: Kolmogorov-Smirnov statistic of numbers, total variation of levels, 0 to 1.
        by_level: Whether levels were compared.
        has_law: Whether there are enough rows for the law of the PSI; else only a gross move can be proved.
        tested: The test of the values; None if there is nothing to test.
        unseen_share: Share of the rows with levels absent from the reference.
        unseen_excess: By how much that is more than the reference leads to expect.
        unseen: The test of unseen levels; None if there can be none.
        psi_bound: Upper bound of the true PSI; None where its law does not hold yet.
        gap_bound: Upper bound of the share of rows that changed their level, where the PSI has no law.
        names_rows: Whether nearly every row has a level of its own.
        rows_needed: Rows on each side to settle a column that has not moved.
    """

    psi: float | None
    effect: float
    by_level: bool
    has_law: bool
    tested: Tested | None
    unseen_share: float = 0.0
    unseen_excess: float = 0.0
    unseen: Tested | None = None
    psi_bound: float | None = None
    gap_bound: float | None = None
    names_rows: bool = False
    rows_needed: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """One column on both sides; each pair is (reference, current).

    Attributes:
        n: Cells with a value.
        missing: Share of empty cells.
        missing_test: Their test; None if no cell is empty.
        unreadable: Share of cells that cannot be read as the kind of the column.
        unreadable_test: Their test; None if there are none.
        moved: None if a side has no values.
    """

    name: str
    kind: ColumnKind
    n: tuple[int, int]
    missing: tuple[float, float]
    missing_test: Tested | None
    unreadable: tuple[float, float]
    unreadable_test: Tested | None
    moved: Moved | None


def measure(
    name: str,
    kind: ColumnKind,
    sides: "tuple[pd.Series[Any], pd.Series[Any]]",
    unreadable: tuple[int, int],
    matters: float,
) -> Measured:
    """Measure one column.

    Args:
        name: Of the column.
        kind: Its kind in the reference.
        sides: Its cells in the reference and in the current table.
        unreadable: Cells that were filled, but could not be read and are empty now.
        matters: The PSI from which a move is drift, nats.
    """
    (before, n_before, lost_before), (after, n_after, lost_after) = (_present(side, kind) for side in sides)
    lost = unreadable[0] + lost_before, unreadable[1] + lost_after
    rows = len(sides[0]), len(sides[1])
    empty = rows[0] - n_before - lost[0], rows[1] - n_after - lost[1]
    return Measured(
        name=name,
        kind=kind,
        n=(n_before, n_after),
        missing=(empty[0] / rows[0], empty[1] / rows[1]),
        missing_test=_test_shares(empty, rows, matters),
        unreadable=(lost[0] / rows[0], lost[1] / rows[1]),
        unreadable_test=_test_shares(lost, rows, matters),
        moved=_compare(before, after, matters) if n_before and n_after else None,
    )


def _present(values: "pd.Series[Any]", kind: ColumnKind) -> "tuple[pd.Series[Any] | FloatArray, int, int]":
    """Return the values without empty cells, numbers in ascending order; their number, and that of infinite cells."""
    if kind is ColumnKind.CATEGORY:
        return values, int(values.notna().sum()), 0
    if pd.api.types.is_datetime64_any_dtype(values):
        instants = values.dropna().to_numpy().astype("datetime64[us]").astype(np.float64)
        return np.sort(instants), len(instants), 0
    cells = values if pd.api.types.is_numeric_dtype(values) else pd.to_numeric(values, errors="coerce")
    numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    is_finite = np.isfinite(numbers)
    n = int(np.count_nonzero(is_finite))
    n_lost = int(values.notna().sum()) - n if n < len(numbers) else 0
    return np.sort(numbers[is_finite] if n < len(numbers) else numbers), n, n_lost


def _test_shares(cells: tuple[int, int], rows: tuple[int, int], matters: float) -> Tested | None:
    if not any(cells):
        return None
    if min(rows) < LEAST_ROWS:
        return Tested()
    counts = cells[0], rows[0], cells[1], rows[1]
    p = exact_tests.share_p_value(*counts)
    if p > LEVEL:
        return Tested(p)
    harmless = drift.harmless_ks_statistic(matters)
    return Tested(p, max(p, exact_tests.share_moved_p_value(*counts, harmless)))


def _compare(before: "pd.Series[Any] | FloatArray", after: "pd.Series[Any] | FloatArray", matters: float) -> Moved:
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        if not _repeats_few_values(before, after):
            return _compare_numbers(before, after, matters)
        before, after = pd.Series(before), pd.Series(after)
    assert isinstance(before, pd.Series)
    assert isinstance(after, pd.Series)
    return _compare_levels(levels.count_levels(before, after), matters)


def _repeats_few_values(before: FloatArray, after: FloatArray) -> bool:
    """Decide by both sides together: a continuous column of 20 rows has 20 values, but does not repeat them."""
    if any(len(np.unique(side[:: max(len(side) // 1_000, 1)])) > FEW_VALUES for side in (before, after)):
        return False
    values = []
    for side in (before, after):
        firsts = np.flatnonzero(side[1:] != side[:-1])
        if len(firsts) >= FEW_VALUES:
            return False
        values.append(side[np.append(firsts, len(side) - 1)])
    n_values = len(np.union1d(*values))
    return n_values <= FEW_VALUES and len(before) + len(after) >= drift.LEAST_EXPECTED * n_values


def _compare_numbers(before: FloatArray, after: FloatArray, matters: float) -> Moved:
    """Compare numbers, both sides in ascending order."""
    n, m = len(before), len(after)
    statistic = drift.ks_statistic(before, after)
    rows_needed = drift.rows_to_settle(matters, drift.N_BINS, level=LEVEL)
    if min(n, m) < LEAST_ROWS:
        return Moved(None, statistic, False, False, None, rows_needed=rows_needed)
    counts = bin_numbers(before, after)
    psi, n_bins = drift.population_stability_index(*counts), counts.shape[1]
    p = exact_tests.ks_p_value(statistic, n, m)
    has_law = min(n, m) >= drift.LEAST_EXPECTED * drift.N_BINS
    if p > LEVEL:
        tested = Tested(p)
    elif has_law:
        tested = Tested(p, max(p, drift.psi_p_value(psi, n, m, n_bins, harmless=drift.harmless_psi(matters))))
    else:
        gap = statistic - drift.harmless_ks_statistic(matters)
        tested = Tested(p, max(p, exact_tests.kolmogorov_tail(gap, n, m)))
    return Moved(
        psi=psi if n_bins > 1 else None if statistic else 0.0,
        effect=statistic,
        by_level=False,
        has_law=has_law,
        tested=tested,
        psi_bound=drift.psi_bound(psi, n, m, n_bins, level=LEVEL) if has_law else None,
        rows_needed=rows_needed,
    )


def bin_numbers(before: FloatArray, after: FloatArray) -> IntArray:
    """Count numbers in tenths of the reference.

    A value that fills a tenth or more by itself has its own bin, so that what leaves it for smaller or larger values
    is seen; neighbours are merged until both sides expect enough rows in each bin.

    Args:
        before: The reference in ascending order.
        after: The current values in ascending order.
    Returns:
        Rows per bin, shape (2, n_bins).
    """
    at = np.ceil(np.arange(1, drift.N_BINS) / drift.N_BINS * len(before)).astype(np.int64) - 1
    edges, n_times = np.unique(before[at], return_counts=True)  # values that occur: no sum that could overflow
    edges = np.union1d(edges, np.nextafter(edges[n_times > 1], -np.inf))
    return _merge_neighbours(np.stack([_in_bins(side, edges) for side in (before, after)]))


def _in_bins(values: FloatArray, edges: FloatArray) -> IntArray:
    return np.diff(np.concatenate(([0], np.searchsorted(values, edges, side="right"), [len(values)]))).astype(np.int64)


def _merge_neighbours(counts: IntArray) -> IntArray:
    pooled, rows = counts.sum(axis=0), counts.sum(axis=1)
    least = min(drift.LEAST_EXPECTED * int(rows.sum()) / int(rows.min()), int(rows.sum()) / 2)
    starts, collected = [0], 0
    for position, n_rows in enumerate(pooled):
        if collected >= least:
            starts.append(position)
            collected = 0
        collected += int(n_rows)
    if collected < least and len(starts) > 1:
        starts.pop()
    return np.add.reduceat(counts, starts, axis=1)


def _compare_levels(counts: IntArray, matters: float) -> Moved:
    """Compare categories, or numbers that repeat few values, level by level; unseen levels have their own test."""
    n, m = (int(side) for side in counts.sum(axis=1))
    n_levels = counts.shape[1]
    bins = levels.pool_levels(counts)
    has_law = bins.shape[1] > 1
    if not has_law and n_levels > 1:  # the most frequent level against all others, by exact tests
        bins = np.stack([counts[:, 0], counts[:, 1:].sum(axis=1)], axis=1)
    effect = drift.total_variation(*bins)
    rows_needed = drift.rows_to_settle(matters, max(bins.shape[1], 2), level=LEVEL)
    if min(n, m) < LEAST_ROWS:
        return Moved(None, effect, True, False, None, rows_needed=rows_needed)
    names_rows = n_levels > (n + m) / 2 and min(n, m) >= drift.LEAST_EXPECTED * drift.N_BINS
    psi = drift.population_stability_index(*bins)
    bound = gap_bound = None
    if has_law:
        bound = drift.psi_bound(psi, n, m, bins.shape[1], level=LEVEL)
    else:
        others = (0, 0) if n_levels == 1 else bins[:, 1].tolist()
        gap_bound = exact_tests.share_gap_bound(others[0], n, others[1], m, LEVEL)
    n_unseen = int(counts[1, counts[0] == 0].sum())
    return Moved(
        psi=None if names_rows else psi,
        effect=effect,
        by_level=True,
        has_law=has_law,
        tested=None if names_rows else _test_levels(bins, has_law=has_law, matters=matters),
        unseen_share=n_unseen / m,
        unseen_excess=n_unseen / m - int((counts[0] == 1).sum()) / n,
        unseen=_test_unseen(counts, matters) if n_levels > 1 else None,
        psi_bound=None if names_rows else bound,
        gap_bound=gap_bound,
        names_rows=names_rows,
        rows_needed=rows_needed,
    )


def _test_levels(bins: IntArray, *, has_law: bool, matters: float) -> Tested:
    p = levels.homogeneity_p_value(bins)
    if p > LEVEL:
        return Tested(p)
    if has_law:
        return Tested(p, max(p, levels.homogeneity_moved_p_value(bins, drift.harmless_psi(matters))))
    (a, b), (c, d) = bins.tolist()
    return Tested(p, max(p, exact_tests.share_moved_p_value(a, a + b, c, c + d, drift.harmless_ks_statistic(matters))))


def _test_unseen(counts: IntArray, matters: float) -> Tested:
    p = levels.unseen_p_value(counts)
    if p > LEVEL:
        return Tested(p)
    return Tested(p, max(p, levels.unseen_moved_p_value(counts, drift.harmless_ks_statistic(matters))))
