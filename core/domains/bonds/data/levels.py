"""The levels of the log-odds of rating moves, fitted so that a panel moves as often as the notch matrix says.

A panel's cycle is not standard normal, since its path must hold a crisis. Issuers that were downgraded stay
weak, in times that stay bad. So the levels are fitted on issuers that live as a panel's do, on such paths.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.issuers import MAX_LIFE, Reviews, draw_reviews
from core.domains.bonds.data.labels import NotchLevels, downgrade_odds, draw_moves, upgrade_odds
from core.domains.bonds.data.macro import MONTHS, acceptable, transition
from core.domains.bonds.data.ratings import (
    DEFAULTED,
    N_LIVE,
    down_probability,
    entry_law,
    recent_downgrade_share,
    up_probability,
)
from core.domains.draws import codes_at, frozen, stream

_SEED = 0
_ISSUERS = 126_000  # as many enter at every notch
_PATHS = 1_200
_BATCH = 2_400
_ROUNDS = 2
_BIN, _EDGE = 0.04, 12.0  # the grid on which the law of the log-odds is tabulated
_BRACKET = 20.0


class _Population(NamedTuple):
    """Issuers by whom the levels are fitted; arrays by issuer, and by issuer and year of life."""

    weight: FloatArray
    entry_notch: IntArray
    sector: IntArray
    life_years: IntArray
    reviews: Reviews
    cycle: FloatArray
    frailty: FloatArray
    recent: BoolArray


class _Years(NamedTuple):
    """The observed years of all issuers of a population."""

    weight: FloatArray
    notch: IntArray
    downgrade: FloatArray  # log-odds without level, with frailty
    upgrade: FloatArray  # log-odds without level


@lru_cache(maxsize=8)
def levels(n_years: int) -> NotchLevels:
    """Find the levels at which mean downgrade and upgrade chances over a panel equal the notch matrix.

    Moves change who is at which notch, and so the mean there; a few rounds of simulation and bisection settle it.

    Args:
        n_years: Length of the panel: a shorter path that holds a crisis is a worse one.
    """
    issuers = _population(n_years)
    down, up = down_probability(), up_probability()
    found = NotchLevels(np.log(down / (1 - down)), np.log(up / (1 - up), where=up > 0, out=np.full(N_LIVE, -np.inf)))
    for _ in range(_ROUNDS):
        years = _live(issuers, found)
        downgrade, upgrade = found.downgrade.copy(), found.upgrade.copy()
        for notch in range(N_LIVE):
            here = years.notch == notch
            weight, odds = years.weight[here], years.downgrade[here]
            downgrade[notch] = _level_at(odds, weight, down[notch] * weight.sum())
            if up[notch] > 0:
                stays = weight * expit(-(odds + downgrade[notch]))
                upgrade[notch] = _level_at(years.upgrade[here], stays, up[notch] * weight.sum())
        found = NotchLevels(downgrade, upgrade)
    return NotchLevels(frozen(found.downgrade), frozen(found.upgrade))


def _population(n_years: int) -> _Population:
    rng = stream(_SEED, "label levels")
    cycles = _cycles(rng, n_years * MONTHS)
    entry = np.arange(_ISSUERS) % N_LIVE
    sector_weight = np.array([s.weight for s in cal.SECTORS.value])[:, None] * entry_law()
    sector = np.zeros(_ISSUERS, dtype=np.int64)
    for notch in range(N_LIVE):
        here = entry == notch
        sector[here] = codes_at(rng.random(int(here.sum())), sector_weight[:, notch])
    shortest, longest = cal.LIFE_YEARS.value
    life = rng.integers(shortest, longest + 1, _ISSUERS)
    first = np.floor(rng.random(_ISSUERS) * (n_years * MONTHS - MONTHS * (life - 1))).astype(np.int64)
    month = np.minimum(first[:, None] + MONTHS * np.arange(MAX_LIFE), n_years * MONTHS - 1)
    return _Population(
        weight=(sector_weight.sum(axis=0) / sector_weight.sum())[entry],
        entry_notch=entry,
        sector=sector,
        life_years=life,
        reviews=draw_reviews(rng, _ISSUERS, MAX_LIFE),
        cycle=cycles[month, rng.integers(0, cycles.shape[1], _ISSUERS)[:, None]],
        frailty=cal.FRAILTY_SD.value * rng.standard_normal((_ISSUERS, MAX_LIFE)),
        recent=rng.random(_ISSUERS) < recent_downgrade_share()[entry],
    )


def _cycles(rng: np.random.Generator, n_months: int) -> FloatArray:
    """Draw credit cycles that a panel may have, shape (n_months, _PATHS)."""
    index = cal.MACRO_FACTORS.value.index("credit_cycle")
    decay, innovation, stationary = (part.diagonal() if part.ndim == 2 else part for part in transition())
    found: list[FloatArray] = []
    while sum(batch.shape[1] for batch in found) < _PATHS:
        paths = rng.standard_normal((n_months, _BATCH))
        paths[0] *= np.sqrt(stationary[index])
        paths[1:] *= np.sqrt(innovation[index])
        for month in range(1, n_months):
            paths[month] += decay[index] * paths[month - 1]
        found.append(paths[:, acceptable(paths)])
    return np.concatenate(found, axis=1)[:, :_PATHS]


def _live(issuers: _Population, level: NotchLevels) -> _Years:
    """Simulate the issuers' lives, with the same draws in every round."""
    rng = stream(_SEED, "label levels, moves")
    notch, recent = issuers.entry_notch, issuers.recent
    alive = np.ones(len(notch), dtype=np.bool_)
    years: list[tuple[np.ndarray, ...]] = []
    for year in range(MAX_LIFE):
        seen = np.flatnonzero(alive & (year < issuers.life_years))
        reviews, cycle, frailty = issuers.reviews.year(year), issuers.cycle[:, year], issuers.frailty[:, year]
        odds = downgrade_odds(reviews, notch, issuers.sector, recent, cycle) + frailty
        years.append((issuers.weight[seen], notch[seen], odds[seen], upgrade_odds(reviews, notch, cycle)[seen]))
        moves = draw_moves(rng, reviews, notch, issuers.sector, recent, cycle, frailty, level)
        alive &= ~moves.defaulted
        notch = np.where(moves.next_notch == DEFAULTED, notch, moves.next_notch)
        recent = moves.downgraded
    return _Years(*(np.concatenate(parts) for parts in zip(*years, strict=True)))


def _level_at(odds: FloatArray, weight: FloatArray, target: float) -> float:
    """Find the level a at which the sum of weight times sigma(a + odds) is the target."""
    n_bins = round(2 * _EDGE / _BIN)
    bins = np.clip(((odds + _EDGE) / _BIN).astype(np.int64), 0, n_bins - 1)
    mass = np.bincount(bins, weights=weight, minlength=n_bins)
    centre = (np.arange(n_bins) + 0.5) * _BIN - _EDGE
    low, high = -_BRACKET, _BRACKET
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if mass @ expit(middle + centre) < target else (low, middle)
    return (low + high) / 2
