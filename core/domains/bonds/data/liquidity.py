"""Liquidity: bid-ask, turnover, days without a trade, and their index."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from core.arrays import FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.issuers import is_high_yield


class Liquidity(NamedTuple):
    """Per row, shape (n,): bp of price, times a year, share of days, index 0-100."""

    bid_ask_bps: FloatArray
    turnover_annual: FloatArray
    zero_trade_share: FloatArray
    liquidity_index: FloatArray


def draw_liquidity(
    rng: np.random.Generator,
    *,
    notch: IntArray,
    issue_size: FloatArray,
    age_years: FloatArray,
    maturity: FloatArray,
    cycle: FloatArray,
    liq_shift: float,
    ln_bid_ask: float = 0.0,
    ln_turnover: float = 0.0,
) -> Liquidity:
    """Draw the trading of each bond.

    Args:
        rng: Three normal draws are taken per row.
        notch: Live notch.
        issue_size: USD m.
        age_years: Years since issue.
        maturity: Years to maturity.
        cycle: Credit cycle Z.
        liq_shift: Worsens liquidity overall; 0 in an ordinary market.
        ln_bid_ask: Added to the log of every bid-ask.
        ln_turnover: Added to the log of every turnover.
    Source:
        Costs fall with rating and size and rise with age and maturity: Edwards, Harris and Piwowar (2007).
    """
    noise = rng.standard_normal((3, len(notch)))
    ln_size = np.log(issue_size / cal.TYPICAL_ISSUE_SIZE.value)
    ln_age = np.log1p(age_years)
    cost, volume = cal.BID_ASK_EFFECTS.value, cal.TURNOVER_EFFECTS.value
    silence, index = cal.ZERO_TRADE_EFFECTS.value, cal.LIQUIDITY_INDEX.value
    bid_ask = np.exp(
        np.log(np.array(cal.BID_ASK_BASE.value, dtype=np.float64)[notch])
        + cost["size"] * ln_size
        + cost["age"] * ln_age
        + cost["maturity"] * np.log(maturity / cal.TYPICAL_MATURITY.value)
        + cost["cycle"] * cycle
        + cost["noise"] * noise[0]
        + cost["liq_shift"] * liq_shift
        + ln_bid_ask
    )
    turnover = np.exp(
        np.log(volume["median"])
        + volume["high_yield"] * is_high_yield(notch)
        + volume["size"] * ln_size
        + volume["age"] * ln_age
        + volume["noise"] * noise[1]
        + volume["liq_shift"] * liq_shift
        + ln_turnover
    )
    zero_trade = np.clip(
        silence["base"]
        + silence["size"] * ln_size
        + silence["turnover"] * np.log(turnover / silence["typical_turnover"])
        + silence["noise"] * noise[2],
        0,
        1,
    )
    score = index["slope"] * (
        index["bid_ask"] * np.log(bid_ask / index["typical_bid_ask"])
        + index["turnover"] * np.log(turnover / index["typical_turnover"])
        + index["size"] * ln_size
        + index["zero_trade"] * (zero_trade - index["typical_zero_trade"])
    )
    return Liquidity(bid_ask, turnover, zero_trade, 100 * ndtr(score + index["intercept"] - liq_shift))
