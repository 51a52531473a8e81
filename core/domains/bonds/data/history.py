"""The rating history of every issuer: one review per year, until its life ends or it defaults."""

from dataclasses import dataclass, replace

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
    rng, frailty, level = stream(seed, "moves"), _frailty(seed, path), levels(path.n_months // MONTHS)
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


def redrawn(
    seed: int,
    issuers: Issuers,
    reviews: Reviews,
    path: MacroPath,
    history: History,
    *,
    added: FloatArray | None = None,
) -> History:
    """Draw the year after each review again, where reviews, ratings or the macro path were moved.

    Every random number is that of the first draw, so that what did not move gives the same moves. Each year stands by
    itself: the ratings of later years are those of the history.

    Args:
        seed: Seed of the panel.
        issuers: Arrays of shape (n_issuers,).
        reviews: The reviews as they are now, arrays of shape (n_issuers, 5).
        path: The macro path as it is now.
        history: The ratings as they are now.
        added: To the log-odds of a downgrade, shape (n_issuers, 5).
    """
    rng, frailty, level = stream(seed, "moves"), _frailty(seed, path), levels(path.n_months // MONTHS)
    rng.random(len(issuers.sector))  # whether an issuer came down before its first year
    years = []
    for year in range(MAX_LIFE):
        month = history.month[:, year]
        years.append(
            draw_moves(
                rng,
                reviews.year(year),
                history.notch[:, year],
                issuers.sector,
                history.recent_downgrade[:, year],
                path.credit_cycle[month],
                frailty[month - path.n_history],
                level,
                0.0 if added is None else added[:, year],
            )
        )
    following, downgraded, upgraded, defaulted, eta = (np.stack(values, axis=1) for values in zip(*years, strict=True))
    return replace(
        history,
        next_notch=following,
        downgraded=downgraded,
        upgraded=upgraded,
        defaulted=defaulted,
        eta_down=eta,
    )


def _frailty(seed: int, path: MacroPath) -> FloatArray:
    """Return what each month adds to the log-odds of every downgrade."""
    return cal.FRAILTY_SD.value * stream(seed, "frailty").standard_normal(path.n_months)
