"""Which rows the texts are about, and the facts that they take from them."""

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import IntArray
from core.domains.draws import stream
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.market import Market
from core.domains.etrm.data.texts import DOCUMENT_KINDS, Facts, form_of, grammar, write_document
from core.domains.etrm.data.trade_block import OPTION_TYPES

_Row = dict[Hashable, Any]
_UNITS = {name: contract.unit for name, contract in cal.CONTRACTS.value.items()}


def document_counts(market: Market) -> dict[str, int]:
    """Return how many documents of each kind there are: one for each trade, up to a most, by their shares."""
    total = min(market.settings.num_trades, cal.MOST_DOCUMENTS.value)
    edges = np.rint(np.cumsum([0.0, *cal.DOCUMENT_SHARES.value.values()]) * total).astype(int)
    return dict(zip(DOCUMENT_KINDS, np.diff(edges).tolist(), strict=True))


class DocumentWriter:
    """Collects the facts while the tables are made, and words the documents at the end."""

    def __init__(self, market: Market) -> None:
        """Choose the trades that documents are about: evenly spread over all."""
        self._market = market
        self._counts = document_counts(market)
        n, total = self._counts["trade"], market.settings.num_trades
        self._serials = ((np.arange(n) + 0.5) * total / max(n, 1)).astype(np.int64)
        self._facts: dict[str, list[Facts]] = {kind: [] for kind in DOCUMENT_KINDS}

    def take(self, serial: IntArray, trades: pd.DataFrame, compliance: pd.DataFrame) -> None:
        """Add the next trades and what the rules say of them."""
        chosen = self._serials[(self._serials >= serial[0]) & (self._serials <= serial[-1])] - serial[0]
        self._facts["trade"] += map(_of_trade, trades.iloc[chosen].to_dict("records"))
        due = round(self._counts["compliance"] * (int(serial[-1]) + 1) / self._market.settings.num_trades)
        rows = _worth_telling(compliance, due - len(self._facts["compliance"]))
        self._facts["compliance"] += map(_of_compliance, compliance.iloc[rows].to_dict("records"))

    def lines(self, positions: pd.DataFrame, reports: pd.DataFrame) -> list[str]:
        """Return all documents, each a line, in an order drawn by lot.

        A kind whose file has too few rows for its share has one document a row.
        """
        for kind, frame, of_row in (("position", positions, _of_position), ("risk", reports, _of_report)):
            rows = _spread(len(frame), self._counts[kind])
            self._facts[kind] += map(of_row, frame.iloc[rows].to_dict("records"))
        self._facts["market"] += self._of_market(self._counts["market"])
        rng = stream(self._market.settings.random_seed, "documents")
        pairs = [(kind, facts) for kind in DOCUMENT_KINDS for facts in self._facts[kind]]
        most = max(len(choices) for choices in grammar().values())
        uniform = rng.random((len(pairs), most)).tolist()
        order = rng.permutation(len(pairs)).tolist()
        return [
            write_document(f"SYN-{number + 1:06d}", kind, facts, uniform[place][: len(grammar()[form_of(kind, facts)])])
            for number, place in enumerate(order)
            for kind, facts in (pairs[place],)
        ]

    def _of_market(self, n: int) -> Iterator[Facts]:
        """Yield the facts of market comments: a day, a hub, and the change of its spot price since the day before."""
        prices, days = self._market.prices, self._market.prices.days.trading
        rng = stream(self._market.settings.random_seed, "market comments")
        for day, hub in zip(
            rng.choice(days, n).tolist(), rng.integers(len(prices.names), size=n).tolist(), strict=True
        ):
            now, before = (_number(prices.spot[each, hub], 2) for each in (day, day - 1))
            change = float(now) - float(before)
            yield {
                "date": str(prices.dates[day]),
                "hub": prices.names[hub],
                "move": "up" if change > 0 else "down" if change < 0 else "unchanged",
                "change": _number(abs(change), 2),
                "price": now,
                "currency": prices.hubs[hub].currency,
                "unit": _UNITS[prices.hubs[hub].commodity],
            }


def _worth_telling(compliance: pd.DataFrame, n: int) -> IntArray:
    """Choose rows: those with a finding for at most half, and for the rest trades within the scope of a regime."""
    has_finding = (compliance["flag"].astype("str") != "").to_numpy()
    in_scope = (compliance["status"].astype("str") != "out_of_scope").to_numpy()
    found, clean = np.flatnonzero(has_finding), np.flatnonzero(in_scope & ~has_finding)
    found = found[_spread(len(found), n // 2)]
    return np.sort(np.concatenate([found, clean[_spread(len(clean), n - len(found))]]))


def _spread(n_rows: int, n: int) -> IntArray:
    n = min(n, n_rows)
    return np.asarray((np.arange(n) + 0.5) * n_rows / max(n, 1), dtype=np.int64)


def _of_trade(row: _Row) -> Facts:
    names = (
        "trade_id",
        "side",
        "commodity",
        "hub",
        "counterparty_id",
        "currency",
        "settlement",
        "quantity_lots",
        "status",
    )
    return {name: str(row[name]) for name in names} | {
        "quantity_lots": str(row["quantity_lots"]),
        "delivery_start": _day(row["delivery_start"]),
        "delivery_end": _day(row["delivery_end"]),
        "price": _number(row["price"], cal.PRICE_DECIMALS.value),
        "unit": _UNITS[str(row["commodity"])],
        **_terms(row),
    }


def _terms(row: _Row) -> Facts:
    """Return what makes an option of a trade or position; nothing for another."""
    if str(row["option_type"]) not in OPTION_TYPES[1:]:
        return {}
    return {"option_type": str(row["option_type"]), "strike": _number(row["strike"], cal.STRIKE_DECIMALS.value)}


def _of_position(row: _Row) -> Facts:
    net = float(str(row["net_quantity_units"]))
    return {
        "as_of_date": _day(row["as_of_date"]),
        "book": str(row["book"]),
        "direction": "long" if net > 0 else "short" if net < 0 else "flat",
        "net_quantity_units": _number(abs(net), 1),
        "unit": _UNITS[str(row["commodity"])],
        "hub": str(row["hub"]),
        "delivery_month": _day(row["delivery_month"]),
        "mark_price": _number(row["mark_price"], 4),
        "mtm": _number(row["mtm"], 2),
        "currency": str(row["currency"]),
        **_terms(row),
    }


def _of_report(row: _Row) -> Facts:
    return {
        "as_of_date": _day(row["as_of_date"]),
        "book": str(row["book"]),
        "var99_hist": _number(row["var99_hist"], 2),
        "limit_var": _number(row["limit_var"], 2),
        "utilisation": _number(row["utilisation"], 4),
        "verdict": "above" if row["breach_flag"] else "within",
    }


def _of_compliance(row: _Row) -> Facts:
    return {name: str(row[name]) or "none" for name in ("regime", "trade_id", "status", "flag")}


def _day(value: object) -> str:
    return str(value)[:10]


def _number(value: object, decimals: int) -> str:
    return f"{round(float(str(value)), decimals) + 0.0:.{decimals}f}"
