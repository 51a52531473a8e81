"""Value at risk and expected shortfall of a portfolio over a month, before and after shocks, from the same draws.

10,000 draws of the credit cycle, of each sector and of each issuer move every ln spread; a bond's loss follows from its
duration and convexity at that spread. Draws come in antithetic pairs, and are the same for every state of the market:
two figures differ by the market alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import Float32Array, FloatArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.issuers import CYCLICALITY
from core.domains.bonds.data.pricing import value
from core.domains.bonds.stress import calibration as own
from core.domains.bonds.stress.portfolio import BondPortfolio
from core.domains.bonds.stress.repricing import clean_price
from core.domains.draws import stream
from core.domains.portfolio_figures import TailRisk, tail_risk

_SEED = 0
_BLOCK = 4_000_000  # draws times issuers held at once


class MarketState(NamedTuple):
    """A state of the market: yields in %, spreads in bp and values in USD m, each of shape (n,)."""

    ytm: FloatArray
    spread: FloatArray
    value: FloatArray


def tail_risks(portfolio: BondPortfolio, states: Sequence[MarketState]) -> list[TailRisk]:
    """Return the tail risk in each state of the market.

    Source:
        Levels of the Basel framework, MAR33. A linear and a quadratic term in exp(shock) - 1 by issuer.
    """
    linear, quadratic = _sensitivities(portfolio, states)
    first = portfolio.representative
    sector = portfolio.codes["sector"][first]
    n_half = own.RISK_DRAWS.value // 2
    rng, sd = stream(_SEED, "stress tail risk"), own.RISK_SD.value
    effect = cal.SPREAD_EFFECTS.value
    loading = cal.CYCLE_ON_SPREAD.value + effect["cyclicality"] * (CYCLICALITY - effect["mean_cyclicality"])
    cycle = sd["cycle"] * rng.standard_normal((n_half, 1), dtype=np.float32) * loading.astype(np.float32)
    common = cycle + sd["sector"] * rng.standard_normal((n_half, len(CYCLICALITY)), dtype=np.float32)
    losses = np.empty((2 * n_half, len(states)))
    rows = max(1, _BLOCK // max(len(sector), 1))
    for start in range(0, n_half, rows):
        part = common[start : start + rows][:, sector]
        own_part = rng.standard_normal(part.shape, dtype=np.float32)
        own_part *= np.float32(sd["issuer"])
        part += own_part
        np.exp(part, out=part)
        end = start + len(part)
        losses[start:end] = _loss(part, linear, quadratic)
        np.reciprocal(part, out=part)
        losses[n_half + start : n_half + end] = _loss(part, linear, quadratic)
    return [tail_risk(losses[:, k], own.RISK_LEVELS.value) for k in range(len(states))]


def _loss(factor: Float32Array, linear: Float32Array, quadratic: Float32Array) -> Float32Array:
    """Return the loss of each draw in each state; the factors are used up for nothing else."""
    move = factor - 1
    loss = move @ linear
    np.square(move, out=move)
    loss += move @ quadratic
    return loss


def _sensitivities(portfolio: BondPortfolio, states: Sequence[MarketState]) -> tuple[Float32Array, Float32Array]:
    """Return the loss by issuer per unit of exp(shock) - 1 and of its square, each of shape (n_issuers, n_states)."""
    n, n_states = portfolio.n_instruments, len(states)
    ytm = np.stack([state.ytm for state in states])
    called = portfolio.earliest < portfolio.maturity
    until = np.broadcast_to(portfolio.maturity, ytm.shape).copy()
    if called.any():
        coupon, yields = portfolio.coupon[called], ytm[:, called]
        earliest, maturity = portfolio.earliest[called], portfolio.maturity[called]
        is_called = clean_price(coupon, earliest, yields) < clean_price(coupon, maturity, yields)
        until[:, called] = np.where(is_called, earliest, maturity)
    valued = value(np.tile(portfolio.coupon, n_states), until.ravel(), ytm.ravel())
    duration, convexity = valued.mod_duration.reshape(n_states, n), valued.convexity.reshape(n_states, n)
    linear, quadratic = np.zeros((2, portfolio.n_issuers, n_states))
    for k, state in enumerate(states):
        width = np.maximum(state.spread, 0) / 1e4
        first = state.value * duration[k] * width
        second = -state.value * convexity[k] * width**2 / 2
        linear[:, k] = np.bincount(portfolio.issuer, weights=first, minlength=portfolio.n_issuers)
        quadratic[:, k] = np.bincount(portfolio.issuer, weights=second, minlength=portfolio.n_issuers)
    return linear.astype(np.float32), quadratic.astype(np.float32)
