"""Values made coarser: numbers into bins, dates into months, quarters and years, rare words into one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.tables.signature import ColumnKind

BINS: Final = (32, 16, 8, 4, 2)
OTHER: Final = "(other)"
PERIODS: Final = {"month": 1, "quarter": 3, "year": 12}  # months


@dataclass(frozen=True, slots=True)
class Ladder:
    """A column, step by step coarser.

    Attributes:
        words: What each step is, in words; the first is the column as it is, the last is nothing at all.
        makers: Makes the column of each step.
    """

    words: tuple[str, ...]
    makers: "Sequence[Callable[[], pd.Series[Any]]]"

    def __len__(self) -> int:
        return len(self.words)

    def at(self, step: int) -> "pd.Series[Any]":
        """Return the column at a step."""
        return self.makers[step]()

    @classmethod
    def of(cls, column: "pd.Series[Any]", kind: ColumnKind, *, least: int) -> "Ladder":
        """Return the steps of a column.

        Args:
            column: As a table has it.
            kind: Its kind.
            least: Words that fewer rows have are pooled.
        """
        steps: list[tuple[str, Callable[[], pd.Series[Any]]]] = [("as it is", partial(pd.Series, column))]
        if kind in (ColumnKind.NUMBER, ColumnKind.INTEGER):
            n_values = column.nunique()
            steps += [(f"{n} bins", partial(binned, column, n)) for n in BINS if n < n_values]
        elif kind is ColumnKind.TIME:
            steps += [(f"by {period}", partial(coarsened, column, period)) for period in PERIODS]
        elif kind is ColumnKind.CATEGORY:
            steps.append((f"words of fewer than {least} rows as {OTHER}", partial(pooled, column, least)))
        steps.append(("emptied", partial(emptied, column)))
        return cls(tuple(words for words, _ in steps), tuple(make for _, make in steps))


def binned(column: "pd.Series[Any]", n_bins: int) -> "pd.Series[Any]":
    """Replace each number with the lower median of its bin, of bins with about equally many rows; NaN stays.

    >>> binned(pd.Series([1.0, 2.0, 3.0, 4.0, 10.0, 11.0, np.nan]), 2).tolist()
    [2.0, 2.0, 2.0, 10.0, 10.0, 10.0, nan]
    """
    values = column.to_numpy(dtype=np.float64)
    known = np.isfinite(values)
    edges = np.unique(np.quantile(values[known], np.arange(1, n_bins) / n_bins, method="lower"))
    bins = np.searchsorted(edges, values[known], side="left")
    found = values.copy()
    found[known] = _medians(values[known], bins)
    return pd.Series(found, index=column.index)


def _medians(values: FloatArray, bins: "np.ndarray[Any, Any]") -> FloatArray:
    by_bin = {at: np.sort(values[bins == at]) for at in np.unique(bins)}
    lower = {at: own[(len(own) - 1) // 2] for at, own in by_bin.items()}
    return np.array([lower[at] for at in bins], dtype=np.float64)


def coarsened(column: "pd.Series[Any]", period: str) -> "pd.Series[Any]":
    """Replace each time with the first day of its month, quarter or year, in UTC; an empty cell stays.

    >>> coarsened(pd.Series(pd.to_datetime(["2024-05-17 08:30", "2024-12-31 00:00"])), "quarter").astype(str).tolist()
    ['2024-04-01', '2024-10-01']
    """
    months = PERIODS[period]
    times = column.to_numpy()
    number = times.astype("datetime64[M]").astype(np.int64)
    starts = (number // months * months).astype("datetime64[M]").astype("datetime64[us]")
    return pd.Series(np.where(np.isnat(times), np.datetime64("NaT", "us"), starts), index=column.index)


def pooled(column: "pd.Series[Any]", least: int) -> "pd.Series[Any]":
    """Replace each word that fewer rows have with one word for all of them; an empty cell stays."""
    words = column.astype(object)
    n_rows = words.map(words.value_counts())
    found = words.where(words.isna() | (n_rows >= least), OTHER)
    return found.astype("category")


def emptied(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of the same kind without any value."""
    return column.where(np.zeros(len(column), dtype=np.bool_))
