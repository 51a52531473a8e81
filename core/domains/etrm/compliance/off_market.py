"""Prices off the market: far from what the same contract cost in the trades around it, or from a given mark."""

import numpy as np

from core.arrays import BoolArray, DateArray, FloatArray, IntArray
from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.contracts import contract_of
from core.domains.etrm.compliance.labels import plain
from core.domains.etrm.compliance.trades import TradeColumns
from core.errors import UsageError

OFF_MARKET_COLUMNS = ("price", "delivery_start")
SIDE_PEERS = 6  # trades before, and as many after, that a price is compared with
NORMAL_MAD = 1.4826  # sd of a normal law over the median of its absolute deviations
DAY_SECONDS = 86_400.0
PIECE = 100_000  # trades whose peers are compared at once


def off_market_scores(trades: TradeColumns, marks: FloatArray | None = None) -> FloatArray:
    """Return how far each price lies from the market, in robust standard deviations.

    Args:
        trades: Trades in any order, with `OFF_MARKET_COLUMNS`; cancelled ones are left out, and options without marks.
        marks: What the market cost at the time of each trade, in its currency per unit, shape (n,), where a price
            curve is at hand; NaN where it is not. Without marks, the median of the nearest trades of the same delivery
            within days stands for it.
    Returns:
        Shape (n,); NaN where there is neither a mark nor enough peers. The scale is that of the commodity: the median
        deviation of its trades that are as well surrounded.
    Raises:
        UsageError: The marks have another length than the trades.
    Source:
        Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993 (modified z-score by the median deviation).
    """
    deviation, group = _from_marks(trades, marks) if marks is not None else _from_peers(trades)
    # The premiums of options are quoted less sharply than their commodities.
    is_option = trades.among("instrument", ("option",))
    kind = np.where(is_option, len(trades.words["commodity"].words), trades.words["commodity"].codes).astype(np.int64)
    score = np.full(len(trades), np.nan)
    known = np.isfinite(deviation)
    for each in np.unique(kind[known]):
        of_kind = known & (kind == each)
        overall = _scale(deviation[of_kind])
        for number in np.unique(group[of_kind]):
            rows = of_kind & (group == number)
            own = _scale(deviation[rows])
            score[rows] = deviation[rows] / (own if rows.sum() >= law.LEAST_GROUP.value else max(own, overall))
    if marks is not None:
        score[known & (np.abs(trades.numbers["price"] - marks) < law.LEAST_MOVE.value)] = 0.0
    return score


def _scale(deviation: FloatArray) -> float:
    """Return a standard deviation that outliers do not move."""
    return max(NORMAL_MAD * float(np.median(np.abs(deviation))), law.LEAST_SCALE.value)


def _logs(trades: TradeColumns, price: FloatArray) -> FloatArray:
    """Return log prices, of power above its shift, of a premium without; NaN where there is none."""
    labels = trades.words["commodity"]
    shift = np.array([law.PRICE_SHIFT.value.get(plain(word), 0.0) for word in labels.words], dtype=np.float64)
    shifted = price + np.where(trades.among("instrument", ("option",)), 0.0, labels.spread(shift, 0.0))
    return np.log(np.where(shifted > 0, shifted, np.nan))


def _from_marks(trades: TradeColumns, marks: FloatArray) -> tuple[FloatArray, IntArray]:
    price, market = trades.numbers["price"], np.asarray(marks, dtype=np.float64)
    if market.shape != price.shape:
        raise UsageError(f"marks: has the shape {market.shape}, and there are {len(price):,} trades.")
    deviation = _logs(trades, price) - _logs(trades, market)
    deviation[~trades.is_live] = np.nan
    return deviation, np.zeros(len(trades), dtype=np.int64)


def _from_peers(trades: TradeColumns) -> tuple[FloatArray, IntArray]:
    """Return the distance of each log price from the median of its peers, and a group of equal precision.

    The precision follows from the mean distance in time of the peers: a market moves away from a price.
    """
    n = len(trades)
    made, log_price = trades.instants["trade_ts"], _logs(trades, trades.numbers["price"])
    usable = trades.is_live & ~np.isnat(made) & np.isfinite(log_price) & ~trades.among("instrument", ("option",))
    rows = np.flatnonzero(usable)
    # A forward, a future and a swap of one delivery have one price.
    contract = contract_of(trades, ("commodity", "hub", "currency"))
    order = rows[np.lexsort((made[rows], contract[rows]))]
    deviation, group = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    for start in range(0, len(order), PIECE):
        end = min(start + PIECE, len(order))
        begin = max(start - SIDE_PEERS, 0)
        window = order[begin : end + SIDE_PEERS]
        far, mean_gap = _distances(contract[window], made[window], log_price[window])
        here = slice(start - begin, end - begin)
        deviation[order[start:end]] = far[here]
        # Groups by powers of two of the mean distance, from an hour on.
        group[order[start:end]] = np.ceil(np.log2(np.maximum(mean_gap[here], 1 / 24) * 24)).astype(np.int64)
    return deviation, group


def _distances(contract: IntArray, made: DateArray, log_price: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each log price less the median of its peers, NaN with too few, and the peers' mean distance in days."""
    n = len(contract)
    peers, gaps = np.full((n, 2 * SIDE_PEERS), np.nan), np.zeros((n, 2 * SIDE_PEERS))
    for step in range(1, min(SIDE_PEERS, n - 1) + 1):
        gap = (made[step:] - made[:-step]).astype(np.float64) / DAY_SECONDS
        near = (contract[:-step] == contract[step:]) & (gap <= law.PEER_DAYS.value)
        peers[:-step, step - 1] = np.where(near, log_price[step:], np.nan)
        peers[step:, SIDE_PEERS + step - 1] = np.where(near, log_price[:-step], np.nan)
        gaps[:-step, step - 1] = gaps[step:, SIDE_PEERS + step - 1] = np.where(near, gap, 0.0)
    n_peers = np.isfinite(peers).sum(axis=1)
    judged = n_peers >= law.LEAST_PEERS.value
    far = np.full(n, np.nan)
    far[judged] = log_price[judged] - np.nanmedian(peers[judged], axis=1)
    return far, gaps.sum(axis=1) / np.maximum(n_peers, 1)


def is_off_market(score: FloatArray) -> BoolArray:
    """Return which scores are beyond the limit."""
    return np.asarray(np.abs(np.nan_to_num(score)) > law.OFF_MARKET_SCALES.value)
