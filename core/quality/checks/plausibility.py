"""Outliers, constant columns, and medians in another unit."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.quality.cells import Cells
from core.quality.check import Measurement, TooFewError, UnreadableError

FAR = 6.0  # robust standard deviations from the median of the group
FEWEST_ROWS = 20

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


def medians_within(bands: Mapping[str, tuple[float, float]]) -> Callable[[Cells], Measurement]:
    """Count the columns whose median lies outside a band: a column in another unit is wrong in every row.

    Args:
        bands: The least and the greatest plausible median of each column. Any median outside is a gross breach.
    """

    def measure(cells: Cells) -> Measurement:
        outside = []
        for name, (least, most) in bands.items():
            try:
                values = cells.numbers(name)
            except UnreadableError:
                continue  # reported by coverage and by the check of kinds
            middle = float(np.nanmedian(values))
            if not least <= middle <= most:
                outside.append(f"the median of {name} is {middle:.4g}, not between {least:g} and {most:g}")
        reason = "; ".join(outside) or "every median is plausible in its unit"
        return Measurement(
            float(len(outside)), cells.n_rows, reason=reason, culprits=tuple(outside), is_gross=bool(outside)
        )

    return measure
