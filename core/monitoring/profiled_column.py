"""One column against the profile of the same column: counted in its bins, then measured as two tables are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import IntArray
from core.monitoring import dependence, drift, levels
from core.monitoring.column_drift import FEW_VALUES, Measured, present_values, test_share_counts
from core.monitoring.compare_levels import compare_levels
from core.monitoring.compare_numbers import compare_numbers, tenths
from core.monitoring.data_profile import ColumnProfile
from core.monitoring.levels import LevelRows, UnnamedLevels
from core.monitoring.live.level_counts import LevelCounts, LevelIndex
from core.monitoring.live.number_counts import NumberCounts, NumberGrid
from core.monitoring.live.sketch import ColumnCounts, ColumnIndex
from core.monitoring.moved import Moved, TestedMove, worth
from core.monitoring.number_sketch import CountedNumbers, NumberSketch
from core.monitoring.profiling import bucketed, named_rows
from core.tables.signature import ColumnKind


@dataclass(frozen=True, slots=True)
class ColumnDependence:
    """How far the rows of a batch depend on each other in one column; counts alone do not say.

    Attributes:
        effect: How many rows are worth one independent row.
        missing_effect: The same of which cells are empty.
        alone: Of a category: the rows of each level, one row a unit.
    """

    effect: float = 1.0
    missing_effect: float = 1.0
    alone: LevelRows | None = None


INDEPENDENT = ColumnDependence()


def count_column(index: ColumnIndex, values: "pd.Series[Any]", unreadable: int = 0, infinite: int = 0) -> ColumnCounts:
    """Count the cells of a column of a table.

    Args:
        index: Its profile.
        values: Its cells.
        unreadable: Cells that were filled, but could not be read and are empty now.
        infinite: How many of them were infinite.
    """
    if isinstance(index, LevelIndex):
        names, n_rows = named_rows(values)
        missing = len(values) - int(n_rows.sum())
        return index.count(names.tolist(), n_rows.tolist(), missing, keeps_all=True)
    if pd.api.types.is_datetime64_any_dtype(values):
        there, _ = present_values(values, ColumnKind.TIME)
        counts = index.count(there.to_numpy())
        counts.missing = len(values) - len(there)
    elif pd.api.types.is_numeric_dtype(values):
        counts = index.count(values.to_numpy(dtype=np.float64, na_value=np.nan))
    else:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        counts = index.count(numbers)
        unreadable += int((values.notna().to_numpy() & np.isnan(numbers)).sum())
    counts.missing -= unreadable
    counts.unreadable += unreadable
    counts.infinite += infinite
    return counts


def dependence_of(stored: ColumnProfile, values: "pd.Series[Any]", units: IntArray) -> ColumnDependence:
    """Measure how far the rows of a column depend on each other.

    Args:
        stored: Its profile.
        values: Its cells.
        units: By row, the unit of rows that depend on each other.
    """
    there, _ = present_values(values, stored.kind)
    own, missing_effect = units[there.index.to_numpy()], 1.0
    if len(there) < len(values):
        gaps = values.isna().to_numpy().astype(np.int64)
        missing_effect = dependence.design_effect((gaps,), (units,), ordered=False)
    if not len(there) or not stored.n:
        return ColumnDependence(missing_effect=missing_effect)
    if stored.kind is ColumnKind.CATEGORY:
        codes = dependence.frequent_codes(there, there.iloc[:0])[0]
        effect = dependence.design_effect((codes,), (own,), ordered=False)
        alone = named_rows(there.iloc[dependence.first_of_each(own)])
        return ColumnDependence(effect, missing_effect, alone)
    codes = np.searchsorted(tenths(stored.sketch()), there.to_numpy())
    return ColumnDependence(dependence.design_effect((codes,), (own,), ordered=True), missing_effect)


def measure_counts(
    stored: ColumnProfile,
    index: ColumnIndex,
    counts: ColumnCounts,
    matters: float,
    depends: ColumnDependence = INDEPENDENT,
) -> Measured:
    """Measure one column.

    Args:
        stored: Its profile.
        index: The same, prepared for counting.
        counts: Its cells now.
        matters: The PSI from which a move is drift, nats.
        depends: How far the rows depend on each other.
    """
    rows, lost, empty = (
        (stored.rows, counts.rows),
        (stored.unreadable, counts.unreadable),
        (stored.missing, counts.missing),
    )
    thinning = max(stored.missing_effect, depends.missing_effect)
    return Measured(
        name=stored.name,
        kind=stored.kind,
        n=(stored.n, counts.n),
        missing=(empty[0] / max(rows[0], 1), empty[1] / max(rows[1], 1)),
        missing_test=_test_shares(empty, rows, matters, thinning),
        unreadable=(lost[0] / max(rows[0], 1), lost[1] / max(rows[1], 1)),
        unreadable_test=_test_shares(lost, rows, matters, thinning),
        infinite=(stored.infinite, counts.infinite),
        moved=_compare(stored, index, counts, matters, depends) if stored.n and counts.n else None,
    )


def _test_shares(cells: tuple[int, int], rows: tuple[int, int], matters: float, effect: float) -> TestedMove | None:
    if not any(cells):
        return None
    thin = [(worth(a, effect), worth(b, effect)) for a, b in (cells, rows)]
    return test_share_counts(thin[0], thin[1], matters)


def _compare(
    stored: ColumnProfile, index: ColumnIndex, counts: ColumnCounts, matters: float, depends: ColumnDependence
) -> Moved:
    effect = max(stored.effect, depends.effect)
    if isinstance(index, LevelIndex) and isinstance(counts, LevelCounts):
        return _compare_names(stored, index.counted(counts), index.unnamed(counts), matters, effect, depends.alone)
    if not (isinstance(index, NumberGrid) and isinstance(counts, NumberCounts)):
        raise TypeError(f"{stored.name} is a {stored.kind}, and was counted as something else")
    before, after = stored.sketch(), index.counted(counts)
    if (values := _few_values(before, after, counts)) is not None:
        by_value = levels.align_levels((before.points, before.up_to - before.below), values)
        return compare_levels(by_value, levels.thinned_levels(by_value, effect), matters, effect)
    return compare_numbers(before, after, matters, effect)


def _few_values(before: NumberSketch, after: CountedNumbers, counts: NumberCounts) -> LevelRows | None:
    """Return the values and their rows, if both sides together repeat few; they are then compared one by one."""
    n_values = len(before.points) + len(counts.others)
    if n_values > FEW_VALUES or not before.is_whole:
        return None
    if before.n + after.n < drift.LEAST_EXPECTED * n_values:
        return None
    at_points = after.up_to - after.below
    there = at_points > 0
    values = np.concatenate((before.points[there], np.array(list(counts.others), dtype=np.float64)))
    n_rows = np.concatenate((at_points[there], np.array(list(counts.others.values()), dtype=np.int64)))
    order = np.argsort(values, kind="stable")
    return values[order], n_rows[order]


def _compare_names(
    stored: ColumnProfile,
    after: LevelRows,
    unnamed: UnnamedLevels,
    matters: float,
    effect: float,
    now_alone: LevelRows | None,
) -> Moved:
    in_buckets = stored.level_rows()
    counts = levels.align_levels(in_buckets or _rows_of(stored.levels), after)
    alone, unnamed_alone = counts, unnamed
    if stored.alone:
        names, n_rows = _rows_of(stored.alone)
        first = (names, n_rows) if in_buckets is None else (names.astype(np.int64), n_rows)
        later = after if now_alone is None else now_alone if in_buckets is None else bucketed(now_alone)
        alone = levels.align_levels(first, later)
        if now_alone is not None:
            unnamed_alone = levels.NONE_UNNAMED
    return compare_levels(counts, alone, matters, effect, unnamed, unnamed_alone)


def _rows_of(by_name: dict[str, int]) -> LevelRows:
    return np.array(list(by_name), dtype=object), np.array(list(by_name.values()), dtype=np.int64)
