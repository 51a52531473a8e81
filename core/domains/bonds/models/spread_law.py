"""The law of an observed spread given the expected one, y = s·exp(m − σ²/2) + ε, and its moments as learned."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.domains.bonds.data import calibration as cal

UNIT_BPS = 10.0
TICK_BPS = 2.5  # standard deviation of ε
_NODES = 24
_GRID = np.linspace(np.log(0.5), np.log(50_000.0), 1200)

_PARTS = cal.SPREAD_SD.value
VARIANCE = float(sum(sd**2 for sd in _PARTS.values()))
SHARED_VARIANCE = float(_PARTS["sector_month"] ** 2 + _PARTS["region_month"] ** 2)


def to_learning_scale(spread_bps: FloatArray) -> FloatArray:
    """Turn basis points into the learning scale: logarithmic for wide spreads, linear through zero for narrow spreads.

    >>> to_learning_scale(np.array([0.0])).tolist()
    [0.0]
    """
    return np.arcsinh(spread_bps / UNIT_BPS)


@dataclass(frozen=True, slots=True)
class SpreadLaw:
    """How observed spreads scatter around the expected one.

    Attributes:
        variance: Of m, in squared ln bp.
        tick_bps: Standard deviation of the additive noise.
    """

    variance: float = VARIANCE
    tick_bps: float = TICK_BPS

    def moments(self, expected_bps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Compute mean and variance of asinh(y / 10 bp) given s, by 24 x 24 Gauss-Hermite nodes on (m, ε).

        Both depend on s alone, so they are tabulated on a fine logarithmic grid and interpolated.
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        weights = weights / weights.sum()
        m = np.sqrt(self.variance) * nodes - self.variance / 2
        spread = np.exp(_GRID)[:, None, None] * np.exp(m)[None, :, None] + self.tick_bps * nodes[None, None, :]
        scaled = to_learning_scale(spread)
        mean = np.einsum("sme,m,e->s", scaled, weights, weights)
        square = np.einsum("sme,m,e->s", scaled**2, weights, weights)
        at = np.log(np.maximum(expected_bps, 0.5))
        return np.interp(at, _GRID, mean), np.interp(at, _GRID, square - mean**2)


def same_draw_law(truth: pd.DataFrame) -> tuple[SpreadLaw, FloatArray]:
    """Condition on the effects of sector and region in the month: the remaining law, and the expected spread."""
    shared = truth["u_sector_month"].to_numpy(dtype=np.float64) + truth["u_region_month"].to_numpy(dtype=np.float64)
    expected = truth["s_opt"].to_numpy(dtype=np.float64) * np.exp(shared - SHARED_VARIANCE / 2)
    return SpreadLaw(VARIANCE - SHARED_VARIANCE), expected
