"""The best possible detectors of wrong spreads: the exact likelihood ratios of the injected errors."""

import numpy as np
from scipy.special import ndtr

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
    """Log likelihood ratio of an off-market spread against a clean spread, shape (n,), in nats.

    Args:
        spread: Observed, bp, shape (n,).
        expected: s, bp, shape (n,).
        law: How clean spreads scatter.
        shift: Least and greatest u.
    """
    return ln(off_market_density(spread, expected, law, shift)) - ln(clean_density(spread, expected, law))


def off_market_density(
    spread: FloatArray, expected: FloatArray, law: SpreadLaw, shift: tuple[float, float]
) -> FloatArray:
    """Density, per bp, of an off-market spread y·exp(±u) with u uniform, where y is clean.

    Args:
        spread: Observed, bp, shape (n,).
        expected: s, bp, shape (n,).
        law: How clean spreads scatter.
        shift: Least and greatest u.
    """
    out = np.empty(len(spread))
    wide = expected >= NARROW_BPS
    out[wide] = _wide_off_market(np.maximum(spread[wide], 1e-3), expected[wide], law, shift)
    out[~wide] = _narrow_off_market(spread[~wide], expected[~wide], law, shift)
    return out


def _wide_off_market(
    spread: FloatArray, expected: FloatArray, law: SpreadLaw, shift: tuple[float, float]
) -> FloatArray:
    """Density of an off-market spread: a normal logarithm plus a uniform shift either way, in closed form."""
    low, high = shift
    sd = np.sqrt(law.variance + (law.tick_bps / expected) ** 2)
    miss = np.log(spread / expected) + law.variance / 2
    density = np.zeros(len(spread))
    for sign in (1.0, -1.0):
        density += np.abs(ndtr((sign * miss - low) / sd) - ndtr((sign * miss - high) / sd))
    return np.asarray(density / (2 * (high - low) * spread))


def _narrow_off_market(
    spread: FloatArray, expected: FloatArray, law: SpreadLaw, shift: tuple[float, float]
) -> FloatArray:
    """Density of an off-market spread, averaged over the shift by Gauss-Legendre quadrature."""
    low, high = shift
    nodes, weights = np.polynomial.legendre.leggauss(_SHIFT_NODES)
    density = np.zeros(len(spread))
    for node, weight in zip(
        nodes, weights / 4, strict=True
    ):  # each sign has probability one half, over an interval of length two
        u = (high + low + (high - low) * node) / 2
        for factor in (np.exp(u), np.exp(-u)):
            density += weight * factor * clean_density(spread * factor, expected, law)
    return density


def unit_error_evidence(spread: FloatArray, expected: FloatArray, law: SpreadLaw, factor: float) -> FloatArray:
    """Log likelihood ratio of a spread in the wrong unit, y times or divided by `factor`, against a clean spread.

    Args:
        spread: Observed, bp, shape (n,).
        expected: s, bp, shape (n,).
        law: How clean spreads scatter.
        factor: Of the unit.
    Returns:
        Shape (n,), in nats.
    """
    wrong = np.zeros(len(spread))
    for times in (factor, 1 / factor):
        wrong += times * clean_density(spread * times, expected, law) / 2
    return ln(wrong) - ln(clean_density(spread, expected, law))


def ln(density: FloatArray) -> FloatArray:
    """Logarithm of a density, finite where the density underflows."""
    return np.asarray(np.log(np.maximum(density, 1e-300)))
