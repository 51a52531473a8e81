"""One column of a batch against the profile of the same column: measured as two tables are, without the reference."""

from typing import Any

import numpy as np
import pandas as pd

from core.arrays import FloatArray, IntArray
from core.monitoring import dependence, drift, levels
from core.monitoring.column_drift import FEW_VALUES, Measured, present_values, test_share_counts
from core.monitoring.compare_levels import compare_levels
from core.monitoring.compare_numbers import compare_numbers, tenths
from core.monitoring.data_profile import ColumnProfile
from core.monitoring.levels import LevelRows
from core.monitoring.moved import Moved, TestedMove, worth
from core.monitoring.number_sketch import CountedNumbers, NumberSketch
from core.monitoring.profiling import bucketed, named_rows
from core.tables.signature import ColumnKind


def measure_against(
    stored: ColumnProfile,
    values: "pd.Series[Any]",
    unreadable: int,
    matters: float,
    *,
    infinite: int = 0,
    units: IntArray | None = None,
) -> Measured:
    """Measure one column.

    Args:
        stored: Its profile.
        values: Its cells now.
        unreadable: Cells that were filled, but could not be read and are empty now.
        matters: The PSI from which a move is drift, nats.
        infinite: How many of them were infinite.
        units: By row, the unit of rows that depend on each other; None if no row depends on another.
    """
    there, n_lost = present_values(values, stored.kind)
    rows, lost = (stored.rows, len(values)), (stored.unreadable, unreadable + n_lost)
    empty = stored.missing, len(values) - len(there) - lost[1]
    own = None if units is None else units[there.index.to_numpy()]
    thinning = stored.missing_effect
    if units is not None and empty[1]:
        gaps = values.isna().to_numpy().astype(np.int64)
        thinning = max(thinning, dependence.design_effect((gaps,), (units,), ordered=False))
    return Measured(
        name=stored.name,
        kind=stored.kind,
        n=(stored.n, len(there)),
        missing=(empty[0] / max(rows[0], 1), empty[1] / max(rows[1], 1)),
        missing_test=_test_shares(empty, rows, matters, thinning),
        unreadable=(lost[0] / max(rows[0], 1), lost[1] / max(rows[1], 1)),
        unreadable_test=_test_shares(lost, rows, matters, thinning),
        infinite=(stored.infinite, infinite + n_lost),
        moved=_compare(stored, there, matters, own) if stored.n and len(there) else None,
    )


def _test_shares(cells: tuple[int, int], rows: tuple[int, int], matters: float, effect: float) -> TestedMove | None:
    if not any(cells):
        return None
    thin = [(worth(a, effect), worth(b, effect)) for a, b in (cells, rows)]
    return test_share_counts(thin[0], thin[1], matters)


def _compare(stored: ColumnProfile, there: "pd.Series[Any]", matters: float, units: IntArray | None) -> Moved:
    if stored.kind is ColumnKind.CATEGORY:
        return _compare_names(stored, there, matters, units)
    numbers = there.to_numpy()
    before = stored.sketch()
    effect = stored.effect
    if units is not None:
        codes = np.searchsorted(tenths(before), numbers)
        effect = max(effect, dependence.design_effect((codes,), (units,), ordered=True))
    after = CountedNumbers.of(before.points, numbers)
    if (values := _few_values(before, after, numbers)) is not None:
        counts = levels.align_levels((before.points, before.up_to - before.below), values)
        return compare_levels(counts, levels.thinned_levels(counts, effect), matters, effect)
    return compare_numbers(before, after, matters, effect)


def _few_values(before: NumberSketch, counted: CountedNumbers, after: FloatArray) -> LevelRows | None:
    """Return the values and their rows, if both sides together repeat few; they are then compared one by one."""
    if len(before.points) > FEW_VALUES or not before.is_whole:
        return None
    if len(np.unique(after[:: max(len(after) // 1_000, 1)])) > FEW_VALUES:
        return None
    equal = counted.up_to - counted.below
    if int(equal.sum()) == counted.n:  # every value is a point: nothing to sort
        values, n_rows = before.points[equal > 0], equal[equal > 0]
    else:
        values, n_rows = np.unique(after, return_counts=True)
    n_values = len(np.union1d(values, before.points))
    enough = before.n + len(after) >= drift.LEAST_EXPECTED * n_values
    return (values, n_rows) if n_values <= FEW_VALUES and enough else None


def _compare_names(stored: ColumnProfile, there: "pd.Series[Any]", matters: float, units: IntArray | None) -> Moved:
    in_buckets = stored.level_rows()

    def arranged(found: LevelRows) -> LevelRows:
        return found if in_buckets is None else bucketed(found)

    before = in_buckets or _rows_of(stored.levels)
    counts = levels.align_levels(before, arranged(named_rows(there)))
    effect, alone = stored.effect, counts
    if units is not None:
        codes = dependence.frequent_codes(there, there.iloc[:0])[0]
        effect = max(effect, dependence.design_effect((codes,), (units,), ordered=False))
    if stored.alone:
        one_each = there if units is None else there.iloc[dependence.first_of_each(units)]
        names, n_rows = _rows_of(stored.alone)
        first = (names, n_rows) if in_buckets is None else (names.astype(np.int64), n_rows)
        alone = levels.align_levels(first, arranged(named_rows(one_each)))
    return compare_levels(counts, alone, matters, effect)


def _rows_of(by_name: dict[str, int]) -> LevelRows:
    return np.array(list(by_name), dtype=object), np.array(list(by_name.values()), dtype=np.int64)
