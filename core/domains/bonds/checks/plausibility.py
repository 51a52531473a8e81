"""Values that cannot be, values far from all others, and columns that say nothing."""

import numpy as np

from core.domains.bonds.data.columns import COLUMNS
from core.quality.cells import BoolArray, Cells, FloatArray, UnreadableError
from core.quality.check import Check, Measurement, fixed

FAR = 6.0  # robust standard deviations from the median of the rating letter, on the asinh scale
FEWEST_ROWS = 20
LETTER_STARTS = (0, 1, 4, 7, 10, 13, 16)

_NORMAL_QUARTILE = 0.6744897501960817


def value_ranges(cells: Cells) -> Measurement:
    """Measure the share of rows with a value outside what its column can mean, in %."""
    outside = np.zeros(cells.n_rows, dtype=np.bool_)
    culprits = []
    for column in COLUMNS:
        if (column.least is None and column.most is None) or not cells.has(column.name):
            continue
        try:
            values = cells.numbers(column.name)
        except UnreadableError:
            continue  # an empty or unreadable column is the business of coverage and of the checks that need it
        wrong = values < (-np.inf if column.least is None else column.least)
        wrong |= values > (np.inf if column.most is None else column.most)
        if wrong.any():
            culprits.append(column.name)
            outside |= wrong
    reason = f"out of range: {', '.join(culprits)}" if culprits else "every value is one its column can hold"
    return Measurement(100 * float(outside.mean()), cells.n_rows, outside, reason)


def outliers(cells: Cells) -> Measurement:
    """Measure the share of spreads far from those of bonds of the same letter, in %.

    Far is six robust standard deviations on the asinh scale, where spreads of all sizes are about as widely
    spread; median and quartiles resist what they are to find.
    """
    scaled, notch = np.arcsinh(cells.numbers("spread_bps") / 10), cells.numbers("rating_num")
    known = ~np.isnan(scaled) & ~np.isnan(notch)
    letter = np.searchsorted(LETTER_STARTS, notch, side="right")
    far = np.zeros(cells.n_rows, dtype=np.bool_)
    n_judged = 0
    for index in np.unique(letter[known]):
        rows = np.flatnonzero(known & (letter == index))
        if len(rows) >= FEWEST_ROWS:
            far[rows] = _far_from_median(scaled[rows])
            n_judged += len(rows)
    if not n_judged:
        raise UnreadableError(f"no letter has {FEWEST_ROWS} spreads")
    return Measurement(100 * int(far.sum()) / n_judged, n_judged, far)


def _far_from_median(values: FloatArray) -> BoolArray:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    scale = (high - low) / (2 * _NORMAL_QUARTILE)
    far: BoolArray = np.abs(values - middle) > FAR * max(scale, 1e-12)
    return far


def constant_columns(cells: Cells) -> Measurement:
    """Count numeric features of which every row says the same."""
    if cells.n_rows < FEWEST_ROWS:
        raise UnreadableError(f"{cells.n_rows} rows are too few to tell; {FEWEST_ROWS} are needed")
    constant = []
    for column in COLUMNS:
        if column.kind != "float" or column.role != "feature" or not cells.has(column.name):
            continue
        try:
            values = cells.numbers(column.name)
        except UnreadableError:
            continue
        seen = values[~np.isnan(values)]
        if len(seen) >= FEWEST_ROWS and seen.max() == seen.min():
            constant.append(column.name)
    reason = f"constant: {', '.join(constant)}" if constant else "every numeric feature varies"
    return Measurement(float(len(constant)), cells.n_rows, reason=reason)


PLAUSIBILITY = (
    Check("value_ranges", value_ranges, "<=", fixed(0.1), "%"),
    Check("outliers", outliers, "<=", fixed(1.0), "%"),
    Check("constant_columns", constant_columns, "<=", fixed(0.0), "columns"),
)
