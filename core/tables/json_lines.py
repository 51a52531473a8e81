"""JSON lines: one object a line. A missing key is an empty cell."""

import contextlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from core.arrays import FloatArray
from core.escape import shown
from core.json_documents import json_decoder
from core.tables import limits
from core.tables.errors import TableError
from core.tables.names import check_names, trimmed
from core.tables.number_columns import EMPTY_WORDS, GAP_WORDS, MOST_FLOAT, exceed_floats, refine, without_numbers
from core.tables.reading_of_column import Complain, Reading
from core.tables.rules import ColumnRules, ReadingRules
from core.tables.salvage import read_or_salvage
from core.tables.signature import ColumnKind
from core.tables.source import Source, text_lines
from core.tables.table import Table
from core.tables.text_columns import read_quoted, read_text

CHECKED_FOR_REPEATED_KEYS = 1_000  # lines; a writer that repeats a key does so on each line
_NOTHING = type(None)


@dataclass(slots=True)
class _Rows:
    """The objects of a file, and the line of each."""

    cells: dict[str, list[Any]] = field(default_factory=dict)
    lines: list[int] = field(default_factory=list)

    def add(self, values: Mapping[str, Any], line: int) -> None:
        n_before = len(self.lines)
        self.lines.append(line)
        for name, value in values.items():
            column = self.cells.get(name)
            if column is None:
                column = self.cells[name] = [None] * n_before
            elif len(column) < n_before:
                column.extend([None] * (n_before - len(column)))
            column.append(value)


def read_json_lines(source: Source, rules: ReadingRules) -> Table:
    """Read a file of JSON lines.

    Args:
        source: The file.
        rules: How its columns are to be read.
    Raises:
        TableError: A line is not an object, or a column mixes kinds of values.
    """
    rows = _parse(source)
    if not rows.lines:
        raise TableError(source.path, "it has no rows", "Give one JSON object a line.")
    names, notes = trimmed(list(rows.cells))
    check_names(source.path, names)
    rows.cells = dict(zip(names, rows.cells.values(), strict=True))
    rules.require_known(rows.cells)

    def complain(problem: str, cure: str, column: str, row: int, *, cell: str = "", fault: str = "") -> TableError:
        place = f"line {rows.lines[row]}"
        return TableError(source.path, problem, cure, column=column, place=place, cell=cell, fault=fault)

    readings: dict[str, Reading] = {}
    left_out: dict[str, str] = {}
    for name, values in rows.cells.items():
        if not rules.reads(name):
            continue
        values.extend([None] * (len(rows.lines) - len(values)))
        own = rules.of(name)
        nested = _nested(values)
        if not (rules.lenient and own.wanted) and 2 * len(nested) > sum(value is not None for value in values):
            left_out[name] = f"holds lists or objects, such as in line {rows.lines[nested[0]]}"
        else:
            readings[name] = read_or_salvage(
                partial(_read, name, values, own, complain), partial(_texts, values), own, lenient=rules.lenient
            )
    line_of, empty_rows = rows.lines.__getitem__, rules.empty_rows(len(rows.lines))
    return Table.of(source, readings, left_out=left_out, notes=notes, line_of=line_of, empty_rows=empty_rows)


def _nested(values: list[Any]) -> list[int]:
    """Return the positions of lists and objects; a column that mostly has these is of no use to a model."""
    return [position for position, value in enumerate(values) if isinstance(value, (list, dict))]


def _parse(source: Source) -> _Rows:
    rows = _Rows()
    decode = json_decoder(dict[str, Any]).decode
    with text_lines(source) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                if number <= CHECKED_FOR_REPEATED_KEYS:
                    json.loads(line, object_pairs_hook=_without_repeats)
                values = decode(line)
            except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors, too
                raise _malformed(source, line, number, error) from None
            rows.add(values, number)
            if len(rows.cells) > limits.MOST_COLUMNS:
                check_names(source.path, list(rows.cells), place=f"line {number}")
            if len(rows.lines) * len(rows.cells) > limits.MOST_CELLS:
                raise TableError(source.path, f"it has more than {number:,} rows", "Take a sample of the rows.")
    return rows


def _malformed(source: Source, line: str, number: int, error: Exception) -> TableError:
    """Name the field of a NaN or an infinity, which Python writes and JSON does not have."""
    strange: list[tuple[str, str]] = []

    def pairs_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        strange.extend((name, value.word) for name, value in pairs if isinstance(value, _Strange))
        return dict(pairs)

    with contextlib.suppress(ValueError, RecursionError):
        json.loads(line, parse_constant=_Strange, object_pairs_hook=pairs_of)
    place = f"line {number}"
    if strange:
        name, word = strange[0]
        cure = "Write null for a missing value." if word == "NaN" else "Write a number, or null for a missing value."
        return TableError(source.path, f"{word} is not a JSON value", cure, column=name, place=place)
    cure = 'Write one JSON object a line: {"size": 1.5, "grade": "A"}; an empty cell is null.'
    fault = f"it cannot be read ({error})"
    return TableError(
        source.path, f"cannot be read ({error})", cure, place=place, cell=shown(line.strip()), fault=fault
    )


@dataclass(frozen=True, slots=True)
class _Strange:
    """NaN, Infinity or -Infinity."""

    word: str


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"it has the key {shown(repeated)} twice")
    return found


def _read(name: str, values: list[Any], rules: ColumnRules, complain: Complain) -> Reading:
    wanted = rules.wanted
    if nested := _nested(values):
        first, n_filled = values[nested[0]], sum(value is not None for value in values)
        kind = "a list" if isinstance(first, list) else "an object"
        problem = f"is {kind}, while {n_filled - len(nested):,} of {n_filled:,} values are plain"
        cure = "Write a plain value, or null for a missing value."
        raise complain(problem, cure, name, nested[0], cell=shown(json.dumps(first)))
    values, words = _without_words(values, rules)
    kinds = {type(value) for value in values} - {_NOTHING}
    if kinds == {int} and wanted is None:
        filled = [value for value in values if value is not None]
        if exceed_floats(min(filled), max(filled)):
            return read_text(name, _texts(values), complain, rules)
    if kinds <= {int, float} and wanted not in (ColumnKind.CATEGORY, ColumnKind.FLAG):
        numbers, gaps = without_numbers(_numbers(name, values, complain), rules.missing)
        return replace(refine(name, numbers, complain, wanted=wanted), gaps=words | gaps)
    if kinds == {bool} and wanted in (None, ColumnKind.FLAG):
        return Reading.of_flags(np.array([np.nan if value is None else float(value) for value in values]))
    if kinds in ({str}, {bool}) or (kinds and wanted in (ColumnKind.CATEGORY, ColumnKind.FLAG)):
        return read_quoted(name, _texts(values), complain, rules)
    if kinds == {str, int} or kinds == {str, float} or kinds == {str, int, float}:
        raise _quoted(name, values, complain)
    counts = {kind: sum(type(value) is kind for value in values) for kind in kinds}
    rarest = min(counts, key=lambda kind: (counts[kind], kind.__name__))
    row = next(position for position, value in enumerate(values) if type(value) is rarest)
    raise complain(
        f"is of another kind than other cells ({', '.join(sorted(k.__name__ for k in kinds))})",
        "Write all values of a column alike: all numbers, all text, or all true and false; null for a missing value.",
        name,
        row,
        cell=shown(values[row]),
    )


def _without_words(values: list[Any], rules: ColumnRules) -> tuple[list[Any], dict[str, int]]:
    """Empty the cells of words for a missing value among numbers; among text, a later step decides."""
    if {type(value) for value in values} & {int, float} and any(isinstance(value, str) for value in values):
        words = {*EMPTY_WORDS, *GAP_WORDS, *rules.missing}
        is_gap = [isinstance(value, str) and value.strip() in words for value in values]
        gaps = Counter(value for value, is_one in zip(values, is_gap, strict=True) if is_one)
        return [None if is_one else value for value, is_one in zip(values, is_gap, strict=True)], dict(gaps)
    return values, {}


def _quoted(name: str, values: list[Any], complain: Complain) -> TableError:
    """Make the error for text among numbers, or numbers among text."""
    is_text = [isinstance(value, str) for value in values]
    n_text, n_filled = sum(is_text), sum(value is not None for value in values)
    if 2 * n_text > n_filled:
        row = next(k for k, value in enumerate(values) if value is not None and not is_text[k])
        problem = f"is a number, while {n_text:,} of {n_filled:,} values are text"
        cure = f"Write it in quotes: {json.dumps(str(values[row]))}."
        return complain(problem, cure, name, row, cell=shown(values[row]))
    row = is_text.index(True)
    problem = f"is text, while {n_filled - n_text:,} of {n_filled:,} values are numbers"
    cure = "Write the number without quotes, and null for a missing value."
    return complain(problem, cure, name, row, cell=shown(values[row]))


def _numbers(name: str, values: list[Any], complain: Complain) -> FloatArray:
    try:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    except OverflowError:
        row = next(position for position, value in enumerate(values) if value is not None and abs(value) > MOST_FLOAT)
        problem = f"is out of the range of numbers, {MOST_FLOAT:.1e} at most"
        raise complain(problem, "Correct or empty it.", name, row, cell=shown(values[row])) from None


def _texts(values: list[Any]) -> pa.ChunkedArray:
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pa.chunked_array([pa.array(texts, pa.string())])
