"""The signature of a model whose columns have names that a typed decoder cannot take: quotes, backslashes, line breaks.

A request is decoded without types first. Its values then get our own names by position, and are checked as usual;
errors name the user's column.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from typing_extensions import override

from core.json_documents import converted
from core.models.scoring.fields import Field, Rows
from core.serving.errors import BadRequestError
from core.serving.signature import ServingSignature, Unreadable

_REFUSED = re.compile(r'["\\\x00-\x1f]')
_OWN_NAME = re.compile(r"(?<![A-Za-z0-9_])f(?P<number>[0-9]+)(?![A-Za-z0-9_])")


class RenamedSignature(ServingSignature):
    """Reads requests by the user's names, and decodes them by position."""

    def __init__(self, fields: Sequence[Field], *, output: str = "prediction", unit: str = "") -> None:
        super().__init__(fields, output=output, unit=unit)
        self._own = {field.name: f"f{number}" for number, field in enumerate(self.fields)}
        self._row, self._columns = self.row, self.columns
        self.row = self.columns = dict[str, Any]

    @override
    def _definition(self, type_of: Callable[[Field], Any]) -> list[Any]:
        return [
            (f"f{number}", type_of(field)) if field.required else (f"f{number}", type_of(field) | None, None)
            for number, field in enumerate(self.fields)
        ]

    @override
    def n_keys(self, objects: Sequence[Any]) -> int:
        return sum(map(len, objects))

    @override
    def from_rows(self, rows: Sequence[Any]) -> Rows:
        try:
            found = [converted(self._renamed(row), self._row) for row in rows]
        except msgspec.ValidationError as error:
            raise self.explained(error) from None
        return super().from_rows(found)

    @override
    def from_columns(self, columns: Any) -> Rows:
        """Convert columns by the user's names.

        Raises:
            BadRequestError: The columns have different lengths.
            msgspec.ValidationError: A value does not fit its field.
        """
        return super().from_columns(converted(self._renamed(columns), self._columns))

    @override
    def explained(self, error: Unreadable, content: bytes = b"") -> BadRequestError:
        if not isinstance(error, msgspec.ValidationError):
            return super().explained(error, content)
        # Our own names are the only words of this form in a message of the decoder.
        problem, at, path = str(error).rpartition(" - at `")
        name = _OWN_NAME.search(path if at else str(error)) or _OWN_NAME.search(str(error))
        if name is None or int(name["number"]) >= len(self.fields):
            return super().explained(error)
        field = self.fields[int(name["number"])]
        if "missing required field" in str(error):
            return BadRequestError("is missing", field=field.name)
        return BadRequestError(self.described_problem(problem or str(error), field), field=field.name)

    def _renamed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {own: values[name] for name, own in self._own.items() if name in values}


def signature_of(fields: Sequence[Field], *, unit: str = "") -> ServingSignature:
    """Make the signature of some fields: the fast one, unless a name rules it out."""
    kind = RenamedSignature if any(_REFUSED.search(field.name) for field in fields) else ServingSignature
    return kind(fields, unit=unit)
