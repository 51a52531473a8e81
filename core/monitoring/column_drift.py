"""How far one column has moved, and how certain that is; the verdict needs the p-values of all columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.monitoring import dependence, drift, exact_tests, levels
from core.monitoring.compare_levels import compare_levels
from core.monitoring.compare_numbers import compare_numbers, tenths
from core.monitoring.dependence import UnitsBySide
from core.monitoring.moved import LEAST_ROWS, LEVEL, Moved, TestedMove, worth
from core.monitoring.number_sketch import CountedNumbers, NumberSketch
from core.tables.signature import ColumnKind

FEW_VALUES = 20  # numbers that repeat this few different values are compared value by value


@dataclass(frozen=True, slots=True)
class Measured:
    """One column on both sides; each pair is (reference, current).

    Attributes:
        n: Cells with a value.
        missing: Share of empty cells.
        missing_test: Their test; None if no cell is empty.
        unreadable: Share of cells that cannot be read as the kind of the column.
        infinite: Infinite cells, which are among them.
        unreadable_test: Their test; None if there are none.
        moved: None if a side has no values.
    """

    name: str
    kind: ColumnKind
    n: tuple[int, int]
    missing: tuple[float, float]
    missing_test: TestedMove | None
    unreadable: tuple[float, float]
    unreadable_test: TestedMove | None
    infinite: tuple[int, int]
    moved: Moved | None


def measure(
    name: str,
    kind: ColumnKind,
    sides: "tuple[pd.Series[Any], pd.Series[Any]]",
    unreadable: tuple[int, int],
    matters: float,
    *,
    infinite: tuple[int, int] = (0, 0),
    units: UnitsBySide | None = None,
) -> Measured:
    """Measure one column.

    Args:
        name: Of the column.
        kind: Its kind in the reference.
        sides: Its cells in the reference and in the current table.
        unreadable: Cells that were filled, but could not be read and are empty now.
        matters: The PSI from which a move is drift, nats.
        infinite: How many of them were infinite.
        units: By row and side, the unit of rows that depend on each other; None if no row depends on another.
    """
    (before, lost_before), (after, lost_after) = (present_values(side, kind) for side in sides)
    n_before, n_after = len(before), len(after)
    lost = unreadable[0] + lost_before, unreadable[1] + lost_after
    rows = len(sides[0]), len(sides[1])
    empty = rows[0] - n_before - lost[0], rows[1] - n_after - lost[1]
    return Measured(
        name=name,
        kind=kind,
        n=(n_before, n_after),
        missing=(empty[0] / rows[0], empty[1] / rows[1]),
        missing_test=_test_shares(empty, rows, matters, sides, units),
        unreadable=(lost[0] / rows[0], lost[1] / rows[1]),
        unreadable_test=_test_shares(lost, rows, matters, sides, units),
        infinite=(infinite[0] + lost_before, infinite[1] + lost_after),
        moved=_compare(before, after, kind, matters, units) if n_before and n_after else None,
    )


def present_values(values: "pd.Series[Any]", kind: ColumnKind) -> "tuple[pd.Series[Any], int]":
    """Return the values without empty cells, by row; numbers as float64. And the number of infinite cells."""
    if kind is ColumnKind.CATEGORY:
        there = values.notna().to_numpy()
        return values.set_axis(range(len(values)))[there], 0
    if pd.api.types.is_datetime64_any_dtype(values):
        instants = values.to_numpy().astype("datetime64[us]")
        there = ~np.isnat(instants)
        return pd.Series(instants[there].astype(np.float64), index=np.flatnonzero(there)), 0
    cells = values if pd.api.types.is_numeric_dtype(values) else pd.to_numeric(values, errors="coerce")
    numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    is_finite = np.isfinite(numbers)
    n = int(np.count_nonzero(is_finite))
    n_lost = int(values.notna().sum()) - n if n < len(numbers) else 0
    return pd.Series(numbers[is_finite], index=np.flatnonzero(is_finite)), n_lost


def _test_shares(
    cells: tuple[int, int],
    rows: tuple[int, int],
    matters: float,
    sides: "tuple[pd.Series[Any], pd.Series[Any]]",
    units: UnitsBySide | None,
) -> TestedMove | None:
    """Test shares of cells; dependent rows count as far as they agree on which cells are empty."""
    if not any(cells):
        return None
    if units is not None:
        codes = sides[0].isna().to_numpy().astype(np.int64), sides[1].isna().to_numpy().astype(np.int64)
        effect = dependence.design_effect(codes, units, ordered=False)
        cells = worth(cells[0], effect), worth(cells[1], effect)
        rows = worth(rows[0], effect), worth(rows[1], effect)
    return test_share_counts(cells, rows, matters)


def test_share_counts(cells: tuple[int, int], rows: tuple[int, int], matters: float) -> TestedMove:
    """Test whether the share of some cells has moved.

    Args:
        cells: In the reference and now.
        rows: All of them.
        matters: The PSI from which a move is drift, nats.
    """
    if min(rows) < LEAST_ROWS:
        return TestedMove()
    counts = cells[0], rows[0], cells[1], rows[1]
    p = exact_tests.share_p_value(*counts)
    if p > LEVEL:
        return TestedMove(p)
    harmless = drift.harmless_ks_statistic(matters)
    return TestedMove(p, max(p, exact_tests.share_moved_p_value(*counts, harmless)))


def _compare(
    before: "pd.Series[Any]", after: "pd.Series[Any]", kind: ColumnKind, matters: float, units: UnitsBySide | None
) -> Moved:
    """Compare the values that are there; the index of each is its row."""
    own = None if units is None else (units[0][before.index.to_numpy()], units[1][after.index.to_numpy()])
    if kind is not ColumnKind.CATEGORY:
        numbers = np.sort(before.to_numpy()), np.sort(after.to_numpy())
        if not _repeats_few_values(*numbers):
            effect = 1.0
            if own is not None:
                edges = tenths(NumberSketch.whole(numbers[0]))
                codes = np.searchsorted(edges, before.to_numpy()), np.searchsorted(edges, after.to_numpy())
                effect = dependence.design_effect(codes, own, ordered=True)
            whole = NumberSketch.whole(numbers[0])
            return compare_numbers(whole, CountedNumbers.of_sorted(whole.points, numbers[1]), matters, effect)
    counts = levels.count_levels(before, after)
    if own is None:
        return compare_levels(counts, counts, matters, 1.0)
    effect = dependence.design_effect(dependence.frequent_codes(before, after), own, ordered=False)
    alone = [side.iloc[dependence.first_of_each(of)] for side, of in zip((before, after), own, strict=True)]
    return compare_levels(counts, levels.count_levels(alone[0], alone[1]), matters, effect)


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
