"""The law of the risk score, on log odds, and its levels.

The expected log odds of a deal are a sum of parts, each of one or two published columns. Where a cell of a part is
empty, the part counts with its mean over the deals of the same commodity, so the best possible answer is known there.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

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


def expected_log_odds(parts: list[ScorePart], empty: Mapping[str, BoolArray], commodity: IntArray) -> FloatArray:
    """Add the parts up; one that reads an empty cell counts with its mean over the commodity.

    Args:
        parts: From `score_parts`.
        empty: Which cells are empty, by column.
        commodity: The commodity of each deal.
    """
    total = np.full(len(commodity), cal.SCORE_INTERCEPT.value)
    n = np.maximum(np.bincount(commodity), 1)
    for part in parts:
        unseen = np.zeros(len(commodity), dtype=np.bool_)
        for name in part.reads:
            unseen |= empty.get(name, np.False_)
        mean = np.bincount(commodity, part.value) / n
        total += np.where(unseen, mean[commodity], part.value)
    return total


def ln_price(price: FloatArray) -> FloatArray:
    """Return the log of a price; one below 1, such as a negative price of power, counts as 1."""
    return np.asarray(np.log(np.maximum(price, 1.0)))


def _effect(labels: DealLabels, name: str, effects: Mapping[str, float]) -> FloatArray:
    codes, names = labels[name]
    return np.array([effects.get(level, 0.0) for level in names])[codes]
