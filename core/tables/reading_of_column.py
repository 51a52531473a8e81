"""The values of one column, and what is known of how they were written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.escape import shown
from core.tables.errors import TableError
from core.tables.signature import ColumnForm, ColumnKind

PLAIN = ColumnForm()


class Complain(Protocol):
    """Makes the error to raise."""

    def __call__(
        self, problem: str, cure: str, column: str, row: int, *, cell: str = "", fault: str = ""
    ) -> TableError:
        """Make it from problem, fix, column and row, and the cell at fault, as `TableError` takes them."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two readings of one column.

    Attributes:
        choices: The readings, by decimal mark or by order of day and month.
        error: Names both, and the option that settles it.
    """

    choices: "Mapping[str, Reading]"
    error: TableError


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of a column.

    Attributes:
        kind: Their kind.
        values: Float64 with NaN where empty, datetime64[us], or a category.
        form: How its text was written.
        gaps: How many cells held each word that was read as missing.
        doubt: Set where the cells fit two readings.
        looks: What a category looks like, if it is nearly something else, with an example.
        n_unreadable: Filled cells that a lenient reading could not read, and left empty.
        n_infinite: How many of them are infinite numbers.
    """

    kind: ColumnKind
    values: "pd.Series[Any]"
    form: ColumnForm = PLAIN
    gaps: Mapping[str, int] = field(default_factory=dict)
    doubt: Doubt | None = None
    looks: str = ""
    n_unreadable: int = 0
    n_infinite: int = 0

    @classmethod
    def of_flags(cls, values: FloatArray) -> "Reading":
        """Take zeros, ones and NaN."""
        return cls(ColumnKind.FLAG, pd.Series(values))

    @classmethod
    def of_times(cls, values: AnyArray) -> "Reading":
        """Take datetime64[us] in UTC, NaT where empty."""
        return cls(ColumnKind.TIME, pd.Series(values))


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

    def counts(self, fits: BoolArray) -> dict[str, int]:
        """Count the rows of each matching value."""
        n_rows = np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))
        return {str(self.names[int(at)].as_py()): int(n_rows[at]) for at in np.flatnonzero(fits & (n_rows > 0))}

    def require(self, name: str, fits: BoolArray, what: str, complain: Complain) -> None:
        """Raise the error for the first row whose value does not match."""
        if not (wrong := ~fits).any() or not self.count(wrong):
            return
        row = self.first(wrong)
        raise complain(f"is not {what}", "Correct or clear the cell.", name, row, cell=shown(self.at(row)))

    def at(self, row: int) -> str:
        """Return the value of a row."""
        return str(self.names[int(self.codes[row])].as_py())


def mask_of(fits: pa.Array) -> BoolArray:
    """Return a mask of Arrow as one of NumPy, without nulls."""
    mask: BoolArray = np.asarray(fits.fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)
    return mask


def all_match(fits: pa.Array) -> bool:
    """Return whether there are filled cells and all match."""
    return bool(pc.all(fits, min_count=1).as_py())
