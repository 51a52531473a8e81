"""Times of the day without a date: 09:35, 9:35 pm, 21:35:12.

A model reads them as minutes of the day, from 0 at midnight; as text they would only name the rows.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import BoolArray, FloatArray
from core.tables.number_columns import GAP_WORDS, refine
from core.tables.reading_of_column import Complain, Distinct, Reading, mask_of
from core.tables.rules import ColumnRules, Manner
from core.tables.signature import ColumnForm

CLOCK, DURATION = "clock", "duration"
_WRITTEN = (
    r"^(?P<hour>[0-9]{1,2}):(?P<minute>[0-5][0-9])(?P<second>:[0-5][0-9](?:[.,][0-9]{1,9})?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?$"
)
_HALF_DAY = 720.0


def clock_minutes(names: pa.Array) -> FloatArray:
    """Read distinct cells as minutes of the day; NaN where a cell is no time of the day.

    >>> clock_minutes(pa.array(["09:35", "12:00 am", "9:30:30 pm", "24:00", "ten"])).tolist()
    [575.0, 0.0, 1290.5, nan, nan]
    """
    found = pc.extract_regex(names, _WRITTEN)
    parts = [pc.fill_null(found.field(position), "") for position in range(4)]
    is_written = mask_of(pc.not_equal(parts[0], ""))
    hour, minute, second = (_number(part) for part in parts[:3])
    is_late, has_half = mask_of(pc.is_in(parts[3], pa.array(["p", "P"]))), mask_of(pc.not_equal(parts[3], ""))
    is_hour = np.where(has_half, (hour >= 1) & (hour <= 12), hour < 24)
    minutes = np.where(has_half, hour % 12, hour) * 60.0 + minute + second / 60.0 + np.where(is_late, _HALF_DAY, 0.0)
    return np.where(is_written & is_hour, minutes, np.nan)


def are_clock_times(names: pa.Array) -> bool:
    """Return whether there are filled cells and all are times of the day."""
    filled = names.filter(pa.array(~_gaps(names)))
    return bool(len(filled)) and not np.isnan(clock_minutes(filled)).any()


def read_clock(name: str, distinct: Distinct, complain: Complain, rules: ColumnRules) -> Reading | None:
    """Read times of the day; None if not all cells are, or if the model has learned from other numbers."""
    is_known = rules.form is not None and rules.form.time != CLOCK and Manner.NUMBER not in rules.manners
    if is_known or not are_clock_times(distinct.names):
        return None
    gaps = distinct.counts(_gaps(distinct.names))
    found = refine(name, distinct.spread(clock_minutes(distinct.names), np.nan), complain, wanted=rules.wanted)
    return replace(found, form=ColumnForm(time=CLOCK, missing=tuple(sorted(gaps))), gaps=gaps)


def _gaps(names: pa.Array) -> BoolArray:
    return mask_of(pc.is_in(names, pa.array(GAP_WORDS)))


def _number(part: pa.Array) -> FloatArray:
    plain = pc.replace_substring(pc.utf8_ltrim(part, ":"), ",", ".")
    numbers = pc.cast(pc.if_else(pc.equal(plain, ""), "0", plain), pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
