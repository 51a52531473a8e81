"""What the other rows of a table say about a row's rating: same day's bonds of the issuer, its years before and after.

An issuer has one rating a day, which moves little in a year. A rating that its own neighbours contradict is mistyped
more likely than true. The rating behind the rows is a hidden Markov chain with one state per notch.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data.ratings import N_LIVE, notch_matrix, recent_downgrade_share

_DAYS_PER_YEAR = 365.25
_LONGEST_GAP = 5  # years
_UNHEARD_OF = 1e-12
_LEAST = 1e-300


@dataclass(frozen=True, slots=True)
class RatingLaw:
    """How ratings of one issuer go together.

    Attributes:
        shown: Chance of each shown notch by true notch, mistyped ones included, shape (21, 21).
        typo: The same given that it was mistyped.
        flag_error: How often `recent_downgrade` contradicts the move.
    """

    shown: FloatArray
    typo: FloatArray
    flag_error: float

    @classmethod
    def of(cls, steps: tuple[int, int], share: float, *, split: float = 0.0, flag_error: float = 0.0) -> "RatingLaw":
        """Build a law.

        Args:
            steps: Least and greatest distance of a mistyped rating, in notches, all equally likely either way; a
                step off the scale goes the other way.
            share: Share of mistyped ratings.
            split: Share of bonds rated a notch or two away from their issuer, as subordinated bonds are.
            flag_error: How often `recent_downgrade` contradicts the move.
        """
        typo, near = np.zeros((2, N_LIVE, N_LIVE))
        for notch in range(N_LIVE):
            for step in (*range(steps[0], steps[1] + 1), *range(-steps[1], -steps[0] + 1)):
                if 0 <= notch + step < N_LIVE:
                    typo[notch, notch + step] += 1
                elif 0 <= notch - step < N_LIVE:
                    typo[notch, notch - step] += 1
            near[notch, [k for k in range(notch - 2, notch + 3) if k != notch and 0 <= k < N_LIVE]] = 1
        typo /= typo.sum(axis=1, keepdims=True)
        near /= near.sum(axis=1, keepdims=True)
        shown = (1 - share - split) * np.eye(N_LIVE) + share * typo + split * near
        return cls(shown, typo, flag_error)


@dataclass(frozen=True, slots=True)
class Belief:
    """What a row's surroundings say of its true notch.

    Attributes:
        notch: The notch shown, shape (n,); any notch where none is.
        is_rated: Where a rating of the scale is shown.
        log_chance: Log-likelihood of each true notch up to a constant of the row, shape (n, 21).
    """

    notch: IntArray
    is_rated: BoolArray
    log_chance: FloatArray

    @classmethod
    def of(cls, bonds: pd.DataFrame, law: RatingLaw) -> "Belief":
        """Read the other rows of each row's issuer."""
        shown = bonds["rating_num"].to_numpy(dtype=np.float64)
        rated = (shown >= 0) & (shown < N_LIVE)
        notch = np.where(rated, shown, 0).astype(np.int64)
        return cls(notch, rated, np.log(np.maximum(neighbours(bonds, notch, rated, law), _LEAST)))

    def typo_odds(self, law: RatingLaw, own: FloatArray | float = 0.0) -> FloatArray:
        """Compare the hypotheses that a row's rating was mistyped and that it is true.

        Args:
            law: How ratings of one issuer go together.
            own: Log-likelihood of the row's own cells by true notch, shape (n, 21).
        Returns:
            Log likelihood ratio, nats, shape (n,); 0 for a row without a rating of the scale.
        """
        chance = self.log_chance + own
        chance -= chance.max(axis=1, keepdims=True)
        mistyped = np.einsum("nt,nt->n", np.exp(chance), law.typo.T[self.notch])
        odds = np.log(np.maximum(mistyped, _LEAST)) - chance[np.arange(len(chance)), self.notch]
        return np.where(self.is_rated, odds, 0.0)

    def take(self, rows: IntArray) -> "Belief":
        """Return what is said of some rows."""
        return Belief(self.notch[rows], self.is_rated[rows], self.log_chance[rows])


def has_neighbours(bonds: pd.DataFrame) -> BoolArray:
    """Return which rows share their issuer with another row."""
    return np.asarray(bonds.groupby("issuer_id", observed=True)["rating_num"].transform("size") > 1)


def neighbours(bonds: pd.DataFrame, code: IntArray, rated: BoolArray, law: RatingLaw) -> FloatArray:
    """Return how well each true notch of a row fits its issuer's other rows, shape (n, 21), up to a factor."""
    days = bonds["as_of_date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    issuer = pd.factorize(bonds["issuer_id"])[0].astype(np.int64)
    order = np.lexsort((days, issuer))
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (np.diff(issuer[order]) != 0) | (np.diff(days[order]) != 0)
    first = order[is_new]  # a row of each review, in the order of issuers and days
    review = np.empty(len(order), dtype=np.int64)
    review[order] = np.cumsum(is_new) - 1
    says = np.where(rated[:, None], np.log(np.maximum(law.shown.T[code], _UNHEARD_OF)), 0.0)
    together = np.zeros((len(first), N_LIVE))
    np.add.at(together, review, says)
    fell = np.full(len(first), np.nan)
    if "recent_downgrade" in bonds:
        fell[review] = bonds["recent_downgrade"].to_numpy(dtype=np.float64)
    around = _from_other_years(issuer[first], days[first], _likelihood(together), fell, law.flag_error)
    return around[review] * _likelihood(together[review] - says)


def _from_other_years(
    issuer: IntArray, days: IntArray, together: FloatArray, fell: FloatArray, flag_error: float
) -> FloatArray:
    """Return how well each notch of a review fits the issuer's other reviews: a forward and a backward pass.

    Args:
        issuer: Of each review, in order.
        days: Of each review, rising within an issuer.
        together: Likelihood of the ratings shown at each review, by true notch.
        fell: Whether each review's rating is said to have fallen within the year; NaN if unknown.
        flag_error: How often that is wrong.
    """
    n = len(issuer)
    place = np.arange(n) - np.maximum.accumulate(np.where(np.diff(issuer, prepend=-1) != 0, np.arange(n), 0))
    years = np.clip(np.rint(np.diff(days, prepend=0) / _DAYS_PER_YEAR).astype(np.int64), 1, _LONGEST_GAP)
    moves = _moves(flag_error)
    kind = np.where((years == 1) & (fell == fell), np.nan_to_num(fell), 2).astype(np.int64)
    before, after = np.ones((2, n, N_LIVE))
    share = recent_downgrade_share()
    new = (place == 0) & (fell == fell)
    before[new] = np.where(fell[new, None] > 0, np.maximum(share, flag_error), 1 - share)
    for step in range(1, int(place.max(initial=0)) + 1):
        here = np.flatnonzero(place == step)
        known = before[here - 1] * together[here - 1]
        before[here] = _scaled(_stepped(known, moves, years[here], kind[here]))
    for step in range(int(place.max(initial=0)), 0, -1):
        here = np.flatnonzero(place == step)
        known = after[here] * together[here]
        after[here - 1] = _scaled(_stepped(known, moves.swapaxes(-1, -2), years[here], kind[here]))
    return before * after


def _moves(flag_error: float) -> FloatArray:
    """Return transition matrices by years apart and by what is said of the last year (kept or rose, fell, nothing)."""
    live = notch_matrix()[:N_LIVE, :N_LIVE]
    falls = np.triu(np.ones_like(live), 1)
    powers = np.stack([np.linalg.matrix_power(live, years) for years in range(1, _LONGEST_GAP + 1)])
    said = np.stack([np.where(falls == flag, 1 - flag_error, flag_error) for flag in (0, 1)] + [np.ones_like(live)])
    return np.asarray(powers[:, None] * said[None])


def _stepped(known: FloatArray, moves: FloatArray, years: IntArray, kind: IntArray) -> FloatArray:
    out = np.empty_like(known)
    for gap in np.unique(years).tolist():
        for flag in range(moves.shape[1]):
            rows = (years == gap) & (kind == flag)
            out[rows] = known[rows] @ moves[gap - 1, flag]
    return out


def _likelihood(logs: FloatArray) -> FloatArray:
    return np.asarray(np.exp(logs - logs.max(axis=1, keepdims=True)))


def _scaled(values: FloatArray) -> FloatArray:
    return np.asarray(values / np.maximum(values.max(axis=1, keepdims=True), _LEAST))
