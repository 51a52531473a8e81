"""The columns that a model cannot learn from, and why: empty, constant, or naming rows instead of describing them."""

from typing import Any

import numpy as np
import pandas as pd

from core.escape import shown
from core.tables import limits
from core.tables.errors import as_typed
from core.tables.row_numbers import count_rows, names_rows
from core.tables.signature import ColumnKind
from core.tables.table import Table

NAMES_THINGS = 0.5  # a category whose levels exceed this share of its rows identifies rows
FEW_LEVELS = 50  # but stays a category with at most this many levels


def useless(table: Table, name: str, *, is_kept: bool = False) -> str:
    """Say why a model cannot learn from a column, with an example of its cells if these may be quoted; "" if it can.

    Args:
        table: The table.
        name: Of the column.
        is_kept: Whether a person wants it although it names rows.
    """
    values, kind = table.frame[name], table.kinds[name]
    filled = values.dropna()
    if not len(filled):
        return "is empty"
    if kind is ColumnKind.TIME:
        first = "" if name in table.unquoted else f", such as {str(filled.iloc[0]).removesuffix(' 00:00:00')}"
        return f"is a time{first}: convert it to a number, such as days to maturity"
    if len(filled) == len(values) and filled.nunique() == 1:
        return "is the same in every row" + ("" if name in table.unquoted else f": {_shown(filled.iloc[0])}")
    if kind is ColumnKind.CATEGORY:
        return _useless_category(table, name, filled, is_kept=is_kept)
    if is_kept or kind is not ColumnKind.INTEGER:
        return ""
    return _numbering(name, filled, len(values), quotes=name not in table.unquoted)


def _useless_category(table: Table, name: str, filled: "pd.Series[Any]", *, is_kept: bool) -> str:
    n_levels = int(filled.nunique())
    looks = f"; {table.looks[name].replace('COLUMN', as_typed(name))}" if name in table.looks else ""
    if not is_kept and n_levels > FEW_LEVELS and n_levels > NAMES_THINGS * len(filled):
        example = "" if name in table.unquoted else f", such as {_shown(filled.iloc[0])}"
        counted = f"{n_levels:,} different values in {len(filled):,} rows{example}"
        return f"identifies rows: {counted}{looks or f'; --keep {as_typed(name)} keeps it'}"
    if n_levels > limits.MOST_LEVELS:
        return f"has {n_levels:,} levels; a category may have at most {limits.MOST_LEVELS:,}{looks}"
    return ""


def _numbering(name: str, filled: "pd.Series[Any]", n_rows: int, *, quotes: bool) -> str:
    """Recognise whole numbers that name rows: by their name, or because they count."""
    values = filled.to_numpy(dtype=np.float64)
    numbers = np.unique(values)
    ends = f" from {numbers[0]:.15g} to {numbers[-1]:.15g}" if quotes else ""
    counted = f"{len(numbers):,} different whole numbers{ends} in {n_rows:,} rows"
    keep = f"--keep {as_typed(name)} keeps it"
    if len(values) == n_rows and count_rows(name, values):
        return f"numbers the rows: {counted}; {keep}"
    if names_rows(name) and len(numbers) > FEW_LEVELS and len(numbers) > NAMES_THINGS * len(filled):
        return f"identifies rows by its name and its values: {counted}; {keep}"
    return ""


def _shown(value: object) -> str:
    return shown(value) if isinstance(value, str) else f"{value:.15g}"
