"""From the text of a column to its values: numbers, flags, dates or categories, decided by the whole column.

A column is numeric when every filled cell is a number. When nearly all are, the other cells are treated as errors and
named, instead of silently making a category of thousands of levels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.tables.errors import TableError, shown
from core.tables.signature import ColumnKind

EMPTY_WORDS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "#N/A")
TRUE_WORDS = ("true", "1", "1.0")
FALSE_WORDS = ("false", "0", "0.0")
MOSTLY = 0.9  # from this share of numbers on, any other cell is an error
MOST_EXACT = 2**53
MOST_DIGITS = 16  # from here on a float cannot distinguish neighbouring whole numbers
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_DECIMAL_COMMA = r"^[+-]?[0-9]+(,[0-9]+)?$"
_INFINITE = r"(?i)^[+-]?inf(inity)?$"
_CODE = r"^[+-]?0[0-9]"  # 007 is a name, not the number 7
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"

Complain = Callable[[str, str, str, int], TableError]
"""Makes the error to raise from problem, fix, column and row."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of a column."""

    kind: ColumnKind
    values: "pd.Series[Any]"
    n_unreadable: int = 0  # filled cells that a lenient reading could not read, and left empty

    @classmethod
    def of_flags(cls, values: FloatArray) -> "Reading":
        """Take zeros, ones and NaN."""
        return cls(ColumnKind.FLAG, pd.Series(values))

    @classmethod
    def of_times(cls, values: AnyArray) -> "Reading":
        """Take datetime64[us] in UTC, NaT where empty."""
        return cls(ColumnKind.TIME, pd.Series(values))


def read_text(
    name: str,
    texts: pa.ChunkedArray,
    complain: Complain,
    *,
    wanted: ColumnKind | None = None,
    decimal_comma: bool = False,
) -> Reading:
    """Read the cells of a column.

    Args:
        name: Of the column, for errors.
        texts: Its cells as text; null where the format itself marks a missing value.
        complain: Makes the error for a cell.
        wanted: The required kind of a known column; else the kind is inferred.
        decimal_comma: Whether numbers may be written 1,5.
    Raises:
        TableError: A cell is not of the wanted kind, or not of the kind of nearly all other cells.
    """
    cells = texts.combine_chunks()
    if (values := None if wanted is ColumnKind.CATEGORY else _cast(cells)) is None:
        cells = pc.utf8_trim_whitespace(cells)
        cells = pc.if_else(pc.is_in(cells, pa.array(EMPTY_WORDS)), None, cells)
        if (
            decimal_comma
            and wanted is not ColumnKind.CATEGORY
            and _all(pc.match_substring_regex(cells, _DECIMAL_COMMA))
        ):
            cells = pc.replace_substring(cells, ",", ".")
        values = _cast(cells)
    if values is not None and (
        wanted in (ColumnKind.NUMBER, ColumnKind.INTEGER) or (wanted is None and not _are_codes(cells))
    ):
        return refine(name, values, complain, wanted=wanted)
    distinct = Distinct.of(cells)
    kind = wanted or _infer(name, distinct, complain)
    if kind is ColumnKind.CATEGORY:
        return Reading(kind, distinct.categories())
    if kind is ColumnKind.TIME:
        distinct.require(name, pc.match_substring_regex(distinct.names, _DATE), "a date (2026-03-31)", complain)
        return Reading(kind, _times(name, distinct, complain))
    if kind is ColumnKind.FLAG:
        lowered = pc.utf8_lower(distinct.names)
        distinct.require(
            name, pc.is_in(lowered, pa.array(TRUE_WORDS + FALSE_WORDS)), "a flag (true or false)", complain
        )
        is_true = _mask(pc.is_in(lowered, pa.array(TRUE_WORDS))).astype(np.float64)
        return Reading.of_flags(distinct.spread(is_true, np.nan))
    distinct.require(name, _are_numbers(distinct.names), "a number", complain)
    raise AssertionError("unreachable: cells that are all numbers were cast")


@dataclass(frozen=True, slots=True)
class Distinct:
    """The cells of a column by their distinct values: each distinct value is examined once.

    Attributes:
        names: The distinct values, without missing cells.
        codes: Position of each row's value, shape (n,); -1 where the cell is empty.
    """

    names: pa.Array
    codes: IntArray

    @classmethod
    def of(cls, cells: pa.Array) -> "Distinct":
        """Collect the distinct values."""
        encoded = cells if isinstance(cells, pa.DictionaryArray) else cells.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(encoded.dictionary, codes)

    def categories(self) -> "pd.Series[Any]":
        """Make a category with sorted levels."""
        names = self.names.to_numpy(zero_copy_only=False).astype(object)
        order = np.argsort(names.astype(str), kind="stable")
        rank = np.empty(len(names) + 1, dtype=np.int64)
        rank[order], rank[-1] = np.arange(len(names)), -1
        return pd.Series(pd.Categorical.from_codes(rank[self.codes], categories=pd.Index(names[order], dtype=object)))

    def spread(self, values: AnyArray, empty: object) -> AnyArray:
        """Map the result for each distinct value to its rows."""
        return np.append(values, np.array([empty], dtype=values.dtype))[self.codes]

    def count(self, fits: BoolArray) -> int:
        """Count the matching rows."""
        return int(self.spread(fits, False).sum())

    def first(self, fits: BoolArray) -> int:
        """Return the first matching row."""
        return int(np.argmax(self.spread(fits, False)))

    def require(self, name: str, fits: pa.Array, what: str, complain: Complain) -> None:
        """Raise the error for the first row whose value does not match."""
        if not (wrong := ~_mask(fits)).any():
            return
        row = self.first(wrong)
        raise complain(f"{shown(self.at(row))} is not {what}", "Correct or clear the cell.", name, row)

    def at(self, row: int) -> str:
        """Return the value of a row."""
        return str(self.names[int(self.codes[row])].as_py())


def are_dates(texts: pa.ChunkedArray) -> bool:
    """Return whether there are filled cells and all are dates or times."""
    return _all(pc.match_substring_regex(texts, _DATE))


def refine(name: str, values: FloatArray, complain: Complain, *, wanted: ColumnKind | None = None) -> Reading:
    """Distinguish whole numbers from others; refuse infinite numbers."""
    if (lost := np.flatnonzero(np.isinf(values))).size:
        row = int(lost[0])
        raise complain(f"{values[row]} is not a finite number", "Correct or clear the cell.", name, row)
    filled = values[~np.isnan(values)]
    is_whole = bool((filled == np.floor(filled)).all())
    if wanted is ColumnKind.INTEGER and not is_whole:
        row = int(np.flatnonzero(~np.isnan(values) & (values != np.floor(values)))[0])
        raise complain(f"{values[row]} is not a whole number", "Correct or clear the cell.", name, row)
    is_integer = is_whole and filled.size > 0 and bool((np.abs(filled) <= MOST_EXACT).all())
    kind = (
        wanted
        if wanted in (ColumnKind.NUMBER, ColumnKind.INTEGER)
        else ColumnKind.INTEGER
        if is_integer
        else ColumnKind.NUMBER
    )
    return Reading(kind, pd.Series(values))


def _cast(cells: pa.Array) -> FloatArray | None:
    """Read all cells as numbers, empty cells as NaN; None if any cell is not a number."""
    try:
        values = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        return None
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _are_codes(cells: pa.Array) -> bool:
    """Return whether digits are identifiers: 007, or an account number whose last digits a float would lose."""
    zeros = cells.filter(pc.starts_with(cells, "0"))
    if pc.any(pc.match_substring_regex(zeros, r"^0[0-9]")).as_py():
        return True
    longest = pc.max(pc.binary_length(cells)).as_py() or 0
    return longest >= MOST_DIGITS and _all(pc.match_substring_regex(cells, rf"^[0-9]{{{MOST_DIGITS},}}$"))


def _are_numbers(cells: pa.Array) -> pa.Array:
    return pc.or_(pc.match_substring_regex(cells, _NUMBER), pc.match_substring_regex(cells, _INFINITE))


def _infer(name: str, distinct: Distinct, complain: Complain) -> ColumnKind:
    names = distinct.names
    if are_dates(names):
        return ColumnKind.TIME
    if _all(pc.is_in(pc.utf8_lower(names), pa.array(("true", "false")))):
        return ColumnKind.FLAG
    if pc.any(pc.match_substring_regex(names, _CODE)).as_py():
        return ColumnKind.CATEGORY
    fits = _mask(_are_numbers(names))
    n_fit, n_filled = distinct.count(fits), int((distinct.codes >= 0).sum())
    if n_filled > n_fit >= MOSTLY * n_filled:
        row = distinct.first(~fits)
        raise complain(
            f"{shown(distinct.at(row))} is not a number, while {n_fit:,} of {n_filled:,} cells are",
            "Correct or clear the cell; if the column is a category, add a letter to all its values.",
            name,
            row,
        )
    return ColumnKind.CATEGORY


def _times(name: str, distinct: Distinct, complain: Complain) -> "pd.Series[Any]":
    """Read ISO dates and times; a time without a zone is taken as UTC."""
    read = pd.to_datetime(pd.Series(distinct.names.to_pandas()), utc=True, format="ISO8601", errors="coerce")
    if (lost := read.isna().to_numpy()).any():  # not every text of the right shape is a day: 30 February
        row = distinct.first(lost)
        raise complain(f"{shown(distinct.at(row))} is not a valid date", "Correct or clear the cell.", name, row)
    instants = read.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return pd.Series(distinct.spread(instants, "NaT"))


def _mask(fits: pa.Array) -> BoolArray:
    mask: BoolArray = fits.fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _all(fits: pa.Array) -> bool:
    """Return whether there are filled cells and all match."""
    return bool(pc.all(fits, min_count=1).as_py())
