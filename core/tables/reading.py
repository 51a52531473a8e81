"""The entry point for every format."""

from collections.abc import Mapping
from pathlib import Path

from core.tables.signature import ColumnKind
from core.tables.source import inspect
from core.tables.table import Table


def read_table(path: Path, *, kinds: Mapping[str, ColumnKind] | None = None) -> Table:
    """Read a CSV, Parquet or JSON lines file.

    Args:
        path: The file; its name gives the format.
        kinds: The kinds of known columns; the other kinds are inferred.
    Raises:
        TableError: The file cannot be used; file, place, value and fix are named.
    """
    source = inspect(path)
    if source.format == "csv":
        from core.tables.csv_file import read_csv

        table = read_csv(source, kinds or {})
    elif source.format == "jsonl":
        from core.tables.json_lines import read_json_lines

        table = read_json_lines(source, kinds or {})
    else:
        from core.tables.parquet_file import read_parquet

        table = read_parquet(source, kinds or {})
    source.require_unchanged()
    return table
