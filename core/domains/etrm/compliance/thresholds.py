"""Figures of the whole firm: the average of month-end positions, and the notional of twelve months."""

from typing import NamedTuple

import numpy as np

from core.arrays import BoolArray
from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.regime import CheckSettings
from core.domains.etrm.compliance.reports import as_of_day
from core.domains.etrm.compliance.scope import EURO, notional
from core.domains.etrm.compliance.trades import TradeColumns

NOTIONAL_COLUMNS = ("quantity_units", "price", "currency")


class FirmFigure(NamedTuple):
    """A figure of the whole firm; what the file does not know only adds to it.

    Attributes:
        value: The figure.
        n_left_out: Counted trades whose notional or time is unknown.
        gap: What part of the twelve months the file does not know, in words; "" if it knows all of them.
    """

    value: float
    n_left_out: int
    gap: str


def month_end_average(trades: TradeColumns, counted: BoolArray, settings: CheckSettings) -> FirmFigure:
    """Return the average gross notional that is outstanding at the last twelve month ends, in euros.

    A trade is outstanding at the month ends from its day on that lie before the last day of its delivery: on that day
    nothing is left to be delivered. The last month is that of the check, and stands as it is then. The file is taken to
    be complete from its first trade on; of the month ends before, it knows nothing.

    Args:
        trades: The trades, with quantity, price, currency and delivery.
        counted: Which trades count, shape (n,).
        settings: The rates of the currencies, and the time of the check.
    """
    amount = notional(trades, settings, EURO)
    made, ends = trades.instants["trade_ts"].astype("datetime64[D]"), trades.days["delivery_end"]
    usable = counted & np.isfinite(amount) & ~np.isnat(made) & ~np.isnat(ends)
    n_left_out = int(counted.sum() - usable.sum())
    today, n_months = as_of_day(trades, settings), law.AVERAGE_MONTHS.value
    begin = _first_day(trades)
    if np.isnat(today) or np.isnat(begin):
        return FirmFigure(0.0, n_left_out, "no trade has a time")
    usable &= made <= today
    first, over = (days[usable].astype("datetime64[M]").astype(np.int64) for days in (made, ends))
    last = int(today.astype("datetime64[M]").astype(np.int64))
    total = 0.0
    for month in range(last - n_months + 1, last + 1):
        total += float(amount[usable][(first <= month) & (over > month)].sum())
    n_unknown = min(int(begin.astype("datetime64[M]").astype(np.int64)) - (last - n_months + 1), n_months)
    told = "" if "trade_ts" in trades.withheld else f", {begin}"
    gap = f"{n_unknown} of the {n_months} month ends lie before the first trade{told}" if n_unknown > 0 else ""
    return FirmFigure(total / n_months, n_left_out, gap)


def last_year_notional(trades: TradeColumns, counted: BoolArray, settings: CheckSettings, currency: str) -> FirmFigure:
    """Return the gross notional of the counted trades of the twelve months up to the check."""
    amount, made = notional(trades, settings, currency), trades.instants["trade_ts"].astype("datetime64[D]")
    usable = counted & np.isfinite(amount) & ~np.isnat(made)
    n_left_out = int(counted.sum() - usable.sum())
    today, first = as_of_day(trades, settings), _first_day(trades)
    if np.isnat(today) or np.isnat(first):
        return FirmFigure(0.0, n_left_out, "no trade has a time")
    month = today.astype("datetime64[M]")
    begin = (month - law.AVERAGE_MONTHS.value).astype("datetime64[D]") + (today - month.astype("datetime64[D]"))
    told = f"the file begins on {first}, and the 12 months on {begin + 1}"
    told = "the file begins after the 12 months do" if "trade_ts" in trades.withheld else told
    gap = told if first > begin + 1 else ""
    return FirmFigure(float(amount[usable & (made > begin) & (made <= today)].sum()), n_left_out, gap)


def _first_day(trades: TradeColumns) -> np.datetime64:
    """Return the day of the first trade; NaT if no trade has a time."""
    made = trades.instants["trade_ts"]
    known = made[~np.isnat(made)]
    return known.min().astype("datetime64[D]") if len(known) else np.datetime64("NaT", "D")
