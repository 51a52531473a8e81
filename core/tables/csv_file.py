"""CSV: every cell is read as text first, so that errors can quote it."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from core.columnwise import columnwise
from core.escape import shown
from core.tables import limits
from core.tables.csv_head import CsvHead, read_head
from core.tables.csv_rows import CsvRows, left_open
from core.tables.errors import TableError
from core.tables.reading_of_column import Reading
from core.tables.rules import ReadingRules
from core.tables.salvage import read_or_salvage
from core.tables.source import Source, text_lines
from core.tables.table import Table
from core.tables.text_columns import read_text


def read_csv(source: Source, rules: ReadingRules) -> Table:
    """Read a CSV file.

    Args:
        source: The file.
        rules: How its columns are to be read.
    Raises:
        TableError: The header, a row or a cell is invalid.
    """
    head = read_head(source)
    cells = _cells(source, head)
    path = source.path
    if cells.num_rows == 0:
        raise TableError(path, "it has a header, but no rows", "Add rows.")
    require_closed(source, head, cells, cells.num_rows)
    left_out = _without_names(source, head, cells)
    columns = {name: cells.column(position) for position, name in enumerate(head.names) if name}
    rules.require_known(columns)

    def line_of(row: int) -> int:
        return line_of_row(source, head, row)

    def complain(problem: str, cure: str, column: str, row: int, *, cell: str = "", fault: str = "") -> TableError:
        return TableError(path, problem, cure, column=column, place=f"line {line_of(row)}", cell=cell, fault=fault)

    def read(name: str) -> Reading:
        texts, own = columns[name], rules.of(name)
        return read_or_salvage(lambda: read_text(name, texts, complain, own), lambda: texts, own, lenient=rules.lenient)

    names = [name for name in columns if rules.reads(name)]
    readings = dict(zip(names, columnwise(read, names), strict=True))
    empty_rows = rules.empty_rows(cells.num_rows)
    return Table.of(source, readings, left_out=left_out, notes=head.notes, line_of=line_of, empty_rows=empty_rows)


def _without_names(source: Source, head: CsvHead, cells: pa.Table) -> dict[str, str]:
    """Leave out columns without a name that hold nothing, or number or name the rows.

    Raises:
        TableError: Another column has no name.
    """
    left_out: dict[str, str] = {}
    for position, name in enumerate(head.names):
        if name:
            continue
        column = pc.utf8_trim_whitespace(cells.column(position))
        if not pc.any(pc.not_equal(column, "")).as_py():
            left_out[f"(column {position + 1})"] = "has neither a name nor a value"
        elif position == 0 and pc.count_distinct(column).as_py() == len(column):
            left_out["(column 1)"] = "has no name and numbers the rows: an index"
        else:
            problem = f"the name of column {position + 1}, '', is empty"
            raise TableError(source.path, problem, "Name it.", place=f"line {head.n_skipped + 1}")
    return left_out


def csv_pieces(source: Source, head: CsvHead, written: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read some columns of a CSV file as text, some megabytes of its rows at a time.

    Args:
        source: The file.
        head: Its first lines.
        written: The columns to read, by the names as they are written; empty for all.
    Raises:
        TableError: A row is invalid, or a quote is left open.
    """
    wrong: list[pyarrow.csv.InvalidRow] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    options = _parse_options(source, head, note)
    options["convert_options"].include_columns = list(written)
    try:
        with source.open() as file, pyarrow.csv.open_csv(file, **options) as reader:
            for piece in reader:
                _require_short(source, head, piece.columns)
                yield piece
    except pa.ArrowInvalid as error:
        raise _invalid(source, head, wrong, error) from error


def has_rows(source: Source, head: CsvHead) -> bool:
    """Return whether anything follows the header."""
    with text_lines(source) as lines:
        rows = CsvRows(source, lines, head.n_skipped, head.separator)
        next(rows, None)
        return next(_filled(rows), None) is not None


def _cells(source: Source, head: CsvHead) -> pa.Table:
    wrong: list[pyarrow.csv.InvalidRow] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    try:
        with source.open() as file:
            cells = pyarrow.csv.read_csv(file, **_parse_options(source, head, note))
    except pa.ArrowInvalid as error:
        raise _invalid(source, head, wrong, error) from error
    if cells.num_rows * len(head.names) > limits.MOST_CELLS:
        raise TableError(source.path, f"it has {cells.num_rows:,} rows", "Take a sample of the rows.")
    _require_short(source, head, cells.columns)
    return cells


def _parse_options(source: Source, head: CsvHead, note: "Callable[[pyarrow.csv.InvalidRow], str]") -> dict[str, Any]:
    return {
        # One thread: only then is the number of an invalid row known.
        "read_options": pyarrow.csv.ReadOptions(
            use_threads=False, block_size=8 * limits.MOST_LINE_BYTES, skip_rows=head.n_skipped
        ),
        "parse_options": pyarrow.csv.ParseOptions(
            delimiter=head.separator,
            newlines_in_values=source.n_quotes > 0,
            ignore_empty_lines=len(head.names) > 1,
            invalid_row_handler=note,
        ),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(head.written, pa.string()), strings_can_be_null=False
        ),
    }


def _invalid(source: Source, head: CsvHead, wrong: "list[pyarrow.csv.InvalidRow]", error: Exception) -> TableError:
    if wrong:
        return _ragged(source, head, wrong[0])
    return TableError(source.path, f"it cannot be parsed ({error})", "Check its quotes.")


def _ragged(source: Source, head: CsvHead, row: "pyarrow.csv.InvalidRow") -> TableError:
    number = (row.number or 0) - head.n_skipped - 2
    line = line_of_row(source, head, number, starts="\n" in row.text) if row.number else 0
    if source.n_quotes % 2 and "\n" in row.text:  # an open quote has swallowed the following rows
        return left_open(source, f"line {line}")
    cure = "Give every row as many cells as the header; quote cells that contain the separator."
    if row.actual_columns == row.expected_columns + 1 and row.text.rstrip("\r\n").endswith(head.separator):
        cure = "Remove the separator at the end of each row, or add one at the end of the header."
    elif number == 0 and row.expected_columns == 1:
        cure = f"If line {head.n_skipped + 1} is a title and not the header, remove it."
    return TableError(
        source.path,
        f"{row.actual_columns} cells where the header has {row.expected_columns}: {shown(row.text)}",
        cure,
        place=f"line {line}",
        fault=f"{row.actual_columns} cells where the header has {row.expected_columns}",
    )


def require_closed(source: Source, head: CsvHead, cells: "pa.Table | pa.RecordBatch", n_rows: int) -> None:
    """Make sure that no open quote has swallowed the end of the file.

    Args:
        source: The file.
        head: Its first lines.
        cells: The last rows, with all columns.
        n_rows: The number of rows of the file.
    Raises:
        TableError: One has.
    """
    if source.n_quotes % 2 and any("\n" in (column[-1].as_py() or "") for column in cells.columns):
        raise left_open(source, f"line {line_of_row(source, head, n_rows - 1, starts=True)}")


def line_of_row(source: Source, head: CsvHead, row: int, *, starts: bool = False) -> int:
    """Find the line where a row ends or starts; only errors need it, so the file is simply read again."""
    with text_lines(source) as lines:
        rows = CsvRows(source, lines, head.n_skipped, head.separator)
        before = 0
        filled = _filled(rows)
        for _ in islice(filled, row + 1):
            before = rows.line_num
        next(filled, None)
        line = before + 1 if starts or rows.line_num == before else rows.line_num
        return head.n_skipped + source.before + line


def _filled(rows: CsvRows) -> Iterator[list[str]]:
    return filter(None, rows)


def _require_short(source: Source, head: CsvHead, columns: Iterable["pa.Array | pa.ChunkedArray"]) -> None:
    """Make sure that no cell is longer than the reader takes that counts lines.

    Raises:
        TableError: One is.
    """
    longest = max((pc.max(pc.binary_length(column)).as_py() or 0 for column in columns), default=0)
    if longest > csv.field_size_limit():
        with text_lines(source) as lines:
            for _ in CsvRows(source, lines, head.n_skipped, head.separator):
                pass
