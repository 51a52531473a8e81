"""The named values of a model's requests, and the checked rows of a request."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from core.arrays import FloatArray
from core.settings.protection import Sensitivity
from core.tables.signature import ColumnKind as TableKind
from core.tables.signature import TableSignature

Kind = Literal["float", "int", "bool", "category", "text", "date"]
NUMERIC: frozenset[str] = frozenset({"float", "int", "bool"})

_KINDS: dict[TableKind, Kind] = {
    TableKind.NUMBER: "float",
    TableKind.INTEGER: "int",
    TableKind.FLAG: "bool",
    TableKind.CATEGORY: "category",
    TableKind.TIME: "date",
}


class Field(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One named value of a row."""

    name: str
    kind: Kind
    unit: str = ""
    least: float | None = None
    most: float | None = None
    nullable: bool = False
    required: bool = True
    categories: tuple[str, ...] = ()
    strict: bool = True  # whether limits and categories are enforced; else they only describe the training data
    sensitivity: Sensitivity | None = None  # as it was when the version was made; None if nothing was classified


class Rows(NamedTuple):
    """Checked rows: numbers as a matrix, all other values as text."""

    numbers: FloatArray  # shape (n, n_numbers), NaN for a missing value
    texts: Sequence[Any]  # per row a tuple of texts or None; for an open signature the whole row by name

    def __len__(self) -> int:
        return len(self.numbers)


def numbers_first(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Put fields in the order of `Rows`: the numbers, then the texts."""
    return (*(f for f in fields if f.kind in NUMERIC), *(f for f in fields if f.kind not in NUMERIC))


def fields_of(signature: TableSignature) -> list[Field]:
    """Turn the columns of a model's training data into fields; their ranges and levels are not enforced."""
    classes = signature.sensitivity or {}
    return [
        Field(
            name=column.name,
            kind=_KINDS[column.kind],
            least=column.least,
            most=column.most,
            nullable=column.allows_missing,
            categories=column.levels,
            strict=False,
            sensitivity=classes.get(column.name),
        )
        for column in signature.columns
    ]
