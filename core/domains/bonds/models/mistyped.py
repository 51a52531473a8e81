"""Ratings that their issuer's other rows contradict, judged with the row's own spread and fundamentals.

The other rows come first, since they settle nearly all ratings; the model of spreads is asked about the doubtful few.
"""

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.ratings import N_LIVE
from core.domains.bonds.models.derived import DERIVED
from core.domains.bonds.models.rating_context import Belief, RatingLaw, has_neighbours
from core.domains.bonds.models.residual import residual_sd
from core.domains.bonds.models.spread import SpreadModel
from core.domains.bonds.models.spread_law import to_learning_scale

TYPO_ODDS = float(np.log(0.25))  # one error in five is a mistyped rating, before any cell is read
SUSPICIOUS = -2.0  # nats
BELOW_ALL = -1e3

# Wide on purpose: any slip of three notches or more, beside subordinated bonds rated a notch or two off their issuer.
_LAW = RatingLaw.of((3, 12), 0.003, split=0.02, flag_error=0.02)
_FUNDAMENTALS = ("ln_leverage", "ln_coverage")


def mistyped_evidence(bonds: pd.DataFrame, spread: SpreadModel) -> FloatArray:
    """Compare the hypotheses that ratings were mistyped and that they are true.

    Args:
        bonds: The table, n rows.
        spread: A trained model of spreads.
    Returns:
        Log likelihood ratio, nats, shape (n,); far below any other evidence for a row alone with its issuer.
    """
    belief = Belief.of(bonds, _LAW)
    odds = np.where(has_neighbours(bonds), belief.typo_odds(_LAW), BELOW_ALL)
    suspects = np.flatnonzero((odds > SUSPICIOUS) & belief.is_rated)
    if len(suspects):
        own = _own_cells(bonds.iloc[suspects], spread)
        odds[suspects] = belief.take(suspects).typo_odds(_LAW, own)
    return odds


def _own_cells(bonds: pd.DataFrame, spread: SpreadModel) -> FloatArray:
    """Return the log-likelihood of spread and fundamentals, were the rating any other, shape (n, 21)."""
    n, notch = len(bonds), np.arange(N_LIVE)
    rating = pd.Categorical(np.tile(cal.RATINGS.value[:N_LIVE], n), dtype=pd.CategoricalDtype(list(cal.RATINGS.value)))
    supposed = bonds.iloc[np.repeat(np.arange(n), N_LIVE)].assign(rating_num=np.tile(notch, n), rating=rating)
    score, doubt = spread.expect(supposed)
    sd = residual_sd(score, spread.scale, doubt)
    z = (to_learning_scale(supposed["spread_bps"].to_numpy(dtype=np.float64)) - score) / sd
    chance = -np.square(z) / 2 - np.log(sd)
    assert spread.space is not None
    for name in _FUNDAMENTALS:
        law = spread.space.statistics[f"curve:{name}"]
        value = DERIVED.read(supposed, name) - law["slope"] * supposed["rating_num"].to_numpy()
        chance -= np.nan_to_num(np.square((value - law["centre"]) / law["scale"])) / 2
    return np.asarray(chance.reshape(n, N_LIVE))
