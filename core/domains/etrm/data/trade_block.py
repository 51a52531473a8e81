"""Trades as arrays: one block of consecutive trades, and what each of them delivers in each month."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.black import OptionValue, black
from core.domains.etrm.data.days import Days
from core.domains.etrm.data.prices import ForwardCurves, PriceSeries, delivery_middle

INSTRUMENTS = ("spot", "forward", "future", "swap", "option")
SPOT, FORWARD, FUTURE, SWAP, OPTION = range(len(INSTRUMENTS))
VENUES = ("exchange", "OTF", "OTC")
EXCHANGE = VENUES.index("exchange")
STATUSES = ("new", "amended", "cancelled")
NEW, CANCELLED = STATUSES.index("new"), STATUSES.index("cancelled")
OPTION_TYPES = ("", "call", "put")
CALL = OPTION_TYPES.index("call")
VIOLATIONS = ("none", "late_report", "missing_lei", "limit_breach", "wash_trade", "off_market")

HOURS_A_DAY = 24
SECONDS_A_DAY = 86_400
_CONTRACTS = tuple(cal.CONTRACTS.value[name] for name in cal.COMMODITIES)


@dataclass(frozen=True, slots=True)
class TradeBlock:
    """Consecutive trades; every array has one entry a trade, and a code is a position among the names of its kind.

    Attributes:
        serial: Number of the trade, from 0.
        day: Trading day, a day of the axis.
        second: Second of that day.
        book: In `BOOK_NAMES`.
        trader: In `TRADER_NAMES`.
        counterparty: In `COUNTERPARTY_NAMES`.
        hub: Among the chosen hubs.
        instrument: In `INSTRUMENTS`.
        is_buy: Whether the firm buys.
        lots: In each month of the delivery.
        month: First month of the delivery.
        n_months: Months of the delivery; a spot trade is delivered on the next day, in its month.
        units: Over the whole delivery.
        price: Currency per unit; of an option, its premium.
        fair: What the curve, or the option model, says.
        is_cash: Whether it is settled in cash.
        venue: In `VENUES`.
        is_cleared: Whether a clearing house stands between.
        is_hedge: Whether it is flagged as a hedge.
        option_type: In `OPTION_TYPES`.
        strike: Currency per unit; NaN without an option.
        status: In `STATUSES`.
        broker: In `BROKER_NAMES`.
        fee: Currency, paid on the trading day.
        reported: Second of the report, counted from the start of the trading day.
        lacks_lei: Whether the counterparty's LEI is left out.
        violation: Injected, in `VIOLATIONS`.
        partner: Serial of the other trade of a wash pair; −1 without one.
    """

    serial: IntArray
    day: IntArray
    second: IntArray
    book: IntArray
    trader: IntArray
    counterparty: IntArray
    hub: IntArray
    instrument: IntArray
    is_buy: BoolArray
    lots: IntArray
    month: IntArray
    n_months: IntArray
    units: FloatArray
    price: FloatArray
    fair: FloatArray
    is_cash: BoolArray
    venue: IntArray
    is_cleared: BoolArray
    is_hedge: BoolArray
    option_type: IntArray
    strike: FloatArray
    status: IntArray
    broker: IntArray
    fee: FloatArray
    reported: IntArray
    lacks_lei: BoolArray
    violation: IntArray
    partner: IntArray

    def __len__(self) -> int:
        return len(self.serial)

    @property
    def sign(self) -> FloatArray:
        """1 for a purchase, −1 for a sale, 0 for a cancelled trade, which weighs nothing."""
        return np.where(self.status == CANCELLED, 0.0, np.where(self.is_buy, 1.0, -1.0))

    def take(self, rows: AnyArray) -> Self:
        """Return some of the trades, by position or by mask."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def no_trades() -> TradeBlock:
    """Return a block without trades."""
    kinds: dict[Any, type] = {FloatArray: np.float64, IntArray: np.int64, BoolArray: np.bool_}
    return TradeBlock(**{field.name: np.zeros(0, dtype=kinds[field.type]) for field in fields(TradeBlock)})


class Leg(NamedTuple):
    """What some trades deliver in one month.

    Attributes:
        row: Position of each trade in its block.
        month: The month.
        units: Units delivered in it.
    """

    row: IntArray
    month: IntArray
    units: FloatArray


def units_per_lot(days: Days, commodity: IntArray, month: IntArray) -> FloatArray:
    """Return what one lot delivers in a whole month: 1 MW in each of its hours, or the units of the contract."""
    hours = (days.month_last[month] - days.month_first[month] + 1) * HOURS_A_DAY
    return np.where(_IS_HOURLY[commodity], hours * _LOT_UNITS[commodity], _LOT_UNITS[commodity])


def units_on_a_day(commodity: IntArray) -> FloatArray:
    """Return what one lot of a spot trade delivers on its day."""
    return np.where(_IS_HOURLY[commodity], HOURS_A_DAY * _LOT_UNITS[commodity], _LOT_UNITS[commodity])


_IS_HOURLY = np.array([contract.is_hourly for contract in _CONTRACTS])
_LOT_UNITS = np.array([contract.lot_units for contract in _CONTRACTS])


def legs(block: TradeBlock, prices: PriceSeries) -> Iterator[Leg]:
    """Split the deliveries into months: the first month of every trade, then the second of the longer ones …"""
    commodity = prices.commodity_index[block.hub]
    for number in range(int(block.n_months.max(initial=0))):
        row = np.flatnonzero(block.n_months > number)
        month = block.month[row] + number
        per_lot = units_per_lot(prices.days, commodity[row], month)
        is_spot = block.instrument[row] == SPOT
        per_lot = np.where(is_spot, units_on_a_day(commodity[row]), per_lot)
        yield Leg(row, month, np.asarray(block.lots[row] * per_lot, dtype=np.float64))


def month_price(curve: ForwardCurves, day: IntArray, hub: IntArray, month: IntArray) -> FloatArray:
    """Return the price on a day of what is left of a delivery month; the arguments broadcast."""
    return curve.price(day, hub, delivery_middle(curve.days, day, month))


def option_values(
    curve: ForwardCurves, day: IntArray, hub: IntArray, month: IntArray, strike: FloatArray, is_call: BoolArray
) -> OptionValue:
    """Value options on a delivery month, which expire on the last day before it; the arguments broadcast."""
    days = curve.days
    middle = delivery_middle(days, day, month)
    expiry = np.maximum(days.month_first[month] - 1, day)
    forward, shift = curve.price(day, hub, middle), curve.shift[hub]
    return black(forward + shift, strike + shift, curve.variance(day, hub, expiry, middle), is_call)
