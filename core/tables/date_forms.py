"""Dates as people write them: 2026-03-31, 2026/3/31, 31.12.2026, 12/31/2026, 31 Dec 2026, each with or without a time.

A cell that begins with the year says its order. Day and month in front of the year are told apart by the whole column:
31/12/2026 shows that the day comes first. Where no cell shows it, the column is in doubt.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import AnyArray, BoolArray

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
ORDERS = (DAY_FIRST, MONTH_FIRST)
_TIME = (
    r"(?:(?:T| +|, ?)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?(?: ?(?P<zone>Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?)?$"
)
_YEAR_FIRST = r"^(?P<a>[0-9]{4})[-/.](?P<b>[0-9]{1,2})[-/.](?P<c>[0-9]{1,2})" + _TIME
_YEAR_LAST = r"^(?P<a>[0-9]{1,2})[-/.](?P<b>[0-9]{1,2})[-/.](?P<c>[0-9]{4})" + _TIME
_DAY_NAMED = r"^(?P<a>[0-9]{1,2})[ -](?P<b>[A-Za-z]{3,9})\.?,?[ -](?P<c>[0-9]{4})" + _TIME
_MONTH_NAMED = r"^(?P<b>[A-Za-z]{3,9})\.? (?P<a>[0-9]{1,2}),? (?P<c>[0-9]{4})" + _TIME
_PATTERNS = (_YEAR_FIRST, _YEAR_LAST, _DAY_NAMED, _MONTH_NAMED)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october"),
    *("november", "december", "sept"),
)
_NAMED = {name: _MONTHS.index(name[:3]) + 1 for name in (*_MONTHS, *_FULL)}
DAY = np.timedelta64(86_400_000_000, "us")


@dataclass(frozen=True, slots=True)
class DatesRead:
    """The instants of distinct cells.

    Attributes:
        instants: In UTC, datetime64[us], NaT where a cell is not a date.
        order: Whether the day or the month comes first; "" if each cell begins with the year or names the month.
        other: The instants in the other order, where both orders fit every cell and differ.
    """

    instants: AnyArray
    order: str
    other: AnyArray | None = None


def look_like_dates(names: pa.Array) -> BoolArray:
    """Return which cells have the shape of a date."""
    found = np.zeros(len(names), dtype=np.bool_)
    for pattern in _PATTERNS:
        found |= np.asarray(pc.match_substring_regex(names, _plain(pattern)).fill_null(False), dtype=np.bool_)
    return found


def read_dates(names: pa.Array, order: str = "") -> DatesRead:
    """Read distinct cells as dates.

    Args:
        names: The cells.
        order: Whether the day or the month comes first, if that is known.
    """
    texts = names.to_pandas().astype(object)
    instants, other = np.full(len(texts), "NaT", dtype="datetime64[us]"), None
    done = np.zeros(len(texts), dtype=np.bool_)
    chosen = ""
    for pattern in _PATTERNS:
        parts = texts[~done].str.extract(pattern)
        rows = np.flatnonzero(~done)[parts["a"].notna().to_numpy()]
        parts = parts[parts["a"].notna()]
        if not len(rows):
            continue
        if pattern is not _YEAR_LAST:
            instants[rows] = _instants(parts, *_order_of(pattern, parts))
        else:
            read = {one: _instants(parts, parts["c"], *_swapped(parts, one)) for one in ORDERS}
            chosen, is_doubtful = _chosen(read, order)
            instants[rows] = read[chosen]
            if is_doubtful:
                other = instants.copy()
                other[rows] = read[MONTH_FIRST]
        done[rows] = True
    return DatesRead(instants, chosen, other)


def _chosen(read: dict[str, AnyArray], order: str) -> tuple[str, bool]:
    """Return the order that fits most cells, and whether the other fits as well and reads other days."""
    if order:
        return order, False
    n_lost = {one: int(np.isnat(found).sum()) for one, found in read.items()}
    if n_lost[DAY_FIRST] == n_lost[MONTH_FIRST] == 0:
        return DAY_FIRST, not np.array_equal(read[DAY_FIRST], read[MONTH_FIRST])
    return min(ORDERS, key=lambda one: n_lost[one]), False


def _swapped(parts: pd.DataFrame, order: str) -> tuple["pd.Series[Any]", "pd.Series[Any]"]:
    return (parts["b"], parts["a"]) if order == DAY_FIRST else (parts["a"], parts["b"])


def _order_of(pattern: str, parts: pd.DataFrame) -> tuple["pd.Series[Any]", ...]:
    if pattern is _YEAR_FIRST:
        return parts["a"], parts["b"], parts["c"]
    return parts["c"], parts["b"].str.lower().map(_NAMED), parts["a"]


def _instants(parts: pd.DataFrame, year: Any, month: Any, day: Any) -> AnyArray:
    fields = {
        "year": _number(year),
        "month": _number(month),
        "day": _number(day),
    }
    days = pd.to_datetime(pd.DataFrame(fields), errors="coerce").to_numpy().astype("datetime64[us]")
    hour, minute, second = (_number(parts[name].fillna(0)) for name in ("hour", "minute", "second"))
    half = parts["half"].str.lower()
    hour = np.where(half.notna(), hour % 12 + 12 * (half == "p"), hour)
    part = _number(parts["part"].fillna("0").str.ljust(6, "0").str[:6])
    is_time = (hour < 24) & (minute < 60) & (second < 60)
    micros = ((hour * 60 + minute - _offset(parts["zone"])) * 60 + second) * 1_000_000 + part
    return np.where(is_time, days + micros.astype("timedelta64[us]"), np.datetime64("NaT", "us"))


def _offset(zone: "pd.Series[Any]") -> AnyArray:
    """Return minutes east of Greenwich; none for a time without a zone, which is taken as UTC."""
    found = zone.str.extract(r"^(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})$")
    minutes = _number(found["hours"].fillna(0)) * 60 + _number(found["minutes"].fillna(0))
    return np.where(found["sign"] == "-", -minutes, minutes)


def _number(values: Any) -> AnyArray:
    return np.asarray(pd.to_numeric(values, errors="coerce").fillna(-1).to_numpy(dtype=np.int64))


def _plain(pattern: str) -> str:
    """Drop the names of groups, which a match does not need."""
    import re

    return re.sub(r"\?P<[a-z]+>", "?:", pattern)
