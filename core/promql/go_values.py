"""The values of Go's templates that Python has no twin of: named types, methods, and how each is written."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol, runtime_checkable

from core.promql.series import VectorSample


@runtime_checkable
class HasFields(Protocol):
    """A value with fields or methods, which templates read alike."""

    def template_field(self, name: str) -> Any:
        """Return a field, or a method as a `GoMethod`.

        Raises:
            KeyError: There is none of this name.
        """

    def template_fields(self) -> Sequence[str]:
        """Return the names of the fields and methods."""


@dataclass(frozen=True, slots=True)
class GoMethod:
    """A method of a value, which a template calls with arguments or without."""

    call: Callable[..., Any]
    parameters: tuple[str, ...] = ()
    """The Go types of its arguments, each of which `is_of_type` knows."""


@dataclass(frozen=True, slots=True)
class TemplateStruct:
    """A value that has these fields and no others."""

    fields: Mapping[str, Any]
    type_name: str = field(default="struct", compare=False)

    def template_field(self, name: str) -> Any:
        """Return a field; see `HasFields`."""
        return self.fields[name]

    def template_fields(self) -> Sequence[str]:
        """Return the names of the fields."""
        return list(self.fields)


@dataclass(frozen=True, slots=True)
class QueryResult:
    """One sample that a template's query found."""

    labels: Mapping[str, str]
    value: float

    def template_field(self, name: str) -> Any:
        """Return a field; see `HasFields`."""
        return {"Labels": self.labels, "Value": self.value}[name]

    def template_fields(self) -> Sequence[str]:
        """Return the names of the fields."""
        return ("Labels", "Value")

    @classmethod
    def of(cls, sample: VectorSample) -> "QueryResult":
        """Make one of a sample."""
        return cls(dict(sample.labels), sample.value)


class GoNumber(int):
    """A whole number of a named type, which is written as a text, such as a month."""

    type_name: ClassVar[str]

    @property
    def text(self) -> str:
        """The text that `%v` and `%s` write."""
        raise NotImplementedError


class GoList(list[Any]):
    """A list of a named type."""

    type_name = "[]string"

    def as_text(self) -> str | None:
        """Return what its method `String` says; None without one."""
        return None


class GoMap(dict[str, str]):
    """Texts by name, of a named type."""

    type_name = "map[string]string"

    def as_text(self) -> str | None:
        """Return what its method `String` says; None without one."""
        return None


def text_of_type(value: Any) -> str | None:
    """Return what a type's own method says for `%v` and `%s`; None of a type without one."""
    if isinstance(value, GoNumber):
        return value.text
    if isinstance(value, datetime):
        return time_text(value)
    return value.as_text() if isinstance(value, GoList | GoMap) else None


def go_type(value: Any) -> str:
    """Name the type of a value, as `%T` does."""
    if (name := getattr(value, "type_name", None)) is not None:
        return str(name)
    for kind, name in (
        (bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (datetime, "time.Time"),
        (QueryResult, "*template.sample"), (Mapping, "map[string]string"),
    ):  # fmt: skip
        if isinstance(value, kind):
            return name
    if isinstance(value, list):
        return "[]string" if value and isinstance(value[0], str) else "template.queryResult"
    return "<nil>"


def is_of_type(value: Any, name: str) -> bool:
    """Whether a value can be given for a parameter of a Go type."""
    match name:
        case "string":
            return isinstance(value, str)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "[]string":
            return isinstance(value, list) and go_type(value) in ("[]string", name)
        case "time.Time":
            return isinstance(value, datetime)
    return False


def is_comparable(value: Any) -> bool:
    """Whether Go's `==` takes a value: no list and no map, and no struct that holds either."""
    if isinstance(value, TemplateStruct):
        return all(is_comparable(each) for each in value.fields.values())
    return not isinstance(value, list | Mapping | QueryResult)


def general(value: float, precision: int = 4) -> str:
    """Write a number as Go's `%.4g`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.{precision}g}"


def shortest(value: float) -> str:
    """Write a number as Go prints it: the shortest digits, with an exponent below 1e-4 and from 1e+06.

    >>> shortest(999999.5), shortest(1500000.0), shortest(0.00001)
    ('999999.5', '1.5e+06', '1e-05')
    """
    if not math.isfinite(value):
        return general(value)
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    from numpy import format_float_positional, format_float_scientific

    written = format_float_scientific(value, trim="-", exp_digits=2)
    tens = int(written.partition("e")[2])
    return format_float_positional(value, trim="-") if -5 < tens < 6 else written


def shown(value: Any) -> str:
    """Write a value as a template prints it."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return shortest(value)
    if (own := text_of_type(value)) is not None:
        return own
    if isinstance(value, QueryResult):
        return f"{{{shown(value.labels)} {shown(value.value)}}}"
    if isinstance(value, TemplateStruct):
        return "{" + " ".join(shown(each) for each in value.fields.values()) + "}"
    if isinstance(value, list):
        return "[" + " ".join(shown(one) for one in value) + "]"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{name}:{shown(value[name])}" for name in sorted(value)) + "]"
    return str(value)


def time_text(value: datetime) -> str:
    """Write a time as Go's `Time.String`."""
    fraction = f".{value.microsecond:06d}".rstrip("0").rstrip(".")
    offset = f"{value:%z}" or "+0000"
    return f"{value.year:04}{value:-%m-%d %H:%M:%S}{fraction} {offset[:5]} {zone_name(value)}"


def zone_name(value: datetime) -> str:
    """Return the abbreviation of a time's zone."""
    return value.tzname() or "UTC"
