"""Impossible values, and dates out of order."""

from collections.abc import Callable, Mapping

import numpy as np

from core.quality.cells import Cells
from core.quality.check import Measurement, UnreadableError

ValueLimits = tuple[float | None, float | None]  # the least and the greatest allowed value; None for no limit


def value_ranges(limits: Mapping[str, ValueLimits]) -> Callable[[Cells], Measurement]:
    """Measure the share of rows with a value outside the range of its column, in %."""

    def measure(cells: Cells) -> Measurement:
        outside = np.zeros(cells.n_rows, dtype=np.bool_)
        culprits = []
        for name, (least, most) in limits.items():
            if (least is None and most is None) or not cells.has(name):
                continue
            try:
                values = cells.numbers(name)
            except UnreadableError:
                continue  # an empty or unreadable column is reported by coverage and by the checks that need it
            wrong = values < (-np.inf if least is None else least)
            wrong |= values > (np.inf if most is None else most)
            if wrong.any():
                culprits.append(name)
                outside |= wrong
        reason = f"out of range: {', '.join(culprits)}" if culprits else "every value is in the range of its column"
        return Measurement(100 * float(outside.mean()), cells.n_rows, outside, reason)

    return measure


def negative_share(name: str) -> Callable[[Cells], Measurement]:
    """Measure the share of a column's values below zero, in %."""

    def measure(cells: Cells) -> Measurement:
        values = cells.numbers(name)
        n_seen, negative = int((~np.isnan(values)).sum()), values < 0
        return Measurement(100 * int(negative.sum()) / n_seen, n_seen, negative)

    return measure


def median(name: str) -> Callable[[Cells], Measurement]:
    """Measure the median of a column."""

    def measure(cells: Cells) -> Measurement:
        values = cells.numbers(name)
        return Measurement(float(np.nanmedian(values)), int((~np.isnan(values)).sum()))

    return measure


def date_order(first: str, middle: str, last: str) -> Callable[[Cells], Measurement]:
    """Count the rows in which three dates are out of order; the first two may fall on the same day."""

    def measure(cells: Cells) -> Measurement:
        second, begin, end = (cells.dates(name) for name in (middle, first, last))
        # A comparison with an unknown date is false, so only known disorder counts.
        disordered = (begin > second) | (second >= end) | (begin >= end)
        return Measurement(float(disordered.sum()), cells.n_rows, disordered)

    return measure
