"""The firm's net lots in contracts with a position limit, as the rules count them; and when which limit applies."""

from dataclasses import replace

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.calendars import federal_holidays, working_day_before
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.days import Days
from core.domains.etrm.data.market import Market
from core.domains.etrm.data.trade_block import (
    CALL,
    CANCELLED,
    EXCHANGE,
    FORWARD,
    OPTION,
    SPOT,
    TradeBlock,
)


def limited_hubs(market: Market) -> dict[int, int]:
    """Return the limit of the chosen hubs that have one, by their position."""
    limits = cal.POSITION_LIMIT_LOTS.value
    return {number: int(limits[name]) for number, name in enumerate(market.prices.names) if name in limits}


def is_federal(market: Market) -> BoolArray:
    """Return which of the chosen hubs have a federal limit of the United States, shape (k,)."""
    return np.array([name in law.US_SPOT_LOTS.value for name in market.prices.names], dtype=np.bool_)


def is_spot_day(days: Days) -> BoolArray:
    """Return on which days the federal limits bind the next month: from its third-last working day before on."""
    months = days.dates.astype("datetime64[M]") + 1
    return np.asarray(days.dates >= working_day_before(months, law.SPOT_DAYS.value, federal_holidays()))


class LimitedNets:
    """Follows the blocks in the order of time, and turns breaching trades to the side that the firm stands on."""

    def __init__(self, market: Market) -> None:
        """Begin without positions."""
        self._is_limited = np.isin(np.arange(len(market.prices.names)), list(limited_hubs(market)))
        self._net = np.zeros((len(market.prices.names), len(market.prices.days.month_first)))

    def turned(self, block: TradeBlock, rows: IntArray) -> TradeBlock:
        """Give the trades in `rows`, in order, the side on which they add to the net position of their contract.

        So the position that each of them leads to is above the limit, whatever was traded before.
        """
        leg_row, leg_month = _legs(block, self._counted(block))
        leg_hub, lots = block.hub[leg_row], _signed_lots(block)[leg_row]
        is_buy = block.is_buy.copy()
        for row in rows.tolist():
            hub, month = block.hub[row], block.month[row]
            before = (leg_row < row) & (leg_hub == hub) & (leg_month == month)
            is_buy[row] = self._net[hub, month] + lots[before].sum() >= 0
            lots[leg_row == row] = block.lots[row] * (1 if is_buy[row] else -1)
        np.add.at(self._net, (leg_hub, leg_month), lots)
        return replace(block, is_buy=is_buy)

    def _counted(self, block: TradeBlock) -> BoolArray:
        """Return which trades count: no spot, no forward that must be delivered, no hedge, none that is cancelled."""
        is_supply = (block.instrument == FORWARD) & ~block.is_cash & (block.venue != EXCHANGE)
        is_out = (block.instrument == SPOT) | is_supply | block.is_hedge | (block.status == CANCELLED)
        return np.asarray(self._is_limited[block.hub] & ~is_out)


def _legs(block: TradeBlock, counted: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the trade and the month of each month of a delivery."""
    row = np.repeat(np.flatnonzero(counted), block.n_months[counted])
    length = block.n_months[counted]
    nth = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
    return row, block.month[row] + nth


def _signed_lots(block: TradeBlock) -> FloatArray:
    is_put = (block.instrument == OPTION) & (block.option_type != CALL)
    return np.asarray(block.lots * np.where(block.is_buy != is_put, 1.0, -1.0), dtype=np.float64)
