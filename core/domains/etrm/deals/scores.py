"""The law of the risk score, on log odds, and its levels.

The expected log odds of a deal are a sum of parts, each of one or two published columns. Where a cell of a part is
empty, the part counts with its mean given what is published of the deal (`core.domains.etrm.deals.hidden`).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import betaincc

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.etrm.deals import calibration as cal

DealLabels = Mapping[str, tuple[IntArray, tuple[str, ...]]]
"""The categories of deals by column: the code of each deal, and the names of the levels."""


class ScorePart(NamedTuple):
    """One part of the log odds: its value for each deal, and the columns that it reads."""

    value: FloatArray
    reads: tuple[str, ...]


def score_parts(
    columns: Mapping[str, FloatArray], labels: Mapping[str, tuple[IntArray, tuple[str, ...]]]
) -> list[ScorePart]:
    """Return the parts of the expected log odds.

    Args:
        columns: The published numbers, none empty, each of shape (n,).
        labels: The published categories: the codes, and the names of the levels.
    """
    slope, centre = cal.SCORE_SLOPES.value, cal.SCORE_CENTRES.value
    volatility = np.log(columns["volatility"]) - centre["ln_volatility"]
    at, strain = cal.SCORE_STRAIN.value
    crowded_at, crowding = cal.SCORE_CROWDING.value
    kept = np.where(columns["collateralised"] > 0, cal.COLLATERAL_KEEPS.value, 1.0)
    used = np.minimum(columns["utilisation"], cal.MOST_UTILISATION.value)
    is_option = _effect(labels, "instrument", {"option": 1.0})

    def of_log(name: str, column: str) -> ScorePart:
        return ScorePart(slope[name] * (np.log(columns[column]) - centre[name]), (column,))

    return [
        ScorePart(slope["ln_notional"] * (np.log(columns["volume"]) - centre["ln_notional"]), ("volume",)),
        ScorePart(slope["ln_notional"] * ln_price(columns["price"]), ("price",)),
        ScorePart((slope["ln_volatility"] + cal.OPTION_VOLATILITY.value * is_option) * volatility, ("volatility",)),
        of_log("ln_tenor", "tenor_months"),
        of_log("ln_exposure", "exposure_meur"),
        of_log("ln_liquidation", "liquidation_days"),
        ScorePart(
            slope["utilisation"] * used + strain * np.maximum(used - at, 0.0),
            ("utilisation",),
        ),
        ScorePart(
            slope["concentration"] * columns["concentration"]
            + crowding * np.maximum(columns["concentration"] - crowded_at, 0.0),
            ("concentration",),
        ),
        ScorePart(slope["curve_slope"] * columns["curve_slope"], ("curve_slope",)),
        ScorePart(kept * _effect(labels, "counterparty_grade", cal.SCORE_GRADES.value), ()),
        ScorePart(cal.HEDGE_EFFECT.value * columns["hedge_flag"], ()),
        ScorePart(_effect(labels, "instrument", cal.SCORE_INSTRUMENTS.value), ()),
        ScorePart(_effect(labels, "commodity", cal.SCORE_COMMODITIES.value), ()),
        ScorePart(_effect(labels, "book", cal.SCORE_BOOKS.value), ()),
    ]


def expected_log_odds(
    parts: list[ScorePart], empty: Mapping[str, BoolArray], means: Mapping[str, FloatArray]
) -> FloatArray:
    """Add the parts up; one that reads an empty cell counts with its mean.

    Args:
        parts: From `score_parts`, with what the empty cells hide.
        empty: Which cells are empty, by column.
        means: The mean of the part of each column that may be empty, for each deal, given what is published of it.
    """
    total = cal.SCORE_INTERCEPT.value + np.zeros(len(parts[0].value))
    for part in parts:
        value = part.value
        for name in part.reads:
            if name in empty:
                value = np.where(empty[name], means[name], value)
        total += value
    return total


def mean_parts(labels: DealLabels, ln_volatility: FloatArray, ln_liquidation: FloatArray) -> dict[str, FloatArray]:
    """Return the mean of the part of each column that may be empty, were its cell empty.

    Args:
        labels: The published categories.
        ln_volatility: The mean log of each deal's volatility, given what is published of it.
        ln_liquidation: That of its days to liquidate.
    """
    slope, centre = cal.SCORE_SLOPES.value, cal.SCORE_CENTRES.value
    of_option = cal.OPTION_VOLATILITY.value * _effect(labels, "instrument", {"option": 1.0})
    every = np.ones(len(ln_volatility))
    ln_tenor = np.average(np.log(cal.TENOR_MONTHS.value), weights=cal.TENOR_SHARES.value)
    at, crowding = cal.SCORE_CROWDING.value
    a, b = cal.CONCENTRATION.value
    mean = a / (a + b)
    excess = mean * betaincc(a + 1, b, at) - at * betaincc(a, b, at)  # E max(c - at, 0) of a beta variable c
    return {
        "volatility": (slope["ln_volatility"] + of_option) * (ln_volatility - centre["ln_volatility"]),
        "tenor_months": slope["ln_tenor"] * (ln_tenor - centre["ln_tenor"]) * every,
        "exposure_meur": slope["ln_exposure"] * (cal.LN_EXPOSURE.value[0] - centre["ln_exposure"]) * every,
        "liquidation_days": slope["ln_liquidation"] * (ln_liquidation - centre["ln_liquidation"]),
        "concentration": (slope["concentration"] * mean + crowding * excess) * every,
        "curve_slope": slope["curve_slope"] * cal.CURVE_SLOPE.value[0] * every,
    }


def ln_price(price: FloatArray) -> FloatArray:
    """Return the log of a price; one below 1, such as a negative price of power, counts as 1."""
    return np.asarray(np.log(np.maximum(price, 1.0)))


def _effect(labels: DealLabels, name: str, effects: Mapping[str, float]) -> FloatArray:
    codes, names = labels[name]
    return np.array([effects.get(level, 0.0) for level in names])[codes]
