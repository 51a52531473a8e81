"""Columns of numbers: plain ones, and those with separators, units and words for an empty cell."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import BoolArray, FloatArray
from core.escape import shown
from core.tables.errors import as_typed
from core.tables.number_forms import (
    PERCENT,
    NumberMarks,
    NumbersRead,
    Written,
    best_fit,
    may_be_grouped,
    read_numbers,
    spelled_alike,
    taken_apart,
)
from core.tables.reading_of_column import Complain, Distinct, Doubt, Reading, all_match, mask_of
from core.tables.rules import ColumnRules, Manner
from core.tables.signature import ColumnForm, ColumnKind

EMPTY_WORDS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "#N/A", "<NA>")
# Among numbers and dates these mark an empty cell; among words they may be a level.
GAP_WORDS = (
    *("-", "--", "---", "–", "—", ".", "..", "...", "?", "*", "/", "n.a.", "N.A.", "n.d.", "na", "Na", "none", "None"),
    *("NONE", "Null", "missing", "Missing", "MISSING", "unknown", "Unknown", "UNKNOWN", "nil", "NIL", "-nan", "-NaN"),
    *("#NA", "#N/A N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!", "1.#QNAN", "1.#IND", "NaT"),
)
SAMPLE = 1_000  # distinct values that are tried before all of them are
MOST_EXACT = 2**53
MOST_FLOAT = sys.float_info.max
MOST_DIGITS = 16  # from here on a float cannot distinguish neighbouring whole numbers
NUMERIC = (ColumnKind.NUMBER, ColumnKind.INTEGER)
_GROUPED = NumberMarks(",", ".")


def plain_numbers(
    name: str, cells: pa.Array, values: FloatArray, gaps: dict[str, int], complain: Complain, rules: ColumnRules
) -> Reading:
    """Take numbers that need no form; doubt them where points may separate thousands."""
    is_told = (values == values) & (values != 0)  # nothing is nothing on any scale
    if rules.form is not None and rules.form.unit in PERCENT and not rules.manners and is_told.any():
        row = int(np.argmax(is_told))
        raise other_scale(name, str(cells[row].as_py()).strip(), row, "", rules.form.unit, complain)
    values, more = without_numbers(values, rules.missing)
    found = replace(refine(name, values, complain, wanted=rules.wanted), gaps={**gaps, **more})
    if rules.decimal or rules.form is not None or not may_be_grouped(values):
        return found
    some = cells.slice(0, SAMPLE).drop_null()
    if not mask_of(pc.match_substring_regex(some, rf"^\s*[+-]?{_GROUPED.pattern.strip('^$')}\s*$")).all():
        return found
    cells = spelled_alike(pc.utf8_trim_whitespace(cells))
    cells = pc.replace_substring_regex(cells, r"^[+-]", "")
    if not pc.any(pc.match_substring(cells, ".")).as_py() or not all_match(
        pc.match_substring_regex(cells, _GROUPED.pattern)
    ):
        return found
    distinct = Distinct.of(cells)
    first = distinct.first(mask_of(pc.match_substring(distinct.names, ".")))
    grouped = np.array([float(str(text).replace(".", "")) for text in distinct.names.to_pylist()])
    thousands = np.copysign(distinct.spread(grouped, np.nan), values)
    other = replace(refine(name, thousands, complain), form=ColumnForm(decimal=",", thousands="."))
    return replace(found, doubt=_number_doubt(name, distinct.at(first), first, {".": found, ",": other}, complain))


def _number_doubt(name: str, cell: str, row: int, choices: dict[str, Reading], complain: Complain) -> Doubt:
    read = {mark: f"{reading.values.iloc[row]:.15g}" for mark, reading in choices.items()}
    error = complain(
        f"{shown(cell)} may be {read['.']} (decimal point) or {read[',']} (decimal comma), "
        "and no cell of the file settles it",
        f"Say which: --read {as_typed(name)}=decimal-point or --read {as_typed(name)}=decimal-comma.",
        name,
        row,
        fault="a value may have a decimal point or a decimal comma, and no cell of the file settles it",
    )
    return Doubt(choices, error)


def written_numbers(name: str, distinct: Distinct, complain: Complain, rules: ColumnRules) -> Reading | None:
    """Read numbers with separators and units; None if the cells are not all numbers."""
    is_gap = mask_of(pc.is_in(distinct.names, pa.array(GAP_WORDS)))
    filled = distinct.names.filter(pa.array(~is_gap))
    if not len(filled) or not taken_apart(filled.slice(0, SAMPLE)).looks.all():
        return None
    written = taken_apart(filled)
    is_asked = rules.wanted in NUMERIC
    if not written.looks.all() or (not is_asked and (written.has_codes or are_codes(written.cores))):
        return None
    read = read_numbers(written, (rules.decimal,) if rules.decimal else (".", ","))
    if read is None:
        return None
    unit = _unit(name, distinct, is_gap, written, complain, rules)
    gaps = distinct.counts(is_gap)
    scales = tuple(sorted(filter(None, pc.unique(written.scales).to_pylist())))

    def reading(numbers: NumbersRead) -> Reading:
        values = np.full(len(distinct.names), np.nan)
        values[~is_gap] = numbers.values
        spread, more = without_numbers(distinct.spread(values, np.nan), rules.missing)
        found = refine(name, spread, complain, wanted=rules.wanted)
        form = ColumnForm(
            decimal=numbers.decimal,
            thousands=numbers.marks.thousands,
            unit=unit,
            scales=scales,
            missing=tuple(sorted(gaps)),
        )
        return replace(found, form=form, gaps={**gaps, **more})

    found = reading(read)
    if not read.others or rules.form is not None:
        return found
    choices = {read.decimal: found} | {mark: reading(other) for mark, other in read.others.items()}
    differs = np.ones(len(distinct.names), dtype=np.bool_)
    differs[is_gap] = False
    differs[~is_gap] = ~np.isclose(read.values, next(iter(read.others.values())).values, rtol=1e-12)
    row = distinct.first(differs)
    return replace(found, doubt=_number_doubt(name, distinct.at(row), row, choices, complain))


def _unit(
    name: str, distinct: Distinct, is_gap: BoolArray, written: Written, complain: Complain, rules: ColumnRules
) -> str:
    """Return the one unit of all cells; a number without its unit would be read on another scale."""
    is_told = pc.not_equal(written.cores, "0").fill_null(False)
    units = {row["values"]: row["counts"] for row in pc.value_counts(written.units.filter(is_told)).to_pylist()}
    named = sorted(unit for unit in units if unit)
    unit = named[0] if named else ""
    if Manner.NUMBER in rules.manners:
        return unit
    if len(named) > 1 or ("" in units and unit in PERCENT):
        odd, usual = min(sorted(units), key=units.__getitem__), max(sorted(units), key=units.__getitem__)
    elif rules.form is not None and _is_other_scale(unit, rules.form.unit):
        odd, usual = unit, rules.form.unit
    else:
        return unit
    at = np.flatnonzero(~is_gap)[int(np.argmax(mask_of(pc.and_(is_told, pc.equal(written.units, odd)))))]
    row = distinct.first(np.arange(len(distinct.names)) == at)
    raise other_scale(name, distinct.at(row), row, odd, usual, complain)


def _is_other_scale(unit: str, known: str) -> bool:
    return unit != known and (unit in PERCENT or known in PERCENT or bool(unit and known))


def other_scale(name: str, cell: str, row: int, unit: str, usual: str, complain: Complain) -> Exception:
    """Make the error for a number in another unit than the others."""
    return complain(
        f"is written {_spelled(unit)}, while others are written {_spelled(usual)}",
        f"Write all on one scale, or take the figures as they are: --read {as_typed(name)}=number.",
        name,
        row,
        cell=shown(cell),
    )


def _spelled(unit: str) -> str:
    return f"with {unit}" if unit else "without a unit"


def not_a_number(name: str, distinct: Distinct, complain: Complain, rules: ColumnRules) -> Exception:
    """Make the error for the first cell that is not a number."""
    is_gap = mask_of(pc.is_in(distinct.names, pa.array(GAP_WORDS)))
    written = taken_apart(distinct.names)
    fits = best_fit(written) if not rules.decimal else _fits_decimal(written, rules.decimal)
    if (fits | is_gap).all():
        fits = written.fits(NumberMarks(rules.decimal or ".", ""))
    row = distinct.first(~(fits | is_gap))
    cell = distinct.at(row)
    mark = {",": " with a decimal comma", ".": " with a decimal point"}.get(rules.decimal, "")
    cure = f"Correct or clear the cell; if it marks a missing value, declare it: --na {as_typed(cell)}."
    problem = f"is not a number{mark if written.looks.all() else ''}"
    return complain(problem, cure, name, row, cell=shown(cell))


def _fits_decimal(written: Written, decimal: str) -> BoolArray:
    marks = [NumberMarks(decimal, thousands) for thousands in ("", ",", ".", "'", " ") if thousands != decimal]
    return max((written.fits(one) for one in marks), key=lambda fits: int(fits.sum()))


def refine(name: str, values: FloatArray, complain: Complain, *, wanted: ColumnKind | None = None) -> Reading:
    """Distinguish whole numbers from others; refuse infinite numbers."""
    if (lost := np.flatnonzero(np.isinf(values))).size:
        row = int(lost[0])
        raise complain("is not a finite number", "Correct or clear the cell.", name, row, cell=str(values[row]))
    filled = values[~np.isnan(values)]
    is_whole = bool((filled == np.floor(filled)).all())
    is_integer = is_whole and filled.size > 0 and bool((np.abs(filled) <= MOST_EXACT).all())
    # A column of whole numbers may have decimals later: it is then a column of numbers.
    is_kind = wanted is ColumnKind.NUMBER or (wanted is ColumnKind.INTEGER and is_whole)
    kind = wanted if is_kind and wanted else ColumnKind.INTEGER if is_integer else ColumnKind.NUMBER
    return Reading(kind, pd.Series(values), ColumnForm(decimal="" if is_whole else "."))


def without_numbers(values: FloatArray, words: tuple[str, ...]) -> tuple[FloatArray, dict[str, int]]:
    """Empty the cells that hold a number which a person has declared missing, such as -999."""
    gaps: dict[str, int] = {}
    for word in words:
        try:
            is_gap = values == float(word)
        except ValueError:
            continue
        if is_gap.any():
            gaps[word] = int(is_gap.sum())
            values = np.where(is_gap, np.nan, values)
    return values, gaps


def are_codes(cells: pa.Array) -> bool:
    """Return whether digits are identifiers: 007, or account numbers, where a float would make one of two."""
    zeros = cells.filter(pc.starts_with(cells, "0"))
    if pc.any(pc.match_substring_regex(zeros, r"^0[0-9]")).as_py():
        return True
    longest = pc.max(pc.binary_length(cells)).as_py() or 0
    if longest < MOST_DIGITS or not all_match(pc.match_substring_regex(cells, r"^[+-]?[0-9]+$")):
        return False
    n_digits = pc.binary_length(pc.utf8_ltrim(cells, "+-"))
    if pc.min(n_digits).as_py() >= MOST_DIGITS:
        return True
    large = pc.unique(cells.filter(pc.greater_equal(n_digits, MOST_DIGITS)))
    return len(pc.unique(large.cast(pa.float64()))) < len(large)


def exceed_floats(lowest: Any, highest: Any) -> bool:
    """Return whether some whole numbers between two have no float of their own: their text decides what they are."""
    return lowest is not None and MOST_EXACT < max(abs(lowest), abs(highest)) <= MOST_FLOAT


def are_written_numbers(names: pa.Array) -> bool:
    """Return whether all values are numbers whose writing shows it: decimals, thousands, units, scales.

    Text of digits alone may be names.
    """
    names = pc.utf8_trim_whitespace(names)
    filled = ~mask_of(pc.is_in(names, pa.array((*EMPTY_WORDS, *GAP_WORDS))))
    sample = names.filter(pa.array(filled)).slice(0, SAMPLE)
    if not len(sample) or not taken_apart(sample).looks.all():
        return False
    written = taken_apart(names.filter(pa.array(filled)))
    if not written.looks.all() or written.has_codes or read_numbers(written) is None:
        return False
    has_marks = pc.match_substring_regex(written.cores, "[.,' eE]")
    has_unit, has_scale = pc.not_equal(written.units, ""), pc.not_equal(written.scales, "")
    return any(pc.any(shows).as_py() for shows in (has_marks, has_unit, has_scale))
