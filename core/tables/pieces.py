"""Some columns of a file that may be larger than the memory: texts, a piece of the rows at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.tables.csv_file import csv_pieces, has_rows, line_of_row, require_closed
from core.tables.csv_head import CsvHead, read_head
from core.tables.errors import TableError
from core.tables.names import check_names, trimmed
from core.tables.parquet_file import parquet_input
from core.tables.parquet_types import as_text, is_clock_or_duration, is_flat, is_text
from core.tables.source import Source

PIECE_ROWS = 65_536  # of a Parquet file; a piece of CSV has eight megabytes
MOST_GROUP_BYTES = 2 << 30  # of one row group, unpacked: it is decoded as a whole


@dataclass(frozen=True, slots=True)
class FilePieces:
    """The columns of a file, and a way to read some of them piece by piece.

    Attributes:
        names: The columns without blanks around their names.
        notes: What was done while the names were read, one sentence each.
        read: Yields the wanted columns as texts, by their names, a piece of the rows at a time.
        place_of: Names the place of a row, from 0: its line in a text file, else its number.
    """

    names: tuple[str, ...]
    notes: tuple[str, ...]
    read: Callable[[tuple[str, ...]], Iterator[Mapping[str, pa.Array]]]
    place_of: Callable[[int], str]


def pieces_of(source: Source) -> FilePieces:
    """Read the names of the columns of a CSV or Parquet file.

    Raises:
        TableError: The file has no usable names, is damaged, or of another format.
    """
    if source.format == "csv":
        return _of_csv(source, read_head(source))
    if source.format == "parquet":
        return _of_parquet(source)
    raise TableError(source.path, "this command reads no JSON lines", "Convert it to CSV or Parquet.")


def _of_csv(source: Source, head: CsvHead) -> FilePieces:
    written = dict(zip(head.names, head.written, strict=True))

    def read(wanted: tuple[str, ...]) -> Iterator[Mapping[str, pa.Array]]:
        if not has_rows(source, head):
            raise TableError(source.path, "it has a header, but no rows", "Add rows.")
        n_rows, last = 0, None
        # An odd number of quotes means that one is open: the last cell of all columns shows which row swallowed others.
        columns = [] if source.n_quotes % 2 else [written[name] for name in wanted]
        for last in csv_pieces(source, head, columns):
            n_rows += last.num_rows
            yield {name: last.column(written[name]) for name in wanted}
        if last is not None and last.num_rows:
            require_closed(source, head, last, n_rows)

    names = tuple(name for name in head.names if name)
    return FilePieces(names, head.notes, read, lambda row: f"line {line_of_row(source, head, row)}")


def _of_parquet(source: Source) -> FilePieces:
    path = source.path
    try:
        with pq.ParquetFile(parquet_input(source)) as file:
            schema, found = file.schema_arrow, file.metadata
            largest = max((found.row_group(at).total_byte_size for at in range(found.num_row_groups)), default=0)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(source, error) from error
    names, notes = trimmed(schema.names)
    check_names(path, names)
    if found.num_rows == 0:
        raise TableError(path, "it has columns, but no rows", "Add rows.")
    if largest > MOST_GROUP_BYTES:
        raise TableError(
            path,
            f"a row group unpacks to more than {MOST_GROUP_BYTES >> 30} GiB",
            "Write it with smaller row groups.",
        )
    written = dict(zip(names, schema.names, strict=True))

    def read(wanted: tuple[str, ...]) -> Iterator[Mapping[str, pa.Array]]:
        for name in wanted:
            if not is_flat(kind := schema.field(written[name]).type) or is_clock_or_duration(kind):
                raise TableError(path, f"it holds {kind}", "Write plain numbers, texts or times.", column=name)
        try:
            with pq.ParquetFile(parquet_input(source)) as file:
                columns = [written[name] for name in wanted]
                for batch in file.iter_batches(PIECE_ROWS, columns=columns, use_threads=False):
                    yield {name: _as_text(source, name, batch.column(written[name])) for name in wanted}
        except (pa.ArrowException, OSError) as error:
            raise _damaged(source, error) from error

    return FilePieces(tuple(names), tuple(notes), read, lambda row: f"row {row}")


def _as_text(source: Source, name: str, cells: pa.Array) -> pa.Array:
    kind = cells.type
    if is_text(kind):
        if (texts := as_text(cells)) is None:
            raise TableError(source.path, f"it holds bytes that are not text ({kind})", "Write texts.", column=name)
        return texts.cast(pa.string())
    return _times_as_text(cells) if pa.types.is_timestamp(kind) else cells.cast(pa.string())


def _times_as_text(cells: Any) -> pa.Array:
    """Write instants in UTC, to the microsecond, as a text file would hold them."""
    return pc.cast(pc.cast(cells, pa.timestamp("us"), safe=False), pa.string())


def _damaged(source: Source, error: Exception) -> TableError:
    return TableError(source.path, f"it is damaged ({error})", "Write or copy it again.")
