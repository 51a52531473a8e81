"""Figures of the whole firm: the average of month-end positions, and the notional of twelve months."""

import numpy as np

from core.arrays import BoolArray
from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.regime import CheckSettings
from core.domains.etrm.compliance.scope import EURO, notional
from core.domains.etrm.compliance.trades import TradeColumns

NOTIONAL_COLUMNS = ("quantity_units", "price", "currency")


def month_end_average(trades: TradeColumns, counted: BoolArray, settings: CheckSettings) -> tuple[float, int]:
    """Return the average gross notional that is outstanding at the last twelve month ends, in euros.

    A trade is outstanding from its day to the day before the end of its delivery. Months before the first trade count
    as 0: the firm had no position.

    Args:
        trades: The trades, with quantity, price, currency and delivery.
        counted: Which trades count, shape (n,).
        settings: The rates of the currencies.
    Returns:
        The average, and the number of counted trades whose notional or period is unknown.
    """
    amount = notional(trades, settings, EURO)
    made, ends = trades.instants["trade_ts"], trades.days["delivery_end"]
    usable = counted & np.isfinite(amount) & ~np.isnat(made) & ~np.isnat(ends)
    n_left_out = int(counted.sum() - usable.sum())
    if not usable.any():
        return 0.0, n_left_out
    # Month m ends before m + 1 begins: a trade counts at the ends of its own month to the one before its delivery ends.
    first = made[usable].astype("datetime64[M]").astype(np.int64)
    after = (ends[usable] + 1).astype("datetime64[M]").astype(np.int64)
    all_made = made[~np.isnat(made)]
    # The month of the last trade has ended only if nothing shows that it goes on; its last day so far stands for it.
    last = int(all_made.max().astype("datetime64[M]").astype(np.int64))
    total = 0.0
    for month in range(last - law.AVERAGE_MONTHS.value + 1, last + 1):
        total += float(amount[usable][(first <= month) & (after > month)].sum())
    return total / law.AVERAGE_MONTHS.value, n_left_out


def last_year_notional(
    trades: TradeColumns, counted: BoolArray, settings: CheckSettings, currency: str
) -> tuple[float, int]:
    """Return the gross notional of the counted trades of the last twelve months, up to the last trade.

    Returns:
        The sum, and the number of counted trades whose notional or time is unknown.
    """
    amount, made = notional(trades, settings, currency), trades.instants["trade_ts"]
    known = ~np.isnat(made)
    usable = counted & np.isfinite(amount) & known
    n_left_out = int(counted.sum() - usable.sum())
    if not usable.any():
        return 0.0, n_left_out
    last = made[known].max().astype("datetime64[D]")
    begin = (last.astype("datetime64[M]") - law.AVERAGE_MONTHS.value).astype("datetime64[D]") + (
        last - last.astype("datetime64[M]").astype("datetime64[D]")
    )
    return float(amount[usable & (made.astype("datetime64[D]") > begin)].sum()), n_left_out
