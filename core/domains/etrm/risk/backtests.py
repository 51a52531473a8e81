"""Back-tests of a VaR: was it exceeded as often as its level says, and independently from day to day?"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, bdtrc, chdtrc, xlogy

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.etrm.risk.arguments import checked_flags, checked_floats, checked_level
from core.domains.etrm.risk.traffic import YEAR, TrafficLight, checked_counts, traffic_light
from core.errors import UsageError

ROUNDING = 1e-9  # outcomes as likely as the one seen differ from it by rounding
MOST_EXACT_DAYS = 1_000_000  # of the exact p-value, which lists every possible number of exceedances


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """A likelihood-ratio test.

    Attributes:
        statistic: −2 times the logarithm of the ratio; 0 if the data fit the hypothesis exactly.
        p_value: Under the hypothesis, the probability of a statistic as large.
    """

    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True)
class VarBacktest:
    """How a VaR did on the days after it was computed.

    Attributes:
        level: Its confidence level.
        n_days: The number of days.
        n_exceeded: On how many of them the loss exceeded it.
        coverage: The test by Kupiec that the rate is 1 − level.
        independence: The test by Christoffersen that a day after an exceedance is as any other.
        conditional: His test of both.
        light: The traffic light of the last 250 days; None for fewer days.
    """

    level: float
    n_days: int
    n_exceeded: int
    coverage: LikelihoodRatio
    independence: LikelihoodRatio
    conditional: LikelihoodRatio
    light: TrafficLight | None

    @property
    def rate(self) -> float:
        """The share of the days whose loss exceeded the VaR."""
        return self.n_exceeded / self.n_days


def back_test(pnl: FloatArray, var: FloatArray, level: float) -> VarBacktest:
    """Compare the P&L of each day with the VaR that was computed before it.

    Args:
        pnl: Profit and loss of each day, in currency, shape (n,).
        var: The VaR of the same days, in currency, shape (n,).
        level: Its confidence level, from 0.5 to below 1.
    Raises:
        UsageError: An argument is not valid, or the two series are not of one length.
    """
    exceeded = exceedances(pnl, var)
    n, n_exceeded = len(exceeded), int(exceeded.sum())
    return VarBacktest(
        level=checked_level(level),
        n_days=n,
        n_exceeded=n_exceeded,
        coverage=kupiec(n_exceeded, n, level),
        independence=christoffersen_independence(exceeded),
        conditional=christoffersen_conditional(exceeded, level),
        light=traffic_light(int(exceeded[-YEAR:].sum()), YEAR, level) if n >= YEAR else None,
    )


def exceedances(pnl: FloatArray, var: FloatArray) -> BoolArray:
    """Return on which days the loss is larger than the VaR; a loss as large as the VaR does not exceed it.

    Raises:
        UsageError: The series are not valid, or not of one length.
    """
    days, risk = checked_floats("pnl", pnl, n_axes=1), checked_floats("var", var, n_axes=1)
    if len(days) != len(risk):
        raise UsageError(f"var: has {len(risk)} days, and pnl has {len(days)}; give one VaR for each day.")
    return np.asarray(-days > risk)


def kupiec(n_exceeded: int, n_days: int, level: float) -> LikelihoodRatio:
    """Test that a VaR is exceeded with the probability 1 − level (proportion of failures).

    Args:
        n_exceeded: On how many days the loss exceeded it.
        n_days: The number of days.
        level: Its confidence level, from 0.5 to below 1.
    Returns:
        The p-value is exact up to a million days: the probability of all numbers of exceedances that fit no better.
        χ² with one degree of freedom, its limit, rejects a right VaR too often where few exceedances are expected.
    Raises:
        UsageError: An argument is not valid.
    Source:
        Kupiec, Journal of Derivatives 3(2), 1995.

    >>> kupiec(5, 500, 0.99)
    LikelihoodRatio(statistic=0.0, p_value=1.0)
    """
    n_exceeded, n_days = checked_counts(n_exceeded, n_days)
    rate = 1.0 - checked_level(level)
    statistic = float(_coverage_statistic(np.array(n_exceeded), n_days, rate))
    if n_days > MOST_EXACT_DAYS:
        return LikelihoodRatio(statistic, float(chdtrc(1, statistic)))
    # The statistic falls to the expected number and rises behind it: the worse outcomes are two tails.
    every = _coverage_statistic(np.arange(n_days + 1), n_days, rate)
    better = np.flatnonzero(every < statistic - ROUNDING)
    if not better.size:
        return LikelihoodRatio(statistic, 1.0)
    below = float(bdtr(int(better[0]) - 1, n_days, rate)) if better[0] > 0 else 0.0
    above = float(bdtrc(int(better[-1]), n_days, rate)) if better[-1] < n_days else 0.0
    return LikelihoodRatio(statistic, min(below + above, 1.0))


def christoffersen_independence(exceeded: BoolArray) -> LikelihoodRatio:
    """Test that an exceedance is as probable after an exceedance as after any other day.

    Args:
        exceeded: Whether the loss of each day exceeded its VaR, in the order of the days, shape (n,).
    Returns:
        The p-value is that of χ² with one degree of freedom; 1 where no day follows an exceedance, or all do. At 5 %
        it rejects 7.3 % of right VaRs at 95 % over 750 days, and 2.1 % at 99 % (4,000 simulated series).
    Raises:
        UsageError: The flags are not valid.
    Source:
        Christoffersen, International Economic Review 39(4), 1998, section 3.2.
    """
    n00, n01, n10, n11 = _transitions(checked_flags("exceeded", exceeded))
    statistic = 2.0 * max(
        _log_likelihood(n01, n00) + _log_likelihood(n11, n10) - _log_likelihood(n01 + n11, n00 + n10), 0.0
    )
    return LikelihoodRatio(statistic, float(chdtrc(1, statistic)))


def christoffersen_conditional(exceeded: BoolArray, level: float) -> LikelihoodRatio:
    """Test both at once: the rate is 1 − level on every day, whatever happened the day before.

    Args:
        exceeded: Whether the loss of each day exceeded its VaR, in the order of the days, shape (n,).
        level: The level of the VaR, from 0.5 to below 1.
    Returns:
        The p-value is that of χ² with two degrees of freedom. The first day is given and not judged, so that both
        parts, the coverage of the later days and their independence, sum to one likelihood ratio.
    Raises:
        UsageError: An argument is not valid.
    Source:
        Christoffersen, International Economic Review 39(4), 1998, section 3.3.
    """
    flags = checked_flags("exceeded", exceeded)
    coverage = float(_coverage_statistic(np.array(flags[1:].sum()), len(flags) - 1, 1.0 - checked_level(level)))
    statistic = coverage + christoffersen_independence(flags).statistic
    return LikelihoodRatio(statistic, float(chdtrc(2, statistic)))


def _coverage_statistic(n_exceeded: IntArray, n: int, rate: float) -> FloatArray:
    if n == 0:
        return np.zeros(n_exceeded.shape)
    seen = n_exceeded / n
    fitted = xlogy(n_exceeded, seen) + xlogy(n - n_exceeded, 1.0 - seen)
    claimed = xlogy(n_exceeded, rate) + xlogy(n - n_exceeded, 1.0 - rate)
    return np.asarray(2.0 * np.maximum(fitted - claimed, 0.0))


def _transitions(flags: BoolArray) -> tuple[int, int, int, int]:
    """Count the steps from each state (rows) to each state (columns): 00, 01, 10, 11."""
    counts = np.bincount(2 * flags[:-1] + flags[1:], minlength=4)
    return int(counts[0]), int(counts[1]), int(counts[2]), int(counts[3])


def _log_likelihood(n_with: int, n_without: int) -> float:
    """Return the largest log likelihood of a coin that fell so."""
    n = n_with + n_without
    if n == 0:
        return 0.0
    return float(xlogy(n_with, n_with / n) + xlogy(n_without, n_without / n))
