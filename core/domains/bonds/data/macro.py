"""The macro path: six correlated factors, monthly, by the exact discretisation of their mean-reverting laws."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.domains.bonds.data import calibration as cal
from core.domains.draws import frozen, stream
from core.errors import CoreError

MONTHS = 12
_BATCH = 24
_MAX_BATCHES = 2_000


class MacroPathError(CoreError):
    """No path of the wanted length met the conditions on the credit cycle."""


@dataclass(frozen=True, slots=True)
class MacroPath:
    """Monthly factors of one possible world; arrays start `n_history` months before the panel."""

    months: np.ndarray[tuple[int], np.dtype[np.datetime64]]  # the month each value belongs to
    n_history: int
    policy_rate: FloatArray
    slope: FloatArray
    cpi_yoy: FloatArray
    fx_vol: FloatArray
    credit_cycle: FloatArray
    ln_vix: FloatArray
    dealer_inventory_z: FloatArray
    currency_rate: FloatArray  # three-month rate of each currency, shape (n_currencies, n months)
    currency_slope: FloatArray

    @property
    def n_months(self) -> int:
        """Months of the panel itself."""
        return len(self.months) - self.n_history


def transition() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return decay, innovation covariance and stationary covariance of the monthly factors.

    Returns:
        Decay exp(-kappa/12), shape (6,); covariance of one month's innovations and of the stationary law, (6, 6).
    Source:
        For dx = kappa (theta - x) dt + sigma dW, the innovations over dt have covariance
        rho_ij sigma_i sigma_j (1 - exp(-(kappa_i + kappa_j) dt)) / (kappa_i + kappa_j), without a time-step error.
    """
    kappa = np.array(cal.MACRO_KAPPA.value)
    sigma = np.array(cal.MACRO_SIGMA.value)
    kappa_sum = kappa[:, None] + kappa[None, :]
    stationary = np.array(cal.MACRO_CORRELATION.value) * np.outer(sigma, sigma) / kappa_sum
    return np.exp(-kappa / MONTHS), stationary * -np.expm1(-kappa_sum / MONTHS), stationary


def _draw(rng: np.random.Generator, n_paths: int, n_months: int) -> FloatArray:
    """Draw paths from the stationary law, shape (n_months, n_paths, 6)."""
    decay, innovation, stationary = transition()
    paths = rng.standard_normal((n_months, n_paths, len(decay)))
    paths[1:] = paths[1:] @ np.linalg.cholesky(innovation).T
    paths[0] = paths[0] @ np.linalg.cholesky(stationary).T
    for month in range(1, n_months):
        paths[month] += decay * paths[month - 1]
    paths += np.array(cal.MACRO_THETA.value)
    return paths


def acceptable(cycle: FloatArray) -> BoolArray:
    """Return which credit cycles contain both a crisis and normal times.

    Args:
        cycle: Credit cycle by month and path, shape (n_months, n_paths).
    """
    low, high = cal.MACRO_MAX_CYCLE.value
    low_sd, high_sd = cal.MACRO_SD_CYCLE.value
    worst, spread = cycle.max(axis=0), cycle.std(axis=0)
    centred = np.abs(cycle.mean(axis=0)) <= cal.MACRO_MEAN_CYCLE.value
    accepted: BoolArray = centred & (worst >= low) & (worst <= high) & (spread > low_sd) & (spread < high_sd)
    return accepted


@lru_cache(maxsize=64)
def macro_path(seed: int, n_years: int) -> MacroPath:
    """Draw macro paths until the credit cycle is acceptable over the panel's years.

    Args:
        seed: Seed of the path; the same seed and length give the same path.
        n_years: Length of the panel; the path also covers the years of issue before it.
    Raises:
        MacroPathError: No acceptable path was found; this only happens for extremely short panels.
    """
    rng = stream(seed, "macro")
    n_history, n_panel = cal.HISTORY_YEARS.value * MONTHS, n_years * MONTHS
    for _ in range(_MAX_BATCHES):
        paths = _draw(rng, _BATCH, n_history + n_panel)
        found = np.flatnonzero(acceptable(paths[n_history:, :, cal.MACRO_FACTORS.value.index("credit_cycle")]))
        if len(found):
            break
    else:
        raise MacroPathError(
            f"No macro path of {n_years} years met the conditions on the credit cycle; choose a longer panel."
        )
    factor = dict(zip(cal.MACRO_FACTORS.value, paths[:, found[0], :].T.copy(), strict=True))
    rate, slope = _currency_curves(seed, factor["policy_rate"], factor["slope"])
    first_month = np.datetime64(f"{cal.LAST_YEAR.value + 1 - n_years}-01", "M") - n_history
    return MacroPath(
        months=frozen(first_month + np.arange(n_history + n_panel)),
        n_history=n_history,
        policy_rate=frozen(np.maximum(factor["policy_rate"], cal.POLICY_RATE_FLOOR.value)),
        currency_rate=frozen(rate),
        currency_slope=frozen(slope),
        slope=frozen(factor["slope"]),
        cpi_yoy=frozen(factor["cpi_yoy"]),
        fx_vol=frozen(np.exp(factor["ln_fx_vol"])),
        credit_cycle=frozen(factor["credit_cycle"]),
        ln_vix=frozen(factor["ln_vix"]),
        dealer_inventory_z=frozen(rng.standard_normal(n_history + n_panel)),
    )


def _currency_curves(seed: int, dollar_rate: FloatArray, dollar_slope: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the three-month rate and the slope of each currency, each of shape (n_currencies, n_months).

    Each follows the dollar in part, and swings around its own long-run average besides.
    """
    theta = dict(zip(cal.MACRO_FACTORS.value, cal.MACRO_THETA.value, strict=True))
    curves = np.array(list(cal.CURRENCY_CURVES.value.values()))[:, :, None]
    law = cal.CURRENCY_OWN.value
    decay = np.exp(-law["kappa"] / MONTHS)
    own = stream(seed, "currency rates").standard_normal((len(dollar_rate), 2, len(curves)))
    own[1:] *= np.sqrt(1 - decay**2)
    own[:, 1] = law["correlation"] * own[:, 0] + np.sqrt(1 - law["correlation"] ** 2) * own[:, 1]
    for month in range(1, len(own)):
        own[month] += decay * own[month - 1]
    rate_mean, rate_beta, rate_sd, slope_mean, slope_beta, slope_sd = curves.transpose(1, 0, 2)
    rate = rate_mean + rate_beta * (dollar_rate - theta["policy_rate"]) + rate_sd * own[:, 0].T
    slope = slope_mean + slope_beta * (dollar_slope - theta["slope"]) + slope_sd * own[:, 1].T
    return np.maximum(rate, cal.POLICY_RATE_FLOOR.value), slope
