"""Rows that were given as new, and equal rows that a version learned from.

Figures of rows that a version learned from flatter it. Rows are equal if every column that both know and the outcome
are, numbers with decimals to four digits, since a file may have been written with fewer than were learned. Where
columns have few values, new rows may be equal by chance, and only more of them than chance explains are taken for rows
that were learned from.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray, IntArray

LEAST_CHANCE = 1e-4
CONFIDENCE = 1e-3
"""A file of new rows is taken for a copy at most so often, with `LEAST_CHANCE` on top."""
LEAST_EQUAL = 3
MOST_ALIKE = 0.5
"""Given rows that agree with a learned row in a half of the columns alone, by those that are equal to one, up to which
chance does not make these equal: what chance makes alike in all is the rarest of what it makes alike in a half."""
_TRUTH = ".actual"
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class RowsWithOutcomes:
    """Rows and what became of them.

    Attributes:
        rows: Columns of the rows.
        actual: Their outcomes; numbers, or positions of classes.
        units: The number of the group of each row; None if no row depends on another.
    """

    rows: pd.DataFrame
    actual: FloatArray
    units: IntArray | None = None


@dataclass(frozen=True, slots=True)
class EqualRows:
    """How many of the rows that were given equal rows that a version learned from.

    Attributes:
        n_known: The rows that it learned from, as far as they are known.
        n_equal: The given rows that are equal to one of those.
        first: The place of the first of them, from 0; None if there is none.
        chance: At most the probability of so many or more among rows that are new.
        is_named: Whether rows that agree in either half of the columns are equal, as those are that their columns name,
            while no row that it learned from occurs again.
    """

    n_known: int
    n_equal: int
    first: int | None
    chance: float
    is_named: bool = False

    @property
    def are_copies(self) -> bool:
        """Whether more rows are equal than chance explains."""
        return self.chance < LEAST_CHANCE or self.is_named


def equal_rows(given: RowsWithOutcomes, known: Iterable[RowsWithOutcomes]) -> EqualRows:
    """Count the rows that are equal to rows that a version learned from.

    What is counted for the chance are different rows that exactly one group of the known rows has (each row is a group
    where none is named). The expected share of new rows that are one of these is 2·Q₂/T, by Good and Turing, where Q₂
    are the different rows that exactly two of the T groups have; the upper limit of its Poisson law is taken.

    Source:
        Good, Biometrika 40, 1953, equation 2; Chao and Colwell, Statistics & Probability Letters 2017, for groups.

    Args:
        given: The rows that are said to be new.
        known: Those that it learned from, in parts; read one after the other.
    """
    from scipy.stats import chi2, poisson

    columns: list[str] = []
    hashes, units, n_known = [np.empty(0, np.uint64)], [np.empty(0, np.int64)], 0
    halves: tuple[list[str], list[str]] = ([], [])
    of_halves: tuple[set[int], set[int]] = (set(), set())
    for part in known:
        if not columns:
            columns = [*(str(name) for name in given.rows if name in part.rows), _TRUTH]
            halves = _halves(given, columns)
        hashes.append(_hashes(part, columns))
        for half, found in zip(halves, of_halves, strict=True):
            found.update(_hashes(part, half).tolist())
        own = np.arange(len(part.rows)) if part.units is None else np.unique(part.units, return_inverse=True)[1]
        units.append(own + n_known)
        n_known += len(part.rows)
    mine = _hashes(given, columns or [_TRUTH])
    learned = pd.DataFrame({"row": np.concatenate(hashes), "unit": np.concatenate(units)}).drop_duplicates()
    n_groups = learned.groupby("row").size()
    equal = np.flatnonzero(np.isin(mine, n_groups.index))
    alike = [
        int(np.sum(np.isin(_hashes(given, half), list(found)))) - len(equal)
        for half, found in zip(halves, of_halves, strict=True)
    ]
    n_single = len(np.intersect1d(mine, n_groups.index[n_groups == 1]))
    most = float(chi2.isf(CONFIDENCE, 2 * (int((n_groups == 2).sum()) + 1))) / 2
    share = 2 * most / max(1, learned["unit"].nunique())
    return EqualRows(
        n_known=n_known,
        n_equal=len(equal),
        first=int(equal[0]) if len(equal) else None,
        chance=float(poisson.sf(n_single - 1, share * len(mine))),
        is_named=len(equal) >= LEAST_EQUAL
        and bool((n_groups == 1).all())
        and all(halves)
        and max(alike) <= MOST_ALIKE * len(equal),
    )


def _halves(given: RowsWithOutcomes, columns: list[str]) -> tuple[list[str], list[str]]:
    """Deal the columns and the outcome into halves that name rows about equally well."""
    order = sorted(columns, key=lambda name: -len(np.unique(_hashes(given, [name]))))
    return order[::2], order[1::2]


def _hashes(part: RowsWithOutcomes, names: list[str]) -> AnyArray:
    """Hash the rows by some columns and the outcome, if it is named."""
    plain = {name: _rounded(part.actual) if name == _TRUTH else _plain(part.rows[name]) for name in names}
    return pd.util.hash_pandas_object(pd.DataFrame(plain), index=False).to_numpy()


def _plain(values: "pd.Series[float]") -> AnyArray:
    """Spell the values of a column in one way, whatever a file keeps them as; a missing one is equal to another."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.to_numpy().astype("datetime64[ns]").astype(np.int64).astype(np.float64)
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return _rounded(np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64))
    return values.astype(object).where(values.notna(), "").map(str).to_numpy(dtype=object)


def _rounded(numbers: FloatArray) -> FloatArray:
    """Round numbers with decimals to four digits.

    >>> _rounded(np.array([123456.0, 1.2345678, -0.0, 98765.4321])).tolist()
    [123456.0, 1.235, 0.0, 98770.0]
    """
    found = numbers + 0.0  # -0 is 0
    has_decimals = np.isfinite(found) & (found != np.round(found))
    part = found[has_decimals]
    scale = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.abs(part))))
    found[has_decimals] = np.round(part * scale) / scale
    return found
