"""Reading a column despite cells that cannot be read: they count, and are then empty.

Training refuses such a column, since a model must not learn from a guess. A comparison of two tables must not end
because of it: that the cells cannot be read is its finding.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import BoolArray
from core.tables.clock_times import CLOCK, clock_minutes
from core.tables.date_forms import read_dates
from core.tables.errors import TableError
from core.tables.number_columns import EMPTY_WORDS
from core.tables.number_forms import most_numbers
from core.tables.reading_of_column import Distinct, Reading
from core.tables.rules import ColumnRules
from core.tables.signature import ColumnKind
from core.tables.text_columns import FALSE_WORDS, INFINITE, TRUE_WORDS

MOSTLY = 0.5  # a column of unknown kind holds numbers if at least this share of its filled cells does


def read_or_salvage(
    read: Callable[[], Reading],
    texts: Callable[[], pa.Array | pa.ChunkedArray],
    rules: ColumnRules,
    *,
    lenient: bool,
) -> Reading:
    """Read a column by the rules of its format; where they refuse it, salvage the cells that can be read.

    Args:
        read: Reads the column, or raises.
        texts: Returns its cells as text, null where the format marks a missing value.
        rules: How the column is to be read.
        lenient: Whether to salvage.
    Raises:
        TableError: The column cannot be read, and `lenient` is false.
    """
    try:
        return read()
    except TableError:
        if not lenient:
            raise
    is_clock = rules.form is not None and rules.form.time == CLOCK
    return salvage(texts(), rules.wanted, order=rules.order, decimal=rules.decimal, is_clock=is_clock)


def salvage(
    texts: pa.Array | pa.ChunkedArray,
    wanted: ColumnKind | None,
    *,
    order: str = "",
    decimal: str = "",
    is_clock: bool = False,
) -> Reading:
    """Read the cells of a kind; the other filled cells become empty and are counted.

    Args:
        texts: The cells.
        wanted: Their kind; if None, numbers where at least half of the filled cells are numbers, else categories.
        order: Whether the day or the month of dates comes first, if that is known.
        decimal: The decimal mark of numbers, if that is known.
        is_clock: Whether times of the day count as numbers.

    >>> found = salvage(pa.array(["1.5", "abc", "", "inf"]), ColumnKind.NUMBER)
    >>> found.values.tolist(), found.n_unreadable, found.n_infinite
    ([1.5, nan, nan, nan], 2, 1)
    """
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    cells = pc.utf8_trim_whitespace(whole)
    distinct = Distinct.of(pc.if_else(pc.is_in(cells, pa.array(EMPTY_WORDS)), None, cells))
    names = pd.Series(distinct.names.to_numpy(zero_copy_only=False).astype(object))
    if wanted is ColumnKind.CATEGORY:
        return Reading(wanted, distinct.categories())
    if wanted is ColumnKind.TIME:
        times = distinct.spread(read_dates(distinct.names, order).instants, "NaT")
        return Reading(wanted, pd.Series(times), n_unreadable=_n_lost(distinct, np.isnat(times)))
    if wanted is ColumnKind.FLAG:
        flags = names.str.lower().map(dict.fromkeys(TRUE_WORDS, 1.0) | dict.fromkeys(FALSE_WORDS, 0.0))
        values = distinct.spread(flags.to_numpy(dtype=np.float64), np.nan)
    else:
        numbers = most_numbers(distinct.names, decimal)
        if is_clock:
            numbers = np.where(np.isnan(numbers), clock_minutes(distinct.names), numbers)
        values = distinct.spread(np.where(np.isfinite(numbers), numbers, np.nan), np.nan)
    n_infinite = distinct.count(names.str.match(INFINITE).to_numpy(dtype=np.bool_))
    n_lost, n_filled = _n_lost(distinct, np.isnan(values)), int((distinct.codes >= 0).sum())
    if wanted is None and n_filled - n_lost < MOSTLY * n_filled:
        return Reading(ColumnKind.CATEGORY, distinct.categories())
    return Reading(wanted or ColumnKind.NUMBER, pd.Series(values), n_unreadable=n_lost, n_infinite=n_infinite)


def _n_lost(distinct: Distinct, is_empty: BoolArray) -> int:
    return int((is_empty & (distinct.codes >= 0)).sum())
