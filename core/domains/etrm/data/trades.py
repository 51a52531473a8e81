"""The trades: drawn in blocks of a fixed size, each from its own random stream, priced from the curves of their day."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from core.arrays import FloatArray, IntArray
from core.domains.draws import codes_at, draw_codes, stream
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data import violations
from core.domains.etrm.data.desks import BROKER_NAMES, OPTION_BOOK, counterparty_shares
from core.domains.etrm.data.limited_nets import LimitedNets
from core.domains.etrm.data.market import Market
from core.domains.etrm.data.trade_block import (
    CALL,
    INSTRUMENTS,
    OPTION,
    OPTION_TYPES,
    SECONDS_A_DAY,
    SPOT,
    VENUES,
    TradeBlock,
    legs,
    month_price,
    option_values,
)

BLOCK_TRADES = 50_000
"""Trades in a block: an even number, so that no wash pair is cut. Another number gives other trades."""

_HEDGE_SHARE = np.array([book.hedge_share for book in cal.BOOKS.value])
_MOST_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_SECONDS_AN_HOUR = 3_600
_ALMOST_ONE = 1 - 1e-12


def draw_blocks(market: Market) -> Iterator[TradeBlock]:
    """Draw all trades in the order of time, a block at a time."""
    n, nets = market.settings.num_trades, LimitedNets(market)
    for number, begin in enumerate(range(0, n, BLOCK_TRADES)):
        yield _draw_block(market, number, np.arange(begin, min(begin + BLOCK_TRADES, n)), nets)


def _draw_block(market: Market, number: int, serial: IntArray, nets: LimitedNets) -> TradeBlock:
    rng = stream(market.settings.random_seed, f"trades {number}")
    n = len(serial)
    day = market.day_of_trade(serial)
    pair = codes_at(rng.random(n), market.desks.weight)
    book, hub = market.desks.book[pair], market.desks.hub[pair]
    commodity = market.prices.commodity_index[hub]
    instrument = np.where(book == OPTION_BOOK, OPTION, draw_codes(rng, cal.INSTRUMENT_SHARES.value, n))
    month, n_months = _deliveries(rng, market, day, instrument)
    median, most = (np.array([cal.LOTS.value[name][i] for name in cal.COMMODITIES])[commodity] for i in (0, 1))
    lots = np.clip(np.rint(median * np.exp(cal.LOTS_SD.value * rng.standard_normal(n))), 1, most).astype(np.int64)
    venue = _by_instrument(rng.random(n), instrument, cal.VENUE_SHARES.value)
    is_brokered = (rng.random(n) < cal.BROKERS.value[1]) & (venue != VENUES.index("exchange"))
    empty = np.zeros(n)
    block = TradeBlock(
        serial=serial,
        day=day,
        second=_seconds(rng, market, serial),
        book=book,
        trader=book * cal.TRADERS_PER_BOOK.value + rng.integers(cal.TRADERS_PER_BOOK.value, size=n),
        counterparty=codes_at(rng.random(n), counterparty_shares()),
        hub=hub,
        instrument=instrument,
        is_buy=rng.random(n) < 0.5,
        lots=lots,
        month=month,
        n_months=n_months,
        units=empty,
        price=empty,
        fair=empty,
        is_cash=rng.random(n) < np.array([cal.CASH_SHARES.value[name] for name in INSTRUMENTS])[instrument],
        venue=venue,
        is_cleared=rng.random(n) < np.array([cal.CLEARED_SHARES.value[name] for name in VENUES])[venue],
        is_hedge=rng.random(n) < _HEDGE_SHARE[book],
        option_type=np.where(instrument == OPTION, rng.integers(1, len(OPTION_TYPES), size=n), 0),
        strike=np.full(n, np.nan),
        status=draw_codes(rng, cal.STATUS_SHARES.value, n),
        broker=np.where(is_brokered, rng.integers(1, len(BROKER_NAMES), size=n), 0),
        fee=empty,
        reported=np.zeros(n, dtype=np.int64),
        lacks_lei=np.zeros(n, dtype=np.bool_),
        violation=np.zeros(n, dtype=np.int64),
        partner=np.full(n, -1),
    )
    chosen = violations.choose(stream(market.settings.random_seed, f"violations {number}"), market, block)
    block = violations.exceed_limits(block, market, chosen)
    block = _priced(rng, market, block)
    block = _reported(rng, market, block)
    return violations.inject(block, market, chosen, nets)


def _deliveries(
    rng: np.random.Generator, market: Market, day: IntArray, instrument: IntArray
) -> tuple[IntArray, IntArray]:
    """Draw the first month and the number of months of each delivery."""
    days, n = market.prices.days, len(day)
    uniform = rng.random(n)
    kind = draw_codes(rng, cal.DELIVERY_SHARES.value, n)
    kind[instrument == OPTION] = 0
    now = days.month[day]
    of_calendar = days.dates[0].astype("datetime64[M]").astype(np.int64)  # the axis begins with this month since 1970
    first, length = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    laws = (cal.MONTHS_AHEAD.value, cal.QUARTERS_AHEAD.value, cal.YEARS_AHEAD.value)
    for code, (months, law) in enumerate(zip(_MOST_MONTHS.values(), laws, strict=True)):
        rows = kind == code
        ahead = _truncated_geometric(uniform[rows], *law)
        first[rows] = ((now[rows] + of_calendar) // months + ahead) * months - of_calendar
        length[rows] = months
    is_spot = instrument == SPOT
    return np.where(is_spot, days.month[day + 1], first), np.where(is_spot, 1, length)


def _truncated_geometric(uniform: FloatArray, chance: float, most: int) -> IntArray:
    """Map uniform draws to 1 … most, each less likely than the one before by the factor 1 − chance."""
    total = 1 - (1 - chance) ** most
    below = np.log1p(-np.minimum(uniform, _ALMOST_ONE) * total) / np.log1p(-chance)
    return np.asarray(1 + np.floor(below), dtype=np.int64)


def _by_instrument(uniform: FloatArray, instrument: IntArray, shares: Mapping[str, Mapping[str, float]]) -> IntArray:
    edges = np.cumsum([[shares[name][venue] for venue in VENUES] for name in INSTRUMENTS], axis=1)
    return np.asarray((uniform[:, None] >= edges[instrument, :-1]).sum(axis=1))


def _seconds(rng: np.random.Generator, market: Market, serial: IntArray) -> IntArray:
    """Draw the time of each trade: one in each of equal parts of its trading day, so that they are in order."""
    begin, rank, count = violations.place_in_day(market, serial)
    opening, closing = (hour * _SECONDS_AN_HOUR for hour in cal.TRADING_HOURS.value)
    return np.asarray((opening + (rank + rng.random(len(begin))) / count * (closing - opening)).astype(np.int64))


def _priced(rng: np.random.Generator, market: Market, block: TradeBlock) -> TradeBlock:
    """Add what each trade delivers, its price, fee and strike."""
    prices, curve = market.prices, market.prices.curve
    commodity = prices.commodity_index[block.hub]
    units, worth = np.zeros(len(block)), np.zeros(len(block))
    for leg in legs(block, prices):
        units[leg.row] += leg.units
        worth[leg.row] += leg.units * month_price(curve, block.day[leg.row], block.hub[leg.row], leg.month)
    fair = worth / units
    spot = np.flatnonzero(block.instrument == SPOT)
    fair[spot] = curve.price(block.day[spot], block.hub[spot], block.day[spot] + 1, with_weekday=True)
    normal, normal_strike = rng.standard_normal(len(block)), rng.standard_normal(len(block))
    shift, noise = prices.shift[block.hub], np.array([cal.PRICE_NOISE.value[c] for c in cal.COMMODITIES])[commodity]
    price = (fair + shift) * np.exp(noise * normal) - shift
    strike = block.strike.copy()
    option = np.flatnonzero(block.instrument == OPTION)
    strike[option] = _strikes(market, block.hub[option], fair[option], normal_strike[option])
    fair[option] = option_values(
        curve,
        block.day[option],
        block.hub[option],
        block.month[option],
        strike[option],
        block.option_type[option] == CALL,
    ).value
    price[option] = fair[option] * np.exp(cal.OPTION_NOISE.value * normal[option])
    fee = np.round(units * np.array([cal.FEE_PER_UNIT.value[c] for c in cal.COMMODITIES])[commodity], 2)
    return replace(block, units=units, fair=fair, price=rounded(price), strike=strike, fee=fee)


def _strikes(market: Market, hub: IntArray, forward: FloatArray, normal: FloatArray) -> FloatArray:
    """Return strikes near the forward, on the grid of the hub."""
    spread, grid = cal.STRIKE_SPREAD.value
    step = np.round(grid * np.array([each.level for each in market.prices.hubs]), cal.STRIKE_DECIMALS.value)[hub]
    shift = market.prices.shift[hub]
    wanted = (forward + shift) * np.exp(spread * normal) - shift
    return np.round(np.maximum(np.rint(wanted / step), 1) * step, cal.STRIKE_DECIMALS.value)


def _reported(rng: np.random.Generator, market: Market, block: TradeBlock) -> TradeBlock:
    """Add the time of each report: soon after the trade, and before the end of the next working day."""
    delay = rng.exponential(cal.REPORT_DELAY_HOURS.value * _SECONDS_AN_HOUR, len(block)).astype(np.int64)
    return replace(block, reported=np.minimum(block.second + 1 + delay, deadline(market, block.day)))


def deadline(market: Market, day: IntArray) -> IntArray:
    """Return the last second of the next working day, counted from the start of the trading day."""
    return np.asarray((market.prices.days.next_weekday[day] - day + 1) * SECONDS_A_DAY - 1)


def rounded(price: FloatArray) -> FloatArray:
    """Return prices as they are published, without a negative zero."""
    return np.asarray(np.round(price, cal.PRICE_DECIMALS.value) + 0.0)
