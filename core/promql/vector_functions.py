"""The functions over instant vectors and scalars."""

import re
from collections.abc import Callable

import numpy as np

from core.promql.errors import PromqlError
from core.promql.patterns import LabelPattern
from core.promql.series import SeriesLabels
from core.promql.vectors import Floats, Vector, labels_of, merged

_LABEL_NAME = re.compile(r"[^\W\d]\w*", re.ASCII)


def _half_up(values: Floats, to_nearest: Floats) -> Floats:
    inverse = 1.0 / to_nearest
    return np.floor(values * inverse + 0.5) / inverse


def _date(
    part: Callable[["np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]"], Floats],
) -> Callable[[Floats], Floats]:
    """Make a function of seconds since 1970 (UTC) from one of dates; beyond what a date can hold, NaN."""

    def of(values: Floats) -> Floats:
        is_date = np.isfinite(values) & (np.abs(values) < 2e11)
        seconds = np.trunc(np.where(is_date, values, 0)).astype(np.int64)
        return np.where(is_date, part(seconds.astype("datetime64[s]")), np.nan)

    return of


def _number(dates: "np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]", unit: str) -> Floats:
    return dates.astype(f"datetime64[{unit}]").astype(np.int64).astype(float)


def _days_in_month(dates: "np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]") -> Floats:
    months = dates.astype("datetime64[M]")
    return _number((months + 1).astype("datetime64[D]"), "D") - _number(months.astype("datetime64[D]"), "D")


DATE_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "minute": _date(lambda dates: _number(dates, "m") % 60),
    "hour": _date(lambda dates: _number(dates, "h") % 24),
    "day_of_week": _date(lambda dates: (_number(dates, "D") + 4) % 7),
    "day_of_month": _date(
        lambda dates: _number(dates, "D") - _number(dates.astype("datetime64[M]").astype("datetime64[D]"), "D") + 1
    ),
    "day_of_year": _date(
        lambda dates: _number(dates, "D") - _number(dates.astype("datetime64[Y]").astype("datetime64[D]"), "D") + 1
    ),
    "days_in_month": _date(_days_in_month),
    "month": _date(lambda dates: _number(dates, "M") % 12 + 1),
    "year": _date(lambda dates: _number(dates, "Y") + 1970),
}
PLAIN_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sgn": np.sign,
    "deg": np.degrees,
    "rad": np.radians,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}
BOUND_FUNCTIONS: dict[str, Callable[..., Floats]] = {
    "clamp_min": np.maximum,
    "clamp_max": np.minimum,
    "round": _half_up,
}
"""Of a vector and a scalar; `round` rounds to whole numbers without one."""


def label_replace(vector: Vector, target: str, template: str, source: str, pattern: LabelPattern) -> Vector:
    """Set a label from what a pattern finds in another."""
    expand = go_replacement(template, pattern)

    def changed(labels: SeriesLabels) -> SeriesLabels:
        found = pattern.match(dict(labels).get(source, ""))
        if found is None:
            return labels
        return labels_of([*(pair for pair in labels if pair[0] != target), (target, expand(found))])

    return merged(Vector([changed(labels) for labels in vector.labels], vector.values, vector.present))


def label_join(vector: Vector, target: str, separator: str, sources: list[str]) -> Vector:
    """Set a label to the values of others."""

    def changed(labels: SeriesLabels) -> SeriesLabels:
        values = dict(labels)
        joined = separator.join(values.get(source, "") for source in sources)
        return labels_of([*(pair for pair in labels if pair[0] != target), (target, joined)])

    return merged(Vector([changed(labels) for labels in vector.labels], vector.values, vector.present))


def check_label_name(name: str, function: str) -> None:
    """Refuse what is no name of a label.

    Raises:
        PromqlError: It is none.
    """
    if not _LABEL_NAME.fullmatch(name):
        raise PromqlError(f"invalid label name in {function}(): {name!r}")


def go_replacement(template: str, pattern: LabelPattern) -> Callable[["re.Match[str]"], str]:
    """Return what fills in `$1`, `${1}`, `$name` and `$$`, as Go's `Regexp.Expand`; an unknown group is empty."""
    parts: list[tuple[str, str | int | None]] = []
    at = 0
    for found in re.finditer(r"\$(?:(\$)|\{(\w+)\}|(\w+))", template, re.ASCII):
        literal = template[at : found.start()] + ("$" if found[1] else "")
        name = found[2] or found[3]
        group: str | int | None = None
        if name and name.isdecimal():
            group = int(name) if len(name) < 4 and int(name) <= pattern.compiled.groups else None
        elif name in pattern.compiled.groupindex:
            group = name
        parts.append((literal, group))
        at = found.end()
    tail = template[at:]

    def expand(found: "re.Match[str]") -> str:
        return "".join(literal + ("" if group is None else found[group] or "") for literal, group in parts) + tail

    return expand
