"""Columns of dates and times."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.escape import shown
from core.tables.date_forms import DAY_FIRST, MONTH_FIRST, look_like_dates, read_dates
from core.tables.errors import as_typed
from core.tables.number_columns import GAP_WORDS, SAMPLE
from core.tables.reading_of_column import Complain, Distinct, Doubt, Reading, all_match, mask_of
from core.tables.rules import ColumnRules
from core.tables.signature import ColumnForm

_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"


def are_dates(names: pa.Array) -> bool:
    """Return whether there are filled cells and all are dates or times."""
    filled = names.filter(pa.array(~mask_of(pc.is_in(names, pa.array(GAP_WORDS)))))
    return bool(len(filled) and look_like_dates(filled.slice(0, SAMPLE)).all() and look_like_dates(filled).all())


def read_times(name: str, distinct: Distinct, complain: Complain, rules: ColumnRules) -> Reading:
    """Read dates and times; a time without a zone is taken as UTC."""
    names = distinct.names
    is_gap = mask_of(pc.is_in(names, pa.array(GAP_WORDS)))
    distinct.require(name, look_like_dates(names) | is_gap, "a date (2026-03-31)", complain)
    order = rules.order
    if all_match(pc.match_substring_regex(names, _ISO)) and not order:
        read = pd.to_datetime(pd.Series(names.to_pandas()), utc=True, format="ISO8601", errors="coerce")
        instants, other = read.dt.tz_localize(None).to_numpy().astype("datetime64[us]"), None
    else:
        dates = read_dates(names, order)
        instants, order, other = dates.instants, dates.order, dates.other
    if (lost := np.isnat(instants) & ~is_gap).any():  # not every text of the right shape is a day: 30 February
        row = distinct.first(lost)
        said = f" ({order} order)" if order else ""
        cell = shown(distinct.at(row))
        raise complain(f"is not a valid date{said}", "Correct or clear the cell.", name, row, cell=cell)
    form = ColumnForm(order=order, missing=tuple(sorted(distinct.counts(is_gap))))
    found = replace(Reading.of_times(distinct.spread(instants, "NaT")), form=form, gaps=distinct.counts(is_gap))
    if other is None:
        return found
    second = replace(
        found, values=pd.Series(distinct.spread(other, "NaT")), form=ColumnForm(order=MONTH_FIRST, missing=form.missing)
    )
    row = distinct.first(instants != other)
    days = [str(reading.values.iloc[row].date()) for reading in (found, second)]
    error = complain(
        f"{shown(distinct.at(row))} may be {days[0]} or {days[1]}, and no cell of the file settles it",
        f"Say which: --read {as_typed(name)}=day-first or --read {as_typed(name)}=month-first.",
        name,
        row,
        fault="a value may be either of two dates, and no cell of the file settles it",
    )
    return replace(found, doubt=Doubt({DAY_FIRST: found, MONTH_FIRST: second}, error))
