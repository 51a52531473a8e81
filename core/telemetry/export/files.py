"""The formats of an export. Rows are written a group at a time, so a table of any length takes the same memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from core.escape import csv_text
from core.sealed_files import FileSealer, new_sealed_file
from core.telemetry.export.columns import ColumnType, ExportColumn, ExportRows

GROUP_ROWS = 100_000
_TYPES = {
    ColumnType.TIME: pa.timestamp("us", tz="UTC"),
    ColumnType.TEXT: pa.string(),
    ColumnType.WHOLE: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.FLAG: pa.bool_(),
}


class ExportFormat(StrEnum):
    """The format of the files."""

    PARQUET = "parquet"
    CSV = "csv"


def write_rows(
    path: Path,
    form: ExportFormat,
    columns: Sequence[ExportColumn],
    pages: Iterable[ExportRows],
    said: Callable[[int], None],
    *,
    sealer: FileSealer | None = None,
) -> int:
    """Write a table.

    Args:
        path: The file.
        form: Its format.
        columns: Its columns.
        pages: The rows, a page at a time.
        said: Is called with the number of rows so far.
        sealer: What seals the file as it is written; None: nothing.
    Returns:
        The number of rows.
    """
    schema = pa.schema([pa.field(name, _TYPES[kind], metadata={"about": about}) for name, kind, about in columns])
    writing = _parquet_file if form is ExportFormat.PARQUET else _csv_file
    n = 0
    with _opened(path, sealer) as file, writing(file, schema) as write:
        for rows in _groups(pages):
            values = zip(*rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)]
            write(pa.Table.from_arrays(arrays, schema=schema))
            n += len(rows)
            said(n)
    return n


def _groups(pages: Iterable[ExportRows]) -> Iterator[ExportRows]:
    """Join pages into groups of about `GROUP_ROWS`: a small row group is slow to read."""
    group: list[tuple[Any, ...]] = []
    for page in pages:
        group += page
        if len(group) >= GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


@contextmanager
def _opened(path: Path, sealer: FileSealer | None) -> Iterator[BinaryIO]:
    if sealer is None:
        with path.open("wb") as file:
            yield file
    else:
        with new_sealed_file(path, sealer) as sealed:
            yield cast(BinaryIO, sealed)


@contextmanager
def _parquet_file(file: BinaryIO, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield writer.write_table


@contextmanager
def _csv_file(file: BinaryIO, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Write RFC 4180: times in RFC 3339, texts quoted and safe in a spreadsheet, an empty cell for a missing value."""
    plain = pa.schema([pa.field(field.name, _csv_type(field.type)) for field in schema])
    file.write((",".join(schema.names) + "\n").encode())
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    with pyarrow.csv.CSVWriter(file, plain, write_options=options) as writer:

        def write(table: pa.Table) -> None:
            arrays = [_csv_column(column) for column in table.columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=plain))

        yield write


def _csv_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_timestamp(kind) else kind


def _csv_column(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ").combine_chunks()
    if pa.types.is_string(column.type):
        texts = column.combine_chunks().dictionary_encode()
        safe = pa.array(
            [None if text is None else csv_text(text) for text in texts.dictionary.to_pylist()], pa.string()
        )
        return pa.DictionaryArray.from_arrays(texts.indices, safe).cast(pa.string())
    return column.combine_chunks()
