"""The rows of a reference by hour of the day and by weekday, so that a minute can be compared with its hour."""

from typing import Any

import numpy as np
import pandas as pd

from core.arrays import IntArray
from core.monitoring.coarse_cells import cell_codes, cells_of
from core.monitoring.column_drift import present_values
from core.monitoring.data_profile import HOURS, WEEKDAYS, ColumnProfile

LEAST_DAYS = 2  # dates in the reference, from which hours are not taken for the days that they come from
LEAST_HOURS = 4  # hours with rows, from which times are times of the day rather than dates

HoursAndWeekdays = tuple[IntArray | None, IntArray | None]
"""By row the hour and the weekday (Monday is 0), -1 without a time; None where the times do not tell them."""


def moments_of(times: "pd.Series[Any]") -> HoursAndWeekdays:
    """Return the hour and the weekday of each row, UTC; a time without a zone is taken for UTC.

    Args:
        times: The column with the time of each row.
    """
    if not pd.api.types.is_datetime64_any_dtype(times):
        return None, None
    instants = pd.DatetimeIndex(times)
    if instants.tz is not None:
        instants = instants.tz_convert("UTC").tz_localize(None)
    known = instants.notna()
    dates = instants[known].normalize().unique()
    if len(dates) < LEAST_DAYS:
        return None, None
    hour = np.where(known, instants.hour.to_numpy(), -1).astype(np.int64)
    weekday = np.where(known, instants.day_of_week.to_numpy(), -1).astype(np.int64)
    has_hours = len(np.unique(hour[known])) >= LEAST_HOURS
    has_weekdays = len(dates) >= WEEKDAYS and len(np.unique(weekday[known])) > 1
    return (hour if has_hours else None, weekday if has_weekdays else None)


def with_seasons(column: ColumnProfile, values: "pd.Series[Any]", moments: HoursAndWeekdays) -> ColumnProfile:
    """Add the rows by hour and by weekday to the profile of a column.

    Args:
        column: The profile of all rows.
        values: The cells that it was made of.
        moments: Of the same rows.
    """
    import msgspec

    cells = cells_of(column)
    if cells is None or (moments[0] is None and moments[1] is None):
        return column
    there, _ = present_values(values, column.kind)
    width = cells.n_values + 1
    codes = np.full(len(values), -1, dtype=np.int64)
    codes[values.isna().to_numpy()] = cells.n_values
    codes[there.index.to_numpy()] = cell_codes(cells, there)
    found = {}
    for name, of_rows, n in (("by_hour", moments[0], HOURS), ("by_weekday", moments[1], WEEKDAYS)):
        if of_rows is not None:
            known = (of_rows >= 0) & (codes >= 0)
            counts = np.bincount(of_rows[known] * width + codes[known], minlength=n * width)
            found[name] = tuple(tuple(row) for row in counts.reshape(n, width).tolist())
    return msgspec.structs.replace(column, **found)
