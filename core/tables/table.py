"""A table in memory: columns of four kinds of values, and the place of each row in its file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from core.tables.errors import TableError, shown
from core.tables.signature import ColumnKind
from core.tables.source import Source
from core.tables.text_columns import Reading


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file.

    Attributes:
        source: The file.
        frame: Numbers, integers and flags as float64 with NaN where empty; categories as pandas categories of text;
            times as datetime64[us] in UTC.
        kinds: The kind of each column of the frame.
        left_out: Columns that no model can read, and why.
        line_of: Maps the position of a row to its line; None for a format without lines.
        unreadable: Of a lenient reading: the number of filled cells by column that could not be read and are empty
            in the frame.
    """

    source: Source
    frame: pd.DataFrame
    kinds: dict[str, ColumnKind]
    left_out: dict[str, str] = field(default_factory=dict)
    line_of: Callable[[int], int] | None = None
    unreadable: dict[str, int] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    @classmethod
    def of(
        cls,
        source: Source,
        readings: Mapping[str, Reading],
        *,
        left_out: Mapping[str, str] | None = None,
        line_of: Callable[[int], int] | None = None,
    ) -> "Table":
        """Build a table from columns.

        Raises:
            TableError: There is no usable column.
        """
        if not readings:
            lost = ", ".join(f"{shown(name)} {reason}" for name, reason in list((left_out or {}).items())[:3])
            problem = f"no column holds plain values ({lost or 'the file has no columns'})"
            raise TableError(source.path, problem, "Use plain numbers, text, dates, true and false.")
        frame = pd.DataFrame({name: reading.values for name, reading in readings.items()}, copy=False)
        kinds = {name: reading.kind for name, reading in readings.items()}
        unreadable = {name: reading.n_unreadable for name, reading in readings.items() if reading.n_unreadable}
        return cls(source, frame, kinds, dict(left_out or {}), line_of, unreadable)

    def __len__(self) -> int:
        return len(self.frame)

    def place(self, row: int) -> str:
        """Return the place of a row: its line in a text file, else its number from 0."""
        return f"row {row}" if self.line_of is None else f"line {self.line_of(row)}"

    def error(self, problem: str, cure: str, *, column: str | None = None, row: int | None = None) -> TableError:
        """Make an error that names this file and the place in it."""
        return TableError(self.path, problem, cure, column=column, place="" if row is None else self.place(row))
