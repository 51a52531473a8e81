"""From the text of a column to its values: numbers, flags, dates or categories, decided by the whole column.

A column is numeric when every filled cell is a number. When nearly all are, the other cells are treated as errors and
named, instead of silently making a category of thousands of levels.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import FloatArray
from core.escape import shown
from core.tables.clock_times import are_clock_times, clock_minutes, read_clock
from core.tables.date_columns import are_dates, read_times
from core.tables.date_forms import look_like_dates
from core.tables.errors import as_typed
from core.tables.number_columns import (
    EMPTY_WORDS,
    GAP_WORDS,
    NUMERIC,
    SAMPLE,
    are_codes,
    are_written_numbers,
    not_a_number,
    plain_numbers,
    written_numbers,
)
from core.tables.number_forms import best_fit, taken_apart
from core.tables.reading_of_column import Complain, Distinct, Reading, all_match, mask_of
from core.tables.rules import ColumnRules
from core.tables.signature import ColumnKind

TRUE_WORDS = ("true", "1", "1.0")
FALSE_WORDS = ("false", "0", "0.0")
MOSTLY = 0.9  # from this share of numbers on, any other cell is an error
LOOKS_LIKE = 0.5  # from this share on, a category that is left out is told to look like numbers or dates
INFINITE = r"(?i)^[+-]?inf(inity)?$"


def read_text(name: str, texts: pa.ChunkedArray, complain: Complain, rules: ColumnRules | None = None) -> Reading:
    """Read the cells of a column.

    Args:
        name: Of the column, for errors.
        texts: Its cells as text; null where the format itself marks a missing value.
        complain: Makes the error for a cell.
        rules: How it is to be read; by default all is inferred.
    Raises:
        TableError: A cell is not of the wanted kind, or not of the kind of nearly all other cells.
    """
    rules = rules or ColumnRules()
    wanted = rules.wanted
    cells, gaps = _without_words(texts.combine_chunks(), rules.missing)
    values = None if wanted is ColumnKind.CATEGORY else _cast(cells)
    if values is None:
        cells = pc.utf8_trim_whitespace(cells)
        cells = pc.if_else(pc.is_in(cells, pa.array(EMPTY_WORDS)), None, cells)
        values = None if wanted is ColumnKind.CATEGORY else _cast(cells)
    is_plain = values is not None and not (rules.decimal == "," and pc.any(pc.match_substring(cells, ".")).as_py())
    if values is not None and is_plain and (wanted in NUMERIC or (wanted is None and not are_codes(cells))):
        return plain_numbers(name, cells, values, gaps, complain, rules)
    distinct = Distinct.of(cells)
    if wanted in (None, *NUMERIC):
        found = written_numbers(name, distinct, complain, rules) or read_clock(name, distinct, complain, rules)
        if found is not None:
            return replace(found, gaps={**gaps, **found.gaps})
        if wanted is not None:
            raise not_a_number(name, distinct, complain, rules)
    kind = wanted or _infer(name, distinct, complain)
    if kind is ColumnKind.CATEGORY:
        return Reading(kind, distinct.categories(), gaps=gaps, looks=looks_of(distinct) if wanted is None else "")
    if kind is ColumnKind.TIME:
        found = read_times(name, distinct, complain, rules)
        return replace(found, gaps={**gaps, **found.gaps})
    lowered = pc.utf8_lower(distinct.names)
    known = mask_of(pc.is_in(lowered, pa.array(TRUE_WORDS + FALSE_WORDS)))
    distinct.require(name, known, "a flag (true or false)", complain)
    is_true = mask_of(pc.is_in(lowered, pa.array(TRUE_WORDS))).astype(np.float64)
    return replace(Reading.of_flags(distinct.spread(is_true, np.nan)), gaps=gaps)


def read_quoted(name: str, texts: pa.ChunkedArray, complain: Complain, rules: ColumnRules) -> Reading:
    """Read the cells of a column that its format marks as text.

    Digits in quotes stay text, since someone wrote the quotes on purpose. Numbers with decimals, separators or units
    are read as numbers: as text they would only name the rows.
    """
    if rules.wanted is not None:
        return read_text(name, texts, complain, rules)
    cells, gaps = _without_words(texts.combine_chunks(), rules.missing)
    distinct = Distinct.of(cells)
    if any(are(distinct.names) for are in (are_dates, are_written_numbers, are_clock_times)):
        return read_text(name, texts, complain, rules)
    return Reading(ColumnKind.CATEGORY, distinct.categories(), gaps=gaps, looks=looks_of(distinct))


def _without_words(cells: pa.Array, words: tuple[str, ...]) -> tuple[pa.Array, dict[str, int]]:
    if not words:
        return cells, {}
    trimmed = pc.utf8_trim_whitespace(cells)
    is_gap = pc.is_in(trimmed, pa.array(words, pa.string()))
    counted = pc.value_counts(trimmed.filter(is_gap)).to_pylist()
    return pc.if_else(is_gap, None, cells), {row["values"]: row["counts"] for row in counted}


def _infer(name: str, distinct: Distinct, complain: Complain) -> ColumnKind:
    names = distinct.names
    is_gap = mask_of(pc.is_in(names, pa.array(GAP_WORDS)))
    if are_dates(names):
        return ColumnKind.TIME
    if all_match(pc.is_in(pc.utf8_lower(names), pa.array(("true", "false")))):
        return ColumnKind.FLAG
    if not len(names) or not taken_apart(names.slice(0, SAMPLE)).looks.any():
        return ColumnKind.CATEGORY
    written = taken_apart(names)
    if written.has_codes:
        return ColumnKind.CATEGORY
    fits = best_fit(written) | mask_of(pc.match_substring_regex(names, INFINITE))
    n_fit, n_told = distinct.count(fits), int((distinct.codes >= 0).sum())
    n_filled = n_told - distinct.count(is_gap)
    is_plain = not pc.any(pc.not_equal(written.scales, "")).as_py()  # 12B beside 7A is a seat, and no broken number
    if is_plain and n_filled > n_fit >= MOSTLY * n_filled and n_fit >= LOOKS_LIKE * n_told:
        row = distinct.first(~(fits | is_gap))
        cell = distinct.at(row)
        raise complain(
            f"is not a number, while {n_fit:,} of {n_filled:,} cells are",
            f"Correct or clear the cell; if it marks a missing value, declare it: --na {as_typed(cell)}; "
            f"if the column is a category, say so: --read {as_typed(name)}=category.",
            name,
            row,
            cell=shown(cell),
        )
    return ColumnKind.CATEGORY


def have_codes(names: Iterable[str]) -> bool:
    """Return whether some digits start with a zero, as in 007, which makes a category of all of a column.

    >>> have_codes(["277", "007"]), have_codes(["277", "0.7"])
    (True, False)
    """
    return taken_apart(pa.array(names, pa.string())).has_codes


def looks_of(distinct: Distinct) -> str:
    """Say what a category nearly is, by the share of its cells."""
    n_filled = int((distinct.codes >= 0).sum())
    some = Distinct(distinct.names.slice(0, SAMPLE), distinct.codes)
    if not n_filled or not len(some.names):
        return ""
    written = taken_apart(some.names)
    is_clock = ~np.isnan(clock_minutes(some.names))
    looks = (("numbers", best_fit(written)), ("dates", look_like_dates(some.names)), ("clock times", is_clock))
    for what, fits in looks:
        # By the cells of the sampled values, which stand for the others.
        n_rows = np.bincount(distinct.codes[distinct.codes >= 0], minlength=len(distinct.names))[: len(fits)]
        share = float(n_rows[fits].sum() / n_rows.sum())
        if share >= 1.0 and what == "numbers":
            first = shown(str(some.names[0].as_py()))
            return f"its cells are digits that read as names, such as {first}; --read COLUMN=number reads numbers"
        if share >= LOOKS_LIKE and not fits.all():
            other = str(some.names[int(np.argmin(fits))].as_py())
            return (
                f"{share:.0%} of its cells look like {what}, others do not, such as {shown(other)}; "
                f"if that marks a missing value, declare it: --na {as_typed(other)}"
            )
    return ""


def _cast(cells: pa.Array) -> FloatArray | None:
    """Read all cells as numbers, empty cells as NaN; None if any cell is not a number."""
    try:
        values = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        return None
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
