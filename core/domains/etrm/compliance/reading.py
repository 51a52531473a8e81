"""A user's own trades file to columns: CSV or Parquet, read a piece at a time, some 100 bytes a trade in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import AnyArray
from core.domains.etrm.compliance.labels import WordColumn, narrow
from core.domains.etrm.compliance.lei import is_lei
from core.domains.etrm.compliance.trades import COLUMNS, ESSENTIAL, TradeColumnKind, TradeColumns
from core.errors import UsageError
from core.escape import shown
from core.progress import begins
from core.tables.errors import TableError
from core.tables.number_columns import EMPTY_WORDS
from core.tables.pieces import pieces_of
from core.tables.reading_of_column import Complain
from core.tables.rules import ReadingRules
from core.tables.signature import ColumnKind
from core.tables.source import inspect
from core.tables.text_columns import read_text

MOST_TRADES = 10_000_000  # 4 GiB of memory
MOST_WORD_CHARACTERS = 200
KINDS: Mapping[TradeColumnKind, ColumnKind] = {
    "number": ColumnKind.NUMBER,
    "flag": ColumnKind.FLAG,
    "instant": ColumnKind.TIME,
    "day": ColumnKind.TIME,
}


@dataclass(frozen=True, slots=True)
class TradesFile:
    """The trades of a file.

    Attributes:
        trades: The columns that the rules read.
        missing: Columns that the rules read and the file does not have.
        notes: What was done while reading, one sentence each.
        sha256: Of the file.
    """

    trades: TradeColumns
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    sha256: str


def columns_from(said: Sequence[str]) -> dict[str, str]:
    """Read `OURS=THEIRS`.

    Raises:
        UsageError: OURS is no column that the rules read, or is named twice.

    >>> columns_from(["trade_id=Deal No", "price=Px"])
    {'trade_id': 'Deal No', 'price': 'Px'}
    """
    found: dict[str, str] = {}
    for text in said:
        ours, separator, theirs = text.partition("=")
        if not separator or not theirs:
            raise UsageError(f"--column {shown(text)}: write OURS=THEIRS, such as trade_id='Deal No'.")
        if ours not in COLUMNS:
            raise UsageError(f"--column {shown(text)}: {shown(ours)} is not a column; known: {', '.join(COLUMNS)}.")
        if ours in found:
            raise UsageError(f"--column {shown(text)}: {ours} is named twice.")
        found[ours] = theirs
    return found


def read_trades(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    rules: ReadingRules | None = None,
    hides: Callable[[str], bool] = lambda name: False,
) -> TradesFile:
    """Read a trades file.

    Args:
        path: CSV (also gzipped) or Parquet; its name gives the format.
        columns: The file's name of each column that it calls otherwise.
        rules: How its cells are written, by the names of the rules' columns; by default plainly, with ISO dates.
        hides: Whether nothing that is said of the trades quotes a cell of a column, by its name here or in the file.
    Raises:
        TableError: The file cannot be used; file, place, column, value and fix are named.
        UsageError: A named column is not in the file.
    """
    begins(f"reading {path.name}")
    source = inspect(path)
    pieces = pieces_of(source)
    theirs = _theirs(path, pieces.names, columns or {})
    rules = rules or ReadingRules()
    rules.require_known(theirs)
    kinds = {name: KINDS[kind] for name, kind in COLUMNS.items() if kind in KINDS}
    columns_read = {name: _Column(name, theirs[name], COLUMNS[name], replace(rules, kinds=kinds)) for name in theirs}
    n_rows = 0
    for piece in pieces.read(tuple(dict.fromkeys(theirs.values()))):
        for column in columns_read.values():
            column.take(path, piece[column.written], n_rows, pieces.place_of)
        n_rows += len(next(iter(piece.values())))
        if n_rows > MOST_TRADES:
            raise TableError(path, f"it has more than {MOST_TRADES:,} trades", "Split it by book or by time.")
        begins(f"reading {path.name}: {n_rows:,} trades")
    source.require_unchanged()
    missing = tuple(name for name in COLUMNS if name not in theirs)
    withheld = frozenset(ours for ours, written in theirs.items() if hides(ours) or hides(written))
    trades = replace(_joined(columns_read), withheld=withheld)
    if (row := trades.ends_too_early) is not None:
        start, end = (trades.days[name][row] for name in ("delivery_start", "delivery_end"))
        problem, fault = (
            f"{end} is before {shown(theirs['delivery_start'])}, {start}",
            f"a day is before that of {shown(theirs['delivery_start'])}",
        )
        raise TableError(
            path,
            fault if withheld & {"delivery_start", "delivery_end"} else problem,
            "Correct one of them.",
            place=pieces.place_of(row),
            column=theirs["delivery_end"],
            fault=fault,
        )
    return TradesFile(trades, missing, pieces.notes, source.sha256)


def _theirs(path: Path, names: Sequence[str], said: Mapping[str, str]) -> dict[str, str]:
    """Return the file's name of each of our columns that it has."""
    for ours, theirs in said.items():
        if theirs not in names:
            raise UsageError(
                f"--column {ours}={shown(theirs)}: {path} has no column {shown(theirs)}; it has "
                f"{', '.join(shown(name) for name in names[:30])}."
            )
    found = {name: said.get(name, name) for name in COLUMNS if said.get(name, name) in names}
    if missing := [name for name in ESSENTIAL if name not in found]:
        raise TableError(
            path,
            f"there is no column {missing[0]}; {', '.join(ESSENTIAL)} are always needed",
            f"Add it, or name yours: --column {missing[0]}=NAME.",
        )
    return found


@dataclass(slots=True)
class _Column:
    """A column under construction."""

    name: str
    written: str
    kind: TradeColumnKind
    rules: ReadingRules
    parts: list[Any] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)

    def take(self, path: Path, cells: pa.Array, first_row: int, place_of: Any) -> None:
        """Add the cells of a piece."""

        def complain(problem: str, cure: str, column: str, row: int, *, cell: str = "", fault: str = "") -> TableError:
            return TableError(
                path, problem, cure, column=column, place=place_of(first_row + row), cell=cell, fault=fault
            )

        if self.kind in KINDS:
            self.parts.append(self._values(cells, complain))
            return
        cells = _trimmed(cells)
        longest = int(np.argmax(pc.fill_null(pc.utf8_length(cells), 0).to_numpy())) if len(cells) else 0
        if len(cells) and len(str(cells[longest].as_py() or "")) > MOST_WORD_CHARACTERS:
            problem = f"{shown(cells[longest].as_py(), most=20)} is longer than {MOST_WORD_CHARACTERS} characters"
            raise complain(problem, "Shorten it.", self.written, longest)
        if self.kind == "id":
            if cells.null_count:
                empty = int(np.flatnonzero(pc.is_null(cells).to_numpy(zero_copy_only=False))[0])
                raise complain("the cell is empty", "Give every trade an id.", self.written, empty)
            self.parts.append(cells)
        elif self.kind == "mark":
            self.parts.append(pc.is_valid(cells).to_numpy(zero_copy_only=False).astype(np.int8))
        else:
            self.parts.append(self._labelled(cells))

    def _values(self, cells: pa.Array, complain: Complain) -> AnyArray:
        found = read_text(self.written, pa.chunked_array([cells]), complain, self.rules.of(self.name))
        if found.doubt is not None:
            raise found.doubt.error
        if found.form.order and not self.rules.of(self.name).order:
            # What this piece showed of the order of day and month holds for the rest of the file.
            forms = {**self.rules.forms, self.name: found.form}
            self.rules = replace(self.rules, forms=forms)
        values = found.values.to_numpy()
        if self.kind == "flag":
            return np.where(np.isnan(values), -1, values).astype(np.int8)
        if self.kind == "number":
            return np.asarray(values, dtype=np.float64)
        return values.astype("datetime64[s]" if self.kind == "instant" else "datetime64[D]")

    def _labelled(self, cells: pa.Array) -> AnyArray:
        encoded = cells.dictionary_encode()
        places = [self.codes.setdefault(word, len(self.codes)) for word in encoded.dictionary.to_pylist()]
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return narrow(np.array([*places, -1], dtype=np.int64)[codes], len(self.codes))

    def joined(self) -> Any:
        """Return the whole column, and let go of its parts."""
        parts, self.parts = self.parts, []
        if self.kind == "id":
            return pa.chunked_array(parts)
        values = np.concatenate(parts)
        if self.kind == "word":
            return WordColumn(values, tuple(self.codes))
        if self.kind == "lei":
            valid = np.array([is_lei(word) for word in self.codes], dtype=np.bool_)
            return WordColumn(values, tuple(self.codes)).spread(valid, False).astype(np.int8)
        return values


def _trimmed(cells: pa.Array) -> pa.Array:
    cells = pc.utf8_trim_whitespace(cells)
    return pc.if_else(pc.is_in(cells, pa.array(EMPTY_WORDS)), None, cells)


def _joined(columns: Mapping[str, _Column]) -> TradeColumns:
    parts: dict[TradeColumnKind, dict[str, Any]] = {}
    for name, column in columns.items():
        parts.setdefault(column.kind, {})[name] = column.joined()
    return TradeColumns.by_kind(parts)
