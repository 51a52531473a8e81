"""Twelve-month rating moves and one-month liquidity shocks: their log-odds, and the moves themselves."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.issuers import CYCLICALITY, OUTLOOKS, Reviews, is_high_yield, settled_outlook
from core.domains.bonds.data.ratings import (
    DEFAULT_RATE,
    DEFAULTED,
    LETTER_OF_NOTCH,
    N_LIVE,
    down_probability,
    step_law,
)
from core.domains.draws import frozen

_FRAILTY_NODES = 9


def downgrade_odds(
    reviews: Reviews, notch: IntArray, sector: IntArray, recent_downgrade: BoolArray, cycle: FloatArray
) -> FloatArray:
    """Return the log-odds of a downgrade within twelve months, without level and frailty.

    Args:
        reviews: One year of reviews; every other argument has the same shape.
        notch: Live notch now.
        sector: Sector code.
        recent_downgrade: Whether the issuer was downgraded within the last year.
        cycle: Credit cycle Z now, positive in bad times.
    """
    effect = cal.DOWNGRADE_EFFECTS.value
    by_outlook = np.array([effect.get(name, 0.0) for name in OUTLOOKS])
    debt_due_high = reviews.debt_due > cal.DEBT_DUE.value["high"]
    odds: FloatArray = (
        by_outlook[settled_outlook(reviews.outlook, notch)]
        + effect["recent_downgrade"] * recent_downgrade
        + effect["leverage"] * reviews.z_leverage
        + effect["coverage"] * reviews.z_coverage
        + effect["weak_coverage"] * (reviews.z_coverage < effect["weak_coverage_below"])
        + debt_due_high * (effect["debt_due"] + effect["debt_due_in_stress"] * np.maximum(cycle, 0))
        + (effect["cycle"] + effect["cycle_cyclicality"] * CYCLICALITY[sector]) * cycle
        + effect["gap"] * reviews.gap
        + effect["sentiment"] * reviews.sentiment
    )
    return odds


def upgrade_odds(reviews: Reviews, notch: IntArray, cycle: FloatArray) -> FloatArray:
    """Return the log-odds of an upgrade within twelve months given no downgrade, without its level."""
    effect = cal.UPGRADE_EFFECTS.value
    by_outlook = np.array([effect.get(name, 0.0) for name in OUTLOOKS])
    weakness = (
        effect["leverage"] * reviews.z_leverage
        + effect["coverage"] * reviews.z_coverage
        + effect["cycle"] * cycle
        + effect["gap"] * reviews.gap
    )
    odds: FloatArray = by_outlook[settled_outlook(reviews.outlook, notch)] + effect["fundamentals"] * weakness
    return odds


def frailty_integrated(odds: FloatArray) -> FloatArray:
    """Return E[sigma(odds + F)] over the month's frailty F ~ N(0, 0.25^2), by Gauss-Hermite quadrature."""
    probability = np.zeros_like(odds)
    for node, weight in zip(*_frailty_law(), strict=True):
        probability += weight * expit(odds + cal.FRAILTY_SD.value * node)
    return probability


@lru_cache(maxsize=1)
def _frailty_law() -> tuple[FloatArray, FloatArray]:
    """Return the nodes of the quadrature and their weights; to find them takes longer than to use them."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_FRAILTY_NODES)
    return frozen(nodes), frozen(weights / weights.sum())


class NotchLevels(NamedTuple):
    """Levels of the log-odds by live notch, shape (21,); minus infinity where a move is impossible."""

    downgrade: FloatArray
    upgrade: FloatArray


class Moves(NamedTuple):
    """The events of each issuer within the year after its review, shape (n,)."""

    next_notch: IntArray
    downgraded: BoolArray
    upgraded: BoolArray
    defaulted: BoolArray
    eta_down: FloatArray


def draw_moves(
    rng: np.random.Generator,
    reviews: Reviews,
    notch: IntArray,
    sector: IntArray,
    recent_downgrade: BoolArray,
    cycle: FloatArray,
    frailty: FloatArray,
    level: NotchLevels,
    added: FloatArray | float = 0.0,
) -> Moves:
    """Draw the rating one year later; a downgrade includes default, and an upgrade excludes a downgrade.

    Args:
        rng: Three uniform draws are taken per issuer.
        reviews: One year of reviews; every other argument has the same shape (n,).
        notch: Live notch now.
        sector: Sector code.
        recent_downgrade: Whether the issuer came down within the last year.
        cycle: Credit cycle Z now.
        frailty: The month's common shift of the downgrade log-odds.
        level: The levels of the log-odds by notch.
        added: To the log-odds of a downgrade: the contagion of a stressed market.
    """
    chance, kind, distance = rng.random((3, len(notch)))
    eta = level.downgrade[notch] + downgrade_odds(reviews, notch, sector, recent_downgrade, cycle) + added
    downgraded = chance < expit(eta + frailty)
    defaulted = downgraded & (kind < (DEFAULT_RATE / down_probability())[notch])
    upgraded = ~downgraded & (kind < expit(level.upgrade[notch] + upgrade_odds(reviews, notch, cycle)))
    following = notch.copy()
    cumulative_down, cumulative_up = _cumulative_steps()
    lower = downgraded & ~defaulted
    following[lower] += 1 + (distance[lower, None] >= cumulative_down[notch[lower]]).sum(axis=1)
    following[upgraded] -= 1 + (distance[upgraded, None] >= cumulative_up[notch[upgraded]]).sum(axis=1)
    following[defaulted] = DEFAULTED
    return Moves(following, downgraded, upgraded, defaulted, eta)


@lru_cache(maxsize=1)
def _cumulative_steps() -> tuple[FloatArray, FloatArray]:
    """Return the cumulative laws of steps down and up by live notch, each (21, 20), 1 past the last step."""
    down, up = np.ones((N_LIVE, N_LIVE - 1)), np.ones((N_LIVE, N_LIVE - 1))
    for notch, letter in enumerate(LETTER_OF_NOTCH):
        n_below, n_above = N_LIVE - 1 - notch, notch
        # The last step is set to exactly 1, which no uniform draw reaches, whatever the rounding of the sum.
        down[notch, : max(n_below - 1, 0)] = step_law(cal.DOWN_STEP_RATIO.value[letter], n_below).cumsum()[:-1]
        up[notch, : max(n_above - 1, 0)] = step_law(cal.UP_STEP_RATIO.value[letter], n_above).cumsum()[:-1]
    return frozen(down), frozen(up)


def liquidity_shock_odds(
    *,
    notch: IntArray,
    cycle: FloatArray,
    ln_vix: FloatArray,
    bid_ask_bps: FloatArray,
    fund_ownership: FloatArray,
    issue_size: FloatArray,
    age_years: FloatArray,
    dealer_inventory_z: FloatArray,
) -> FloatArray:
    """Return the log-odds that a bond's bid-ask widens by half or its liquidity index falls by 15 within a month."""
    effect = cal.LIQUIDITY_SHOCK_EFFECTS.value
    odds: FloatArray = (
        effect["base"]
        + effect["cycle"] * cycle
        + effect["vix"] * (ln_vix - effect["typical_ln_vix"]) / effect["sd_ln_vix"]
        + effect["bid_ask"] * np.log(bid_ask_bps / effect["typical_bid_ask"]) / effect["sd_ln_bid_ask"]
        + effect["high_yield"] * is_high_yield(notch)
        + effect["fund_ownership"] * (fund_ownership - effect["typical_fund_ownership"]) / effect["sd_fund_ownership"]
        + effect["size"] * np.log(issue_size / cal.TYPICAL_ISSUE_SIZE.value)
        + effect["age"] * np.log1p(age_years)
        + effect["dealer_inventory"] * dealer_inventory_z
    )
    return odds
