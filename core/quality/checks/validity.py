"""Impossible values, infinite numbers, unknown levels, columns of the wrong kind, and dates out of order."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from core.quality.cells import Cells, statistic_of
from core.quality.check import Measurement, UnreadableError
from core.quality.checks.proof import median_rank, share_bound

LEVELS_TOLD = 3

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


def infinite_values(names: Sequence[str]) -> Callable[[Cells], Measurement]:
    """Count the rows with an infinite number."""

    def measure(cells: Cells) -> Measurement:
        rows, culprits = np.zeros(cells.n_rows, dtype=np.bool_), []
        for name in names:
            try:
                infinite = cells.is_infinite(name)
            except UnreadableError:
                continue  # reported by the checks of presence and of kinds
            if infinite.any():
                culprits.append(f"{name} in {int(infinite.sum())} rows")
                rows |= infinite
        reason = f"infinite: {', '.join(culprits)}" if culprits else "every number is finite"
        return Measurement(float(rows.sum()), cells.n_rows, rows, reason)

    return measure


def known_levels(levels: Mapping[str, Sequence[str]]) -> Callable[[Cells], Measurement]:
    """Count the rows with a level that its column does not have.

    Args:
        levels: The levels of each column.
    """

    def measure(cells: Cells) -> Measurement:
        rows, culprits, quoted = np.zeros(cells.n_rows, dtype=np.bool_), [], []
        for name, known in levels.items():
            try:
                codes, found = cells.labels(name)
            except UnreadableError:
                continue  # an empty column is reported by coverage
            unknown = sorted(set(found) - set(known))
            is_unknown = np.array([*(level in unknown for level in found), False], dtype=np.bool_)[codes]
            if is_unknown.any():
                told = "" if name in cells.unquoted else f" {', '.join(map(repr, unknown[:LEVELS_TOLD]))}"
                culprits.append(f"{name}{told}")
                quoted.append(name)
                rows |= is_unknown
        reason = f"unknown levels: {'; '.join(culprits)}" if culprits else "every level is known"
        return Measurement(float(rows.sum()), cells.n_rows, rows, reason, columns=tuple(quoted))

    return measure


def column_kinds(numbers: Sequence[str], dates: Sequence[str]) -> Callable[[Cells], Measurement]:
    """Count the columns that hold something other than the numbers or dates they should; any is a gross breach."""

    def measure(cells: Cells) -> Measurement:
        problems, quoted = [], list[str]()
        for name in (*numbers, *dates):
            if not cells.has(name) or not cells.is_filled(name).any():
                continue  # reported by coverage
            try:
                cells.numbers(name, may_be_empty=True) if name in numbers else cells.dates(name)
            except UnreadableError as error:
                problems.append(str(error))
                quoted += error.columns
        told = tuple(problems[:LEVELS_TOLD])
        reason = "; ".join(told) or "every column holds what it should"
        n_problems = len(problems)
        return Measurement(
            float(n_problems),
            cells.n_rows,
            reason=reason,
            culprits=told,
            n_culprits=n_problems,
            is_gross=n_problems > 0,
            columns=tuple(quoted),
        )

    return measure


def negative_share(name: str) -> Callable[[Cells], Measurement]:
    """Measure the share of a column's values below zero, in %."""

    def measure(cells: Cells) -> Measurement:
        values = cells.numbers(name)
        n_seen, negative = int((~np.isnan(values)).sum()), values < 0
        n_negative = int(negative.sum())
        bound = share_bound(n_negative, n_seen)
        return Measurement(100 * n_negative / n_seen, n_seen, negative, bound=bound, samples="values")

    return measure


def median(name: str) -> Callable[[Cells], Measurement]:
    """Measure the median of a column, and bound it from above by the order of the values.

    Source:
        David and Nagaraja, Order Statistics, 3rd edition, 2003, section 7.1.
    """

    def measure(cells: Cells) -> Measurement:
        values = cells.numbers(name)
        seen = np.sort(values[~np.isnan(values)])
        rank = median_rank(len(seen))
        bound = float(seen[min(rank, len(seen) - 1)])
        return Measurement(float(np.median(seen)), len(seen), bound=bound, samples="values")

    return statistic_of(name)(measure)


def date_order(first: str, middle: str, last: str) -> Callable[[Cells], Measurement]:
    """Count the rows in which three dates are out of order; the first two may fall on the same day."""

    def measure(cells: Cells) -> Measurement:
        second, begin, end = (cells.dates(name) for name in (middle, first, last))
        # A comparison with an unknown date is false, so only known disorder counts.
        disordered = (begin > second) | (second >= end) | (begin >= end)
        return Measurement(float(disordered.sum()), cells.n_rows, disordered)

    return measure
