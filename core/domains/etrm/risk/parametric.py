"""Risk of a normal law: from exposures and the covariance of their factors, or from the days seen."""

import math

import numpy as np
from scipy.special import ndtri

from core.arrays import FloatArray
from core.domains.etrm.risk.arguments import checked_covariance, checked_floats, checked_level, checked_scale
from core.domains.etrm.risk.historical import past_windows


def z_of(level: float) -> float:
    """Return the quantile of the standard normal law.

    Raises:
        UsageError: The level is not from 0.5 to below 1.

    >>> round(z_of(0.95), 6), round(z_of(0.99), 6)
    (1.644854, 2.326348)
    """
    return float(ndtri(checked_level(level)))


def es_factor(level: float) -> float:
    """Return the mean of a standard normal law beyond its quantile, φ(z) / (1 − level).

    Raises:
        UsageError: The level is not from 0.5 to below 1.
    Source:
        McNeil, Frey and Embrechts, Quantitative Risk Management, 2nd ed. 2015, example 2.14.

    >>> round(es_factor(0.975), 6)
    2.337803
    """
    z = z_of(level)
    return math.exp(-z * z / 2.0) / math.sqrt(2.0 * math.pi) / (1.0 - float(level))


def parametric_var(exposures: FloatArray, covariance: FloatArray, level: float, *, horizon_days: float = 1.0) -> float:
    """Return the VaR of a portfolio that is linear in normal factors, z · √(wᵀΣw) · √horizon.

    Args:
        exposures: w, the change of the portfolio's value for a return of 1 of each factor, in currency, shape (k,).
        covariance: Σ, the covariance of the factors' daily returns, shape (k, k).
        level: Confidence level, from 0.5 to below 1.
        horizon_days: Days until the position is closed; returns of different days are taken as independent.
    Returns:
        In currency; 0 for a portfolio without exposure.
    Raises:
        UsageError: An argument is not valid, or the covariance is not symmetric and positive semi-definite.
    Source:
        RiskMetrics, Technical Document, 4th ed. 1996, section 1.2.

    >>> covariance = np.array([[0.0004, 0.0001], [0.0001, 0.0009]])
    >>> round(parametric_var(np.array([1_000.0, -500.0]), covariance, 0.99), 4)
    53.3033
    """
    return z_of(level) * portfolio_sd(exposures, covariance, horizon_days=horizon_days)


def parametric_es(exposures: FloatArray, covariance: FloatArray, level: float, *, horizon_days: float = 1.0) -> float:
    """Return the ES of a portfolio that is linear in normal factors; arguments as of `parametric_var`."""
    return es_factor(level) * portfolio_sd(exposures, covariance, horizon_days=horizon_days)


def portfolio_sd(exposures: FloatArray, covariance: FloatArray, *, horizon_days: float = 1.0) -> float:
    """Return √(wᵀΣw · horizon), in currency; arguments as of `parametric_var`.

    Raises:
        UsageError: An argument is not valid.
    """
    weights = checked_floats("exposures", exposures, n_axes=1)
    matrix = checked_covariance(covariance, len(weights))
    variance = float(weights @ matrix @ weights)
    return math.sqrt(max(variance, 0.0) * checked_scale("horizon_days", horizon_days))


def component_var(exposures: FloatArray, covariance: FloatArray, level: float) -> FloatArray:
    """Return what each exposure adds to the parametric VaR, in currency, shape (k,); the parts sum to the whole.

    A hedge has a negative part. Without any risk all parts are 0.

    Raises:
        UsageError: An argument is not valid.
    Source:
        Jorion, Value at Risk, 3rd ed. 2007, section 7.2 (component VaR, Euler's theorem).
    """
    weights = checked_floats("exposures", exposures, n_axes=1)
    matrix = checked_covariance(covariance, len(weights))
    sd = portfolio_sd(weights, matrix)
    return z_of(level) * weights * (matrix @ weights) / sd if sd > 0.0 else np.zeros(len(weights))


def covariance_of(returns: FloatArray) -> FloatArray:
    """Return the sample covariance of daily returns, divisor n − 1.

    Args:
        returns: Of each day and factor, shape (n, k), at least two days.
    Returns:
        Shape (k, k).
    Raises:
        UsageError: The returns are not valid.
    """
    days = checked_floats("returns", returns, n_axes=2)
    checked_floats("returns", days.T, least=2)
    moved = days - days.mean(axis=0)
    return np.asarray(moved.T @ moved / (len(days) - 1))


def normal_var(pnl: FloatArray, level: float) -> FloatArray:
    """Return the VaR of a normal law with mean 0 and the days' standard deviation, z · sd.

    It equals `parametric_var` of the same days if the P&L is exposures times returns.

    Args:
        pnl: Profit and loss of each day, in currency, shape (..., n), at least two days.
        level: Confidence level, from 0.5 to below 1.
    Returns:
        In currency, shape (...).
    Raises:
        UsageError: An argument is not valid.
    """
    return np.asarray(z_of(level) * checked_floats("pnl", pnl, least=2).std(axis=-1, ddof=1))


def rolling_normal_var(pnl: FloatArray, level: float, *, window: int) -> FloatArray:
    """Return the normal VaR of each day from the days before it alone.

    Args:
        pnl: Profit and loss of each day, in currency, shape (n,).
        level: Confidence level, from 0.5 to below 1.
        window: The number of days that each figure looks back.
    Returns:
        In currency, shape (n − window,): entry i is the VaR for day window + i.
    Raises:
        UsageError: An argument is not valid, or the series is not longer than the window.
    """
    z = z_of(level)
    windows = past_windows(pnl, window)
    return np.array([z * days.std(ddof=1) for days in windows])
