"""The fields that a model reads, and decoders that check a request against them in one C pass.

A request is decoded straight into typed structs made from the signature, so that a wrong name, type, range or
category is found by the parser itself, and is named with its path in the request.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from typing_extensions import override

from core.escape import shown
from core.explain.deny_list import NONE_DENIED, DenyList
from core.json_documents import converted
from core.models.scoring.fields import NUMERIC, Field, Kind, Rows
from core.serving.decoding import syntax_problem
from core.serving.errors import BadRequestError, CallerFaultError, NotJsonError

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""The errors of a decoder on a bad request; a deeply nested request raises `RecursionError`."""

Unreadable = msgspec.DecodeError | RecursionError | UnicodeDecodeError

_PATH = re.compile(r"^(?P<problem>.*?)(?: - at `\$?(?P<path>.*)`)?$", flags=re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")
_INDICES = re.compile(r"(?:\[(?:[0-9]+|\.\.\.)\])+$")
_MAX_CHOICES = 30
_VAST = 1e30  # no measurement is larger; a linear model overflows at its square
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_LIMIT = re.compile(r" [<>]=? \S+$")
_OF_FLAG = re.compile(r"expected (bool \| float|float(?: that's a multiple of 1\.0)?)")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def _type_of(field: Field) -> Any:
    """Return the type against which a decoder checks the values of a field."""
    if field.kind in ("float", "int"):
        limits: dict[str, Any] = {}
        if field.strict:  # else whole numbers of the training data may have decimals now: they are counted
            limits = {"multiple_of": 1 if field.kind == "int" else None, "ge": field.least, "le": field.most}
        found: Any = Annotated[float, Meta(**{key: limit for key, limit in limits.items() if limit is not None})]
    elif field.kind == "bool":
        found = bool | Annotated[float, Meta(ge=0, le=1, multiple_of=1)]  # 1.0 is the 1 of a table of numbers
    elif field.kind == "date":
        found = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}")]
    else:
        found = Literal[field.categories] if field.categories and field.strict else str
    return found | None if field.nullable or not field.required else found


class ServingSignature:
    """The fields of a model, numbers first.

    Attributes:
        numbers: The numeric fields, in the order of `Rows.numbers`.
        texts: The other fields, in the order of `Rows.texts`.
        row: A struct of one row.
        columns: A struct of the same fields, each with a list of values.
        classes: Of a classification: the names of its classes, in the order of their probabilities.
        denied: Returns the columns whose ranges, categories and values no refusal shows.
    """

    is_open = False  # whether it takes any fields
    writes_texts = False  # whether it answers texts, at paths of their own

    def __init__(self, fields: Sequence[Field], *, output: str = "prediction", unit: str = "") -> None:
        self.numbers = tuple(field for field in fields if field.kind in NUMERIC)
        self.texts = tuple(field for field in fields if field.kind not in NUMERIC)
        self.fields = (*self.numbers, *self.texts)
        self.output = output
        self.unit = unit
        self.classes: tuple[str, ...] = ()
        self.denied: Callable[[], DenyList] = lambda: NONE_DENIED
        self._n_numbers = len(self.numbers)
        self._is_all_required = all(field.required for field in self.fields) and bool(self.fields)
        self._loose = [field for field in self.fields if not field.strict]
        self._least = np.array([-np.inf if field.least is None else field.least for field in self.numbers])
        self._is_whole = np.array([field.kind == "int" and not field.strict for field in self.numbers], dtype=np.bool_)
        self._most = np.array([np.inf if field.most is None else field.most for field in self.numbers])
        self.row: Any = msgspec.defstruct("Row", self._definition(_type_of), kw_only=True)
        self.columns: Any = msgspec.defstruct(
            "Columns", self._definition(lambda field: list.__class_getitem__(_type_of(field))), kw_only=True
        )

    def _definition(self, type_of: Any) -> list[Any]:
        # Attributes are numbered, since a column of a user's table may have any name.
        return [
            (
                f"f{number}",
                type_of(field) if field.required else type_of(field) | None | msgspec.UnsetType,
                msgspec.field(name=field.name)
                if field.required
                else msgspec.field(name=field.name, default=msgspec.UNSET),  # an absent key differs from a null
            )
            for number, field in enumerate(self.fields)
        ]

    @property
    def demands(self) -> tuple[object, ...]:
        """What decides whether a request is read or refused: two signatures with the same demands read the same."""
        return tuple(
            (field.name, field.kind, field.nullable, field.required)
            + ((field.least, field.most, field.categories) if field.strict else ())
            for field in self.fields
        ) or (type(self),)

    @property
    def described_fields(self) -> tuple[Field, ...]:
        """The fields as they are shown: those denied or masked without their ranges and categories."""
        denied = self.denied()
        return tuple(
            msgspec.structs.replace(field, least=None, most=None, categories=())
            if denied.hides_values(field.name)
            else field
            for field in self.fields
        )

    @property
    def output_shape(self) -> list[int]:
        """The shape of the answers; -1 stands for the number of rows.

        A probability for each class, if there are three or more; else one number a row, which is the probability of the
        second of two classes.
        """
        return [-1] if len(self.classes) <= 2 else [-1, len(self.classes)]

    def from_rows(self, rows: Sequence[msgspec.Struct]) -> Rows:
        """Convert decoded rows."""
        if len(rows) == 1:
            only = self._cells(rows[0])
            return Rows(np.array((only[: self._n_numbers],), dtype=np.float64), (only[self._n_numbers :],))
        tuples = [self._cells(row) for row in rows]
        n = self._n_numbers
        numbers = np.array([row[:n] for row in tuples], dtype=np.float64).reshape(len(tuples), n)
        return Rows(numbers, [row[n:] for row in tuples])

    def n_keys(self, objects: Sequence[Any]) -> int:
        """Return how many different known keys decoded rows, or decoded columns, have."""
        n_all = len(self.fields) * len(objects)
        if self._is_all_required:
            return n_all
        return n_all - sum(msgspec.structs.astuple(found).count(msgspec.UNSET) for found in objects)

    def _cells(self, found: msgspec.Struct) -> tuple[Any, ...]:
        """Return the values of a decoded row, or of decoded columns; None for an absent one."""
        values: tuple[Any, ...] = msgspec.structs.astuple(found)
        if self._is_all_required or msgspec.UNSET not in values:
            return values
        return tuple(None if value is msgspec.UNSET else value for value in values)

    def from_columns(self, columns: msgspec.Struct) -> Rows:
        """Convert decoded columns.

        Raises:
            BadRequestError: The columns have different lengths.
        """
        found = self._cells(columns)
        if self._is_all_required and set(map(len, found)) == {1}:
            cells = [column[0] for column in found]
            return Rows(np.array((cells[: self._n_numbers],), dtype=np.float64), (tuple(cells[self._n_numbers :]),))
        given = [len(column) for column in found if column is not None]
        n_rows = given[0] if given else 0
        for field, column in zip(self.fields, found, strict=True):
            if column is not None and len(column) != n_rows:
                raise BadRequestError(
                    f"has {len(column)} values where {self.fields[0].name} has {n_rows}", field=field.name
                )
        full = [column if column is not None else [None] * n_rows for column in found]
        numbers = np.array(full[: self._n_numbers], dtype=np.float64).reshape(self._n_numbers, n_rows).T
        texts = list(zip(*full[self._n_numbers :], strict=True)) if self.texts else [()] * n_rows
        return Rows(np.ascontiguousarray(numbers), texts)

    def n_unfamiliar(self, rows: Rows) -> dict[str, int]:
        """Count, by field, valid values outside the training data: out of range, new decimals, an unknown category.

        Those of denied fields are not counted, not even together: who asks a row at a time sees the count rise where
        the range ends.
        """
        if not self._loose:
            return {}
        outside = np.count_nonzero((rows.numbers < self._least) | (rows.numbers > self._most), axis=0)
        outside += np.count_nonzero(
            self._is_whole
            & (rows.numbers != np.floor(rows.numbers))
            & ~np.isnan(rows.numbers)
            & (rows.numbers >= self._least)
            & (rows.numbers <= self._most),
            axis=0,
        )
        found = {field.name: int(n) for field, n in zip(self.numbers, outside, strict=True) if n}
        for position, field in enumerate(self.texts):
            if field.kind == "category" and field.categories:
                n = sum(1 for row in rows.texts if row[position] is not None and row[position] not in field.categories)
                found |= {field.name: n} if n else {}
        return self.denied().visible(found) if found else found

    def check_familiar(self, rows: Rows) -> None:
        """Refuse rows with a number that the training data rules out; called if the model has no finite answer to them.

        Raises:
            CallerFaultError: The first such number.
        """
        for position, field in enumerate(self.numbers):
            column = rows.numbers[:, position]
            least = -_VAST if field.least is None else field.least
            most = _VAST if field.most is None else field.most
            outside = column[(column < least) | (column > most)]
            if len(outside):
                limits = "" if self.denied().hides_values(field.name) else f" ({least:g} to {most:g})"
                raise CallerFaultError(
                    f"has {self.quoted(field.name, f'{outside[0]:g}')}, far from the training data{limits}: the model "
                    "has no finite answer",
                    field=field.name,
                )

    def convert_one(self, cells: Mapping[str, Any]) -> Rows | None:
        """Check one row that was decoded without types, and convert it; None if it does not fit the fields."""
        try:
            return self.from_rows((converted(cells, self.row),))
        except (msgspec.ValidationError, BadRequestError):
            return None

    def convert_columns(self, columns: Mapping[str, list[Any]]) -> Rows:
        """Check columns that were decoded without types, and convert them.

        Raises:
            BadRequestError: A value does not fit its field.
        """
        try:
            return self.from_columns(converted(columns, self.columns))
        except msgspec.ValidationError as error:
            raise self.explained(error) from None

    def convert_text(self, columns: Mapping[str, Sequence[str]]) -> Rows:
        """Check columns of text cells, such as those of a CSV file, and convert them; an empty cell is a missing value.

        Raises:
            BadRequestError: A cell does not fit its field.
        """
        kinds = {field.name: field.kind for field in self.fields}
        return self.convert_columns(
            {
                name: [self._typed(cell, name, kinds.get(name, "text")) for cell in cells]
                for name, cells in columns.items()
            }
        )

    def _typed(self, cell: str, name: str, kind: Kind) -> float | bool | str | None:
        """Read one text cell as the kind of its field."""
        if not cell:
            return None
        if kind == "bool":
            if (flag := _FLAGS.get(cell.lower())) is None:
                raise BadRequestError(f"has {self.quoted(name, cell)}; it must be true or false", field=name)
            return flag
        if kind in NUMERIC:
            if _NUMBER.fullmatch(cell) is None:
                raise BadRequestError(f"has {self.quoted(name, cell)}; it must be a number", field=name)
            return float(cell)
        return cell

    def quoted(self, name: str, text: str) -> str:
        """Quote a value of a field in a refusal, unless the field is denied or masked."""
        return "a value" if self.denied().hides_values(name) else f"the value {shown(text)}"

    def matrix(self, values: list[Any], shape: Sequence[int]) -> Rows:
        """Convert a matrix of numbers, with its columns in the order of the fields.

        Args:
            values: The numbers, row by row; None for a missing one.
            shape: The numbers of rows and columns.
        Raises:
            BadRequestError: The model also reads text fields, or a number is out of its field's limits.
        """
        if self.texts:
            raise BadRequestError(f"Send each field by name, not a matrix: {self.texts[0].name} is a text field.")
        n_columns = shape[1]
        if n_columns != self._n_numbers:
            raise BadRequestError(
                f"The model reads {self._n_numbers} columns ({', '.join(field.name for field in self.numbers)}); "
                f"the tensor has the shape {list(shape)}."
            )
        return self.convert_columns(
            {field.name: values[position::n_columns] for position, field in enumerate(self.fields)}
        )

    def explained(self, error: Unreadable, content: bytes = b"") -> BadRequestError:
        """Turn a decoder's error into a message that names the field, or the place in the content."""
        if isinstance(error, RecursionError):
            return CallerFaultError("The request is nested too deeply.")
        if not isinstance(error, msgspec.ValidationError):
            return NotJsonError(f"The request is not valid JSON: {syntax_problem(content, str(error))}.")
        match = _PATH.match(str(error))
        assert match is not None
        problem, path = match["problem"], match["path"] or ""
        if missing := _MISSING.match(problem):
            where = f" in {path.lstrip('.')}" if path else ""
            return BadRequestError(f"is missing{where}", field=missing["name"])
        field = self._field_at(path)
        if problem == "Number out of range" and field is not None:
            return CallerFaultError(f"holds a number out of range (at {path.lstrip('.')})", field=field.name)
        if field is None:
            at = f" at {path.lstrip('.')}" if path else ""
            return BadRequestError(f"The request has the wrong form: {problem.lower()}{at}.")
        problem = self.described_problem(problem, field)
        return BadRequestError(f"{problem} (at {path.lstrip('.')})", field=field.name)

    def described_problem(self, problem: str, field: Field) -> str:
        """Rephrase a decoder's problem with a value of a field."""
        is_masked = self.denied().hides_values(field.name)
        if is_masked and problem.startswith("Invalid enum value"):
            problem = "has a value that the model does not know"
        elif field.categories and problem.startswith("Invalid enum value"):
            shown = ", ".join(field.categories[:_MAX_CHOICES])
            more = f" and {len(field.categories) - _MAX_CHOICES} more" if len(field.categories) > _MAX_CHOICES else ""
            given = problem.removeprefix("Invalid enum value ")
            problem = f"has the value {given}, which the model does not know; choose from {shown}{more}"
        else:
            problem = problem[0].lower() + problem[1:].replace("`", "")
            if is_masked and field.kind != "bool":  # the range of a flag says nothing
                problem = _LIMIT.sub(" in the range that the model reads", problem)
            if field.kind == "bool":
                problem = _OF_FLAG.sub("expected true, false, 0 or 1", problem)
            if field.kind == "int":
                problem = problem.replace("expected float", "expected a whole number").replace(
                    "a whole number that's a multiple of 1.0", "a whole number"
                )
        return problem

    def _field_at(self, path: str) -> Field | None:
        """Find the field at the end of a path: the longest match, as a user's column may have dots and brackets."""
        for end in (path, _INDICES.sub("", path)):
            if found := [field for field in self.fields if end.endswith(f".{field.name}")]:
                return max(found, key=lambda field: len(field.name))
        return None


class OpenSignature(ServingSignature):
    """The signature of a model that does not declare its fields: any plain values by name."""

    is_open = True

    def __init__(self) -> None:
        super().__init__(())
        self.row = dict[str, float | str | bool | None]
        self.columns = dict[str, list[float | str | bool | None]]

    @override
    def n_keys(self, objects: Sequence[Any]) -> int:
        return sum(map(len, objects))

    @override
    def from_rows(self, rows: Sequence[Any]) -> Rows:
        return Rows(np.empty((len(rows), 0)), rows)

    @override
    def from_columns(self, columns: Any) -> Rows:
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            raise BadRequestError(f"The columns have different lengths: {', '.join(map(str, sorted(lengths)))}.")
        return self.from_rows([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])


class TextSignature(OpenSignature):
    """The signature of a model of language: a prompt becomes texts, at the paths of texts. It reads no rows."""

    writes_texts = True

    def __init__(self) -> None:
        super().__init__()
        self.output = "text"
        self.fields = self.texts = (Field(name="prompt", kind="text"),)
