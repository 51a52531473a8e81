"""The rating history of every issuer: one review per year, until its life ends or it defaults."""

from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.issuers import MAX_LIFE, Issuers, Reviews
from core.domains.bonds.data.labels import draw_moves
from core.domains.bonds.data.levels import levels
from core.domains.bonds.data.macro import MONTHS, MacroPath
from core.domains.bonds.data.ratings import DEFAULTED, recent_downgrade_share
from core.domains.draws import stream


@dataclass(frozen=True, slots=True)
class History:
    """Ratings and their moves by issuer and year of life; every array has shape (n_issuers, 5)."""

    observed: BoolArray  # false after the issuer's life, and after its default
    month: IntArray  # month of the review, within the macro path
    notch: IntArray
    recent_downgrade: BoolArray
    next_notch: IntArray
    downgraded: BoolArray
    upgraded: BoolArray
    defaulted: BoolArray
    eta_down: FloatArray


def simulate(seed: int, issuers: Issuers, reviews: Reviews, path: MacroPath) -> History:
    """Simulate every issuer's years on the macro path.

    Args:
        seed: Seed of the panel; the month's frailty is drawn from it, not from the path's seed.
        issuers: Arrays of shape (n_issuers,).
        reviews: Arrays of shape (n_issuers, 5).
        path: The macro path of the issuers.
    """
    rng = stream(seed, "moves")
    frailty = cal.FRAILTY_SD.value * stream(seed, "frailty").standard_normal(path.n_months)
    level = levels(path.n_months // MONTHS)
    n = len(issuers.sector)
    notch = issuers.entry_notch
    recent = rng.random(n) < recent_downgrade_share()[notch]
    alive = np.ones(n, dtype=np.bool_)
    years: list[tuple[np.ndarray, ...]] = []
    for year in range(MAX_LIFE):
        observed = alive & (year < issuers.life_years)
        panel_month = np.minimum(issuers.entry_month + MONTHS * year, path.n_months - 1)
        month = panel_month + path.n_history
        moves = draw_moves(
            rng,
            reviews.year(year),
            notch,
            issuers.sector,
            recent,
            path.credit_cycle[month],
            frailty[panel_month],
            level,
        )
        years.append((observed, month, notch, recent, *moves))
        alive = observed & ~moves.defaulted
        # A defaulted issuer is never read again; any live notch keeps the arithmetic defined.
        notch = np.where(moves.next_notch == DEFAULTED, notch, moves.next_notch)
        recent = moves.downgraded
    observed, month, notch, recent, following, downgraded, upgraded, defaulted, eta = (
        np.stack(values, axis=1) for values in zip(*years, strict=True)
    )
    return History(observed, month, notch, recent, following, downgraded, upgraded, defaulted, eta)
