"""The best possible detector of off-market spreads: the exact likelihood ratio of the injected error."""

import numpy as np

from core.arrays import FloatArray
from core.domains.bonds.models.spread_law import SpreadLaw

NARROW_BPS = 60.0  # below it, the additive noise is not small relative to the spread
_M_NODES = 81
_M_REACH = 5.0  # standard deviations
_SHIFT_NODES = 24


def clean_density(spread: FloatArray, expected: FloatArray, law: SpreadLaw) -> FloatArray:
    """Density of an observed spread, per bp, given the expected one.

    For wide spreads y is lognormal with the additive noise folded into its variance; for narrow ones the
    multiplicative noise is integrated out on a grid.

    Args:
        spread: Observed, bp, shape (n,).
        expected: s, bp, shape (n,).
        law: How spreads scatter.
    """
    out = np.empty(len(spread))
    wide = expected >= NARROW_BPS
    y, s = np.maximum(spread[wide], 1e-3), expected[wide]
    variance = law.variance + (law.tick_bps / s) ** 2
    out[wide] = np.exp(-((np.log(y / s) + law.variance / 2) ** 2) / (2 * variance)) / (
        y * np.sqrt(2 * np.pi * variance)
    )
    m = np.linspace(-_M_REACH, _M_REACH, _M_NODES)
    weight = np.exp(-(m**2) / 2)
    weight /= weight.sum()
    centre = expected[~wide, None] * np.exp(np.sqrt(law.variance) * m - law.variance / 2)
    z = (spread[~wide, None] - centre) / law.tick_bps
    out[~wide] = np.exp(-(z**2) / 2) @ weight / (law.tick_bps * np.sqrt(2 * np.pi))
    return out


def off_market_evidence(
    spread: FloatArray, expected: FloatArray, law: SpreadLaw, shift: tuple[float, float]
) -> FloatArray:
    """Log likelihood ratio of an off-market spread, y·exp(±u) with u uniform, against a clean spread.

    Args:
        spread: Observed, bp, shape (n,).
        expected: s, bp, shape (n,).
        law: How clean spreads scatter.
        shift: Least and greatest u.
    Returns:
        Shape (n,), in nats; higher is more certain.
    """
    low, high = shift
    nodes, weights = np.polynomial.legendre.leggauss(_SHIFT_NODES)
    off_market = np.zeros(len(spread))
    for node, weight in zip(
        nodes, weights / 4, strict=True
    ):  # each sign has probability one half, over an interval of length two
        u = (high + low + (high - low) * node) / 2
        for factor in (np.exp(u), np.exp(-u)):
            off_market += weight * factor * clean_density(spread * factor, expected, law)
    floor = 1e-300
    return np.log(np.maximum(off_market, floor)) - np.log(np.maximum(clean_density(spread, expected, law), floor))
