"""Parquet: the columns keep their stored types."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.columnwise import columnwise
from core.tables import limits
from core.tables.errors import TableError
from core.tables.names import check_names, trimmed
from core.tables.number_columns import NUMERIC, exceed_floats, refine, without_numbers
from core.tables.parquet_types import as_numbers, as_text, is_clock_or_duration, is_flat, is_text
from core.tables.reading_of_column import Complain, Distinct, Reading
from core.tables.rules import ColumnRules, ReadingRules
from core.tables.salvage import read_or_salvage
from core.tables.signature import ColumnForm, ColumnKind
from core.tables.source import FilePart, Source
from core.tables.table import Table
from core.tables.text_columns import read_quoted, read_text

MOST_UNPACKED_BYTES = 8 << 30


def read_parquet(source: Source, rules: ReadingRules) -> Table:
    """Read a Parquet file.

    Args:
        source: The file.
        rules: How its columns are to be read; by default their kinds follow from the types.
    Raises:
        TableError: It is damaged, empty, too large, or a cell is not of the wanted kind.
    """
    path = source.path
    try:
        with pq.ParquetFile(parquet_input(source)) as file:
            _check_size(path, file, source.part)
            names, notes = trimmed(file.schema_arrow.names)
            check_names(path, names)
            rules.require_known(names)
            named = dict(zip(file.schema_arrow.names, names, strict=True))
            readable = [field for field in file.schema_arrow if is_flat(field.type) and rules.reads(named[field.name])]
            texts = [field.name for field in readable if is_text(field.type)]
            left_out = {
                named[field.name]: f"holds {field.type}" for field in file.schema_arrow if not is_flat(field.type)
            }
        cells_of = _cells(source, [field.name for field in readable], texts)
        columns = {named[name]: cells_of.column(name).combine_chunks() for name in cells_of.column_names}
    except (pa.ArrowException, OSError) as error:
        raise TableError(path, f"it is damaged ({error})", "Write or copy it again.") from error

    def complain(problem: str, cure: str, column: str, row: int, *, cell: str = "", fault: str = "") -> TableError:
        place = f"row {source.before + row}"
        return TableError(path, problem, cure, column=column, place=place, cell=cell, fault=fault)

    for name in map(named.__getitem__, texts):
        if (text := as_text(columns[name])) is not None:
            columns[name] = text
        else:
            left_out[name] = f"holds bytes that are not text ({columns.pop(name).type})"

    def read(name: str) -> Reading:
        cells, own = columns[name], rules.of(name)
        return read_or_salvage(
            lambda: _read(name, cells, own, complain), lambda: _texts(cells), own, lenient=rules.lenient
        )

    names = list(columns)
    written = {kept: name for name, kept in named.items()}
    readings = dict(zip(names, columnwise(read, names), strict=True))
    for name in [name for name in left_out if rules.lenient and name in rules.kinds and rules.reads(name)]:
        cells = _cells(source, [written[name]], []).column(written[name])
        n_filled = len(cells) - cells.null_count
        readings[name] = Reading(rules.kinds[name], pd.Series(np.full(len(cells), np.nan)), n_unreadable=n_filled)
        del left_out[name]
    empty_rows = rules.empty_rows(cells_of.num_rows)
    table = Table.of(source, readings, left_out=left_out, notes=notes, empty_rows=empty_rows)
    return table if source.part is None else replace(table, rows=source.before + np.arange(len(table)))


def parquet_input(source: Source) -> Any:
    """Return what pyarrow opens: the file, or the content of a sealed one."""
    return source.path if source.content is None else pa.BufferReader(source.content)


def _cells(source: Source, columns: list[str], texts: list[str]) -> pa.Table:
    """Read columns: of all rows, or of the row groups of a part."""
    if source.part is None:
        return pq.read_table(parquet_input(source), columns=columns, read_dictionary=texts, use_threads=False)
    with pq.ParquetFile(parquet_input(source), read_dictionary=texts) as file:
        return file.read_row_groups([*range(source.part.start, source.part.end)], columns=columns, use_threads=False)


def _check_size(path: Path, file: pq.ParquetFile, part: FilePart | None) -> None:
    found = file.metadata
    if found.num_rows == 0:
        raise TableError(path, "it has columns, but no rows", "Add rows.")
    if part is not None:
        return
    unpacked = sum(found.row_group(group).total_byte_size for group in range(found.num_row_groups))
    if found.num_rows * found.num_columns > limits.MOST_CELLS or unpacked > MOST_UNPACKED_BYTES:
        raise TableError(
            path, f"it has {found.num_rows:,} rows of {found.num_columns:,} columns", "Take a sample of the rows."
        )


def _texts(cells: Any) -> Any:
    return (as_numbers(cells)[0] if is_clock_or_duration(cells.type) else cells).cast(pa.string())


def _as_codes(cells: Any) -> Any:
    """Turn whole floats to integers: a column of codes becomes 1.0 and 2.0 as soon as one of its cells is empty."""
    try:
        return cells.cast(pa.int64()) if pa.types.is_floating(cells.type) else cells
    except pa.ArrowInvalid:
        return cells


def _are_large_whole_numbers(cells: Any) -> bool:
    kind = cells.type
    is_whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale <= 0)
    return is_whole and exceed_floats(*pc.min_max(cells).as_py().values())


def _read(name: str, cells: Any, rules: ColumnRules, complain: Complain) -> Reading:
    kind, wanted = cells.type, rules.wanted
    if is_text(kind):
        if wanted is ColumnKind.CATEGORY and not rules.missing:
            return Reading(wanted, Distinct.of(cells).categories())
        return read_quoted(name, pa.chunked_array([cells.cast(pa.string())]), complain, rules)
    if is_clock_or_duration(kind) and not (wanted is ColumnKind.CATEGORY and pa.types.is_time(kind)):
        numbers, time = as_numbers(cells)
        found = _read(name, numbers, rules, complain)
        return replace(found, form=ColumnForm(time=time)) if found.kind in NUMERIC else found
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        if wanted not in (None, ColumnKind.TIME):
            raise complain("it holds dates", f"The model reads {wanted}s here.", name, 0)
        instants = pc.cast(cells, pa.timestamp("us"), safe=False)
        return Reading.of_times(instants.to_numpy(zero_copy_only=False).astype("datetime64[us]"))
    if wanted is ColumnKind.CATEGORY:
        return Reading(ColumnKind.CATEGORY, Distinct.of(_as_codes(cells).cast(pa.string())).categories())
    if wanted is None and _are_large_whole_numbers(cells):
        return read_text(name, pa.chunked_array([cells.cast(pa.string())]), complain, rules)
    values = np.asarray(pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    if pa.types.is_boolean(kind) and wanted in (None, ColumnKind.FLAG):
        return Reading.of_flags(values)
    if wanted in (ColumnKind.TIME, ColumnKind.FLAG):
        return read_text(name, pa.chunked_array([cells.cast(pa.string())]), complain, rules)
    values, gaps = without_numbers(values, rules.missing)
    return replace(refine(name, values, complain, wanted=wanted), gaps=gaps)
