"""Which shocks are plausible: the innovations of a year of the price model, as an ellipsoid.

A point u of independent standard normals is a shock L u, with L L' the covariance of a year's innovations of both
factors of every commodity and of the dollar. Its length is how many standard deviations away the shock is.
"""

from functools import lru_cache

import numpy as np

from core.arrays import FloatArray
from core.domains.draws import frozen
from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.data.prices import correlation_matrix
from core.domains.etrm.stress.shock import EtrmShock
from core.domains.etrm.stress.tail_risk import factor_sds

_NAMES = market_cal.COMMODITIES
N_FACTORS = 2 * len(_NAMES) + 1


@lru_cache(maxsize=1)
def yearly_roots() -> FloatArray:
    """Return the lower roots of the covariance of a year, shape (2, 7, 7): short factors, slow factors."""
    sds = factor_sds(market_cal.DAYS_IN_YEAR)
    return frozen(np.stack([sds[:, [factor]] * np.linalg.cholesky(correlation_matrix()) for factor in range(2)]))


def plausible_shock(point: FloatArray) -> EtrmShock:
    """Return the shock at a point of independent standard normals, shape (15,).

    >>> shock = plausible_shock(np.zeros(15))
    >>> shock.usd, set(shock.level.values()), set(shock.front.values())
    (0.0, {0.0}, {0.0})
    """
    n = len(_NAMES)
    short, long = yearly_roots()
    law = market_cal.EUR_USD.value
    sd = law["sigma"] * np.sqrt(-np.expm1(-2 * law["kappa"]) / (2 * law["kappa"]))
    return EtrmShock(
        front=dict(zip(_NAMES, (short @ point[:n]).tolist(), strict=True)),
        level=dict(zip(_NAMES, (long @ point[n : 2 * n]).tolist(), strict=True)),
        usd=float(np.expm1(-sd * point[-1])) + 0.0,  # of the two zeros, the one that is written without a sign
    )
