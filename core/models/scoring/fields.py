"""The named values that a model wants to be asked with, and the rows of a request once they have been checked."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from core.arrays import FloatArray
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
    strict: bool = True  # whether limits and categories are rules; else they only tell what the model has learned from


class Rows(NamedTuple):
    """Rows that have been checked: numbers as a matrix, everything else as text."""

    numbers: FloatArray  # shape (n, n_numbers), NaN where a row has none
    texts: Sequence[Any]  # per row a tuple of texts or None; of an open signature the whole row by name

    def __len__(self) -> int:
        return len(self.numbers)


def numbers_first(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Put fields in the order of `Rows`: the numbers, then the texts."""
    return (*(f for f in fields if f.kind in NUMERIC), *(f for f in fields if f.kind not in NUMERIC))


def fields_of(signature: TableSignature) -> list[Field]:
    """Turn the columns that a model has learned from into fields; their ranges and levels are no rules."""
    return [
        Field(
            name=column.name,
            kind=_KINDS[column.kind],
            least=column.least,
            most=column.most,
            nullable=column.allows_missing,
            categories=column.levels,
            strict=False,
        )
        for column in signature.columns
    ]
