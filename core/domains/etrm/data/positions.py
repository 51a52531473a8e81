"""The positions file: what the books hold on the last day and on the month ends before it, marked to market."""

from collections import deque

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.desks import BOOK_NAMES
from core.domains.etrm.data.frames import CURRENCIES, named
from core.domains.etrm.data.ledger import BookLedger, Holdings
from core.domains.etrm.data.market import Market
from core.domains.etrm.data.settings import COMMODITIES
from core.domains.etrm.data.trade_block import CALL, OPTION_TYPES, month_price, option_values

_VEGA_POINT = 0.01  # vega is stated for a change of the volatility by one percentage point


def position_days(market: Market) -> list[int]:
    """Return the days whose positions may be written: the last trading day, and the last of each month before."""
    trading, month = market.prices.days.trading, market.prices.days.month
    return [int(day) for day in trading[np.append(np.diff(month[trading]) > 0, True)]]


class PositionRows:
    """Collects positions day by day, and keeps the most recent rows up to the number wanted."""

    def __init__(self, market: Market) -> None:
        """Begin without rows."""
        self._market = market
        self._wanted = market.settings.num_positions
        self._tables: deque[pd.DataFrame] = deque()

    def take(self, day: int, ledger: BookLedger) -> None:
        """Add the positions of a later day, and forget those that are not among the wanted ones any more."""
        self._tables.append(positions_frame(self._market, day, ledger.holdings(day)))
        while sum(map(len, self._tables)) - len(self._tables[0]) >= self._wanted and len(self._tables) > 1:
            self._tables.popleft()

    def frame(self) -> pd.DataFrame:
        """Return the rows, the days in order; of the first day, the largest positions that there is room for."""
        tables = list(self._tables)
        surplus = sum(map(len, tables)) - self._wanted
        if surplus > 0:
            largest = tables[0]["delta_cash"].abs().sort_values(kind="stable").index[surplus:]
            tables[0] = tables[0].loc[largest.sort_values()]
        return pd.concat(tables, ignore_index=True)


def positions_frame(market: Market, day: int, holdings: Holdings) -> pd.DataFrame:
    """Return positions of a day as the rows of `positions.csv`; money is in euros, prices in the hub's currency."""
    prices, days = market.prices, market.prices.days
    marks = holdings.marks(market, day)
    fx = prices.euros(np.array(day), holdings.hub)
    mtm = holdings.net * (marks - holdings.average) * fx
    delta, gamma, vega, underlying = _greeks(market, day, holdings, marks)
    currency = np.array([CURRENCIES.index(hub.currency) for hub in prices.hubs])
    n = len(holdings)
    return pd.DataFrame(
        {
            "as_of_date": np.full(n, days.dates[day].astype("datetime64[s]")),
            "book": named(holdings.book, BOOK_NAMES),
            "commodity": named(prices.commodity_index[holdings.hub], COMMODITIES),
            "hub": named(holdings.hub, prices.names),
            "delivery_month": days.dates[days.month_first[holdings.month]].astype("datetime64[s]"),
            "option_type": named(holdings.option_type - 1, OPTION_TYPES[1:]),
            "strike": holdings.strike,
            "net_quantity_units": holdings.net,
            "avg_price": holdings.average,
            "mark_price": marks,
            "mtm": mtm,
            "realised_pnl": holdings.realised * fx,
            "unrealised_pnl": mtm,
            "delta_units": holdings.net * delta,
            "delta_cash": holdings.net * delta * underlying * fx,
            "gamma": holdings.net * gamma + 0.0,
            "vega": holdings.net * vega * fx + 0.0,
            "currency": named(currency[holdings.hub], CURRENCIES),
            "fx_rate": fx,
        },
        copy=False,
    )


def _greeks(
    market: Market, day: int, holdings: Holdings, marks: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return delta, gamma and vega per unit, and the price of the underlying delivery."""
    days, curve = market.prices.days, market.prices.curve
    delta, gamma, vega = np.ones(len(holdings)), np.zeros(len(holdings)), np.zeros(len(holdings))
    underlying = marks.copy()
    at = np.flatnonzero(holdings.option_type)
    hub, month, now = holdings.hub[at], holdings.month[at], np.full(len(at), day)
    value = option_values(curve, now, hub, month, holdings.strike[at], holdings.option_type[at] == CALL)
    years = (days.month_first[month] - 1 - day) / cal.DAYS_IN_YEAR
    delta[at], gamma[at], vega[at] = value.delta, value.gamma, value.vega * np.sqrt(years) * _VEGA_POINT
    underlying[at] = month_price(curve, now, hub, month)
    return delta, gamma, vega, underlying
