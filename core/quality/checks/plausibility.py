"""Outliers, constant columns, and columns in another unit."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.quality.cells import Cells
from core.quality.check import Measurement, TooFewError, UnreadableError
from core.quality.checks.proof import SURER, share_bound

FAR = 6.0  # robust standard deviations from the median of the group
FEWEST_ROWS = 20
FEWEST_THINGS = 8

_NORMAL_QUARTILE = 0.6744897501960817


def outliers(
    values: Callable[[Cells], FloatArray], groups: Callable[[Cells], FloatArray], *, too_few: str
) -> Callable[[Cells], Measurement]:
    """Measure the share of values far from those of rows of the same group, in %.

    Far means six robust standard deviations; outliers hardly move median and quartiles.

    Args:
        values: Reads the values, on a scale that gives all groups about the same spread; NaN for an empty cell.
        groups: Reads each row's group as a number; NaN for no group. Groups with few rows are skipped.
        too_few: The reason given when no group has enough rows.
    """

    def measure(cells: Cells) -> Measurement:
        scaled, group = values(cells), groups(cells)
        known = ~np.isnan(scaled) & ~np.isnan(group)
        far = np.zeros(cells.n_rows, dtype=np.bool_)
        n_judged = 0
        for code in np.unique(group[known]):
            rows = np.flatnonzero(known & (group == code))
            if len(rows) >= FEWEST_ROWS:
                far[rows] = _far_from_median(scaled[rows])
                n_judged += len(rows)
        if not n_judged:
            raise TooFewError(too_few)
        return Measurement(100 * int(far.sum()) / n_judged, n_judged, far)

    return measure


def _far_from_median(values: FloatArray) -> BoolArray:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    scale = (high - low) / (2 * _NORMAL_QUARTILE)
    far: BoolArray = np.abs(values - middle) > FAR * max(scale, 1e-12)
    return far


def constant_columns(names: Sequence[str], *, gross_share: float = 1.0) -> Callable[[Cells], Measurement]:
    """Count the numeric columns with the same value in every row.

    Args:
        names: The columns.
        gross_share: The share of them from which on the breach is gross.
    """

    def measure(cells: Cells) -> Measurement:
        if cells.n_rows < FEWEST_ROWS:
            raise TooFewError(f"{cells.n_rows} rows are too few to judge; at least {FEWEST_ROWS} are needed")
        constant = [name for name in names if cells.has(name) and _is_constant(cells, name)]
        reason = f"constant: {', '.join(constant)}" if constant else "every numeric feature varies"
        is_gross = bool(constant) and len(constant) >= gross_share * len(names)
        return Measurement(float(len(constant)), cells.n_rows, reason=reason, is_gross=is_gross)

    return measure


def _is_constant(cells: Cells, name: str) -> bool:
    try:
        values = cells.numbers(name)
    except UnreadableError:
        return False
    seen = values[~np.isnan(values)]
    return len(seen) >= FEWEST_ROWS and bool(seen.max() == seen.min())


Bands = Mapping[str, tuple[float, float]]


def typical_values(bands: Bands, magnitudes: Bands, *, gross_share: float) -> Callable[[Cells], Measurement]:
    """Count the columns with values in another unit: their median, or more than a share of their rows, off a wide band.

    Args:
        bands: The least and the greatest plausible median of each column. Any column found is a gross breach.
        magnitudes: The same of columns whose sign says nothing about their unit; only their medians are judged, since
            values near 0 are common.
        gross_share: The share of rows, surely exceeded, that may lie outside.
    """

    def measure(cells: Cells) -> Measurement:
        outside = dict[str, str]()
        for name, (least, most) in {**bands, **magnitudes}.items():
            try:
                values = cells.numbers(name)
            except UnreadableError:
                continue  # reported by coverage and by the check of kinds
            seen = values[~np.isnan(values)]
            seen = np.abs(seen) if name in magnitudes else seen
            middle, n_off = float(np.median(seen)), int(((seen < least) | (seen > most)).sum())
            if not least <= middle <= most:
                found = "" if name in cells.denied else f"{middle:.4g}, "
                outside[name] = f"the median of {name} is {found}not between {least:g} and {most:g}"
            elif name in bands and share_bound(n_off, len(seen), error_rate=SURER) > 100 * gross_share:
                many = "too many" if name in cells.denied else f"{n_off} of {len(seen)}"
                outside[name] = f"{many} values of {name} are not between {least:g} and {most:g}"
        return Measurement.of_columns(outside, cells.n_rows, otherwise="every column is plausible in its unit")

    return measure


def stuck_columns(most: Mapping[str, float], *, of: str) -> Callable[[Cells], Measurement]:
    """Count the columns that must vary, and in which one value surely fills more than a share; any is a gross breach.

    Args:
        most: The share of the rows that one value of each column may fill.
        of: The column that names the things that must differ, such as bonds: a few things may be alike.
    """

    def measure(cells: Cells) -> Measurement:
        n_things = len(cells.labels(of).names)
        if cells.n_rows < FEWEST_ROWS or n_things < FEWEST_THINGS:
            return Measurement(0.0, cells.n_rows, reason=f"{n_things} values of {of} are too few to judge")
        stuck = dict[str, str]()
        for name, share in most.items():
            try:
                values = cells.numbers(name)
            except UnreadableError:
                continue  # reported by coverage
            found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
            n_same, n_seen = int(counts.max()), int(counts.sum())
            if share_bound(n_same, n_seen, error_rate=SURER) > 100 * share:
                value = "the same" if name in cells.unquoted else f"{found[counts.argmax()]:g}"
                stuck[name] = f"{name} is {value} in {n_same} of {n_seen} rows"
        return Measurement.of_columns(stuck, cells.n_rows, otherwise="every such column varies")

    return measure
