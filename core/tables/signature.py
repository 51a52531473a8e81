"""A model's inputs and outputs: the columns with their kinds, ranges and levels. Written once, checked from then on.

The signature is inferred from the training rows and stored as `signature.json` in the artifact. A value of
the wrong kind, or a gap in a column that never had one, is refused; a number outside the range or an unseen level
is answered and counted, since live data contains such values, and drift monitoring watches them.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import msgspec

from core.tables.errors import InputError, TableError, shown

SIGNATURE_NAME = "signature.json"


class ColumnKind(StrEnum):
    """The kind of a column's values."""

    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"
    CATEGORY = "category"
    TIME = "time"


class Task(StrEnum):
    """The kind of prediction."""

    REGRESSION = "regression"
    CLASSIFICATION = "classification"
    ANOMALY = "anomaly"


NUMERIC = frozenset({ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.FLAG})
DTYPES = {
    ColumnKind.NUMBER: "float64",
    ColumnKind.INTEGER: "int64",
    ColumnKind.FLAG: "bool",
    ColumnKind.CATEGORY: "string",
    ColumnKind.TIME: "date",
}


class ColumnSignature(msgspec.Struct, frozen=True, kw_only=True):
    """One column that the model reads."""

    name: str
    kind: ColumnKind = msgspec.field(name="type")
    allows_missing: bool
    least: float | None = None
    most: float | None = None
    levels: tuple[str, ...] = ()  # of a category, sorted; empty where any text is allowed
    common: tuple[str, ...] = ()  # of the levels, the most frequent in the training rows first, at most twelve
    quantiles: tuple[float, ...] = ()  # of a number in the training rows, at 5 %, 10 % … 95 %

    @property
    def dtype(self) -> str:
        """The kind's name in tables and inference protocols."""
        return DTYPES[self.kind]


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One value of the model's answer for a row."""

    name: str
    type: str


class IgnoredColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the training table that the model does not read, and why."""

    name: str
    reason: str


class InputNotes(msgspec.Struct, frozen=True, kw_only=True):
    """The number of valid values unlike any in the model's training data, by column."""

    out_of_range: dict[str, int] = {}
    unseen_levels: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.out_of_range or self.unseen_levels)


class TableSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A model's inputs and outputs; `inputs` and `outputs` in the file."""

    task: Task
    target: str | None  # None for anomalies without labels
    target_kind: ColumnKind | None = None
    classes: tuple[str, ...] = ()  # of a classification, in the order of the probabilities
    group: str | None = None
    time: str | None = None
    columns: tuple[ColumnSignature, ...] = msgspec.field(name="inputs")
    outputs: tuple[Output, ...] = ()
    ignored: tuple[IgnoredColumn, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that the model reads, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """The kind of each column that the model reads."""
        return {column.name: column.kind for column in self.columns}

    def to_bytes(self) -> bytes:
        """Return the canonical form of this signature."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2) + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> "TableSignature":
        """Read a signature.

        Raises:
            msgspec.DecodeError: It is not a signature.
        """
        return msgspec.json.decode(content, type=cls)

    @classmethod
    def read(cls, folder: Path) -> "TableSignature | None":
        """Read the signature of an artifact, if it has one.

        Raises:
            TableError: The signature cannot be read.
        """
        path = folder / SIGNATURE_NAME
        try:
            return cls.from_bytes(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise TableError(
                path, f"it cannot be read ({error})", "Restore the artifact, or register it again."
            ) from error

    def reads_the_same(self, other: "TableSignature") -> bool:
        """Return whether a caller of one model can call the other: same task, names, kinds and classes."""
        return self._interface() == other._interface()

    def require_columns(self, present: Sequence[str]) -> None:
        """Make sure that all columns are there.

        Raises:
            InputError: A column is missing; a similar name is suggested.
        """
        for name in self.names:
            if name not in present:
                spare = [other for other in present if other not in self.names]
                nearest = difflib.get_close_matches(name, spare, n=1)
                hint = f"Is it {shown(nearest[0])}?" if nearest else f"The model reads: {', '.join(self.names)}."
                raise InputError("it is missing", hint, column=name)

    def check(self, rows: Sequence[Mapping[str, Any]]) -> InputNotes:
        """Check rows of plain values, as sent in a request; columns beyond the signature are ignored.

        Returns:
            Valid values unlike any in the model's training data.
        Raises:
            InputError: A value is missing, of the wrong kind or not finite; row and column are named.
        """
        out_of_range: dict[str, int] = {}
        unseen: dict[str, int] = {}
        for column in self.columns:
            levels = frozenset(column.levels)
            for position, row in enumerate(rows):
                value = _checked(column, row, position)
                if value is None:
                    continue
                if isinstance(value, str):
                    if levels and value not in levels:
                        unseen[column.name] = unseen.get(column.name, 0) + 1
                elif not _within(column, value):
                    out_of_range[column.name] = out_of_range.get(column.name, 0) + 1
        return InputNotes(out_of_range=out_of_range, unseen_levels=unseen)

    def _interface(self) -> tuple[object, ...]:
        number_like = {ColumnKind.INTEGER: ColumnKind.NUMBER}  # a wider number is the same interface
        columns = tuple((column.name, number_like.get(column.kind, column.kind)) for column in self.columns)
        return self.task, self.target, self.classes, columns


def _checked(column: ColumnSignature, row: Mapping[str, Any], position: int) -> float | str | None:
    name = column.name
    if name not in row:
        raise InputError("it is missing", "Give every column of the signature.", column=name, row=position)
    value = row[name]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        if not column.allows_missing:
            cure = "Give a value: this column was never empty in the model's training data."
            raise InputError("it is empty", cure, column=name, row=position)
        return None
    if column.kind in (ColumnKind.CATEGORY, ColumnKind.TIME):
        if not isinstance(value, str):
            raise InputError(f"{shown(value)} is not text", "Give text in quotes.", column=name, row=position)
        return value
    if isinstance(value, bool) and column.kind is not ColumnKind.FLAG:
        raise InputError(f"{shown(value)} is not a number", "Give a number.", column=name, row=position)
    if not isinstance(value, Real):
        raise InputError(f"{shown(value)} is not a number", "Give a number.", column=name, row=position)
    number = float(value)
    if not math.isfinite(number):
        raise InputError(f"{shown(value)} is not finite", "Leave it empty instead.", column=name, row=position)
    if column.kind is ColumnKind.INTEGER and not (isinstance(value, Integral) or number.is_integer()):
        raise InputError(f"{shown(value)} is not a whole number", "Give a whole number.", column=name, row=position)
    if column.kind is ColumnKind.FLAG and number not in (0.0, 1.0):
        raise InputError(f"{shown(value)} is neither true nor false", "Give true or false.", column=name, row=position)
    return number


def _within(column: ColumnSignature, value: float) -> bool:
    above = column.least is None or value >= column.least
    return above and (column.most is None or value <= column.most)
