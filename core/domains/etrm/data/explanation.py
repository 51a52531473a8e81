"""Why the value of a book changed from one weekday to the next: market, new trades, fees, exchange rates, a rest."""

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.desks import BOOK_NAMES
from core.domains.etrm.data.ledger import BUY, SELL, Holdings, LedgerDays
from core.domains.etrm.data.market import Market
from core.domains.etrm.data.prices import delivery_middle
from core.domains.etrm.data.trade_block import (
    CALL,
    OPTION,
    TradeBlock,
    legs,
    month_price,
    option_values,
)


def explain_change(market: Market, trades: TradeBlock, day: int) -> pd.DataFrame:
    """Explain the change of each book's value from a day to the next weekday, in euros.

    The value of a book is what its open deliveries are worth less what they cost, the realised part included;
    deliveries that end in between are left out on both days. Options move by delta, gamma and the change of the
    variance left, so their third and higher orders are in the residual.

    Args:
        market: The market.
        trades: All trades up to the next weekday, or more.
        day: A trading day before the last.
    Returns:
        Of each book: change, market_move, new_trades, fees, fx, residual, and notional, the gross value of the start.
    """
    next_day = int(market.prices.days.next_weekday[day])
    seen: dict[int, Holdings] = {}
    calendar = LedgerDays(market, (day, next_day), lambda at, ledger: seen.__setitem__(at, ledger.holdings(at)))
    calendar.take(trades)
    calendar.close()
    return explained(market, seen[day], seen[next_day], trades.take(trades.day == next_day), day)


def explained(market: Market, at_start: Holdings, at_end: Holdings, new_trades: TradeBlock, day: int) -> pd.DataFrame:
    """Explain the change from the holdings of a day to those of the next weekday, as `explain_change` does.

    Args:
        market: The market.
        at_start: The holdings at the end of the day.
        at_end: Those at the end of the next weekday.
        new_trades: The trades of the next weekday.
        day: A trading day before the last.
    """
    next_day = int(market.prices.days.next_weekday[day])
    before, after = (_lasting(market, holdings, next_day) for holdings in (at_start, at_end))
    fx_before, fx_after = (market.prices.euros(np.array(at), before.hub) for at in (day, next_day))
    marks = {at: before.marks(market, at) for at in (day, next_day)}
    start = before.net * marks[day] - _cost(before)
    moved = _market_move(market, before, day, next_day) * fx_before
    revalued = before.net * marks[next_day] - _cost(before)
    end = (after.net * after.marks(market, next_day) - _cost(after)) * market.prices.euros(
        np.array(next_day), after.hub
    )
    new, fees = _new_trades(market, new_trades, next_day)
    n = len(BOOK_NAMES)
    parts: dict[str, AnyArray] = {
        "change": np.bincount(after.book, end, n) - np.bincount(before.book, start * fx_before, n) - fees,
        "market_move": np.bincount(before.book, moved, n),
        "new_trades": new,
        "fees": -fees,
        "fx": np.bincount(before.book, revalued * (fx_after - fx_before), n),
    }
    parts["residual"] = parts["change"] - sum(parts[name] for name in ("market_move", "new_trades", "fees", "fx"))
    underlying = month_price(market.prices.curve, np.full(len(before), day), before.hub, before.month)
    parts["notional"] = np.bincount(before.book, np.abs(before.net * underlying) * fx_before, n)
    return pd.DataFrame(parts, index=list(BOOK_NAMES)).iloc[market.desks.books]


def is_explained(parts: pd.DataFrame) -> bool:
    """Say whether nothing but rounding is left, and of options no more than their higher orders."""
    share = np.where(parts.index == cal.OPTION_BOOK.value, _OF_OPTIONS, _OF_LINEAR)
    return bool((parts["residual"].abs() <= share * parts["notional"] + _CENTS).all())


_OF_LINEAR, _OF_OPTIONS = 1e-6, 0.05  # of the notional
_CENTS = 1e-6  # EUR


def _lasting(market: Market, holdings: Holdings, day: int) -> Holdings:
    """Return the positions that are still open on a day."""
    month = market.prices.days.month[day]
    return holdings.of(holdings.month >= month + (holdings.option_type > 0))


def _cost(holdings: Holdings) -> FloatArray:
    return np.asarray(holdings.worth[:, BUY] - holdings.worth[:, SELL])


def _market_move(market: Market, holdings: Holdings, day: int, next_day: int) -> FloatArray:
    """Return what unchanged positions earn by the move of the market, in their currency; options by their Greeks."""
    curve = market.prices.curve
    change = holdings.marks(market, next_day) - holdings.marks(market, day)
    at = np.flatnonzero(holdings.option_type)
    hub, month = holdings.hub[at], holdings.month[at]
    now, then = np.full(len(at), day), np.full(len(at), next_day)
    value = option_values(curve, now, hub, month, holdings.strike[at], holdings.option_type[at] == CALL)
    move = month_price(curve, then, hub, month) - month_price(curve, now, hub, month)
    roots = [
        np.sqrt(curve.variance(each, hub, curve.days.month_first[month] - 1, delivery_middle(curve.days, each, month)))
        for each in (now, then)
    ]
    change[at] = value.delta * move + value.gamma * move**2 / 2 + value.vega * (roots[1] - roots[0])
    return np.asarray(holdings.net * change)


def _new_trades(market: Market, trades: TradeBlock, day: int) -> tuple[FloatArray, FloatArray]:
    """Return what the trades of a day are worth at its end, and their fees, of each book in euros."""
    prices, curve, n = market.prices, market.prices.curve, len(BOOK_NAMES)
    total = np.zeros(n)
    euros = prices.euros(np.array(day), trades.hub)
    for leg in legs(trades, prices):
        lasting = leg.month >= prices.days.month[day] + (trades.instrument[leg.row] == OPTION)
        row, month, units = leg.row[lasting], leg.month[lasting], leg.units[lasting]
        at = np.full(len(row), day)
        mark = month_price(curve, at, trades.hub[row], month)
        option = np.flatnonzero(trades.instrument[row] == OPTION)
        mark[option] = option_values(
            curve,
            at[option],
            trades.hub[row][option],
            month[option],
            trades.strike[row][option],
            trades.option_type[row][option] == CALL,
        ).value
        total += np.bincount(trades.book[row], trades.sign[row] * units * (mark - trades.price[row]) * euros[row], n)
    return total, np.asarray(np.bincount(trades.book, np.abs(trades.sign) * trades.fee * euros, n), dtype=np.float64)
