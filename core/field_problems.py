"""What is wrong with a field of a document or an argument, in words: its name, its value, and what it must be."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from core.escape import shown

_AT = re.compile(r" - at `(?:key` in `)?\$\.?(?P<path>[^`]*)`$")
_PLACE = re.compile(r"\[(?:\.\.\.|\d+)\]$")  # in a list or of a name: whoever gave it knows the field
_EXPECTED = re.compile(r"^Expected `(?P<types>[^`]+)`(?P<limit>[^,]*)(?:, got `(?P<found>[^`]+)`)?$")
_LIMIT = re.compile(r"^ (?P<length>of length )?(?P<sign><=|>=|<|>) (?P<limit>[-+.e0-9]+)$")
_OF_FIELD = re.compile(r"^Object (?P<problem>contains unknown|missing required) field `(?P<name>[^`]+)`$")
_SIGNS = {"<=": "at most", ">=": "at least", "<": "below", ">": "above"}
_TYPES = {
    "array": "a list",
    "bool": "true or false",
    "datetime": "a date with a time",
    "float": "a number",
    "int": "a whole number",
    "object": "an object",
    "str": "text",
}
_MOST_SHOWN = 40


class FieldProblem(NamedTuple):
    """What is wrong with a field.

    Attributes:
        field: Its path, such as `max_tokens`; empty for the whole document.
        problem: What is wrong, as the predicate of a sentence.
    """

    field: str
    problem: str


def field_problem(error: msgspec.DecodeError) -> FieldProblem:
    """Return which field a validation refuses, and why.

    Args:
        error: The refusal of `converted` or `decode_json`.

    >>> field_problem(msgspec.ValidationError("Expected `int` <= 2048 - at `$.max_tokens`"))
    FieldProblem(field='max_tokens', problem='must be a whole number, at most 2,048')
    >>> field_problem(msgspec.ValidationError("Expected `str` of length <= 200 - at `$.stop[...]`"))
    FieldProblem(field='stop', problem='must have entries that are text of at most 200 characters')
    >>> field_problem(msgspec.ValidationError("Expected `int | null`, got `str` - at `$.window.days`"))
    FieldProblem(field='window.days', problem='must be a whole number or null, not text')
    >>> field_problem(msgspec.ValidationError("Object contains unknown field `best_of`"))
    FieldProblem(field='best_of', problem='is not known')
    """
    message = str(error)
    found = _AT.search(message)
    path = _PLACE.sub("", found["path"]) if found is not None else ""
    message = _AT.sub("", message)
    if (of_field := _OF_FIELD.match(message)) is not None:
        problem = "is missing" if "missing" in of_field["problem"] else "is not known"
        return FieldProblem(".".join(filter(None, (path, of_field["name"]))), problem)
    problem = _in_words(message)
    if found is not None and path != found["path"]:
        problem = problem.replace("must be", "must have entries that are", 1)
    return FieldProblem(path, problem)


def refusal_of(
    error: msgspec.DecodeError, values: Mapping[str, Any] | None = None, *, named: Callable[[str], str] = str
) -> str:
    """Say which field a validation refuses, its value, and what it must be, without a full stop.

    Args:
        error: The refusal of `converted` or `decode_json`.
        values: The fields; None: no value is told, which may be long or secret.
        named: Names a field as whoever gave it knows it.

    >>> error = msgspec.ValidationError("Expected `int` <= 2048 - at `$.max_tokens`")
    >>> refusal_of(error), refusal_of(error, {"max_tokens": 5000}, named=option_of)
    ('max_tokens must be a whole number, at most 2,048', '--max-tokens 5000 must be a whole number, at most 2,048')
    """
    field, problem = field_problem(error)
    value = "" if values is None else _told(values.get(field))
    return f"{f'{named(field)}{value}' if field else 'the whole'} {problem}"


def option_of(field: str) -> str:
    """Return the option of a command for a field.

    >>> option_of("top_p")
    '--top-p'
    """
    return f"--{field.replace('_', '-')}"


def _in_words(message: str) -> str:
    if (found := _EXPECTED.match(message)) is None:
        said = message.replace("`", "")
        return f"is not valid: {said[:1].lower()}{said[1:]}"
    words = [_TYPES.get(name.strip(), name.strip()) for name in found["types"].split("|")]
    kind = " or ".join(words)
    if (limit := _LIMIT.match(found["limit"])) is None:
        return f"must be {kind}{found['limit']}{_but(found['found'])}"
    number = f"{float(limit['limit']):,.15g}"
    if limit["length"]:
        one, several = ("character", "characters") if found["types"] == "str" else ("entry", "entries")
        of_what = one if number == "1" else several
        return f"must be {kind} of {_SIGNS[limit['sign']]} {number} {of_what}"
    return f"must be {kind}, {_SIGNS[limit['sign']]} {number}"


def _but(found: str | None) -> str:
    return f", not {_TYPES.get(found, found)}" if found else ""


def _told(value: object) -> str:
    if isinstance(value, str):
        return f" {shown(value)}" if len(value) <= _MOST_SHOWN else ""
    if isinstance(value, float):
        return f" {value:g}"
    return f" {value}" if isinstance(value, int) else ""
