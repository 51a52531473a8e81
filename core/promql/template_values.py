"""The functions that templates of alerts may call, as Prometheus documents them."""

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import quote_plus

from core.promql.errors import PromqlError
from core.promql.go_format import go_format
from core.promql.go_values import QueryResult, TemplateStruct, general, go_type, is_comparable, shown
from core.promql.patterns import LabelPattern
from core.promql.vector_functions import go_replacement

_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_LARGE = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("", "m", "u", "n", "p", "f", "a", "z", "y")
_BINARY = ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")


def number(value: Any) -> float:
    """Return a number, or one that is written in a string.

    Raises:
        PromqlError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise PromqlError(f"A template needs a number, not {shown(value)!r}.")
    try:
        if isinstance(value, str) and value != value.strip():
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise PromqlError(f"A template needs a number, not {value!r}.") from None


def text(value: Any) -> str:
    """Return a string.

    Raises:
        PromqlError: It is none.
    """
    if not isinstance(value, str):
        raise PromqlError(f"A template needs a string, not {shown(value)}.")
    return value


def humanize(value: Any) -> str:
    """Write a number with a metric prefix."""
    size = number(value)
    if size == 0 or not math.isfinite(size):
        return general(size)
    at = 0
    if abs(size) >= 1:
        while abs(size) >= 1000 and at < len(_LARGE) - 1:
            size, at = size / 1000, at + 1
        return general(size) + _LARGE[at]
    while abs(size) < 1 and at < len(_SMALL) - 1:
        size, at = size * 1000, at + 1
    return general(size) + _SMALL[at]


def humanize1024(value: Any) -> str:
    """Write a number with a binary prefix."""
    size, at = number(value), 0
    if abs(size) <= 1 or not math.isfinite(size):
        return general(size)
    while abs(size) >= 1024 and at < len(_BINARY) - 1:
        size, at = size / 1024, at + 1
    return general(size) + _BINARY[at]


def humanize_duration(value: Any) -> str:
    """Write seconds as days, hours, minutes and seconds."""
    seconds = number(value)
    if not math.isfinite(seconds):
        return general(seconds)
    if seconds == 0:
        return "0s"
    if abs(seconds) >= 1:
        sign, whole = "-" if seconds < 0 else "", int(abs(seconds))
        days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
        if days:
            return f"{sign}{days}d {hours}h {minutes}m {whole % 60}s"
        if hours:
            return f"{sign}{hours}h {minutes}m {whole % 60}s"
        if minutes:
            return f"{sign}{minutes}m {whole % 60}s"
        return f"{general(seconds)}s"
    at = 0
    while abs(seconds) < 1 and at < len(_SMALL) - 1:
        seconds, at = seconds * 1000, at + 1
    return f"{general(seconds)}{_SMALL[at]}s"


def to_time(value: Any) -> datetime:
    """Make a time (UTC) of seconds since 1970, of whole milliseconds as in Prometheus."""
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(number(value) * 1e9) // 10**6)
    except (OverflowError, ValueError):
        raise PromqlError(f"{shown(value)} seconds since 1970 are no time.") from None


def humanize_timestamp(value: Any) -> str:
    """Write seconds since 1970 as a time."""
    seconds = number(value)
    return shown(to_time(seconds)) if math.isfinite(seconds) else general(seconds)


def printf(form: Any, *arguments: Any) -> str:
    """Format as Go's `Sprintf`; what does not fit is marked in the text as Go marks it."""
    return go_format(text(form), list(arguments))


def upper(value: Any) -> str:
    """Make every letter a capital, as Go does: of one letter comes one, so ß stays."""
    return "".join(map(_capital, text(value)))


def lower(value: Any) -> str:
    """Make every letter small, as Go does: of one letter comes one."""
    return "".join(each.lower() if len(each.lower()) == 1 else each.lower()[0] for each in text(value))


def _capital(letter: str) -> str:
    return next((found for found in (letter.upper(), letter.title()) if len(found) == 1), letter)


def title(value: Any) -> str:
    """Begin each word with a capital."""
    return re.sub(r"(?<![\w'])\w", lambda found: _title_letter(found.group()), text(value))


def _title_letter(letter: str) -> str:
    return letter.title() if len(letter.title()) == 1 else letter


def replaced(pattern: Any, replacement: Any, value: Any) -> str:
    """Replace every match of a pattern."""
    compiled = LabelPattern(text(pattern), is_whole=False)
    compiled.check_cost(text(value))
    written = go_replacement(text(replacement), compiled)
    end = -1

    def replace(found: re.Match[str]) -> str:
        nonlocal end
        if found.start() == found.end() == end:
            return ""  # Go takes no empty match right after another
        end = found.end()
        return written(found)

    return compiled.compiled.sub(replace, value)


def is_match(pattern: Any, value: Any) -> bool:
    """Return whether a pattern matches a part of a text."""
    compiled = LabelPattern(text(pattern), is_whole=False)
    compiled.check_cost(text(value))
    return compiled.compiled.search(value) is not None


def _without_port(value: Any) -> str:
    found = re.fullmatch(r"\[([^\]]*)\]:[^:]*|([^:]*):[^:]*", text(value))
    return value if found is None else found[1] or found[2] or ""


def _without_domain(value: Any) -> str:
    host = _without_port(value)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        port = value[len(host) :] if value.startswith(host) else ""
        return host.split(".")[0] + port
    return str(value)


def _seconds(value: Any) -> float:
    written = text(value)
    body = written.removeprefix("-")
    if body == "0":
        return 0.0
    if not re.fullmatch(r"(?:\d{1,9}(?:ms|[smhdwy]))+", body):
        raise PromqlError(f"{written!r} is not a duration such as 1h30m.")
    return (-1 if written != body else 1) * sum(int(n) * _UNITS[unit] for n, unit in _DURATION.findall(body))


def _first(results: Any) -> Any:
    if not isinstance(results, list) or not results:
        raise PromqlError("first() called on a vector with no elements.")
    return results[0]


def _result(value: Any) -> QueryResult:
    if not isinstance(value, QueryResult):
        raise PromqlError(f"A template needs a sample of a query here, not {shown(value)}.")
    return value


def _sorted_by(label: Any, results: Any) -> Any:
    if not isinstance(results, list):
        raise PromqlError("sortByLabel needs the result of a query.")
    return sorted(results, key=lambda one: _result(one).labels.get(text(label), ""))


def _length(value: Any) -> int:
    if not isinstance(value, str | list | Mapping):
        raise PromqlError(f"{shown(value)} has no length.")
    return len(value.encode()) if isinstance(value, str) else len(value)


def _element(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(text(key), "")
        elif isinstance(value, list) and type(key) is int and 0 <= key < len(value):
            value = value[key]
        elif isinstance(value, str) and type(key) is int and 0 <= key < len(value.encode()):
            value = value.encode()[key]
        else:
            raise PromqlError(f"{shown(value)} has no element {shown(key)}.")
    return value


def _sliced(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, str | list):
        raise PromqlError(f"can't slice {shown(value)}.")
    if any(type(bound) is not int for bound in bounds):
        raise PromqlError("slice needs whole numbers after its value.")
    if isinstance(value, str) and len(bounds) > 2:
        raise PromqlError("cannot 3-index slice a string.")
    given = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    limits = [0, len(given), *bounds[2:]][: max(2, len(bounds))]
    limits[: len(bounds)] = bounds
    if sorted(limits) != limits or limits[0] < 0 or limits[-1] > len(given):
        raise PromqlError(f"slice: no part from {limits[0]} to {limits[1]} of {len(given)}.")
    part = given[limits[0] : limits[1]]
    if isinstance(part, bytes):
        return part.decode("utf-8", "replace")
    return type(value)(part)  # of the same type, also if nothing is left


_JAVASCRIPT = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
_HTML = {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\N{REPLACEMENT CHARACTER}"}


def _for_html(*values: Any) -> str:
    return "".join(_HTML.get(each, each) for each in _printed(*values))


def _for_javascript(*values: Any) -> str:
    def escaped(each: str) -> str:
        if each.isprintable() or ord(each) > 0xFFFF:
            return each
        return f"\\u{ord(each):04X}"

    return "".join(_JAVASCRIPT.get(each) or escaped(each) for each in _printed(*values))


def is_true(value: Any) -> bool:
    """Return whether Go takes a value for true: not false, not 0, not empty."""
    return bool(value) if not isinstance(value, QueryResult | TemplateStruct | datetime) else True


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise PromqlError("eq needs at least two values.")
    return any(_are_equal(first, other) for other in others)


def _are_equal(one: Any, other: Any) -> bool:
    """Compare as Go's `eq`: basic values of one kind, nil with anything, and other values if `==` takes them."""
    if _basic_kind(one) is not _basic_kind(other):
        if one is None or other is None:
            return False
        raise PromqlError(f"{shown(one)} ({go_type(one)}) and {shown(other)} ({go_type(other)}) cannot be compared.")
    if one is None or other is None:
        return one is other
    for each in (one, other):
        if not is_comparable(each):
            raise PromqlError(f"{shown(each)} ({go_type(each)}) cannot be compared.")
    return bool(one == other)


def _basic_kind(value: Any) -> type | None:
    return next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), None)


def _compared(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(one: Any, other: Any) -> bool:
        if _basic_kind(one) is None or _basic_kind(one) is not _basic_kind(other):
            problem = f"{shown(one)} ({go_type(one)}) and {shown(other)} ({go_type(other)}) cannot be compared."
            raise PromqlError(problem)
        if isinstance(one, bool):
            raise PromqlError("true and false have no order.")
        return holds(one, other)

    return compare


def _printed(*values: Any) -> str:
    written = ""
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            written += " "
        written += _word(value)
    return written


def _word(value: Any) -> str:
    return "<nil>" if value is None else shown(value)


TemplateFunction: TypeAlias = tuple[Callable[..., Any], int, int | None]
"""A function, and how many arguments it has at least and at most."""
GO_FUNCTIONS: dict[str, TemplateFunction] = {
    "printf": (printf, 1, None),
    "print": (_printed, 0, None),
    "println": (lambda *values: " ".join(map(_word, values)) + "\n", 0, None),
    "len": (_length, 1, 1),
    "index": (_element, 1, None),
    "slice": (_sliced, 1, 4),
    "not": (lambda value: not is_true(value), 1, 1),
    "eq": (_equal, 2, None),
    "ne": (lambda one, other: not _equal(one, other), 2, 2),
    "lt": (_compared(lambda one, other: one < other), 2, 2),
    "le": (_compared(lambda one, other: one <= other), 2, 2),
    "gt": (_compared(lambda one, other: one > other), 2, 2),
    "ge": (_compared(lambda one, other: one >= other), 2, 2),
    "html": (_for_html, 0, None),
    "js": (_for_javascript, 0, None),
    "urlquery": (lambda *values: quote_plus(_printed(*values)), 0, None),
}
"""Those of Go itself, `and` and `or` aside, which do not evaluate all that they are given."""
FUNCTIONS: dict[str, TemplateFunction] = {
    **GO_FUNCTIONS,
    "humanize": (humanize, 1, 1),
    "humanize1024": (humanize1024, 1, 1),
    "humanizeDuration": (humanize_duration, 1, 1),
    "humanizePercentage": (lambda value: f"{general(number(value) * 100)}%", 1, 1),
    "humanizeTimestamp": (humanize_timestamp, 1, 1),
    "toTime": (to_time, 1, 1),
    "title": (title, 1, 1),
    "toUpper": (upper, 1, 1),
    "toLower": (lower, 1, 1),
    "match": (is_match, 2, 2),
    "reReplaceAll": (replaced, 3, 3),
    "stripPort": (_without_port, 1, 1),
    "stripDomain": (_without_domain, 1, 1),
    "parseDuration": (_seconds, 1, 1),
    "first": (_first, 1, 1),
    "value": (lambda result: _result(result).value, 1, 1),
    "label": (lambda name, result: _result(result).labels.get(text(name), ""), 2, 2),
    "strvalue": (lambda result: _result(result).labels.get("__value__", ""), 1, 1),
    "sortByLabel": (_sorted_by, 2, 2),
    "safeHtml": (text, 1, 1),
    "args": (lambda *values: {f"arg{at}": value for at, value in enumerate(values)}, 0, None),
    "graphLink": (lambda expression: f"/graph?g0.expr={quote_plus(text(expression))}&g0.tab=0", 1, 1),
    "tableLink": (lambda expression: f"/graph?g0.expr={quote_plus(text(expression))}&g0.tab=1", 1, 1),
    "urlQueryEscape": (lambda value: quote_plus(text(value)), 1, 1),
}
"""Those of Prometheus by name; `query`, `externalURL` and `pathPrefix` depend on the template."""
