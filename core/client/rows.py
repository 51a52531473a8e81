"""Conversion of a caller's rows to the form of a dialect: records, columns by name, or a matrix of numbers."""

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from core.client.errors import RejectedError

InputRow = Mapping[str, Any]

_MISSING = ("NAType", "NaTType")
"""pandas' own missing values, known by their names: pandas itself need not be installed."""


class RequestRows:
    """The rows of one request, in exactly one of two forms.

    Attributes:
        records: By field name.
        matrix: Numbers in the model's own order of columns.
    """

    def __init__(self, given: InputRow | Iterable[InputRow] | Sequence[Sequence[float]] | Any) -> None:
        """Convert one row, several rows, or a matrix (also NumPy's).

        Raises:
            RejectedError: There are no rows, or they have different kinds or lengths.
        """
        self.records: list[dict[str, Any]] | None = None
        self.matrix: list[list[float]] | None = None
        if isinstance(given, Mapping):
            rows: list[Any] = [given]
        else:
            rows = given.tolist() if hasattr(given, "tolist") else list(given)
        if not rows:
            raise RejectedError("There are no rows to predict.")
        if all(isinstance(row, Mapping) for row in rows):
            self.records = [{str(name): _plain(value) for name, value in row.items()} for row in rows]
            return
        rows = [row.tolist() if hasattr(row, "tolist") else row for row in rows]
        if not all(isinstance(row, list | tuple) for row in rows):
            raise RejectedError("All rows must be mappings by field name, or all must be sequences of numbers.")
        self.matrix = [[_plain(value) for value in row] for row in rows]
        if len({len(row) for row in self.matrix}) > 1:
            raise RejectedError("The rows of the matrix have different lengths.")

    def __len__(self) -> int:
        return len(self.records if self.records is not None else self.matrix or ())

    def columns(self) -> dict[str, list[Any]]:
        """Return records as columns.

        Raises:
            RejectedError: A row lacks a field that another has.
        """
        assert self.records is not None
        names = list(self.records[0])
        for number, record in enumerate(self.records):
            if odd := set(record).symmetric_difference(names):
                name = min(odd)
                raise RejectedError(
                    f"The field {name} is in some rows and not in others (row {number}). Give every row the same "
                    "fields, with None for a missing value.",
                    field=name,
                )
        return {name: [record[name] for record in self.records] for name in names}


def to_json(content: Any, rows: RequestRows) -> bytes:
    """Encode the body of a request.

    Args:
        content: The body.
        rows: The rows that it holds.
    Raises:
        RejectedError: A value cannot be sent; the message names its field and row.
    """
    try:
        return orjson.dumps(content)
    except TypeError as error:
        for number, record in enumerate(rows.records or ()):
            for name, value in record.items():
                if problem := _problem(value):
                    raise RejectedError(
                        f"The field {name} holds a value that cannot be sent (row {number}): {problem}.", field=name
                    ) from None
        raise RejectedError(f"The rows hold a value that cannot be sent: {error}.") from None


def _problem(value: Any) -> str:
    """Say why a value cannot be sent; empty if it can."""
    try:
        orjson.dumps(value)
    except TypeError as error:
        return str(error)
    return ""


def _plain(value: Any) -> Any:
    """Convert a value to a JSON type: NumPy scalars are unwrapped; NaN, NaT and pandas' NA become None."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return None
        raise RejectedError("A value is infinite; models accept finite values only.")
    if type(value).__name__ in _MISSING and type(value).__module__.startswith("pandas."):
        return None
    if isinstance(value, Decimal):
        return _plain(float(value))
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value
