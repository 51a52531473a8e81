"""Which macro shocks are plausible: the innovations of the calibrated macro factors over a year, as an ellipsoid.

A point u of independent standard normals is a shock L u, with L L' the covariance of a year's innovations of the macro
model. Its length is how many standard deviations away the shock is, whatever its direction.
"""

import numpy as np

from core.arrays import FloatArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.stress.shock import BondShock

FACTORS = ("policy_rate", "cpi_yoy", "ln_fx_vol", "credit_cycle", "slope")
_PLACES = [cal.MACRO_FACTORS.value.index(name) for name in FACTORS]


def yearly_root() -> FloatArray:
    """Return the lower root L of the covariance of a year's innovations, in the order of `FACTORS`.

    An exactly discretised Ornstein-Uhlenbeck process: cov_ij = rho_ij s_i s_j (1 - exp(-(k_i + k_j))) / (k_i + k_j).
    """
    kappa = np.array(cal.MACRO_KAPPA.value)[_PLACES]
    sigma = np.array(cal.MACRO_SIGMA.value)[_PLACES]
    correlation = np.array(cal.MACRO_CORRELATION.value)[np.ix_(_PLACES, _PLACES)]
    both = kappa[:, None] + kappa[None, :]
    covariance = correlation * np.outer(sigma, sigma) * -np.expm1(-both) / both
    root: FloatArray = np.linalg.cholesky(covariance)
    return root


def plausible_shock(point: FloatArray) -> BondShock:
    """Return the shock at a point of independent standard normals, shape (5,).

    >>> plausible_shock(np.zeros(5)) == BondShock()
    True
    """
    policy, cpi, ln_fx_vol, cycle, slope = (yearly_root() @ point).tolist()
    return BondShock(
        policy_bps=100 * policy,
        cpi_pp=cpi,
        fx_vol_factor=float(np.exp(ln_fx_vol)),
        cycle=cycle,
        slope_bps=100 * slope,
    )
