"""Columns of a table as numbers, for distances, associations and small trees; and cells as they are shown."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.explain.documents import ShownCell

DIGITS = 6
MOST_TOLD_LEVELS = 50


def is_number(column: "pd.Series[Any]") -> bool:
    """Say whether a column holds numbers, truth values included."""
    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def is_time(column: "pd.Series[Any]") -> bool:
    """Say whether a column holds times."""
    return bool(pd.api.types.is_datetime64_any_dtype(column.dtype))


def is_tellable(column: "pd.Series[Any]") -> bool:
    """Say whether a column can be told in a sentence: a number, or a category of few levels."""
    return is_number(column) or (not is_time(column) and column.nunique() <= MOST_TOLD_LEVELS)


def numbers_of(column: "pd.Series[Any]") -> FloatArray:
    """Return a column of numbers, NaN for an empty cell."""
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def texts_of(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of categories as texts, None for an empty cell."""
    return column.astype(object).where(column.notna(), None).map(lambda value: None if value is None else str(value))


def shown_cell(value: Any) -> ShownCell:
    """Return a cell as it is shown."""
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, int | float | np.number):
        return float(f"{float(value):.{DIGITS}g}")
    return str(value)


def exact_cell(value: Any) -> ShownCell:
    """Return a cell with all its digits: what is asked of a model with them is answered as it was."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_) and not np.isnan(value):
        return float(value)
    return shown_cell(value)


class Ranks:
    """The share of reference rows between two values of a column: a distance that has no unit.

    Args:
        reference: The reference rows.
        names: The columns.
    """

    def __init__(self, reference: pd.DataFrame, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._sorted: dict[str, FloatArray] = {}
        self._texts: dict[str, Any] = {}
        for name in self.names:
            column = reference[name]
            if is_number(column):
                numbers = numbers_of(column)
                self._sorted[name] = np.sort(numbers[np.isfinite(numbers)])

    def is_number(self, name: str) -> bool:
        """Say whether a column holds numbers."""
        return name in self._sorted

    def grid(self, name: str, n_values: int) -> list[float]:
        """Return values of a column of numbers at equal steps of rank, each once."""
        known = self._sorted[name]
        if not known.size:
            return []
        places = np.linspace(0, len(known) - 1, min(n_values, len(known))).round().astype(np.int64)
        return [float(value) for value in dict.fromkeys(known[places].tolist())]

    def distance(self, name: str, one: "pd.Series[Any]", other: "pd.Series[Any]") -> FloatArray:
        """Return the distance of cells, 0 to 1; an empty cell is 1 from any value; one side may have one cell."""
        if name not in self._sorted:
            left, right = texts_of(one).to_numpy(dtype=object), texts_of(other).to_numpy(dtype=object)
            return np.asarray(left != right, dtype=np.float64)
        left, right = self._rank(name, numbers_of(one)), self._rank(name, numbers_of(other))
        gap = np.abs(left - right)
        both = np.isnan(left) & np.isnan(right)
        return np.where(both, 0.0, np.where(np.isnan(gap), 1.0, gap))

    def _rank(self, name: str, numbers: FloatArray) -> FloatArray:
        known = self._sorted[name]
        if not known.size:
            return np.where(np.isnan(numbers), np.nan, 0.5)
        places = np.searchsorted(known, numbers, "left") + np.searchsorted(known, numbers, "right")
        return np.where(np.isnan(numbers), np.nan, places / (2.0 * len(known)))
