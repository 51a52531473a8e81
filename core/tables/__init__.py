"""A user's own table: CSV, Parquet or JSON lines, validated, described once and checked from then on.

errors.py      the fault of a file, its place, and the fix
limits.py      size limits
source.py      the format of a file, its hash, and whether its bytes can be read at all
rules.py       how columns are to be read: what a signature knows, and what a person has said
names.py       column names
number_forms.py, date_forms.py, clock_times.py   numbers, dates and times of the day as people write them
number_columns.py, date_columns.py, text_columns.py   text to numbers, flags, dates and categories
salvage.py     a column despite cells that cannot be read
settling.py    columns that fit two readings
csv_head.py, csv_file.py, json_lines.py, parquet_file.py   one format each
pieces.py      some columns of a file, a piece of the rows at a time
parquet_types.py   the types of Parquet columns
table.py       a table in memory
signature.py   a model's inputs: names, kinds, ranges, levels, and the check of rows against them; light
periods.py     months, quarters and weeks as times
task.py        the target, and the columns to learn from
usefulness.py, row_numbers.py, magnitude.py   columns that no model can learn from, or only names of rows
conforming.py  the check of a table against a signature
split.py       rows held out by group, by time or by class

`signature` is light; the other names load pandas and pyarrow when first touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.tables.errors import InputError, TableError
from core.tables.signature import ColumnForm, ColumnKind, ColumnSignature, InputNotes, TableSignature, Task

if TYPE_CHECKING:
    from core.tables.conforming import conform, require_target
    from core.tables.reading import read_table
    from core.tables.rules import ReadingRules
    from core.tables.split import hold_out
    from core.tables.table import Table
    from core.tables.task import TaskRequest, describe

__all__ = [
    "ColumnForm",
    "ColumnKind",
    "ColumnSignature",
    "InputError",
    "InputNotes",
    "ReadingRules",
    "Table",
    "TableError",
    "TableSignature",
    "Task",
    "TaskRequest",
    "conform",
    "describe",
    "hold_out",
    "read_table",
    "require_target",
]

_HOME = {
    "Table": "table",
    "conform": "conforming",
    "require_target": "conforming",
    "TaskRequest": "task",
    "describe": "task",
    "hold_out": "split",
    "read_table": "reading",
    "ReadingRules": "rules",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
