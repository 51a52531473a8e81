"""Months, quarters and weeks in a column by which the latest rows are held out: 2020-01, 2000 Q1, 2026-W05.

Elsewhere such a column stays a category: a model can learn from the word of a month, and not from an instant.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from core.tables.signature import ColumnKind
from core.tables.table import Table

_FORMS = (
    (r"^(?P<year>[0-9]{4})[-/. ](?P<part>0[1-9]|1[0-2])$", 1),
    (r"^(?P<part>0?[1-9]|1[0-2])[-/.](?P<year>[0-9]{4})$", 1),
    (r"^(?P<year>[0-9]{4})[-/. ]?[Qq](?P<part>[1-4])$", 3),
    (r"^[Qq](?P<part>[1-4])[-/. ](?P<year>[0-9]{4})$", 3),
)
_WEEK = r"^(?P<year>[0-9]{4})[- ]?W(?P<week>0[1-9]|[1-4][0-9]|5[0-3])$"


def with_instants(table: Table, name: str | None) -> Table:
    """Replace the periods of a column with the day on which each begins; other columns stay as they are.

    The column is converted only if all of its filled cells are written in the same form.
    """
    if name is None or table.kinds.get(name) is not ColumnKind.CATEGORY:
        return table
    values = table.frame[name]
    starts = _starts(pd.Series(values.cat.categories, dtype=object).astype(str))
    if starts is None:
        return table
    instants = np.append(starts, np.datetime64("NaT", "us"))[values.cat.codes.to_numpy()]
    return replace(table, frame=table.frame.assign(**{name: instants}), kinds={**table.kinds, name: ColumnKind.TIME})


def _starts(levels: "pd.Series[str]") -> "np.ndarray[tuple[int], np.dtype[np.datetime64]] | None":
    for pattern, n_months in _FORMS:
        parts = levels.str.extract(pattern)
        if len(parts) and parts.notna().all(axis=None):
            months = (parts["year"].astype(int) - 1970) * 12 + (parts["part"].astype(int) - 1) * n_months
            return months.to_numpy().astype("datetime64[M]").astype("datetime64[us]")
    weeks = levels.str.extract(_WEEK)
    if len(weeks) and weeks.notna().all(axis=None):
        days = weeks["year"] + weeks["week"] + "1"
        found = pd.to_datetime(days, format="%G%V%u", errors="coerce").to_numpy().astype("datetime64[us]")
        return None if np.isnat(found).any() else found
    return None
