"""Faults injected into the trades, in exact numbers: late reports, missing LEIs, exceeded limits, wash pairs, prices
off the market. A trade has at most one; a cancelled trade has none."""

from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.domains.draws import stream
from core.domains.etrm.compliance.calendars import end_of_working_day, target_holidays
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.limited_nets import LimitedNets, is_federal, is_spot_day, limited_hubs
from core.domains.etrm.data.market import Market
from core.domains.etrm.data.trade_block import (
    EXCHANGE,
    FUTURE,
    NEW,
    OPTION,
    SWAP,
    VIOLATIONS,
    TradeBlock,
)

ChosenTrades = Mapping[str, IntArray]
"""By violation, the positions in the block of the trades that get it; of a wash pair, the first."""

_SECONDS_AN_HOUR = 3_600


def place_in_day(market: Market, serial: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return the first trade of each trade's day, its rank among that day's trades, and their number."""
    before = np.concatenate(([0], market.made_by))
    place = np.searchsorted(market.made_by, serial, side="right")
    return before[place], serial - before[place], before[place + 1] - before[place]


def choose(rng: np.random.Generator, market: Market, block: TradeBlock) -> dict[str, IntArray]:
    """Choose which trades of a block get which violation: as many as the shares say, by running count."""
    n = len(block)
    is_free = np.ones(n, dtype=np.bool_)
    order = rng.permutation(n)
    is_reportable = np.isin(block.instrument, (FUTURE, SWAP, OPTION))
    is_first = _may_begin_a_pair(block)
    fits: dict[str, BoolArray] = {
        "wash_trade": is_first,
        "limit_breach": np.full(n, bool(limited_hubs(market))),
        "late_report": is_reportable,
        "missing_lei": is_reportable,
        "off_market": np.asarray(block.instrument != OPTION),
    }
    chosen: dict[str, IntArray] = {}
    for name, may in fits.items():
        share = cal.VIOLATION_SHARES.value[name]
        wanted = round(share * (int(block.serial[-1]) + 1)) - round(share * int(block.serial[0]))
        free = order[(may & is_free)[order]]
        found = _breaching(free, wanted, market, block) if name == "limit_breach" else free[:wanted]
        is_free[found] = False
        if name == "wash_trade":
            is_free[found + 1] = False
        chosen[name] = np.sort(found)
    return chosen


def _may_begin_a_pair(block: TradeBlock) -> BoolArray:
    """Return the trades at even places whose successor is made on the same day, options left out."""
    follows = np.append(block.day[1:] == block.day[:-1], False)
    return np.asarray((block.serial % 2 == 0) & follows & (block.instrument != OPTION))


def _breaching(order: IntArray, wanted: int, market: Market, block: TradeBlock) -> IntArray:
    """Choose trades of days on which a limit applies: of each hub with a limit about as many."""
    is_limited = np.isin(np.arange(len(market.prices.names)), list(limited_hubs(market)))
    n_federal, n_limited = int((is_limited & is_federal(market)).sum()), int(is_limited.sum())
    in_federal = order[is_spot_day(market.prices.days)[block.day[order]]] if n_federal else order[:0]
    first = in_federal[: round(wanted * n_federal / max(n_limited, 1))]
    # the limits of the Union apply in the whole month before delivery
    rest = order if n_limited > n_federal else in_federal
    return np.concatenate([first, rest[~np.isin(rest, first)][: wanted - len(first)]])


def exceed_limits(block: TradeBlock, market: Market, chosen: ChosenTrades) -> TradeBlock:
    """Turn the chosen trades into futures of the spot month that are larger than the position limit allows.

    Each is made on a day on which the limit applies; `LimitedNets` gives it its side.
    """
    rows = chosen["limit_breach"]
    if not len(rows):
        return block
    rng = _stream_of(market, block, "limits")
    limited, day = limited_hubs(market), block.day[rows]
    federal, union = (
        np.array([each for each in limited if is_federal(market)[each] == which], dtype=np.int64)
        for which in (True, False)
    )
    in_federal = is_spot_day(market.prices.days)[day] & (len(federal) > 0)
    uniform = rng.random(len(rows))
    hub = np.array(
        [
            hubs[int(draw * len(hubs))]
            for draw, hubs in zip(uniform, (federal if each else union for each in in_federal), strict=True)
        ]
    )
    limit = np.array([limited[int(each)] for each in hub])
    changed: dict[str, AnyArray] = {
        "hub": hub,
        "book": _book_for(market, hub, block.book[rows]),
        "instrument": np.full(len(rows), FUTURE),
        "lots": np.ceil(limit * rng.uniform(*cal.LIMIT_EXCESS.value, size=len(rows))).astype(np.int64),
        "month": market.prices.days.month[day] + 1,
        "n_months": np.ones(len(rows), dtype=np.int64),
        "venue": np.full(len(rows), EXCHANGE),
        "is_cleared": np.ones(len(rows), dtype=np.bool_),
        "is_hedge": np.zeros(len(rows), dtype=np.bool_),
        "option_type": np.zeros(len(rows), dtype=np.int64),
        "broker": np.zeros(len(rows), dtype=np.int64),
    }
    changed["trader"] = changed["book"] * cal.TRADERS_PER_BOOK.value + block.trader[rows] % cal.TRADERS_PER_BOOK.value
    return replace(block, **{name: _with(getattr(block, name), rows, values) for name, values in changed.items()})


def _book_for(market: Market, hub: IntArray, book: IntArray) -> IntArray:
    """Keep the book if it trades the hub in futures; otherwise name the first that does."""
    result = book.copy()
    desks = market.desks
    for row, (each_hub, each_book) in enumerate(zip(hub.tolist(), book.tolist(), strict=True)):
        trades_it = [b for b in desks.book[desks.hub == each_hub].tolist() if b != _OPTION_BOOK]
        result[row] = each_book if each_book in trades_it else trades_it[0]
    return result


_OPTION_BOOK = [book.name for book in cal.BOOKS.value].index(cal.OPTION_BOOK.value)


def inject(block: TradeBlock, market: Market, chosen: ChosenTrades, nets: LimitedNets) -> TradeBlock:
    """Inject the chosen violations into priced and reported trades, and mark them; `nets` knows the blocks before."""
    changed = {field.name: getattr(block, field.name).copy() for field in fields(block)}
    rng = _stream_of(market, block, "faults")
    for name, rows in chosen.items():
        changed["violation"][rows] = VIOLATIONS.index(name)
        changed["status"][rows] = NEW
    late = chosen["late_report"]
    hours = rng.uniform(*cal.LATE_HOURS.value, size=len(late))
    # After the deadline of the regimes, which know holidays: later than the cut of the reports in time, never earlier.
    made = market.prices.days.dates[block.day[late]]
    end = (end_of_working_day(made, target_holidays()) - made.astype("datetime64[s]")).astype(np.int64) + 1
    changed["reported"][late] = end + (hours * _SECONDS_AN_HOUR).astype(np.int64)
    changed["lacks_lei"][chosen["missing_lei"]] = True
    _put_off_market(rng, market, block, chosen["off_market"], changed["price"])
    _pair(rng, market, block, chosen["wash_trade"], changed)
    return nets.turned(TradeBlock(**changed), chosen["limit_breach"])


def _put_off_market(
    rng: np.random.Generator, market: Market, block: TradeBlock, rows: IntArray, price: FloatArray
) -> None:
    """Move the price of trades away from the curve by many times the usual noise, in place."""
    hub = block.hub[rows]
    noise = np.array([cal.PRICE_NOISE.value[each.commodity] for each in market.prices.hubs])[hub]
    moved = (
        noise * rng.uniform(*cal.OFF_MARKET_SDS.value, size=len(rows)) * np.where(rng.random(len(rows)) < 0.5, 1, -1)
    )
    shift = market.prices.shift[hub]
    price[rows] = np.round((price[rows] + shift) * np.exp(moved) - shift, cal.PRICE_DECIMALS.value) + 0.0


_OF_THE_TRADE = ("serial", "day", "second", "is_buy", "partner", "reported")


def _pair(
    rng: np.random.Generator, market: Market, block: TradeBlock, rows: IntArray, changed: dict[str, AnyArray]
) -> None:
    """Make each chosen trade's successor its mirror image, seconds later, in place."""
    for name, values in changed.items():
        if name not in _OF_THE_TRADE:
            values[rows + 1] = values[rows]
    changed["is_buy"][rows + 1] = ~changed["is_buy"][rows]
    changed["partner"][rows], changed["partner"][rows + 1] = block.serial[rows + 1], block.serial[rows]
    _, rank, count = place_in_day(market, block.serial[rows + 1])
    opening, closing = (hour * _SECONDS_AN_HOUR for hour in cal.TRADING_HOURS.value)
    end_of_part = (opening + (rank + 1) / count * (closing - opening)).astype(np.int64)
    gap = rng.integers(cal.WASH_SECONDS.value[0], cal.WASH_SECONDS.value[1] + 1, size=len(rows))
    second = np.minimum(block.second[rows] + gap, end_of_part)
    delay = block.reported[rows + 1] - block.second[rows + 1]
    changed["second"][rows + 1], changed["reported"][rows + 1] = second, second + delay


def _with(values: AnyArray, rows: IntArray, new: AnyArray) -> AnyArray:
    result = values.copy()
    result[rows] = new
    return result


def _stream_of(market: Market, block: TradeBlock, name: str) -> np.random.Generator:
    return stream(market.settings.random_seed, f"{name} {int(block.serial[0])}")
