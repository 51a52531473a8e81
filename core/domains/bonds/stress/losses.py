"""The profit of every bond under a shock, factor by factor: each factor is added to those before it, so they add up."""

from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.instruments import CURRENCY_NAMES
from core.domains.bonds.data.ratings import N_LIVE
from core.domains.bonds.stress.cascade import Cascade, Contagion
from core.domains.bonds.stress.market import BondMarket, StressedLiquidity
from core.domains.bonds.stress.repricing import price_to_worst
from core.domains.bonds.stress.shock import BondShock

FACTORS = ("rates", "cycle", "liquidity", "flows", "ratings", "defaults", "fx")


@dataclass(frozen=True, slots=True)
class StressedBonds:
    """A portfolio after a shock; arrays of shape (n,).

    Attributes:
        shock: The shock.
        factors: Profit by factor, USD m, shape (7, n), in the order of `FACTORS`.
        price: Clean price, before expected defaults, % of par.
        base_yield: %.
        spread: bp.
        liquidity: Bid-ask, turnover, index and chance of a shock.
        notch: The rating.
        default_chance: Within a year.
        cascade: What happened to the issuers.
    """

    shock: BondShock
    factors: FloatArray
    price: FloatArray
    base_yield: FloatArray
    spread: FloatArray
    liquidity: StressedLiquidity
    notch: IntArray
    default_chance: FloatArray
    cascade: Cascade

    @property
    def profit(self) -> FloatArray:
        """Profit of each bond, USD m."""
        total: FloatArray = self.factors.sum(axis=0)
        return total


def stress(market: BondMarket, contagion: Contagion, shock: BondShock) -> StressedBonds:
    """Reprice every bond under a shock, exactly, and attribute the profit.

    The order is rates, the credit cycle with all direct moves of spreads, liquidity, sales by funds, ratings, defaults,
    and exchange rates at the end, on what is left.
    """
    portfolio = market.portfolio
    cascade = contagion.run(shock)
    notch = np.minimum(portfolio.notch + cascade.notches[portfolio.issuer], N_LIVE - 1)
    is_fallen = (notch >= cal.FIRST_HIGH_YIELD.value) & ~portfolio.is_high_yield
    liquidity = market.liquidity(shock)
    base = market.base_yield(shock)
    spreads = np.stack((portfolio.spread, *market.spreads(shock, notch, liquidity, is_fallen)))
    floor = portfolio.floor
    prices = price_to_worst(portfolio.coupon, portfolio.maturity, portfolio.earliest, base + spreads / 100, floor)
    held = portfolio.notional / 100
    steps = np.diff(np.concatenate((portfolio.price[None], prices)), axis=0) * held
    price = prices[-1]
    calm_default = contagion.calm_default[portfolio.issuer]
    default = np.maximum(cascade.default_chance[portfolio.issuer], calm_default)
    lost = (default - calm_default) * (floor - price) * held
    moved = np.array([shock.fx.get(name, 0.0) for name in CURRENCY_NAMES])[portfolio.codes["currency"]]
    exchanged = moved * (price * held + lost)
    return StressedBonds(
        shock=shock,
        factors=np.concatenate((steps, lost[None], exchanged[None])),
        price=price,
        base_yield=base,
        spread=spreads[-1],
        liquidity=StressedLiquidity(
            liquidity.bid_ask,
            liquidity.turnover,
            market.fallen_index(liquidity.index, is_fallen),
            liquidity.shock_chance,
        ),
        notch=notch,
        default_chance=default,
        cascade=cascade,
    )


def fallen_angels(market: BondMarket, stressed: StressedBonds) -> BoolArray:
    """Return the bonds that lost their investment grade."""
    fallen: BoolArray = (stressed.notch >= cal.FIRST_HIGH_YIELD.value) & ~market.portfolio.is_high_yield
    return fallen
