"""The entry point for every format."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.progress import begins
from core.tables.rules import ReadingRules
from core.tables.signature import ColumnKind
from core.tables.source import inspect
from core.tables.table import Table


def read_table(
    path: Path,
    *,
    kinds: Mapping[str, ColumnKind] | None = None,
    rules: ReadingRules | None = None,
    lenient: bool = False,
) -> Table:
    """Read a CSV, Parquet or JSON lines file.

    Args:
        path: The file; its name gives the format.
        kinds: The kinds of known columns; the other kinds are inferred.
        rules: How its columns are to be read, beyond their kinds.
        lenient: Leave cells empty that cannot be read, and count them in `Table.unreadable`, instead of refusing the
            file because of them.
    Raises:
        TableError: The file cannot be used; file, place, value and fix are named.
    """
    begins(f"reading {path.name}")
    source = inspect(path)
    rules = rules or ReadingRules()
    if kinds is not None:
        rules = replace(rules, kinds=kinds)
    if lenient:
        rules = replace(rules, lenient=True)
    if source.format == "csv":
        from core.tables.csv_file import read_csv

        table = read_csv(source, rules)
    elif source.format == "jsonl":
        from core.tables.json_lines import read_json_lines

        table = read_json_lines(source, rules)
    else:
        from core.tables.parquet_file import read_parquet

        table = read_parquet(source, rules)
    source.require_unchanged()
    return replace(table, missing_words=rules.missing)
