"""Whether a figure moved from some buckets of time to others: buckets are the units of the test, and not rows."""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from core.arrays import FloatArray
from core.intervals.units import t_quantile

LEAST_BLOCKS: Final = 4.0  # buckets, as effective number, on each side of a comparison
_ROUNDING: Final = 1e-9


class ImportanceMove(msgspec.Struct, frozen=True, kw_only=True):
    """How a figure moved between two groups of buckets.

    Attributes:
        before: Its mean over the rows of the earlier buckets.
        after: Its mean over the rows of the later buckets.
        low: Lower end of the interval of the difference, simultaneous over all figures of the report.
        high: Its upper end.
        is_change: Whether the interval excludes no change.
    """

    before: float
    after: float
    low: float
    high: float
    is_change: bool


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """A ratio of two totals over blocks.

    Attributes:
        value: The ratio.
        variance: Its variance.
        n_blocks: The effective number of blocks (Kish): fewer where some weigh more.
    """

    value: float
    variance: float
    n_blocks: float


def ratio_estimate(numerators: FloatArray, denominators: FloatArray) -> RatioEstimate:
    """Estimate a ratio of totals from independent blocks.

    Args:
        numerators: Total of each block, shape (n,).
        denominators: Total of each block, none negative, shape (n,).
    Returns:
        Without a positive denominator nothing, of no block.
    Source:
        Cochran, Sampling Techniques (1977), section 6.4; Kish, Survey Sampling (1965), for the effective number;
        Schmeiser, Operations Research 30 (1982), for buckets of time as units of rows that depend on each other.

    >>> ratio_estimate(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0])).value
    2.0
    """
    total = float(denominators.sum())
    n = len(denominators)
    if not total > 0.0:
        return RatioEstimate(0.0, 0.0, 0.0)
    value = float(numerators.sum()) / total
    n_blocks = total**2 / float((denominators**2).sum())
    residuals = numerators - value * denominators
    variance = n / (n - 1) * float((residuals**2).sum()) / total**2 if n > 1 else 0.0
    return RatioEstimate(value, variance, n_blocks)


def half_width(before: RatioEstimate, after: RatioEstimate, tail: float) -> float:
    """Return half of the interval of the difference of two estimates, each from two blocks or more.

    Args:
        before: One of them.
        after: The other.
        tail: The quantile of the interval's ends.
    Source:
        Welch, Biometrika 34 (1947), with the effective numbers of blocks.
    """
    variance = before.variance + after.variance
    if not variance > 0.0:
        return 0.0
    degrees = variance**2 / (before.variance**2 / (before.n_blocks - 1.0) + after.variance**2 / (after.n_blocks - 1.0))
    return float(np.sqrt(variance)) * t_quantile(degrees, tail)


def compared(before: RatioEstimate, after: RatioEstimate, tail: float) -> ImportanceMove | None:
    """Compare two estimates from different blocks.

    Args:
        before: The earlier one.
        after: The later one.
        tail: The quantile of the interval's ends.
    Returns:
        None where either has too few blocks.
    """
    if min(before.n_blocks, after.n_blocks) < LEAST_BLOCKS:
        return None
    difference, half = after.value - before.value, half_width(before, after, tail)
    is_moved = abs(difference) > _ROUNDING * max(abs(before.value), abs(after.value))
    return ImportanceMove(
        before=before.value,
        after=after.value,
        low=difference - half,
        high=difference + half,
        is_change=is_moved and abs(difference) > half,
    )
