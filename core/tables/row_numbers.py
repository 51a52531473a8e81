"""Whole numbers that name rows instead of describing them: by their name, or because they count up with the rows.

The name is read word by word. What it names is its last word: an `order number` is a number that names an order, and a
`number of orders` is an amount.
"""

import re

import numpy as np

from core.arrays import FloatArray

# Whole numbers that count up fill their range to this share, although a few rows may have been removed since.
DENSE = 0.9
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_IDS = frozenset({"id", "uid", "uuid", "guid", "rowid", "pk", "rownames", "rowname", "rownum", "unnamed"})
_KEYS = frozenset({"key", "code", "ref", "serial", "index", "idx", "row"})
_OF_ROWS = frozenset(
    {"row", "df", "frame", "data", "table", "sample", "record", "item", "obs", "case", "level", "line"}
)
_NUMBERS = frozenset({"no", "nr", "num", "number"})
# They say that a number was counted for a row: a total number, the number of employees, n ids.
_AMOUNTS = frozenset({"of", "n", "count", "total", "sum", "mean", "average", "avg", "median", "max", "min"})
# Alone they may be an amount or a name; numbers from 1 to n show that they name rows.
_COUNTERS = frozenset({"n", "obs", "observation", "case", "record", "seq", "sequence", "sno", "item", "entry", "line"})
# Axes along which one measures: they count up and still say something about a row.
_MEASURES = frozenset(
    {
        "rank",
        "ranking",
        "year",
        "yr",
        "quarter",
        "month",
        "week",
        "day",
        "hour",
        "minute",
        "second",
        "time",
        "date",
        "t",
    }
    | {
        "decade",
        "century",
        "season",
        "age",
        "step",
        "period",
        "epoch",
        "trend",
        "distance",
        "position",
        "depth",
        "dose",
    }
    | {
        "date",
        "dose",
        "height",
        "length",
        "altitude",
        "temperature",
        "angle",
        "degree",
        "frequency",
        "wavelength",
        "wavenumber",
    }
    | {"iteration", "cycle", "generation", "lap", "lag", "since", "elapsed", "duration", "tenure", "seniority"}
)
_THINGS = (
    *("user", "customer", "client", "order", "product", "item", "patient", "person", "employee", "student", "account"),
    *("member", "transaction", "record", "row", "case", "subject", "loan", "policy", "device", "session", "passenger"),
)
_JOINED = frozenset(f"{thing}{last}" for thing in _THINGS for last in ("id", "no"))


def names_rows(name: str) -> bool:
    """Return whether a column is called an identifier.

    >>> [names_rows(name) for name in ("customer_id", "orderNo", "number_of_employees", "n_ids", "week_no")]
    [True, True, False, False, False]
    """
    words = _words(name)
    if not words:
        return False
    *before, last = words
    if _AMOUNTS & {*before} or (before and before[0] in _NUMBERS):
        return False
    if last in _IDS or last in _JOINED or last == "ids" or words == ["index", "level"]:  # pandas saves it so
        return True
    if before and before[0] == "id":  # id_customer, as some languages order it
        return not _is_plural(last)
    if last in _KEYS:
        is_amount = last == "index" and bool(before) and before[-1] not in _OF_ROWS  # a price index
        return not is_amount and not _is_measured(before)
    return bool(before) and last in _NUMBERS and not _is_measured(before)


def count_rows(name: str, values: FloatArray) -> bool:
    """Return whether whole numbers count the rows.

    All are different and fill their range. They also follow the order of the rows, unless the name says that they
    number things: ranks and other amounts may fill a range, too, but in an order of their own.

    Args:
        name: Of the column.
        values: The numbers in the order of the rows, shape (n,).
    """
    steps, numbers = np.diff(values), np.unique(values)
    is_ordered = bool((steps > 0).all() or (steps < 0).all())
    span = float(numbers[-1] - numbers[0] + 1)
    return numbers_rows(name, n_rows=len(values), n_numbers=len(numbers), span=span, is_ordered=is_ordered)


def numbers_rows(name: str, *, n_rows: int, n_numbers: int, span: float, is_ordered: bool) -> bool:
    """Return the same as `count_rows` does.

    Args:
        name: Of the column.
        n_rows: How many rows there are.
        n_numbers: How many different numbers.
        span: How many whole numbers there are from the least to the most.
        is_ordered: Whether the numbers rise with every row, or fall.
    """
    words, share = _words(name), n_numbers / span
    if n_numbers < n_rows or share < DENSE:
        return False
    if names_rows(name):
        return True
    if is_ordered:
        return not _is_measured(words)
    is_counter = bool(words) and (words[-1] in _COUNTERS or (len(words) == 1 and words[0] in _NUMBERS))
    return is_counter and share == 1.0


def _words(name: str) -> list[str]:
    """Split a name into words; what a program appends to a repeated name (Id.1, Id_x) says nothing."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in ("x", "y")):
        words.pop()
    return words


def _is_measured(words: list[str]) -> bool:
    return any(word in _MEASURES or _singular(word) in _MEASURES for word in words)


def _singular(word: str) -> str:
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _is_plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith(("ss", "us", "is"))
