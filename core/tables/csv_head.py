"""The first lines of a CSV file: what precedes the header, the separator, and the names of the columns."""

import csv
import re
from dataclasses import dataclass
from itertools import islice

from core.escape import shown
from core.tables.csv_rows import CsvRows
from core.tables.errors import NoRowsError, TableError
from core.tables.names import check_names, trimmed
from core.tables.source import Source, text_lines

SEPARATORS = (",", ";", "\t", "|")
MOST_COMMENTS = 100  # lines before the header
_SEP = re.compile(r'^"?sep=(?P<mark>[,;\t|])"?\s*$', flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CsvHead:
    """What the first lines say.

    Attributes:
        separator: Between cells.
        written: The names as they are written.
        names: The names without blanks around them; "" for a column without a name.
        n_skipped: Lines before the header.
        notes: What was done, one sentence each.
    """

    separator: str
    written: list[str]
    names: list[str]
    n_skipped: int
    notes: tuple[str, ...]


def read_head(source: Source) -> CsvHead:
    """Read the header.

    Raises:
        TableError: The file does not begin with a line of usable names.
    """
    with text_lines(source) as lines:
        first = list(islice(lines, MOST_COMMENTS + 1))
    said = _SEP.match(first[0]) if first else None
    n_skipped, notes = (1, []) if said else _comments(first)
    header = first[n_skipped] if n_skipped < len(first) else ""
    line = f"line {n_skipped + 1}"
    if not header.strip():
        where = "its first line" if not n_skipped else line
        is_blank = len(first) <= MOST_COMMENTS and not "".join(first).strip()
        fault = NoRowsError if is_blank else TableError
        raise fault(source.path, f"{where} is empty", "Start the file with a line of column names.")
    separator = said["mark"] if said else _separator(header)
    with text_lines(source) as lines:  # again: a quoted name may span several lines
        written = next(CsvRows(source, lines, n_skipped, separator))
    names, more = trimmed(written)
    check_names(source.path, [name or f"\0{position}" for position, name in enumerate(names)], place=line)
    return CsvHead(separator, written, names, n_skipped, (*notes, *more))


def _comments(first: list[str]) -> tuple[int, list[str]]:
    """Count the comment lines at the start; a header that begins with # has as many cells as the line after it."""
    n_skipped = 0
    while n_skipped < len(first) and first[n_skipped].startswith("#"):
        n_skipped += 1
    if not 0 < n_skipped < len(first):
        return 0, []
    separator = _separator(first[n_skipped])
    width = _n_cells(first[n_skipped], separator)
    if width == _n_cells(first[n_skipped - 1], separator):
        n_skipped -= 1
    if not n_skipped:
        return 0, []
    told = shown(first[0].strip())
    lines = "line 1 is a comment" if n_skipped == 1 else f"lines 1 to {n_skipped} are comments"
    return n_skipped, [f"{lines} ({told}) and not the header: skipped."]


def _separator(line: str) -> str:
    """Return the mark that splits a line into the most cells."""
    return max(SEPARATORS, key=lambda mark: _n_cells(line, mark))


def _n_cells(line: str, separator: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=separator), ()))
    except csv.Error:  # a cell too long to read: this mark does not separate
        return 0
