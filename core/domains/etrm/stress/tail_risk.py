"""Value at risk and expected shortfall over a month, before and after shocks, from the same draws of the price model.

10,000 draws of the innovations of both factors of every hub, jumps with their variance; a loss follows from delta and
gamma in the log of the shifted price. A shock scales volatilities, loosens correlations, and lengthens the time that it
takes to leave a frozen hub. Draws come in antithetic pairs and are the same for every state of the market.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray
from core.domains.draws import stream
from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.data.black import OptionValue
from core.domains.etrm.data.prices import correlation_matrix, factors_left, step_variances
from core.domains.etrm.stress import calibration as own
from core.domains.etrm.stress.portfolio import HUB_COMMODITY, MILLION, EnergyPortfolio
from core.domains.etrm.stress.revaluation import LOADING, StressedPositions, by_commodity, by_hub
from core.domains.etrm.stress.shock import CALM, EtrmShock
from core.domains.portfolio_figures import TailRisk, tail_risk

_SEED = 0
_LAWS = [market_cal.PRICE_LAWS.value[name] for name in market_cal.COMMODITIES]
_N_HUBS = len(HUB_COMMODITY)


class EnergyState(NamedTuple):
    """A state of the market.

    Attributes:
        shock: What has happened.
        shifted: The lognormal part of each position's price, shape (n,).
        unit: Value and Greeks per unit.
        fx: Euros per unit of currency, shape (n,).
    """

    shock: EtrmShock
    shifted: FloatArray
    unit: OptionValue
    fx: FloatArray


def calm_state(held: EnergyPortfolio) -> EnergyState:
    """Return the market before any shock."""
    shifted = held.forward + held.shift
    return EnergyState(CALM, shifted, held.option_values(shifted, 0.0, held.variance), held.fx)


def stressed_state(held: EnergyPortfolio, stressed: StressedPositions) -> EnergyState:
    """Return the market after a shock."""
    fx = held.fx * np.where(held.is_usd, 1 + stressed.shock.usd, 1.0)
    return EnergyState(stressed.shock, stressed.shifted, stressed.unit, fx)


def factor_sds(days: int) -> FloatArray:
    """Return the sd of what the factors of each commodity gain in so many days, shape (7, 2): short and slow."""
    found = np.empty((len(_LAWS), 2))
    for code, law in enumerate(_LAWS):
        steps = days * law.days_per_year / market_cal.DAYS_IN_YEAR
        for factor, variance in enumerate(step_variances(law)):
            square = float(factors_left(np.array(code), np.array(1))[factor]) ** 2
            found[code, factor] = np.sqrt(variance * (1 - square**steps) / (1 - square))
    return found


def tail_risks(held: EnergyPortfolio, states: Sequence[EnergyState]) -> list[TailRisk]:
    """Return the tail risk in each state of the market.

    Source:
        Levels of the Basel framework, MAR33. A linear and a quadratic term in the moves of both factors of each hub.
    """
    rng, n_half = stream(_SEED, "energy tail risk"), own.RISK_DRAWS.value // 2
    n_commodities = len(_LAWS)
    common = rng.standard_normal((2, n_half, n_commodities))
    single = rng.standard_normal((2, n_half, _N_HUBS))
    sds = factor_sds(own.RISK_DAYS.value)
    found = []
    for state in states:
        moves = _moves(state.shock, common, single, sds)
        linear, quadratic = _sensitivities(held, state)
        first = moves[0] @ linear[0] + moves[1] @ linear[1]
        second = (moves[0] ** 2) @ quadratic[0] + (moves[0] * moves[1]) @ quadratic[1] + (moves[1] ** 2) @ quadratic[2]
        found.append(tail_risk(-np.concatenate((first + second, second - first)), own.RISK_LEVELS.value))
    return found


def _moves(shock: EtrmShock, common: FloatArray, single: FloatArray, sds: FloatArray) -> FloatArray:
    """Return what the factors of each hub gain in each draw, shape (2, draws, hubs)."""
    kept = 1 - shock.correlation_loss
    matrix = kept * correlation_matrix() + (1 - kept) * np.eye(len(_LAWS))
    loading = LOADING * np.sqrt(kept)
    correlated = (common @ np.linalg.cholesky(matrix).T)[:, :, HUB_COMMODITY]
    normal = loading * correlated + np.sqrt(1 - loading**2) * single
    slower = 1 / np.sqrt(1 - by_hub(shock.hub_freeze))
    scale = by_commodity(shock.volatility_factor, 1.0)[HUB_COMMODITY] * slower
    return np.asarray(normal * (sds[HUB_COMMODITY].T[:, None, :] * scale))


def _sensitivities(held: EnergyPortfolio, state: EnergyState) -> tuple[FloatArray, FloatArray]:
    """Return the profit of each hub by factor, shape (2, hubs), and by products of factors, shape (3, hubs)."""
    near, far = factors_left(held.commodity, held.ahead)
    held_fx = held.net * state.fx / MILLION
    first = held_fx * state.unit.delta * state.shifted
    second = (first + held_fx * state.unit.gamma * state.shifted**2) / 2

    def summed(each: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(held.hub, weights=each, minlength=_N_HUBS), dtype=np.float64)

    linear = np.stack([summed(first * near), summed(first * far)])
    quadratic = np.stack([summed(second * near**2), summed(2 * second * near * far), summed(second * far**2)])
    return linear, quadratic
