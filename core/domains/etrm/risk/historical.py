"""Risk of the days seen: quantiles and tail means of the empirical law of P&L, with no law assumed."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from core.arrays import FloatArray
from core.domains.etrm.risk.arguments import checked_count, checked_floats, checked_level

ROUNDING = 1e-9  # 0.07 × 100 is 7.000000000000001, and its ceiling must be 7
PIECE = 2_000_000  # values of rolling windows that are copied at once: 16 MB


def historical_var(pnl: FloatArray, level: float) -> FloatArray:
    """Return the loss that was not exceeded on the share `level` of the days.

    Args:
        pnl: Profit and loss of each day, in currency, shape (..., n).
        level: Confidence level, from 0.5 to below 1.
    Returns:
        The ⌈level · n⌉-th smallest loss, in currency, shape (...): the smallest loss whose empirical probability of
        not being exceeded is at least `level`. Negative where even that day had a profit. If the days are independent
        and of one continuous law, tomorrow exceeds it with the probability of `exceedance_rate(n, level)`.
    Raises:
        UsageError: The level or the P&L is not valid.
    Source:
        McNeil, Frey and Embrechts, Quantitative Risk Management, 2nd ed. 2015, definition 2.8.

    >>> float(historical_var(np.array([-1.0, 2.0, -3.0, 4.0, -5.0]), 0.8))
    3.0
    """
    level = checked_level(level)
    losses = -checked_floats("pnl", pnl)
    rank = rank_of(losses.shape[-1], level)
    return np.asarray(np.partition(losses, rank - 1, axis=-1)[..., rank - 1])


def historical_es(pnl: FloatArray, level: float) -> FloatArray:
    """Return the mean loss of the worst share 1 − `level` of the days; the day at the edge counts in part.

    Args:
        pnl: Profit and loss of each day, in currency, shape (..., n).
        level: Confidence level, from 0.5 to below 1.
    Returns:
        The integral of the empirical VaR over the levels above `level`, divided by 1 − `level`, in currency,
        shape (...). It is never below the historical VaR at the same level.
    Raises:
        UsageError: The level or the P&L is not valid.
    Source:
        Acerbi and Tasche, Journal of Banking and Finance 26(7), 2002, proposition 4.1.

    >>> float(historical_es(np.array([-1.0, 2.0, -3.0, 4.0, -5.0]), 0.7))
    4.333333333333333
    """
    level = checked_level(level)
    losses = np.sort(-checked_floats("pnl", pnl), axis=-1)
    n = losses.shape[-1]
    rank = rank_of(n, level)
    edge = losses[..., rank - 1]
    tail = n * (1.0 - level)
    # Distances from the edge instead of losses: each is at least 0, so no rounding brings the mean below the VaR.
    beyond = (losses[..., rank:] - edge[..., None]).sum(axis=-1)
    return np.asarray(edge + beyond / tail)


def rolling_historical_var(pnl: FloatArray, level: float, *, window: int) -> FloatArray:
    """Return the VaR of each day from the days before it alone.

    Args:
        pnl: Profit and loss of each day, in currency, shape (n,).
        level: Confidence level, from 0.5 to below 1.
        window: The number of days that each figure looks back.
    Returns:
        In currency, shape (n − window,): entry i is the VaR for day window + i, from days i to window + i − 1.
    Raises:
        UsageError: An argument is not valid, or the series is not longer than the window.
    """
    parts = [historical_var(piece, level) for piece in _past_windows(pnl, window)]
    return np.concatenate(parts)


def rolling_historical_es(pnl: FloatArray, level: float, *, window: int) -> FloatArray:
    """Return the ES of each day from the days before it alone; arguments and shape as of `rolling_historical_var`."""
    parts = [historical_es(piece, level) for piece in _past_windows(pnl, window)]
    return np.concatenate(parts)


def exceedance_rate(n: int, level: float) -> float:
    """Return how often a new day exceeds the historical VaR of n days, if all are independent and of one law.

    The new day falls into each of the n + 1 gaps between the ordered days with the same probability, whatever the law.
    So a historical VaR of few days is exceeded more often than 1 − `level` says.

    Args:
        n: The number of days that the VaR looks back.
        level: Its confidence level.
    Raises:
        UsageError: An argument is not valid.

    >>> round(exceedance_rate(500, 0.95), 4), round(exceedance_rate(500, 0.99), 4)
    (0.0519, 0.012)
    """
    n = checked_count("n", n, least=1)
    return (n + 1 - rank_of(n, checked_level(level))) / (n + 1)


def rank_of(n: int, level: float) -> int:
    """Return the position, from 1, of the historical VaR among n losses in ascending order."""
    return min(max(math.ceil(n * level - ROUNDING), 1), n)


def past_windows(pnl: FloatArray, window: int) -> FloatArray:
    """Return the days before each day, shape (n − window, window), as a view.

    Raises:
        UsageError: The P&L is not valid, or not longer than the window.
    """
    window = checked_count("window", window, least=2)
    series = checked_floats("pnl", pnl, n_axes=1, least=window + 1)
    return sliding_window_view(series[:-1], window)


def _past_windows(pnl: FloatArray, window: int) -> Iterator[FloatArray]:
    windows = past_windows(pnl, window)
    step = max(1, PIECE // window)
    for start in range(0, len(windows), step):
        yield windows[start : start + step]
