"""Rows of a table model: its signature as fields of requests, and checked rows as the matrix its learner reads."""

from typing import Any

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.serving.signature import Field, Kind, Rows, Signature
from core.tables.signature import Kind as TableKind
from core.tables.signature import Signature as TableSignature

_KINDS: dict[TableKind, Kind] = {
    TableKind.NUMBER: "float",
    TableKind.INTEGER: "int",
    TableKind.FLAG: "bool",
    TableKind.CATEGORY: "category",
    TableKind.TIME: "date",
}


def table_signature(signature: TableSignature) -> Signature:
    """Turn the signature of a table model into fields of requests."""
    return Signature(
        [
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
    )


class TableRows:
    """Lays rows out as `core.domains.table.models.encoding` lays tables out, without making a table of them.

    Args:
        signature: Of the model; none of its columns may be a time.
    """

    def __init__(self, signature: TableSignature) -> None:
        self.n_columns = len(signature.columns)
        is_text = [column.kind is TableKind.CATEGORY for column in signature.columns]
        self._numbers_at = np.flatnonzero(np.logical_not(is_text))
        self._codes_at = [
            (position, {level: float(code) for code, level in enumerate(signature.columns[position].levels)})
            for position in np.flatnonzero(is_text).tolist()
        ]

    def read_one(self, numbers: FloatArray, texts: Any, into: AnyArray) -> None:
        """Lay one row out in a buffer of shape (n_columns,)."""
        into[self._numbers_at] = numbers
        for (position, codes), text in zip(self._codes_at, texts, strict=True):
            into[position] = codes.get(text, np.nan)

    def matrix(self, rows: Rows) -> FloatArray:
        """Lay rows out, shape (n, n_columns)."""
        out = np.empty((len(rows), self.n_columns))
        for row, numbers, texts in zip(out, rows.numbers, rows.texts, strict=True):
            self.read_one(numbers, texts, row)
        return out
