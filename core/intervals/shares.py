"""Intervals of shares, such as accuracy: exact for independent rows, by the effective sample size for groups."""

import math

import numpy as np
from scipy.special import betainc, betaincinv

from core.arrays import AnyArray, FloatArray, IntArray
from core.intervals.units import ERROR_RATE, Interval, Units, Z

N_GRID = 64  # points of one pass over the candidates of a limit; the second pass lies between two of them
N_HALVINGS = 50
EDGE_GROUPS = 2.0  # groups with the rarer outcome at which, at the edge, their variance counts half


def share_interval(held: AnyArray, group: AnyArray) -> Interval | None:
    """Bound the share of rows of which something holds.

    Args:
        held: Whether it holds of each row, as booleans or 0 and 1, shape (n,).
        group: Group of each row, shape (n,).
    Returns:
        Exact limits for rows without groups. For groups, the limits of as many independent rows as have the variance
        that the groups show; the fewer groups hold the rarer outcome, the closer their number is drawn to that of
        the groups. None for fewer than two groups.
    Source:
        Blaker, Canadian Journal of Statistics 28(4), 2000; Korn and Graubard, Survey Methodology 24(2), 1998.
    """
    units = Units(group)
    n_rows, n_held = len(held), float(np.sum(held))
    if units.are_rows:
        return exact_interval(round(n_held), n_rows)
    if units.n < 2:
        return None
    share = n_held / n_rows
    without = (n_held - units.sums(held)) / (n_rows - units.sizes)  # the share when one group is left out
    variance = float(np.square(without - without.mean()).sum()) * (units.n - 1) / units.n
    n_effective = float(units.n)
    if variance > 0 and 0 < share < 1:
        varied = min(share * (1.0 - share) / variance, float(n_rows))
        # Near the edge the few groups that hold the rarer outcome say little about the variance: each counts once.
        n_rare = units.count_with(np.asarray(held) < 0.5 if share > 0.5 else np.asarray(held) > 0.5)
        seen = n_rare / (n_rare + EDGE_GROUPS * (2.0 * share - 1.0) ** 2)
        n_effective = varied**seen * min(varied, n_effective) ** (1.0 - seen)
    n_effective = min(n_effective * (Z / units.quantile) ** 2, float(n_rows))
    return effective_interval(share, n_effective, own_part=1.0)


def exact_interval(n_held: int, n: int) -> Interval:
    """Return Blaker's exact limits of a share: never below their level, and inside Clopper and Pearson's.

    Source:
        Blaker, Canadian Journal of Statistics 28(4), 2000: a share belongs to the interval if the probability of
        outcomes with as small a tail as the outcome seen is above 5 %.

    >>> [round(limit, 3) for limit in exact_interval(19, 20)]
    [0.761, 0.997]
    >>> exact_interval(20, 20).high
    1.0
    """
    wide = effective_interval(n_held / n, float(n), own_part=1.0)
    seen = n_held / n
    low = 0.0 if n_held == 0 else _first_accepted(wide.low, seen, n_held, n)
    high = 1.0 if n_held == n else 1.0 - _first_accepted(1.0 - wide.high, 1.0 - seen, n - n_held, n)
    return Interval(low, high)


def effective_interval(share: float, n: float, *, own_part: float) -> Interval:
    """Return the limits of a share seen in n rows; neither n nor the count must be whole.

    Args:
        share: The share seen.
        n: The rows behind it.
        own_part: How much of the probability of the outcome seen counts to each tail: 1 for Clopper and Pearson's
            limits, 0.5 for mid-P limits.
    """
    count = share * n
    low = 0.0 if share <= 0 else _limit(count, n, own_part)
    high = 1.0 if share >= 1 else 1.0 - _limit(n - count, n, own_part)
    return Interval(low, high)


def _limit(count: float, n: float, own_part: float) -> float:
    """The share at which `count` or more of n has a probability of 2.5 %."""
    if own_part == 1.0:
        return float(betaincinv(count, n - count + 1.0, ERROR_RATE / 2))
    low, high = 0.0, 1.0
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        more = float(betainc(count + 1.0, max(n - count, 1e-12), middle)) if n - count > 1e-12 else 0.0
        at_least = float(betainc(count, n - count + 1.0, middle))
        if own_part * at_least + (1.0 - own_part) * more < ERROR_RATE / 2:
            low = middle
        else:
            high = middle
    return low


def _first_accepted(start: float, end: float, n_held: int, n: int) -> float:
    """The smallest share between two that Blaker's rule accepts."""
    for _ in range(2):
        shares = np.linspace(start, end, N_GRID)
        first = int(np.argmax(_acceptability(shares, n_held, n) > ERROR_RATE))
        start, end = float(shares[max(first - 1, 0)]), float(shares[first])
    return start  # the last share that is not accepted


def _acceptability(share: FloatArray, n_held: int, n: int) -> FloatArray:
    """The probability of outcomes with as small a tail as n_held of n, where n_held is in the upper tail."""
    upper = _at_least(np.full(len(share), n_held), n, share)
    low, high = np.full(len(share), -1), np.full(len(share), n_held - 1)
    for _ in range(max(math.ceil(math.log2(n_held + 1)), 1) + 1):  # the most that the lower tail of equal size holds
        middle = (low + high + 1) // 2
        fits = 1.0 - _at_least(middle + 1, n, share) <= upper * (1.0 + 1e-9)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
    lower = np.where(low >= 0, 1.0 - _at_least(low + 1, n, share), 0.0)
    accepted: FloatArray = np.minimum(upper + lower, 1.0)
    return accepted


def _at_least(count: IntArray, n: int, share: FloatArray) -> FloatArray:
    """The probability of `count` or more of n."""
    inside = np.clip(count, 1, n)
    probability = betainc(inside, n - inside + 1.0, share)
    clipped: FloatArray = np.where(count <= 0, 1.0, np.where(count > n, 0.0, probability))
    return clipped
