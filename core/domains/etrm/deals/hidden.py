"""What the empty cells of deals hide, and what is known of it.

The number behind an empty cell is drawn by itself, from the law of its column: no other column tells of it. The price
alone does, since a volatile or illiquid deal lies further from the market. So the best possible answers are known: the
mean of the risk score, and the likelihood ratio of an off-market price, given all that is published of a deal.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.draws import codes_at, stream
from core.domains.etrm.deals import calibration as cal
from core.domains.etrm.deals.quotes import ln_densities, ln_sd_of_kind
from core.domains.etrm.deals.scores import DealLabels

_NODES = 16  # of each of two normal laws
_PIECE = 4_096  # deals whose laws are integrated at once: a million values


class Known(NamedTuple):
    """What is known of each deal from what is published of it.

    Attributes:
        evidence: The log likelihood ratio of an off-market price against a sound one, nats, shape (n,).
        ln_volatility: The mean log of its volatility, shape (n,).
        ln_liquidation: The mean log of its days to liquidate, shape (n,).
    """

    evidence: FloatArray
    ln_volatility: FloatArray
    ln_liquidation: FloatArray


def hide(seed: int, columns: dict[str, FloatArray], empty: Mapping[str, BoolArray]) -> None:
    """Replace the numbers behind empty cells that other columns tell of: the market's, and the tenor of its price."""
    n = len(columns["volatility"])
    rng = stream(seed, "hidden")
    tenors = np.array(cal.TENOR_MONTHS.value, dtype=np.float64)
    drawn = {
        "volatility": np.exp(rng.normal(*cal.LN_VOLATILITY.value, n)),
        "curve_slope": rng.normal(*cal.CURVE_SLOPE.value, n),
        "tenor_months": tenors[codes_at(rng.random(n), np.array(cal.TENOR_SHARES.value))],
    }
    for name, values in drawn.items():
        columns[name] = np.where(empty[name], values, columns[name])


def known_of(
    miss: FloatArray,
    columns: Mapping[str, FloatArray],
    labels: DealLabels,
    empty: Mapping[str, BoolArray],
    off_market_share: float,
) -> Known:
    """Integrate over what the empty cells of volatility and liquidity hide.

    Args:
        miss: How far each price lies from the market, in price units.
        columns: The numbers; those of empty cells are not read.
        labels: The categories.
        empty: Which cells are empty, by column.
        off_market_share: The share of off-market deals.
    Returns:
        Of a deal without an empty cell, the numbers themselves.
    """
    ln_kind = ln_sd_of_kind(labels)
    found = Known(*(np.empty(len(miss)) for _ in Known._fields))
    is_partial = empty["volatility"] | empty["liquidation_days"]
    for rows, n_nodes in ((np.flatnonzero(~is_partial), 1), (np.flatnonzero(is_partial), _NODES)):
        for start in range(0, len(rows), _PIECE):
            at = rows[start : start + _PIECE]
            volatility, of_volatility = _law(columns, empty, at, "volatility", cal.LN_VOLATILITY.value, n_nodes)
            days, of_days = _law(columns, empty, at, "liquidation_days", cal.LN_LIQUIDATION_DAYS.value, n_nodes)
            piece = _known(miss[at], ln_kind[at], volatility, days, of_volatility[:, None] + of_days, off_market_share)
            for whole, part in zip(found, piece, strict=True):
                whole[at] = part
    return found


def _law(
    columns: Mapping[str, FloatArray],
    empty: Mapping[str, BoolArray],
    at: IntArray,
    name: str,
    law: tuple[float, float],
    n_nodes: int,
) -> tuple[FloatArray, FloatArray]:
    """Return the logs that a number may have, shape (n, nodes), and the logs of their weights, shape (nodes,)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    is_empty = empty[name][at]
    seen = np.log(np.where(is_empty, 1.0, columns[name][at]))
    logs = np.where(is_empty[:, None], law[0] + law[1] * nodes, seen[:, None])
    return logs, np.log(weights / weights.sum())


def _known(
    miss: FloatArray, ln_kind: FloatArray, volatility: FloatArray, days: FloatArray, weight: FloatArray, share: float
) -> Known:
    """Integrate over nodes: of the volatility along the second axis, of the days to liquidate along the third."""
    law = cal.QUOTE_SCALE.value
    ln_sd = law["ln_volatility"] * volatility[:, :, None] + law["ln_liquidation"] * days[:, None, :]
    wrong, sound = ln_densities(miss[:, None, None], np.exp(ln_sd + ln_kind[:, None, None]))
    odds = np.logaddexp(wrong + np.log(max(share, 1e-300)), sound + np.log(max(1.0 - share, 1e-300))) + weight
    chance = np.exp(odds - logsumexp(odds, axis=(1, 2), keepdims=True))
    return Known(
        np.asarray(logsumexp(wrong + weight, axis=(1, 2)) - logsumexp(sound + weight, axis=(1, 2))),
        np.asarray((chance.sum(axis=2) * volatility).sum(axis=1)),
        np.asarray((chance.sum(axis=1) * days).sum(axis=1)),
    )
