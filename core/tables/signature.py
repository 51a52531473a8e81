"""A model's inputs and outputs: the columns with their kinds, ranges and levels. Written once, checked from then on.

The signature is inferred from the training rows and stored as `signature.json` in the artifact. A value of
the wrong kind, or a gap in a column that never had one, is refused; a number outside the range or an unseen level
is answered and counted, since live data contains such values, and drift monitoring watches them.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from numbers import Real
from pathlib import Path
from typing import Any

import msgspec

from core.escape import shown
from core.json_documents import decode_json
from core.settings.protection import Sensitivity
from core.settings.sealing import read_content
from core.tables.errors import InputError, TableError

SIGNATURE_NAME = "signature.json"
TEXT_TASK = "text"  # of a model of language, whose signature has no columns


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


class ColumnForm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the text of a column was written, where that is more than plain numbers, words or ISO dates.

    Attributes:
        decimal: The decimal mark that its cells show.
        thousands: The thousands separator.
        unit: The unit at every number, such as % or $; the model reads the number as written.
        scales: What stands for thousands, millions and billions, such as k and M; the model reads the whole number.
        time: Of times that are read as numbers: `clock`, in minutes of the day, or `duration`, in seconds.
        order: Of a date: `day-first` or `month-first`.
        missing: Words that stand for an empty cell in this column.
    """

    decimal: str = ""
    thousands: str = ""
    unit: str = ""
    scales: tuple[str, ...] = ()
    time: str = ""
    order: str = ""
    missing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        marks = self.decimal == "," or self.thousands or self.unit or self.scales
        return bool(marks or self.time or self.order or self.missing)


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
    """The number of valid values unlike any in the model's training data, by column.

    Attributes:
        out_of_range: Numbers outside the range.
        unseen_levels: Unknown levels of a category.
        decimals: Numbers with decimals in a column of whole numbers.
        missing: Empty cells in a column that had none.
    """

    out_of_range: dict[str, int] = {}
    unseen_levels: dict[str, int] = {}
    decimals: dict[str, int] = {}
    missing: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.out_of_range or self.unseen_levels or self.decimals or self.missing)

    def sentences(self) -> list[str]:
        """Tell each number in a sentence."""
        told = (
            (self.out_of_range, "{n} of {name} outside the range of the training data"),
            (self.unseen_levels, "{n} of {name} in no category of the training data"),
            (self.decimals, "{n} of {name} with decimals, where the training data has whole numbers"),
        )
        found = [
            text.format(n=f"{n:,} values" if n != 1 else "1 value", name=name)
            for by_name, text in told
            for name, n in by_name.items()
        ]
        for name, n in self.missing.items():
            cells = f"{n:,} cells of {name} are" if n != 1 else f"1 cell of {name} is"
            found.append(f"{cells} empty, where the training data had no empty cell; read as missing")
        return found


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
    forms: dict[str, ColumnForm] = {}  # of columns whose text is more than plain numbers, words or ISO dates
    missing_words: tuple[str, ...] = ()  # the user's own words for an empty cell, in every column
    # Of each column, if the settings classified any when the version was made.
    sensitivity: dict[str, Sensitivity] | msgspec.UnsetType = msgspec.UNSET

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
        return decode_json(content, type=cls)

    @classmethod
    def read(cls, folder: Path) -> "TableSignature | None":
        """Read the signature of an artifact, if it has one of rows: that of a model of language has none.

        Raises:
            TableError: The signature cannot be read.
        """
        path = folder / SIGNATURE_NAME
        try:
            content = read_content(path, follow_links=True)
            return None if is_of_texts(content) else cls.from_bytes(content)
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
        decimals: dict[str, int] = {}
        for column in self.columns:
            levels = frozenset(column.levels)
            for position, row in enumerate(rows):
                value = _checked(column, row, position)
                if value is None:
                    continue
                if isinstance(value, str):
                    if levels and value not in levels:
                        unseen[column.name] = unseen.get(column.name, 0) + 1
                    continue
                if not _within(column, value):
                    out_of_range[column.name] = out_of_range.get(column.name, 0) + 1
                if column.kind is ColumnKind.INTEGER and not value.is_integer():
                    decimals[column.name] = decimals.get(column.name, 0) + 1
        return InputNotes(out_of_range=out_of_range, unseen_levels=unseen, decimals=decimals)

    def _interface(self) -> tuple[object, ...]:
        number_like = {ColumnKind.INTEGER: ColumnKind.NUMBER}  # a wider number is the same interface
        columns = tuple((column.name, number_like.get(column.kind, column.kind)) for column in self.columns)
        return self.task, self.target, self.classes, columns


class _TaskAlone(msgspec.Struct, frozen=True):
    task: str = ""


def is_of_texts(content: bytes) -> bool:
    """Return whether the bytes of a signature are those of a model of language.

    >>> is_of_texts(b'{"task": "text"}'), is_of_texts(b'{"task": "regression"}')
    (True, False)
    """
    return decode_json(content, type=_TaskAlone).task == TEXT_TASK


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
    if column.kind is ColumnKind.FLAG and number not in (0.0, 1.0):
        raise InputError(f"{shown(value)} is neither true nor false", "Give true or false.", column=name, row=position)
    return number


def _within(column: ColumnSignature, value: float) -> bool:
    above = column.least is None or value >= column.least
    return above and (column.most is None or value <= column.most)
