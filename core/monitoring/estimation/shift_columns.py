"""The columns of rows as a matrix in which held-out and live rows are compared, all of one size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from core.arrays import FloatArray

MOST_COLUMNS = 40
MOST_LEVELS = 20
LEAST_LEVEL = 20  # rows of a level that has its own column
ENDS = (0.01, 0.99)  # quantiles beyond which a number counts as one at the quantile
SKEWED = 10.0  # a positive column whose upper end is so many medians away is read on the log scale


@dataclass(frozen=True, slots=True)
class _Numbers:
    low: float
    high: float
    middle: float
    spread: float
    is_log: bool
    has_gaps: bool

    def columns(self, values: "pd.Series[Any]") -> list[FloatArray]:
        numbers = _floats(values)
        known = np.isfinite(numbers)
        read = np.clip(np.where(known, numbers, self.middle), self.low, self.high)
        middle = self.middle
        if self.is_log:
            read, middle = np.log(read), float(np.log(middle))
        found = [np.asarray((read - middle) / self.spread)]
        return [*found, (~known).astype(np.float64)] if self.has_gaps else found


@dataclass(frozen=True, slots=True)
class _Levels:
    levels: tuple[str, ...]

    def columns(self, values: "pd.Series[Any]") -> list[FloatArray]:
        texts = _texts(values)
        return [np.asarray(texts == level, dtype=np.float64) for level in self.levels]


@dataclass(frozen=True, slots=True)
class ShiftColumns:
    """The columns that rows are compared by, as learned from held-out rows."""

    readers: tuple[tuple[str, _Numbers | _Levels], ...]

    @classmethod
    def of(cls, rows: pd.DataFrame, names: Sequence[str]) -> Self:
        """Learn the columns.

        Args:
            rows: Held-out rows.
            names: The columns, the most important first; of more than 40 the others are left out, as are times and
                columns that say nothing.
        """
        found: list[tuple[str, _Numbers | _Levels]] = []
        for name in names:
            if name in rows and (reader := _reader(rows[name])) is not None:
                found.append((name, reader))
        return cls(tuple(found[:MOST_COLUMNS]))

    def matrix(self, rows: pd.DataFrame) -> FloatArray:
        """Return the columns of rows, shape (n, k)."""
        columns = [column for name, reader in self.readers for column in reader.columns(rows[name])]
        return np.column_stack(columns) if columns else np.empty((len(rows), 0))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(name for name, _ in self.readers)


def _reader(values: "pd.Series[Any]") -> _Numbers | _Levels | None:
    if pd.api.types.is_datetime64_any_dtype(values):
        return None
    if not pd.api.types.is_numeric_dtype(values) or isinstance(values.dtype, pd.CategoricalDtype):
        counts = pd.Series(_texts(values)).value_counts()
        levels = sorted(str(level) for level, n in counts.items() if n >= LEAST_LEVEL)[:MOST_LEVELS]
        return _Levels(tuple(levels)) if len(levels) > 1 else None
    numbers = _floats(values)
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return None
    low, high = map(float, np.quantile(known, ENDS))
    if low == high:
        low, high = float(known.min()), float(known.max())
    middle = float(np.median(known))
    is_log = low > 0 and high > SKEWED * middle
    clipped = np.clip(known, low, high)
    spread = float((np.log(clipped) if is_log else clipped).std())
    return _Numbers(low, high, middle, spread, is_log, len(known) < len(numbers)) if spread > 0 else None


def _floats(values: "pd.Series[Any]") -> FloatArray:
    return np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def _texts(values: "pd.Series[Any]") -> Any:
    codes, levels = pd.factorize(values)
    return np.array([*map(str, levels), ""], dtype=object)[codes]
