"""Wash trades: a purchase and a sale of the same contract that leave everybody where they were."""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.contracts import contract_of, same
from core.domains.etrm.compliance.trades import TradeColumns

WASH_COLUMNS = ("side", "quantity_lots", "price", "counterparty_id", "delivery_start")
NEIGHBOURS = 8  # later trades of one contract, quantity and counterparty that a trade is compared with


@dataclass(frozen=True, slots=True)
class WashPairs:
    """Suspected pairs; each trade is in one at most.

    Attributes:
        first: The earlier trade of each pair.
        second: The later one.
    """

    first: IntArray
    second: IntArray


def wash_pairs(trades: TradeColumns) -> WashPairs:
    """Find pairs of opposite trades of the same contract, quantity and counterparty, within minutes and near in price.

    Args:
        trades: Trades in any order, with `WASH_COLUMNS`; cancelled trades are left out.
    Returns:
        The pairs, the closest in time where a trade has several partners; of equally close ones, the first in order.
    Source:
        ACER, Guidance on REMIT, 6th ed., chapter 6 (wash trades); 7 U.S.C. 6c(a).
    """
    made = trades.instants["trade_ts"]
    sign, lots, price = trades.sign, trades.numbers["quantity_lots"], trades.numbers["price"]
    usable = trades.is_live & ~np.isnat(made) & np.isfinite(sign) & np.isfinite(lots) & np.isfinite(price)
    rows = np.flatnonzero(usable)
    alike = same(contract_of(trades)[rows], trades.words["counterparty_id"].codes[rows], lots[rows])
    # Only trades that have a counterpart are sorted.
    rows, alike = _repeated(rows, alike)
    order = np.lexsort((made[rows], alike))
    rows, alike = rows[order], alike[order]
    firsts, seconds, gaps = [], [], []
    for step in range(1, min(NEIGHBOURS, len(rows) - 1) + 1):
        one, other = rows[:-step], rows[step:]
        gap = (made[other] - made[one]).astype(np.float64)
        near = np.abs(price[one] - price[other]) <= law.WASH_PRICE.value * np.maximum(np.abs(price[one]), 1.0)
        hit = (alike[:-step] == alike[step:]) & near & (sign[one] == -sign[other]) & (gap <= law.WASH_SECONDS.value)
        firsts.append(one[hit])
        seconds.append(other[hit])
        gaps.append(gap[hit])
    if not firsts:
        return WashPairs(np.array([], dtype=np.int64), np.array([], dtype=np.int64))
    return _each_once(np.concatenate(firsts), np.concatenate(seconds), np.concatenate(gaps))


def _repeated(rows: IntArray, alike: IntArray) -> tuple[IntArray, IntArray]:
    """Keep the rows whose number occurs more than once."""
    kept = np.bincount(alike, minlength=1)[alike] > 1
    return rows[kept], alike[kept]


def _each_once(first: IntArray, second: IntArray, gap: FloatArray) -> WashPairs:
    taken: set[int] = set()
    kept = []
    for at in np.lexsort((second, first, gap)):
        pair = int(first[at]), int(second[at])
        if taken.isdisjoint(pair):
            taken.update(pair)
            kept.append(at)
    return WashPairs(first[kept], second[kept])
