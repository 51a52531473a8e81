"""Rows that depend on each other: how much fewer rows they are worth, and how a file shows that they do.

Rows of one group (an issuer, a day), or near each other in time, repeat what the others say. n of them are worth
n / d independent rows, d being the design effect.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.errors import UsageError

UnitsBySide = tuple[IntArray, IntArray]
"""By row of the reference and of the current table, the number of the group or the block that it belongs to."""

LEAST_BLOCK = 2
LEAST_UNITS = 5  # on each side; fewer units tell nothing of how they differ
LEAST_MARKED = 10  # rows with and without a mark, from which its design effect is taken
MOST_CODES = 10
WIDENED_AT = 0.001  # the p-value that decides among some twenty columns
FOLLOWED = 20_000  # consecutive rows that are looked at
LEAST_FOLLOWED = 30
LEAST_PAIRS = 10  # of neighbours, expected at random, from which the normal law holds
ALIKE = 0.1  # correlation of consecutive rows, from which a note is worth its line
NOTED_AT = 0.001  # of all columns together
NAME_THEM = "name the column that groups them, or a number of rows as a block"


def units_of(
    reference: pd.DataFrame, current: pd.DataFrame, group: str | None, block: int | None
) -> UnitsBySide | None:
    """Number the groups or the blocks of rows that depend on each other.

    Args:
        reference: The reference.
        current: The table to compare with it.
        group: The column that names the group of a row; a row without a name is a group of its own.
        block: Consecutive rows that form a block.
    Returns:
        None if neither is given.
    Raises:
        UsageError: Both are given, a table lacks the column, or a block has fewer than two rows.
    """
    if group is not None and block is not None:
        raise UsageError("Give a group or a block, not both: rows depend on each other in one of the two ways.")
    if block is not None:
        if block < LEAST_BLOCK:
            raise UsageError(f"A block is {block} rows; it must be {LEAST_BLOCK} at least.")
        return block_units(len(reference), len(current), block)
    if group is None:
        return None
    for frame, which in ((reference, "baseline"), (current, "current table")):
        if group not in frame.columns:
            known = ", ".join(str(name) for name in frame.columns)
            raise UsageError(f"The {which} has no column {group!r} to group by. Its columns: {known}.")
    return group_numbers(reference[group]), group_numbers(current[group])


def group_numbers(names: "pd.Series[Any]") -> IntArray:
    """Number the group of each row; a row without a name is a group of its own."""
    codes = pd.factorize(names)[0].astype(np.int64)
    alone = np.flatnonzero(codes < 0)
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(len(alone))
    return codes


def block_units(n_reference: int, n_current: int, length: int) -> UnitsBySide:
    """Number blocks of consecutive rows.

    >>> block_units(3, 2, 2)[0].tolist()
    [0, 0, 1]
    """
    return np.arange(n_reference) // length, np.arange(n_current) // length


def design_effect(codes: tuple[IntArray, ...], units: tuple[IntArray, ...], *, ordered: bool) -> float:
    """Estimate how many dependent rows are worth one independent row.

    Args:
        codes: By row and side, its bin, 0 to `MOST_CODES`.
        units: By row and side, the unit.
        ordered: Whether bins have an order; then the shares below each edge count, too.
    Returns:
        At least 1. The largest effect of any frequent share, widened as far as few units leave it uncertain.
        Infinite with fewer than `LEAST_UNITS` units on a side.
    Source:
        The ratio of the variance between units to that of independent rows: Kish, Survey Sampling (1965), section
        8.2; Rao and Scott, Journal of the American Statistical Association 76 (1981), for tables of counts. Widened
        by (t / z)², Student's law in place of the normal law.
    """
    from scipy.special import ndtri, stdtrit

    sides = [(code, pd.factorize(unit)[0]) for code, unit in zip(codes, units, strict=True)]
    n_units = [int(unit.max(initial=-1)) + 1 for _, unit in sides]
    if min(n_units) < LEAST_UNITS:
        return float("inf")
    n_codes = max(int(code.max(initial=0)) for code in codes) + 1
    marks = [("exactly", k) for k in range(n_codes)]
    marks += [("up to", k) for k in range(n_codes - 1)] if ordered else []
    worst = 1.0
    for how, k in marks:
        marked = [((code == k) if how == "exactly" else (code <= k), unit) for code, unit in sides]
        worst = max(worst, _effect(marked))
    degrees = sum(n_units) - len(n_units)
    return worst * float(stdtrit(degrees, 1 - WIDENED_AT / 2) / ndtri(1 - WIDENED_AT / 2)) ** 2


def _effect(marked: Sequence[tuple[BoolArray, AnyArray]]) -> float:
    n_marked = sum(int(mark.sum()) for mark, _ in marked)
    if min(n_marked, sum(len(mark) for mark, _ in marked) - n_marked) < LEAST_MARKED:
        return 1.0
    between = independent = 0.0
    for mark, unit in marked:
        share = mark.mean()
        sums = np.bincount(unit, weights=mark - share)
        between += float((sums**2).sum()) * len(sums) / (len(sums) - 1) / len(mark) ** 2
        independent += float(share * (1 - share)) / len(mark)
    return between / independent if independent > 0 else 1.0


def frequent_codes(before: "pd.Series[Any]", after: "pd.Series[Any]") -> tuple[IntArray, IntArray]:
    """Number the most frequent levels; all others share the last number."""
    codes, names = pd.factorize(np.concatenate([side.to_numpy(dtype=object) for side in (before, after)]))
    n_rows = np.bincount(codes, minlength=len(names))
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(-n_rows, kind="stable")] = np.arange(len(names))
    found = np.minimum(rank[codes], MOST_CODES)
    return found[: len(before)], found[len(before) :]


def first_of_each(units: IntArray) -> IntArray:
    """Return the position of the first row of each unit: one row a unit makes independent rows."""
    return np.unique(units, return_index=True)[1]


def alikeness(values: "pd.Series[Any]") -> tuple[float, float]:
    """Measure how alike consecutive rows are.

    Args:
        values: A column in the order of its table.
    Returns:
        The correlation of consecutive ranks, or for levels the excess of equal neighbours (both 0 at random, 1 at
        most), and its standard score. Zeros where a column is in order, since that is how a file is written.
    Source:
        Wald and Wolfowitz, Annals of Mathematical Statistics 14 (1943), for serial correlation; Mood, Annals of
        Mathematical Statistics 11 (1940), for runs of levels.
    """
    there = values.dropna().iloc[:FOLLOWED]
    if len(there) < LEAST_FOLLOWED:
        return 0.0, 0.0
    codes = pd.factorize(there)[0]
    shares = np.bincount(codes) / len(codes)
    if len(codes) * (1 - shares.max()) ** 2 < LEAST_PAIRS:  # too few pairs beside the usual value
        return 0.0, 0.0
    if isinstance(there.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(there):
        return _equal_neighbours(codes, shares)
    ranks = there.rank().to_numpy(dtype=np.float64) - (len(there) + 1) / 2
    steps = np.diff(ranks)
    if (steps >= 0).all() or (steps <= 0).all():
        return 0.0, 0.0
    found = float((ranks[1:] * ranks[:-1]).sum() / (ranks**2).sum())
    return found, found * float(np.sqrt(len(ranks)))


def _equal_neighbours(codes: IntArray, shares: FloatArray) -> tuple[float, float]:
    usual = float((shares**2).sum())
    variance = usual + usual**2 - 2 * float((shares**3).sum())
    excess = float((codes[1:] == codes[:-1]).mean()) - usual
    if variance <= 0 or usual >= 1 or len(codes) * usual < LEAST_PAIRS:
        return 0.0, 0.0
    return excess / (1 - usual), excess * float(np.sqrt(len(codes) / variance))


def dependence_note(sides: "tuple[pd.DataFrame, ...]", names: Sequence[str], cure: str = NAME_THEM) -> str:
    """Return a sentence if consecutive rows are alike in columns of either table; empty otherwise.

    Args:
        sides: The tables.
        names: The columns to look at.
        cure: What to do about it.
    """
    from scipy.special import ndtri

    certain = -float(ndtri(NOTED_AT / (2 * max(len(names), 1))))
    found = {}
    for name in names:
        alike = max((alikeness(side[name]) for side in sides), key=lambda pair: pair[1])
        if alike[1] >= certain and alike[0] >= ALIKE:
            found[name] = alike[0]
    if not found:
        return ""
    worst = max(found, key=lambda name: found[name])
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return (
        f"rows that follow each other are alike in {worst!r}{more} (correlation {found[worst]:.2f}), but the verdict "
        f"assumes independent rows; {cure}"
    )
