"""Trades as a test writes them: the columns that matter, the others as of a sound swap of TTF gas."""

from typing import Any

import pandas as pd

LEI = "SYN00000000000000128"
SWAP: dict[str, Any] = {
    "trade_ts": "2024-03-05T10:00:00",
    "book": "GAS",
    "trader_id": "TR-1",
    "counterparty_id": "CP-1",
    "lei_like": LEI,
    "commodity": "GAS_TTF",
    "hub": "TTF",
    "instrument": "swap",
    "side": "buy",
    "quantity_lots": 10.0,
    "quantity_units": 7_440.0,
    "price": 30.0,
    "currency": "EUR",
    "delivery_start": "2024-06-01",
    "delivery_end": "2024-06-30",
    "settlement": "cash",
    "venue": "OTF",
    "cleared": False,
    "hedge_flag": False,
    "option_type": "",
    "strike": None,
    "status": "new",
    "uti": "UTI1",
    "reported_ts": "2024-03-05T12:00:00",
}


def trades(*changes: dict[str, Any], without: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return one trade for each dictionary of changes to a sound swap, with ids T1, T2 …"""
    rows = [{"trade_id": f"T{number}", **SWAP, **change} for number, change in enumerate(changes, start=1)]
    return pd.DataFrame(rows).drop(columns=list(without))
