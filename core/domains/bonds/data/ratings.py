"""The rating scale, its one-year transition matrix by notch, and the resulting default risk."""

from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from core.arrays import FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.draws import frozen

N_LIVE = len(cal.DEFAULT_RATE.value)
DEFAULTED = N_LIVE
LETTER_OF_NOTCH: IntArray = frozen(np.repeat(np.arange(len(cal.LETTERS.value)), cal.LETTER_SIZES.value))
DEFAULT_RATE: FloatArray = frozen(np.array(cal.DEFAULT_RATE.value) / 1e4)


def notch_index(symbol: str) -> int:
    """Return a rating's place on the scale, 0 for AAA.

    >>> notch_index("BBB-")
    9
    """
    return cal.RATINGS.value.index(symbol)


def step_law(ratio: float, n_steps: int) -> FloatArray:
    """Return the geometric law of the number of notches of a move, over `n_steps` available notches.

    >>> step_law(0.5, 2).round(4).tolist()
    [0.6667, 0.3333]
    """
    weights = ratio ** np.arange(n_steps)
    law: FloatArray = weights / weights.sum()
    return law


@lru_cache(maxsize=1)
def notch_matrix() -> FloatArray:
    """Build the one-year transition matrix, shape (22, 22), from the fit to the letter matrix.

    Each live notch defaults at its own rate. Without default, it moves down or up with the
    probabilities of its letter, by a geometric number of notches. Default is absorbing.
    """
    matrix = np.zeros((N_LIVE + 1, N_LIVE + 1))
    for notch, letter in enumerate(LETTER_OF_NOTCH):
        n_below, n_above = N_LIVE - 1 - notch, notch
        down = cal.DOWN_GIVEN_LIVE.value[letter] if n_below else 0.0
        up = cal.UP_GIVEN_LIVE.value[letter] if n_above else 0.0
        row = matrix[notch]
        row[notch + 1 : N_LIVE] = down * step_law(cal.DOWN_STEP_RATIO.value[letter], n_below)
        row[:notch] = up * step_law(cal.UP_STEP_RATIO.value[letter], n_above)[::-1]
        row[notch] = 1 - down - up
        row *= 1 - DEFAULT_RATE[notch]
        row[DEFAULTED] = DEFAULT_RATE[notch]
    matrix[DEFAULTED, DEFAULTED] = 1
    return frozen(matrix)


def down_probability() -> FloatArray:
    """Return the chance of at least one notch down, or of default, within a year, by live notch."""
    down: FloatArray = np.triu(notch_matrix(), 1)[:N_LIVE].sum(axis=1)
    return down


def up_probability() -> FloatArray:
    """Return the chance of at least one notch up within a year, by live notch."""
    up: FloatArray = np.tril(notch_matrix(), -1)[:N_LIVE].sum(axis=1)
    return up


def letter_matrix(notches: FloatArray) -> FloatArray:
    """Average a notch matrix into letters, with the within-letter weights of the fit.

    Args:
        notches: One-year matrix by notch, shape (22, 22) or its live rows (21, 22).
    Returns:
        Shape (7, 8): the letters, and default as the last column.
    """
    weight = np.concatenate(cal.LETTER_WEIGHTS.value)
    n_letters = len(cal.LETTERS.value)
    letters = np.zeros((n_letters, n_letters + 1))
    column_of = np.append(LETTER_OF_NOTCH, n_letters)
    for notch, letter in enumerate(LETTER_OF_NOTCH):
        np.add.at(letters[letter], column_of, weight[notch] * notches[notch])
    return letters


@lru_cache(maxsize=1)
def cumulative_hazard() -> FloatArray:
    """Return -ln(1 - PD_T) by live notch and whole year T from 0, shape (21, MAX_TERM_YEARS + 1)."""
    survival = np.ones((N_LIVE, cal.MAX_TERM_YEARS.value + 1))
    power = np.eye(N_LIVE + 1)
    for year in range(1, survival.shape[1]):
        power = power @ notch_matrix()
        survival[:, year] = 1 - power[:N_LIVE, DEFAULTED]
    return frozen(-np.log(survival))


@lru_cache(maxsize=1)
def hazard_cap() -> FloatArray:
    """Return the largest default intensity priced at each notch: expected loss at its cap of the anchor."""
    anchor = np.array(cal.SPREAD_ANCHOR.value)
    return frozen(cal.EXPECTED_LOSS_CAP.value * anchor / (cal.LGD.value["senior_unsecured"] * 1e4))


def default_intensity(notch: IntArray, maturity: FloatArray) -> FloatArray:
    """Return the average yearly default intensity lambda(r, T) = -ln(1 - PD_T) / T, capped.

    Between whole years the cumulative hazard is linear.

    Args:
        notch: Live notches, shape (n,).
        maturity: Years, positive, shape (n,).
    Source:
        Powers of the notch matrix; the cap after Hull, Predescu and White, Journal of Credit Risk, 2005.
    """
    table = cumulative_hazard()
    year = np.minimum(maturity.astype(np.int64), table.shape[1] - 2)
    below, above = table[notch, year], table[notch, year + 1]
    hazard = below + (above - below) * (maturity - year)
    capped: FloatArray = np.minimum(hazard / maturity, hazard_cap()[notch])
    return capped


@lru_cache(maxsize=1)
def risk_premium() -> FloatArray:
    """Return the premium over expected loss and liquidity at five years, in bp, by live notch."""
    at_anchor = np.full(N_LIVE, cal.ANCHOR_MATURITY.value)
    expected_loss = default_intensity(np.arange(N_LIVE), at_anchor) * cal.LGD.value["senior_unsecured"] * 1e4
    return frozen(np.array(cal.SPREAD_ANCHOR.value) - expected_loss - np.array(cal.LIQUIDITY_PREMIUM.value))


@lru_cache(maxsize=1)
def entry_law() -> FloatArray:
    """Return the law of an issuer's first rating given its sector, shape (19, 21)."""
    edges = np.arange(N_LIVE - 1) + 0.5
    law = np.zeros((len(cal.SECTORS.value), N_LIVE))
    for index, sector in enumerate(cal.SECTORS.value):
        for region in cal.REGIONS.value:
            cumulative = ndtr((edges - sector.mean_notch - notch_shift(sector, region)) / sector.sd_notch)
            law[index] += region.weight * np.diff(cumulative, prepend=0.0, append=1.0)
    return frozen(law / law.sum(axis=1, keepdims=True))


def notch_shift(sector: cal.Sector, region: cal.Region) -> float:
    """Return how many notches a region moves the mean rating of a sector."""
    damped, share = cal.REGION_SHIFT_DAMPED.value
    return region.notch_shift * (share if sector.name in damped else 1.0)


@lru_cache(maxsize=1)
def recent_downgrade_share() -> FloatArray:
    """Return the share of issuers at each live notch that were downgraded to it within the last year."""
    weights = np.array([sector.weight for sector in cal.SECTORS.value])
    before = (weights / weights.sum()) @ entry_law()
    live = notch_matrix()[:N_LIVE, :N_LIVE]
    return frozen((before @ np.triu(live, 1)) / (before @ live))
