"""Exact revaluation under a shock, factor by factor: each factor is added to those before it, so they add up.

The price of a delivery is F; in the price model F + c = (level and season) * exp(X a + Y b), with the decays a and b of
the two factors until the delivery. A shock moves X and Y: F + c is multiplied by exp(dX a + dY b), whatever the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray
from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.data.black import OptionValue
from core.domains.etrm.data.prices import factors_left
from core.domains.etrm.stress import calibration as own
from core.domains.etrm.stress.portfolio import HUB_COMMODITY, MILLION, EnergyPortfolio
from core.domains.etrm.stress.shock import HUB_NAMES, EtrmShock

COMMODITIES = market_cal.COMMODITIES
LOADING = np.array([hub.loading for hub in market_cal.HUBS.value])
FACTORS = (*(name.lower() for name in COMMODITIES), "curve", "basis", "volatility", "liquidity", "fx")
_N = len(COMMODITIES)
_CURVE, _BASIS, _VOLATILITY, _LIQUIDITY, _FX = range(_N, _N + 5)
_WEIGHT = np.array([hub.weight for hub in market_cal.HUBS.value])
_FIRST = np.array([int(np.flatnonzero(code == HUB_COMMODITY)[0]) for code in range(_N)])
_HALF = np.array([own.HALF_SPREAD.value[name] for name in COMMODITIES])
_HUB_HALF = _HALF[HUB_COMMODITY] * (_WEIGHT[_FIRST[HUB_COMMODITY]] / _WEIGHT) ** own.THIN_HUB_POWER.value


@dataclass(frozen=True, slots=True)
class StressedPositions:
    """A portfolio after a shock; arrays of shape (n,).

    Attributes:
        shock: The shock.
        factors: Profit by factor, EUR m, shape (12, n), in the order of `FACTORS`.
        price: Of the delivery, in currency per unit.
        shifted: The lognormal part of it.
        unit: Value and Greeks per unit.
        common_move: Of the log of the shifted price, by its commodity.
        hub_move: The same by its hub alone.
        cost: Half the bid-ask of everything, EUR m.
    """

    shock: EtrmShock
    factors: FloatArray
    price: FloatArray
    shifted: FloatArray
    unit: OptionValue
    common_move: FloatArray
    hub_move: FloatArray
    cost: FloatArray

    @property
    def profit(self) -> FloatArray:
        """Profit of each position, EUR m."""
        total: FloatArray = self.factors.sum(axis=0)
        return total


def by_commodity(values: Mapping[str, float], usual: float = 0.0) -> FloatArray:
    """Return a value for each commodity, shape (7,)."""
    return np.array([values.get(name, usual) for name in COMMODITIES])


def by_hub(values: Mapping[str, float], usual: float = 0.0) -> FloatArray:
    """Return a value for each hub, shape (25,)."""
    return np.array([values.get(name, usual) for name in HUB_NAMES])


def revalue(held: EnergyPortfolio, shock: EtrmShock) -> StressedPositions:
    """Value every position under a shock, exactly, and attribute the profit.

    The order is the level of each commodity, the shape of curves, hubs against their commodity, volatilities, the cost
    of leaving the positions, and the dollar at the end, on all that is won or lost.
    """
    commodity, hub = held.commodity, held.hub
    near, far = factors_left(commodity, held.ahead)
    level = LOADING[hub] * by_commodity(shock.level)[commodity] * far
    front = LOADING[hub] * by_commodity(shock.front)[commodity] * near
    own_move = by_hub(shock.hub_level)[hub] * far + by_hub(shock.hub_front)[hub] * near
    added = by_hub(shock.hub_add)[hub] * np.exp(-own.PROMPT_KAPPA.value * held.years)
    variance = held.variance * by_commodity(shock.volatility_factor, 1.0)[commodity] ** 2
    calm = held.forward + held.shift
    stages = (
        (calm, 0.0, held.variance),
        (calm * np.exp(level), 0.0, held.variance),
        (calm * np.exp(level + front), 0.0, held.variance),
        (calm * np.exp(level + front + own_move), added, held.variance),
        (calm * np.exp(level + front + own_move), added, variance),
    )
    units = [held.option_values(*stage) for stage in stages]
    steps = np.diff(np.stack([unit.value for unit in units]), axis=0) * held.net * held.fx / MILLION
    shifted, last = stages[-1][0], units[-1]
    factors = np.zeros((len(FACTORS), held.n_instruments))
    factors[commodity, np.arange(held.n_instruments)] = steps[0]
    factors[_CURVE], factors[_BASIS], factors[_VOLATILITY] = steps[1:]
    cost = leaving_cost(held, np.maximum(calm, shifted), last.delta) * cost_factor(shock)[hub]
    factors[_LIQUIDITY] = leaving_cost(held, calm, units[0].delta) - cost
    factors[_FX] = np.where(held.is_usd, shock.usd, 0.0) * (factors.sum(axis=0) + held.open_value)
    return StressedPositions(
        shock=shock,
        factors=factors + 0.0,
        price=shifted - held.shift + added,
        shifted=shifted,
        unit=last,
        common_move=level + front,
        hub_move=own_move,
        cost=cost,
    )


def leaving_cost(held: EnergyPortfolio, shifted: FloatArray, delta: FloatArray) -> FloatArray:
    """Return half the usual bid-ask of every position, EUR m.

    Args:
        held: The positions.
        shifted: The shifted prices, of which the bid-ask is a share; it does not narrow where prices fall.
        delta: Of each unit.
    """
    half = _HUB_HALF[held.hub] * (1 + own.TENOR_COST.value * held.years)
    return np.asarray(np.abs(held.net * delta) * shifted * half * held.fx / MILLION)


def cost_factor(shock: EtrmShock) -> FloatArray:
    """Return how many times the bid-ask of each hub is the usual one, shape (25,): what stops trading widens it."""
    return np.asarray(by_commodity(shock.bid_ask_factor, 1.0)[HUB_COMMODITY] / (1 - by_hub(shock.hub_freeze)))
