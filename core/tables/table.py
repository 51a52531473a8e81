"""A table in memory: columns of four kinds of values, and the place of each row in its file."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray, IntArray
from core.escape import shown
from core.settings.patterns import is_named
from core.tables.errors import TableError
from core.tables.reading_of_column import Reading
from core.tables.settling import counted_gaps, settled, told_gaps
from core.tables.signature import ColumnForm, ColumnKind
from core.tables.source import Source


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file.

    Attributes:
        source: The file.
        frame: Numbers, integers and flags as float64 with NaN where empty; categories as pandas categories of text;
            times as datetime64[us] in UTC.
        kinds: The kind of each column of the frame.
        left_out: Columns that no model can read, and why.
        forms: How the text of a column was written, where that is more than plain numbers, words or ISO dates.
        looks: What a category nearly is, if anything.
        doubts: Columns that fit two readings, and the error to raise where such a column is used.
        notes: What was done while reading, one sentence each.
        unreadable: Of a lenient reading: the number of filled cells by column that could not be read and are empty
            in the frame.
        infinite: How many of them are infinite numbers.
        missing_words: A person's words for an empty cell.
        gaps: By column, how many cells held each word that was read as missing.
        line_of: Maps the position of a row in the file to its line; None for a format without lines.
        rows: The position in the file of each row; None if no row was dropped.
        unquoted: The columns of which no note and no reason quotes a cell.
    """

    source: Source
    frame: pd.DataFrame
    kinds: dict[str, ColumnKind]
    left_out: dict[str, str] = field(default_factory=dict)
    forms: dict[str, ColumnForm] = field(default_factory=dict)
    looks: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, TableError] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    line_of: Callable[[int], int] | None = None
    unreadable: dict[str, int] = field(default_factory=dict)
    infinite: dict[str, int] = field(default_factory=dict)
    missing_words: tuple[str, ...] = ()
    gaps: dict[str, dict[str, int]] = field(default_factory=dict)
    rows: IntArray | None = None
    unquoted: frozenset[str] = frozenset()

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
        notes: Iterable[str] = (),
        line_of: Callable[[int], int] | None = None,
        empty_rows: int | None = None,
    ) -> "Table":
        """Build a table from columns.

        Args:
            source: The file.
            readings: The columns that were read.
            left_out: Columns that no model can read, and why.
            notes: What was done while reading.
            line_of: Maps the position of a row in the file to its line.
            empty_rows: The number of rows of a table that may have no column, since only named columns were read and
                the caller tells which one is missing.
        Raises:
            TableError: There is no usable column.
        """
        if not readings and empty_rows is not None:
            return cls(source, pd.DataFrame(index=range(empty_rows)), {}, dict(left_out or {}), line_of=line_of)
        if not readings:
            lost = ", ".join(f"{shown(name)} {reason}" for name, reason in list((left_out or {}).items())[:3])
            problem = f"no column holds plain values ({lost or 'the file has no columns'})"
            raise TableError(source.path, problem, "Use plain numbers, text, dates, true and false.")
        readings, told = settled(readings)
        return cls(
            source,
            pd.DataFrame({name: reading.values for name, reading in readings.items()}, copy=False),
            {name: reading.kind for name, reading in readings.items()},
            dict(left_out or {}),
            {name: reading.form for name, reading in readings.items() if reading.form},
            {name: reading.looks for name, reading in readings.items() if reading.looks},
            {name: reading.doubt.error for name, reading in readings.items() if reading.doubt},
            (*notes, *told),
            line_of,
            {name: reading.n_unreadable for name, reading in readings.items() if reading.n_unreadable},
            {name: reading.n_infinite for name, reading in readings.items() if reading.n_infinite},
            gaps={name: dict(reading.gaps) for name, reading in readings.items() if reading.gaps},
        )

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, mask: BoolArray) -> "Table":
        """Keep some rows; their places in the file stay known."""
        rows = np.flatnonzero(mask) if self.rows is None else self.rows[mask]
        return replace(self, frame=self.frame[mask].reset_index(drop=True), rows=rows)

    def without_quotes(self, patterns: Collection[str]) -> "Table":
        """Return the same table, whose notes and reasons quote no cell of some columns.

        Args:
            patterns: Their names, or patterns of these.
        """
        hidden = frozenset(name for name in (*self.kinds, *self.left_out) if is_named(name, patterns))
        if not hidden:
            return self
        gaps = {name: own for name, own in self.gaps.items() if name in hidden}
        bare = {note: counted_gaps(name, own) for name, own in gaps.items() for note in told_gaps(name, own)}
        return replace(
            self,
            looks={name: each for name, each in self.looks.items() if name not in hidden},
            notes=tuple(bare.get(note, note) for note in self.notes),
            unquoted=self.unquoted | hidden,
        )

    def require_clear(self, names: Iterable[str]) -> None:
        """Make sure that columns fit one reading only.

        Raises:
            TableError: A column fits two; both are named, with the option that settles it.
        """
        for name in names:
            if name in self.doubts:
                raise self.doubts[name]

    def require_within(self, name: str, numbers: FloatArray, limits: tuple[float, float], cure: str) -> None:
        """Refuse a number of a column that is beyond what it may be; an empty cell passes.

        Args:
            name: The column.
            numbers: Its numbers, NaN for an empty cell, shape (n,).
            limits: The least and the most.
            cure: What to do, as a sentence.
        Raises:
            TableError: It names the place of the first one.
        """
        least, most = limits
        is_outside = (numbers < least) | (numbers > most)
        if is_outside.any():
            row = int(np.argmax(is_outside))
            limits_told = f"must be from {least:g} to {most:g}"
            problem, fault = f"{name} is {numbers[row]:g}, and {limits_told}", f"a value {limits_told}"
            raise self.error(problem, cure, column=name, row=row, fault=fault)

    def place(self, row: int) -> str:
        """Return the place of a row: its line in a text file, else its number from 0."""
        row = row if self.rows is None else int(self.rows[row])
        return f"row {row}" if self.line_of is None else f"line {self.line_of(row)}"

    def error(
        self,
        problem: str,
        cure: str,
        *,
        column: str | None = None,
        row: int | None = None,
        cell: str = "",
        fault: str = "",
    ) -> TableError:
        """Make an error that names this file and the place in it; the other arguments are those of `TableError`."""
        place = "" if row is None else self.place(row)
        return TableError(self.path, problem, cure, column=column, place=place, cell=cell, fault=fault)
