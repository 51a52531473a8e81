"""How much a score differs by hour and weekday in the reference, and how uncertain that is."""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray
from core.monitoring.data_profile import HOURS, WEEKDAYS

PATTERN_AT = 0.1
"""The p-value from which a pattern is taken as it is found; one that is less certain is shrunk."""
SINGLE_AT = 0.05  # the same of what single hours or days differ from it
SHRUNK = 0.5  # of the degrees of freedom: by less than the least error, since a missed season alarms every day
SATURDAY = 5
N_WAVES = 2  # the day, and half of it: if numbers shift once a day, their spread among the cells changes twice
WELL_POSED = 1e6
_NOTHING = 1e-12
LEAST_ROWS = 5  # independent rows of an hour, below which nothing is known of it


@dataclass(frozen=True, slots=True)
class SeasonEffects:
    """The mean of one score by hour or by weekday, less its mean over all.

    Attributes:
        means: In standard deviations of the score.
        variances: What the reference leaves uncertain beyond the error of its overall mean; NaN where it has no rows.
    """

    means: FloatArray
    variances: FloatArray

    @classmethod
    def none(cls, n: int) -> "SeasonEffects":
        """Return no effects."""
        return cls(np.zeros(n), np.zeros(n))

    @classmethod
    def unknown(cls, n: int) -> "SeasonEffects":
        """Return effects of which nothing is known."""
        return cls(np.zeros(n), np.full(n, np.nan))


def waves_of_the_day() -> FloatArray:
    """Return the patterns that are looked for over the hours of a day, shape (24, n_patterns)."""
    angles = 2 * np.pi * np.outer(np.arange(HOURS), np.arange(1, N_WAVES + 1)) / HOURS
    return np.concatenate((np.cos(angles), np.sin(angles)), axis=1)


def weekend() -> FloatArray:
    """Return the pattern that is looked for over the days of a week, shape (7, 1)."""
    return (np.arange(WEEKDAYS) >= SATURDAY).astype(np.float64)[:, None]


def effects_of(sums: FloatArray, rows: FloatArray, patterns: FloatArray) -> SeasonEffects:
    """Estimate the effects of hours or weekdays on a score with mean 0 and variance 1.

    Args:
        sums: The sum of the scores of each hour, shape (n,), as independent rows.
        rows: Independent rows of each hour.
        patterns: The patterns that are looked for first, shape (n, n_patterns).
    Returns:
        The patterns (a few coefficients tell a smooth season from far fewer rows than a mean for each hour does),
        shrunk unless they are certain; then what single hours differ from them, if that is certain, shrunk by how much
        of it is chance. What is shrunk adds as much less to the variance. A pattern that is left out whenever it is not
        certain would lie outside the band: with 1,000 rows a wave of 0.15 standard deviations for one reference of six,
        by simulation, and so for one of fifty.
    Source:
        Harmonic regression and analysis of variance; the shrinkage is that of James and Stein (1961) in the empirical
        form of Efron and Morris, Journal of the American Statistical Association 70 (1975).
    """
    from scipy.special import chdtrc

    there = rows >= LEAST_ROWS
    n = len(rows)
    variances = np.where(there, 0.0, np.nan)
    if there.sum() < 2:
        return SeasonEffects(np.zeros(n), variances)
    own = np.where(there, rows, 0.0)
    raw = np.divide(sums, own, out=np.zeros(n), where=there)
    means, degrees = np.zeros(n), int(there.sum()) - 1
    centred = patterns - (own @ patterns) / own.sum()
    information, n_patterns = (centred * own[:, None]).T @ centred, patterns.shape[1]
    if degrees > n_patterns and np.linalg.cond(information) < WELL_POSED:
        toward = centred.T @ (own * raw)
        coefficients = np.linalg.solve(information, toward)
        statistic = float(coefficients @ toward)
        is_certain = chdtrc(n_patterns, statistic) <= PATTERN_AT
        kept = 1.0 if is_certain else max(1.0 - SHRUNK * n_patterns / max(statistic, _NOTHING), 0.0)
        means = kept * (centred @ coefficients)
        variances = variances + kept * np.einsum("hi,ij,hj->h", centred, np.linalg.inv(information), centred)
        degrees -= n_patterns * is_certain
    left = raw - means
    statistic = float((own * left**2).sum())
    if degrees > 0 and chdtrc(degrees, statistic) <= SINGLE_AT:
        kept = 1.0 - degrees / statistic
        means = means + np.where(there, kept * left, 0.0)
        variances = variances + np.divide(kept, own, out=np.zeros(n), where=there)
    return SeasonEffects(means, variances)


@dataclass(frozen=True, slots=True)
class Season:
    """The effects on one score."""

    hours: SeasonEffects
    weekdays: SeasonEffects

    @classmethod
    def unknown(cls) -> "Season":
        """Return the season of a column without times."""
        return cls(SeasonEffects.unknown(HOURS), SeasonEffects.unknown(WEEKDAYS))

    @property
    def is_flat(self) -> bool:
        """Whether every hour of every weekday is like all others."""
        return not any(
            np.any(np.nan_to_num(values, nan=1.0))
            for effects in (self.hours, self.weekdays)
            for values in (effects.means, effects.variances)
        )

    def mean(self, hour: int, weekday: int) -> float:
        """Return the effect on rows of an hour."""
        return float(self.hours.means[hour] + self.weekdays.means[weekday])

    def variance(self, hour: int, weekday: int) -> float:
        """Return what is uncertain about it; NaN where nothing is known of the hour."""
        return float(self.hours.variances[hour] + np.nan_to_num(self.weekdays.variances[weekday]))
