"""Blocks of trades as tables: what the desk sees, and beside it the truth."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from core.arrays import AnyArray, IntArray
from core.domains.etrm.data.desks import (
    BOOK_NAMES,
    BROKER_NAMES,
    COUNTERPARTY_NAMES,
    OWN_LEI,
    TRADER_NAMES,
    counterparty_leis,
)
from core.domains.etrm.data.market import Market
from core.domains.etrm.data.settings import COMMODITIES
from core.domains.etrm.data.trade_block import (
    INSTRUMENTS,
    OPTION_TYPES,
    SPOT,
    STATUSES,
    VENUES,
    VIOLATIONS,
    TradeBlock,
)
from core.domains.etrm.data.trades import draw_blocks

CURRENCIES = ("EUR", "USD")
SETTLEMENTS = ("physical", "cash")
SIDES = ("sell", "buy")
_DIGITS = 9


def draw_trades(market: Market) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw all trades of a market as one table, and the truth about them as another, in the same order."""
    pairs = [(trades_frame(market, block), truth_frame(block)) for block in draw_blocks(market)]
    trades, truth = (pd.concat(parts, ignore_index=True) for parts in zip(*pairs, strict=True))
    return trades, truth


def trade_frames(market: Market) -> Iterator[pd.DataFrame]:
    """Draw all trades as tables of consecutive trades; together they are the table of `draw_trades`."""
    for block in draw_blocks(market):
        yield trades_frame(market, block)


def trades_frame(market: Market, block: TradeBlock) -> pd.DataFrame:
    """Return a block as the rows of `trades.csv`."""
    prices, days = market.prices, market.prices.days
    hub_currency = np.array([CURRENCIES.index(hub.currency) for hub in prices.hubs])
    is_spot = block.instrument == SPOT
    starts = np.where(is_spot, block.day + 1, days.month_first[block.month])
    ends = np.where(is_spot, block.day + 1, days.month_last[block.month + block.n_months - 1])
    midnight = days.dates[block.day].astype("datetime64[s]")
    return pd.DataFrame(
        {
            "trade_id": trade_ids(block.serial),
            "trade_ts": midnight + block.second.astype("timedelta64[s]"),
            "book": named(block.book, BOOK_NAMES),
            "trader_id": named(block.trader, TRADER_NAMES),
            "counterparty_id": named(block.counterparty, COUNTERPARTY_NAMES),
            "lei_like": named(np.where(block.lacks_lei, -1, block.counterparty), counterparty_leis()),
            "commodity": named(prices.commodity_index[block.hub], COMMODITIES),
            "hub": named(block.hub, prices.names),
            "instrument": named(block.instrument, INSTRUMENTS),
            "side": named(block.is_buy, SIDES),
            "quantity_lots": block.lots,
            "quantity_units": block.units,
            "price": block.price,
            "currency": named(hub_currency[block.hub], CURRENCIES),
            "delivery_start": days.dates[starts].astype("datetime64[s]"),
            "delivery_end": days.dates[ends].astype("datetime64[s]"),
            "settlement": named(block.is_cash, SETTLEMENTS),
            "venue": named(block.venue, VENUES),
            "cleared": block.is_cleared,
            "hedge_flag": block.is_hedge,
            "option_type": named(block.option_type - 1, OPTION_TYPES[1:]),
            "strike": block.strike,
            "status": named(block.status, STATUSES),
            "uti": pd.Series(_numbered(OWN_LEI + "T", block.serial)),
            "broker": named(block.broker - 1, BROKER_NAMES[1:]),
            "fee": block.fee,
            "reported_ts": midnight + block.reported.astype("timedelta64[s]"),
        },
        copy=False,
    )


def truth_frame(block: TradeBlock) -> pd.DataFrame:
    """Return what is known of a block beyond the desk's view: injected violations, and the prices without noise."""
    partner = pa.compute.if_else(pa.array(block.partner >= 0), _arrow_numbered("T", np.abs(block.partner)), None)
    return pd.DataFrame(
        {
            "trade_id": trade_ids(block.serial),
            "injected_violation": named(block.violation, VIOLATIONS),
            "fair_price": block.fair,
            "wash_partner": pd.Series(partner.to_pandas()).astype("str"),
        },
        copy=False,
    )


def trade_ids(serial: IntArray) -> "pd.Series[str]":
    """Return the identifiers of trades, by their numbers from 0."""
    return _numbered("T", serial)


def _numbered(prefix: str, serial: IntArray) -> "pd.Series[str]":
    return pd.Series(_arrow_numbered(prefix, serial).to_pandas()).astype("str")


def _arrow_numbered(prefix: str, serial: IntArray) -> pa.Array:
    digits = pa.compute.utf8_lpad(pa.array(serial + 1).cast(pa.string()), _DIGITS, "0")
    return pa.compute.binary_join_element_wise(prefix, digits, "")


def named(codes: AnyArray, names: Sequence[str]) -> "pd.Categorical[Any]":
    """Return codes as categories; −1 is a missing value."""
    return pd.Categorical.from_codes(np.asarray(codes, dtype=np.int16), dtype=pd.CategoricalDtype(list(names)))
