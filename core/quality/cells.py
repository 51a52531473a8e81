"""Reading columns of an unchecked frame: each is what a check needs, or unreadable for a stated reason."""

from collections.abc import Callable, Collection
from functools import wraps
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import BoolArray, DateArray, FloatArray, IntArray
from core.quality.check import Measurement, UnreadableError
from core.quality.gate import MAX_OFFENDING_SHOWN


class Labels(NamedTuple):
    """A column of names: the position of each row's name, -1 where the cell is empty, shape (n_rows,)."""

    codes: IntArray
    names: tuple[str, ...]


class Cells:
    """The cells of one frame, converted once and cached.

    Args:
        frame: Any frame.
        row_names: The columns that name a row.
        source: Where the rows are from, such as "the file".
        denied: The columns whose values and statistics no sentence may quote.
        unquoted: More columns whose values no sentence may quote.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        row_names: tuple[str, ...] = (),
        source: str = "the data",
        denied: Collection[str] = (),
        unquoted: Collection[str] = (),
    ) -> None:
        self.frame = frame
        self.source = source
        self.denied = frozenset(denied)
        self.unquoted = self.denied | frozenset(unquoted)
        self._row_names = row_names
        self._numbers: dict[str, FloatArray] = {}
        self._infinite: dict[str, BoolArray] = {}

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.frame)

    def numbers(self, name: str, *, may_be_empty: bool = False) -> FloatArray:
        """Return a column as floats, NaN where it is empty or not finite.

        Raises:
            UnreadableError: The column is missing, holds something other than numbers, or has no value at all
                (unless that is allowed).
        """
        if name not in self._numbers:
            values = _as_numbers(name, self._column(name), quotes=name not in self.unquoted)
            self._infinite[name] = np.isinf(values)
            values[self._infinite[name]] = np.nan
            self._numbers[name] = values
        values = self._numbers[name]
        if not may_be_empty and np.isnan(values).all():
            raise UnreadableError(f"the column {name} is empty")
        return values

    def is_infinite(self, name: str) -> BoolArray:
        """Return which cells of a column are infinite.

        Raises:
            UnreadableError: The column is missing, or holds something other than numbers.
        """
        self.numbers(name, may_be_empty=True)
        return self._infinite[name]

    def dates(self, name: str) -> DateArray:
        """Return a column as days, NaT where it is empty.

        Raises:
            UnreadableError: The column is missing, has no value at all, or holds something other than dates.
        """
        values = _as_dates(name, self._column(name), quotes=name not in self.unquoted)
        if np.isnat(values).all():
            raise UnreadableError(f"the column {name} holds no dates")
        return values

    def labels(self, name: str) -> Labels:
        """Return a column of names.

        Raises:
            UnreadableError: The column is missing or has no value at all.
        """
        column = self._column(name)
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, names = column.cat.codes.to_numpy().astype(np.int64), list(column.cat.categories)
        else:
            codes, names = _factorise(column)
        if (codes < 0).all():
            raise UnreadableError(f"the column {name} is empty")
        return Labels(codes, tuple(str(value) for value in names))

    def is_filled(self, name: str) -> BoolArray:
        """Return which cells of a column hold a value; an infinite number is not a value.

        Raises:
            UnreadableError: The column is missing.
        """
        column = self._column(name)
        filled: BoolArray = column.notna().to_numpy(dtype=np.bool_)
        if column.dtype.kind == "f":
            filled = np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))
        return filled

    def has(self, name: str) -> bool:
        """Return whether the frame has a column of this name."""
        return name in self.frame.columns

    def identify(self, rows: BoolArray) -> tuple[str, ...]:
        """Name the first offending rows, by row number where the frame has no names that may be quoted."""
        positions = np.flatnonzero(rows)[:MAX_OFFENDING_SHOWN].tolist()
        return tuple(self._row_name(position) for position in positions)

    def _row_name(self, position: int) -> str:
        parts = [self.frame[name].iloc[position] for name in self.named_by]
        if not parts or any(_is_empty(part) for part in parts):
            return f"row {position}"
        return " ".join(str(part.date()) if isinstance(part, pd.Timestamp) else str(part) for part in parts)

    @property
    def named_by(self) -> tuple[str, ...]:
        """The columns whose cells name a row: those that may be quoted."""
        return tuple(name for name in self._row_names if self._is_single(name) and name not in self.unquoted)

    def _is_single(self, name: str) -> bool:
        return self.has(name) and isinstance(self.frame[name], pd.Series)

    def _column(self, name: str) -> "pd.Series[Any]":
        if not self.has(name):
            raise UnreadableError(f"the column {name} is missing")
        if not self._is_single(name):
            raise UnreadableError(f"more than one column is named {name}")
        return self.frame[name]


def statistic_of(*names: str) -> Callable[[Callable[[Cells], Measurement]], Callable[[Cells], Measurement]]:
    """Withhold a measurement that is a statistic of columns, where one of them is denied."""

    def of(measure: Callable[[Cells], Measurement]) -> Callable[[Cells], Measurement]:
        @wraps(measure)
        def measured(cells: Cells) -> Measurement:
            found = measure(cells)
            return found._replace(columns=names, is_withheld=not cells.denied.isdisjoint(names))

        return measured

    return of


def _is_empty(value: object) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value))


def _as_numbers(name: str, column: "pd.Series[Any]", *, quotes: bool) -> FloatArray:
    if column.dtype.kind in "biuf":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    elif column.dtype.kind in "mMc":
        raise UnreadableError(f"{name} holds {column.dtype}, not numbers")
    else:
        converted = pd.to_numeric(column.astype(object), errors="coerce")
        foreign = column.notna().to_numpy(dtype=np.bool_) & converted.isna().to_numpy(dtype=np.bool_)
        if foreign.any():
            reason = f"{int(foreign.sum())} cells of {name} are not numbers{_example(column[foreign], quotes)}"
            raise UnreadableError(reason, columns=(name,))
        values = converted.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    return values


def _as_dates(name: str, column: "pd.Series[Any]", *, quotes: bool) -> DateArray:
    if column.dtype.kind in "biufcm":
        raise UnreadableError(f"{name} holds {column.dtype}, not dates")
    if column.dtype.kind != "M":
        # A number is not a date: pandas would read it as a count from 1970, in a unit it guesses.
        spelled = column.astype(object).map(lambda cell: None if isinstance(cell, Real) else cell)
        converted = pd.to_datetime(spelled, errors="coerce", format="ISO8601", utc=True)
        foreign = column.notna().to_numpy(dtype=np.bool_) & converted.isna().to_numpy(dtype=np.bool_)
        if foreign.any():
            reason = f"{int(foreign.sum())} cells of {name} are not dates{_example(column[foreign], quotes)}"
            raise UnreadableError(reason, columns=(name,))
        column = converted
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    days: DateArray = column.to_numpy().astype("datetime64[D]")
    return days


def _example(foreign: "pd.Series[Any]", quotes: bool) -> str:
    return f", such as {foreign.iloc[0]!r}" if quotes else ""


def _factorise(column: "pd.Series[Any]") -> tuple[IntArray, list[str]]:
    text = column.astype(object).where(column.notna(), None)
    codes, names = pd.factorize(np.array([None if v is None else str(v) for v in text], dtype=object), sort=True)
    return codes.astype(np.int64), list(names)
