"""CSV: the separator is found in the header, and every cell is read as text first, so that errors can quote it."""

import csv
from collections.abc import Mapping
from itertools import islice

import pyarrow as pa
import pyarrow.csv

from core.columnwise import columnwise
from core.tables import limits
from core.tables.errors import TableError, shown
from core.tables.names import check_names
from core.tables.salvage import read_or_salvage, with_decimal_points
from core.tables.signature import ColumnKind
from core.tables.source import Source, text_lines
from core.tables.table import Table
from core.tables.text_columns import Reading, read_text

SEPARATORS = (",", ";", "\t", "|")


def read_csv(source: Source, kinds: Mapping[str, ColumnKind], *, lenient: bool = False) -> Table:
    """Read a CSV file.

    Args:
        source: The file.
        kinds: Of known columns; the other kinds are inferred.
        lenient: Whether cells that cannot be read are left empty and counted.
    Raises:
        TableError: The header, a row or a cell is invalid.
    """
    separator, names = _header(source)
    check_names(source.path, names, place="line 1")
    cells = _cells(source, separator, names)
    path = source.path
    if cells.num_rows == 0:
        raise TableError(path, "it has a header, but no rows", "Add rows to train on.")
    if source.n_quotes % 2 and any("\n" in (cells.column(name)[-1].as_py() or "") for name in names):
        line = _line_of(source, separator, cells.num_rows - 1, starts=True)
        raise _left_open(source, line)

    def line_of(row: int) -> int:
        return _line_of(source, separator, row)

    def complain(problem: str, cure: str, column: str, row: int) -> TableError:
        return TableError(path, problem, cure, column=column, place=f"line {line_of(row)}")

    def read(name: str) -> Reading:
        decimal_comma, wanted, texts = separator in (";", "\t"), kinds.get(name), cells.column(name)
        return read_or_salvage(
            lambda: read_text(name, texts, complain, wanted=wanted, decimal_comma=decimal_comma),
            lambda: with_decimal_points(texts) if decimal_comma else texts,
            wanted,
            lenient=lenient,
        )

    return Table.of(source, dict(zip(names, columnwise(read, names), strict=True)), line_of=line_of)


def _header(source: Source) -> tuple[str, list[str]]:
    """Read the first line, with the separator that splits it into the most names."""
    with text_lines(source) as lines:
        first = next(iter(lines), "")
    if not first.strip():
        raise TableError(source.path, "its first line is empty", "Start the file with a line of column names.")
    separator = max(SEPARATORS, key=lambda mark: len(next(csv.reader([first], delimiter=mark))))
    with text_lines(source) as lines:  # again: a quoted name may span several lines
        return separator, next(csv.reader(lines, delimiter=separator))


def _cells(source: Source, separator: str, names: list[str]) -> pa.Table:
    wrong: list[pyarrow.csv.InvalidRow] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    try:
        with source.open() as file:
            cells = pyarrow.csv.read_csv(
                file,
                # One thread: only then is the number of an invalid row known.
                read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=8 * limits.MOST_LINE_BYTES),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=separator,
                    newlines_in_values=source.n_quotes > 0,
                    ignore_empty_lines=len(names) > 1,
                    invalid_row_handler=note,
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
    except pa.ArrowInvalid as error:
        if not wrong:
            raise TableError(source.path, f"it cannot be parsed ({error})", "Check its quotes.") from error
        row = wrong[0]
        line = _line_of(source, separator, row.number - 2, starts="\n" in row.text) if row.number else 0
        if source.n_quotes % 2 and "\n" in row.text:  # an open quote has swallowed the following rows
            raise _left_open(source, line) from None
        raise TableError(
            source.path,
            f"{row.actual_columns} cells where the header has {row.expected_columns}: {shown(row.text)}",
            "Give every row as many cells as the header; quote cells that contain the separator.",
            place=f"line {line}",
        ) from None
    if cells.num_rows * len(names) > limits.MOST_CELLS:
        raise TableError(source.path, f"it has {cells.num_rows:,} rows", "Take a sample of the rows.")
    return cells


def _left_open(source: Source, line: int) -> TableError:
    return TableError(
        source.path, "a quote is opened and never closed", "Close it, or double it.", place=f"line {line}"
    )


def _line_of(source: Source, separator: str, row: int, *, starts: bool = False) -> int:
    """Find the line where a row ends or starts; only errors need it, so the file is simply read again."""
    with text_lines(source) as lines:
        rows = csv.reader(lines, delimiter=separator)
        before = 0
        filled = _filled(rows)
        for _ in islice(filled, row + 1):
            before = rows.line_num
        next(filled, None)
        return before + 1 if starts or rows.line_num == before else rows.line_num


def _filled(rows: "csv._reader"):  # type: ignore[name-defined,no-untyped-def]
    for row in rows:
        if row:
            yield row
