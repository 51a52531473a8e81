"""How unusual a spread is for its bond: its residual from the spread model, as a likelihood ratio.

The residual is compared with the scatter of ordinary spreads, sqrt(σ² + (2.5 / s)²) in logarithms: σ is learned from
rows new to the model, and the additive noise matters only for narrow spreads. Where the model has learned few rows
like this one, the error of its own prediction is added. The score is the log of how
much likelier the spread is if it is off by a factor between exp(0.4) and exp(2.4) either way than if it is correct.
"""

import numpy as np

from core.arrays import FloatArray
from core.domains.bonds.models.spread_law import TICK_BPS, UNIT_BPS, to_learning_scale

SHIFTS = np.linspace(
    0.4, 2.4, 21
)  # natural logarithms by which a print may be off: far wider than any single desk's errors

ISSUERS_ALIKE = 2.0  # rows of an issuer are more alike than the learner's default says, so it doubts itself too little


def slope(expected_bps: FloatArray) -> FloatArray:
    """Return how far the learning scale moves per unit of ln spread: s / sqrt(s² + 10²)."""
    return expected_bps / np.sqrt(np.square(expected_bps) + UNIT_BPS**2)


def residual_sd(score: FloatArray, scale: float, doubt: FloatArray | float) -> FloatArray:
    """Return the standard deviation of ordinary residuals on the learning scale.

    Args:
        score: Predicted, on the learning scale, shape (n,).
        scale: σ of ordinary residuals.
        doubt: Variance of the prediction's own error, per σ², as learned.
    """
    expected = np.maximum(UNIT_BPS * np.sinh(score), 1.0)
    variance = slope(expected) ** 2 * (scale**2 + (TICK_BPS / expected) ** 2)
    return np.asarray(np.sqrt(variance + ISSUERS_ALIKE * scale**2 * doubt))


def residual_evidence(
    spread_bps: FloatArray, score: FloatArray, scale: float, doubt: FloatArray | float = 0.0
) -> FloatArray:
    """Compare the hypotheses that spreads are off-market and that they are correct.

    Args:
        spread_bps: Observed, shape (n,).
        score: Predicted, on the learning scale, shape (n,).
        scale: σ of ordinary residuals.
        doubt: Variance of the prediction's own error, per σ², as learned.
    Returns:
        Log likelihood ratio, nats, shape (n,); rises with the size of the residual.
    """
    expected = np.maximum(UNIT_BPS * np.sinh(score), 1.0)
    sd = residual_sd(score, scale, doubt)
    z = np.abs(to_learning_scale(spread_bps) - score) / sd
    shift = SHIFTS[:, None] * (slope(expected) / sd)
    # log mean of exp(z·d - d²/2) cosh'd over both signs, without overflow
    terms = z * shift - shift**2 / 2 + np.log1p(np.exp(-2 * z * shift)) - np.log(2)
    top = terms.max(axis=0)
    return np.asarray(top + np.log(np.mean(np.exp(terms - top), axis=0)))


def share_of_anomalies(evidence: FloatArray, start: float) -> float:
    """Estimate how many rows are anomalous from their evidence alone, by expectation-maximisation on the share.

    Args:
        evidence: Log likelihood ratios, shape (n,).
        start: First guess; also counts as a prior of a hundred rows, so that a clean panel does not force 0.
    Returns:
        A share strictly between 0 and 1.
    """
    share = start
    for _ in range(20):
        odds = np.minimum(evidence, 50.0) + np.log(share / (1 - share))
        share = (float(np.sum(1 / (1 + np.exp(-odds)))) + 100 * start) / (len(evidence) + 100)
    return share
