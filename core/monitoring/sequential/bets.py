"""The bets of an e-detector on one column: what each row of a cell adds to the logarithm of the evidence.

A bet is a function of the cell of a row whose mean is at most 1 as long as nothing has moved by more than is harmless.
This holds for every distribution that the reference, as a sample, leaves possible: the null hypothesis is a band around
the reference, as wide as its error and the harmless move together. So evidence grows only if rows leave the band, and a
reference of a thousand rows does not alarm by its own error, however many rows are compared with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.monitoring.exact_tests import share_bounds
from core.monitoring.sequential.scores import Aspect, CellShare, Followed, Score
from core.monitoring.sequential.seasonality import Season

TILTS: tuple[float, ...] = (0.06, 0.12, 0.25, 0.5, 1.0)
"""Moves bet on, in standard deviations: a move between two of them is found with at least 84 % of the best growth."""
SHARE_UPS: tuple[float, ...] = (0.06, 0.15, 0.4, 1.0, 3.0)
SHARE_DOWNS: tuple[float, ...] = (0.06, 0.15, 0.4)
UNKNOWN_SEASON = 0.5
"""What an unknown season may move within the day, in standard deviations: minutes show only moves beyond it."""
UNKNOWN_WEEKDAY = 0.1  # the same of the days of the week, for whole days and weeks
DAY_HOURS = 8  # hours over which the rows of a day are taken to be spread: the errors of their effects average out
_MOST, _LEAST = 0.99, 1e-6
_SIGNS = np.array([1.0, -1.0])


@dataclass(frozen=True, slots=True)
class Band:
    """How wide the null hypothesis is.

    Attributes:
        quantile: Of the normal law: how many standard errors of the reference belong to the band.
        level: The probability that goes with it, on one side.
        harmless: The move that is never reported, in standard deviations.
    """

    quantile: float
    level: float
    harmless: float


@dataclass(frozen=True, slots=True)
class Instant:
    """The hour and the weekday of the rows of a minute, UTC; `is_day` for the rows of a whole day taken together."""

    hour: int
    weekday: int
    is_day: bool = False


def n_directions(followed: Iterable[Followed]) -> int:
    """Return how many bounds of the reference the bets rely on."""
    return sum(2 * len(each.scores) + sum(1 + share.is_two_sided for share in each.shares) for each in followed)


def aspects_of(followed: Followed) -> tuple[tuple[Aspect, float], ...]:
    """Return the aspect and the weight of each bet; the weights of values add up to 1, and those of quality, too."""
    n = 2 * len(TILTS)
    found = [(Aspect.VALUES, score.weight / n) for score in followed.scores for _ in range(n)]
    for share in followed.shares:
        n = len(SHARE_UPS) + (len(SHARE_DOWNS) if share.is_two_sided else 0)
        found += [(share.aspect, share.weight / n)] * n
    return tuple(found)


def bets_by_direction(followed: Followed) -> list[int]:
    """Return how many bets are on each score and each share, in the order of `aspects_of`."""
    n = len(SHARE_UPS)
    return [2 * len(TILTS)] * len(followed.scores) + [
        n + (len(SHARE_DOWNS) if share.is_two_sided else 0) for share in followed.shares
    ]


class Seasons:
    """The seasons of several scores or shares side by side."""

    def __init__(self, seasons: list[Season]) -> None:
        """Prepare."""
        self._hours = np.array([season.hours.means for season in seasons])
        self._weekdays = np.array([season.weekdays.means for season in seasons])
        own = np.array([season.hours.variances for season in seasons])
        days = np.array([season.weekdays.variances for season in seasons])
        self._unknown_hours = np.isnan(own)
        self._unknown_weekdays = np.isnan(days)
        self._hour_variances, self._day_variances = np.nan_to_num(own), np.nan_to_num(days)
        self.is_flat = all(season.is_flat for season in seasons)

    def means(self, at: Instant) -> FloatArray:
        """Return the effect of an instant on each."""
        return np.asarray(self._hours[:, at.hour] + self._weekdays[:, at.weekday])

    def variances(self, at: Instant) -> FloatArray:
        """Return what the reference leaves uncertain about these effects."""
        if at.is_day:
            hours = self._hour_variances.max(axis=1) / DAY_HOURS
            return np.asarray(hours + self._day_variances[:, at.weekday])
        return np.asarray(self._hour_variances[:, at.hour] + self._day_variances[:, at.weekday])

    def allowed(self, at: Instant) -> FloatArray:
        """Return what must be allowed for because nothing is known of the hour or the weekday."""
        never_seen = self._unknown_weekdays[:, at.weekday]
        if (
            at.is_day
        ):  # if other weekdays are known, the training data have none of this one: it may be quite unlike them
            width = np.where(self._unknown_weekdays.all(axis=1), UNKNOWN_WEEKDAY, UNKNOWN_SEASON)
            return np.where(never_seen, width, 0.0)
        return np.where(self._unknown_hours[:, at.hour] | never_seen, UNKNOWN_SEASON, 0.0)

    def interaction(self, at: Instant) -> float:
        """Return what must be allowed for because added effects of hours and weekdays may interact."""
        return float(np.linalg.norm(self._hours[:, at.hour]) * np.linalg.norm(self._weekdays[:, at.weekday]))


class ColumnBets:
    """The bets on one column."""

    def __init__(self, followed: Followed, band: Band) -> None:
        """Prepare what is the same at every instant."""
        self._followed = followed
        self._scores = ScoreBets(followed, band) if followed.scores else None
        self._shares = ShareBets(followed.shares, band)

    @property
    def is_seasonal(self) -> bool:
        """Whether the bets differ by hour or weekday."""
        return not (self._shares.seasons.is_flat and (self._scores is None or self._scores.seasons.is_flat))

    def increments(self, at: Instant) -> FloatArray:
        """Return what a row of each cell adds to the logarithm of each bet, shape (n_bets, n_cells)."""
        shares = self._shares.increments(at)
        return shares if self._scores is None else np.concatenate((self._scores.increments(at), shares))

    def usual(self, at: Instant) -> FloatArray:
        """Return the mean of each score, and of each share less its mean over all, to expect at an instant."""
        shares = self._shares.usual(at)
        return shares if self._scores is None else np.concatenate((self._scores.seasons.means(at), shares))

    def expected(self, at: Instant) -> FloatArray:
        """Return the share of each cell of values in the reference at an instant; of levels, at all of them."""
        if self._scores is None:
            rows = self._followed.layout.within(self._followed.layout.reference).astype(np.float64)
            return np.asarray(rows / rows.sum())
        return self._scores.expected(at)


class ScoreBets:
    """Bets on larger and smaller scores of the values.

    The mean of exp(λ s) under the band is at most its mean under the reference moved by the harmless amount, and so
    many standard errors of that mean.
    """

    def __init__(self, followed: Followed, band: Band) -> None:
        """Prepare."""
        layout, scores = followed.layout, followed.scores
        self._band, self._rows = band, followed.rows
        self.seasons = Seasons([score.season for score in scores])
        reference = layout.within(layout.reference).astype(np.float64)
        self._reference = reference / reference.sum()
        self._among = scores[0].among
        self._by_cell = _by_cell(scores)
        self._values = self._by_cell[:, : layout.n_values]
        tilts = _SIGNS[:, None] * np.array(TILTS)  # by sign and tilt
        self._slopes = tilts[None, :, :, None] * self._by_cell[:, None, None, :]
        self._growth = np.exp(tilts[None, :, :, None] * self._values[:, None, None, :])
        usual = self._growth @ self._reference
        self._spread = np.sqrt(np.maximum((self._growth**2) @ self._reference - usual**2, 0.0))

    def expected(self, at: Instant) -> FloatArray:
        """Return the distribution of the values at an instant, from the reference and the effects on the scores."""
        found = self._reference * np.maximum(1.0 + self.seasons.means(at) @ self._values, LEAST_TILT)
        return np.asarray(found / found.sum())

    def increments(self, at: Instant) -> FloatArray:
        """Return the increments, shape (n_bets, n_cells)."""
        harmless = self._band.harmless + self.seasons.interaction(at) + self.seasons.allowed(at)
        moved = 1.0 + (_SIGNS * harmless[:, None])[:, :, None] * self._values[:, None, :]
        moved = self.expected(at) * np.maximum(moved, 0.0)
        moved /= moved.sum(axis=-1, keepdims=True)
        error = self._band.quantile * np.sqrt(1.0 / self._rows + self.seasons.variances(at))
        most = np.einsum("jstk,jsk->jst", self._growth, moved) + error[:, None, None] * self._spread
        found = np.where(self._among, self._slopes - np.log(most)[..., None], 0.0)
        return found.reshape(-1, found.shape[-1])


LEAST_TILT = 0.05


def _by_cell(scores: tuple[Score, ...]) -> FloatArray:
    return np.array([score.by_cell for score in scores])


class ShareBets:
    """Bets on larger and smaller shares: the likelihood ratio of a share outside the band and the nearest inside."""

    def __init__(self, shares: tuple[CellShare, ...], band: Band) -> None:
        """Prepare.

        Source:
            The bounds are exact: Clopper and Pearson, Biometrika 26 (1934). Of levels never seen they are the estimate
            and the error of Good, Biometrika 40 (1953), no smaller than the exact bound.
        """
        self._band = band
        self.seasons = Seasons([share.season for share in shares])
        self._usual = np.array([share.n / share.of for share in shares])
        self._scale = np.sqrt(self._usual * (1 - self._usual))
        bounds = np.array([_bounds(share, band) for share in shares])
        self._low, self._high = self._usual - bounds[:, 0], bounds[:, 1] - self._usual
        self._harmless = np.array([share.harmless for share in shares])
        hits, among = (np.array([getattr(share, name) for share in shares]) for name in ("hits", "among"))
        two_sided = np.array([share.is_two_sided for share in shares])
        n_bets = len(SHARE_UPS) + len(SHARE_DOWNS)
        self._is_bet: BoolArray = (np.arange(n_bets) < len(SHARE_UPS)) | two_sided[:, None]
        self._hits, self._among = hits[:, None, :], among[:, None, :]

    def usual(self, at: Instant) -> FloatArray:
        """Return how each share differs from its mean at an instant."""
        return np.asarray(self._scale * self.seasons.means(at))

    def band(self, at: Instant) -> tuple[FloatArray, FloatArray]:
        """Return the smallest and the largest share under the null hypothesis, by share."""
        extra = self._band.quantile * self._scale * np.sqrt(self.seasons.variances(at))
        middle = self._usual + self._scale * self.seasons.means(at)
        slack = self._harmless + self.seasons.allowed(at) * self._scale
        low, high = middle - np.hypot(self._low, extra) - slack, middle + np.hypot(self._high, extra) + slack
        return np.clip(low, 0.0, _MOST), np.clip(high, _LEAST, _MOST)

    def increments(self, at: Instant) -> FloatArray:
        """Return the increments, shape (n_bets, n_cells)."""
        low, high = (bound[:, None] for bound in self.band(at))
        ups = np.minimum(high + np.array(SHARE_UPS) * np.sqrt(high * (1 - high)), (high + 1) / 2)
        nearest = np.maximum(low, _LEAST)  # nothing is bet on a share that cannot shrink
        downs = np.maximum(nearest - np.array(SHARE_DOWNS) * np.sqrt(nearest * (1 - nearest)), nearest / 2)
        downs = np.where(low > _LEAST, downs, nearest)
        of = np.concatenate((ups, downs), axis=1)
        against = np.concatenate(np.broadcast_arrays(high, ups)[:1] + np.broadcast_arrays(nearest, downs)[:1], axis=1)
        hit, miss = np.log(of / against)[..., None], np.log((1 - of) / (1 - against))[..., None]
        found = np.where(self._among, np.where(self._hits, hit, miss), 0.0)
        return np.asarray(found[self._is_bet])


def _bounds(share: CellShare, band: Band) -> tuple[float, float]:
    low, high = share_bounds(share.n, share.of, band.level / share.candidates)
    high += share.selected / share.of
    if share.spread:
        high = max(high, (share.n + band.quantile * np.sqrt(share.n + share.spread)) / share.of)
    return low, min(high, 1.0)
