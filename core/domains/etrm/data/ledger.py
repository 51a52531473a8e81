"""The books: what all trades so far add up to, by book, hub and delivery month, and by option.

Purchases and sales are kept apart. What was both bought and sold is realised at the difference of the two averages; the
rest is the position, at the average of its side. So the order of the trades does not matter, and a position is the sum
of its trades.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.etrm.data.desks import COUNTERPARTY_NAMES, OPTION_BOOK
from core.domains.etrm.data.market import Market
from core.domains.etrm.data.trade_block import (
    CALL,
    OPTION,
    TradeBlock,
    legs,
    month_price,
    no_trades,
    option_values,
)

BUY, SELL = 0, 1


@dataclass(frozen=True, slots=True)
class Holdings:
    """The open positions of a day, one entry each; sums of trades that are not cancelled and not yet settled.

    Attributes:
        book: In `BOOK_NAMES`.
        hub: Among the chosen hubs.
        month: Delivery month.
        option_type: In `OPTION_TYPES`; 0 for positions without an option.
        strike: Currency per unit; NaN without an option.
        units: Bought and sold, shape (n, 2).
        worth: Units times price, bought and sold, shape (n, 2).
    """

    book: IntArray
    hub: IntArray
    month: IntArray
    option_type: IntArray
    strike: FloatArray
    units: FloatArray
    worth: FloatArray

    def __len__(self) -> int:
        return len(self.book)

    @property
    def net(self) -> FloatArray:
        """Units bought less units sold."""
        return np.asarray(self.units[:, BUY] - self.units[:, SELL])

    @property
    def average(self) -> FloatArray:
        """The average price of the side that is open; 0 for a closed position."""
        means = self.worth / np.where(self.units > 0, self.units, 1)
        return np.asarray(np.where(self.net == 0, 0.0, np.where(self.net > 0, means[:, BUY], means[:, SELL])))

    @property
    def realised(self) -> FloatArray:
        """What the units both bought and sold have earned, in currency."""
        means = self.worth / np.where(self.units > 0, self.units, 1)
        return np.asarray(self.units.min(axis=1) * (means[:, SELL] - means[:, BUY]) + 0.0)

    def of(self, rows: BoolArray) -> "Holdings":
        """Return some of the positions."""
        return Holdings(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def marks(self, market: Market, day: int) -> FloatArray:
        """Return the price of each position on a day: of the month's curve, or of the option."""
        curve = market.prices.curve
        at = np.full(len(self), day)
        marks = month_price(curve, at, self.hub, np.maximum(self.month, curve.days.month[day]))
        option = np.flatnonzero(self.option_type)
        marks[option] = option_values(
            curve,
            at[option],
            self.hub[option],
            self.month[option],
            self.strike[option],
            self.option_type[option] == CALL,
        ).value
        return marks


class BookLedger:
    """The sums of all trades so far. Its size depends on the period, on the hubs, and on the number of options."""

    def __init__(self, market: Market) -> None:
        """Open empty books."""
        self.market = market
        desks, days = market.desks, market.prices.days
        self._first_month = int(days.month[days.first])
        n_pairs, n_months = len(desks.book), len(days.month_first) - self._first_month
        self._pair = np.full((int(desks.book.max()) + 1, len(market.prices.names)), -1)
        self._pair[desks.book, desks.hub] = np.arange(n_pairs)
        self._shape = (n_pairs, n_months)
        self._units, self._worth = np.zeros((2, 2, n_pairs * n_months))
        uncleared = n_pairs * len(COUNTERPARTY_NAMES) * n_months
        self._credit_units, self._credit_worth = np.zeros((2, uncleared))
        self._options = [no_trades()]

    def take(self, block: TradeBlock) -> None:
        """Add trades to the books."""
        live = block.take(block.sign != 0)
        is_option = live.instrument == OPTION
        self._options.append(live.take(is_option))
        linear = live.take(~is_option)
        side = np.where(linear.is_buy, BUY, SELL)
        pair = self._pair[linear.book, linear.hub]
        uncleared = ~linear.is_cleared
        n_pairs, n_months = self._shape
        for leg in legs(linear, self.market.prices):
            month = leg.month - self._first_month
            cell = pair[leg.row] * n_months + month
            worth = leg.units * linear.price[leg.row]
            for code in (BUY, SELL):
                rows = side[leg.row] == code
                self._units[code] += np.bincount(cell[rows], leg.units[rows], minlength=n_pairs * n_months)
                self._worth[code] += np.bincount(cell[rows], worth[rows], minlength=n_pairs * n_months)
            rows = uncleared[leg.row]
            sign = linear.sign[leg.row][rows]
            where = (pair[leg.row] * len(COUNTERPARTY_NAMES) + linear.counterparty[leg.row]) * n_months + month
            np.add.at(self._credit_units, where[rows], sign * leg.units[rows])
            np.add.at(self._credit_worth, where[rows], sign * worth[rows])

    def holdings(self, day: int) -> Holdings:
        """Return the positions that are open on a day: the months not over, the options not expired."""
        linear, option = self._linear(day), self._option_holdings(day)
        names = [field.name for field in fields(Holdings)]
        return Holdings(**{n: np.concatenate([getattr(linear, n), getattr(option, n)]) for n in names})

    def _linear(self, day: int) -> Holdings:
        units, worth = (each.reshape(2, *self._shape) for each in (self._units, self._worth))
        now = int(self.market.prices.days.month[day]) - self._first_month
        is_open = units.sum(axis=0) > 0
        is_open[:, :now] = False
        pair, month = np.nonzero(is_open)
        desks = self.market.desks
        nothing = np.zeros(len(pair), dtype=np.int64)
        return Holdings(
            desks.book[pair],
            desks.hub[pair],
            month + self._first_month,
            nothing,
            np.full(len(pair), np.nan),
            units[:, pair, month].T,
            worth[:, pair, month].T,
        )

    def _option_holdings(self, day: int) -> Holdings:
        trades = self.open_options(day)
        key = np.stack([trades.hub, trades.month, trades.option_type, np.rint(trades.strike * 100).astype(np.int64)])
        found, place = np.unique(key, axis=1, return_inverse=True)
        n = found.shape[1]
        units, worth = np.zeros((n, 2)), np.zeros((n, 2))
        side = np.where(trades.is_buy, BUY, SELL)
        np.add.at(units, (place, side), trades.units)
        np.add.at(worth, (place, side), trades.units * trades.price)
        book = np.full(n, OPTION_BOOK)
        return Holdings(book, found[0], found[1], found[2], found[3] / 100, units, worth)

    def open_options(self, day: int) -> TradeBlock:
        """Return the option trades whose options have not expired on a day."""
        if len(self._options) > 1:
            self._options = [joined(self._options)]
        month = self.market.prices.days.month[day]
        self._options = [self._options[0].take(self._options[0].month > month)]
        return self._options[0]

    def credit(self, day: int) -> tuple[IntArray, FloatArray, FloatArray]:
        """Return the uncleared business with each counterparty on a day, options left out.

        Returns:
            The book of each pair of book and hub, shape (pairs,); and for each pair and counterparty the value in euros
            of the open deliveries less their cost, and their gross value, each of shape (pairs, counterparties).
        """
        prices, desks = self.market.prices, self.market.desks
        now = int(prices.days.month[day]) - self._first_month
        shape = (self._shape[0], len(COUNTERPARTY_NAMES), self._shape[1])
        units = self._credit_units.reshape(shape)[:, :, now:]
        worth = self._credit_worth.reshape(shape)[:, :, now:]
        month = np.arange(now, self._shape[1]) + self._first_month
        mark = month_price(prices.curve, np.array(day), desks.hub[:, None], month)
        euros = prices.euros(np.array(day), desks.hub)[:, None]
        value = np.einsum("pcm,pm->pc", units, mark) - worth.sum(axis=2)
        gross = np.einsum("pcm,pm->pc", np.abs(units), np.abs(mark))
        return desks.book, value * euros, gross * euros


def joined(blocks: Sequence[TradeBlock]) -> TradeBlock:
    """Return blocks as one."""
    return TradeBlock(**{f.name: np.concatenate([getattr(b, f.name) for b in blocks]) for f in fields(TradeBlock)})


class LedgerDays:
    """Takes blocks of trades in order, and shows the ledger at the end of each of some days."""

    def __init__(self, market: Market, days: Sequence[int], at_the_end: Callable[[int, BookLedger], None]) -> None:
        """Begin with empty books; `at_the_end` is called for each of the days, in order."""
        self.ledger = BookLedger(market)
        self._days = sorted(set(days))
        self._at_the_end = at_the_end

    def take(self, block: TradeBlock) -> None:
        """Add the next trades."""
        while self._days and block.day[-1] > self._days[0]:
            until = int(np.searchsorted(block.day, self._days[0], side="right"))
            if until:
                self.ledger.take(block.take(np.arange(until)))
                block = block.take(np.arange(until, len(block)))
            self._show_first()
        self.ledger.take(block)

    def close(self) -> None:
        """Show the ledger on the days that are left."""
        while self._days:
            self._show_first()

    def _show_first(self) -> None:
        self._at_the_end(self._days.pop(0), self.ledger)
