"""The bootstrap of an estimate: held-out rows by group, live rows, and the outcomes that are still unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray

N_REPLICATES = 200
LEVEL = 0.05
LEAST_DEFINED = 0.9  # share of the replicates in which a figure must be defined


@dataclass(frozen=True, slots=True)
class EstimateInterval:
    """A figure with its 95 % interval, and the change since the held-out rows with its own.

    Attributes:
        value: The figure.
        low: The lower end.
        high: The upper end.
        held_out: The figure on the held-out rows.
        change_low: The lower end of the change.
        change_high: The upper end.
    """

    value: float
    low: float
    high: float
    held_out: float
    change_low: float
    change_high: float

    def widened(self, factor: float, most: float = np.inf) -> "EstimateInterval":
        """Return the figure with both intervals widened about it; a figure is between 0 and `most`."""
        change = self.value - self.held_out
        return EstimateInterval(
            self.value,
            max(self.value - factor * (self.value - self.low), 0.0),
            min(self.value + factor * (self.high - self.value), most),
            self.held_out,
            change - factor * max(change - self.change_low, 0.0),
            change + factor * max(self.change_high - change, 0.0),
        )


def drawn_counts(rng: np.random.Generator, n: int, units: IntArray | None = None) -> FloatArray:
    """Draw how often each row counts in a replicate; rows of one unit are drawn together.

    Source:
        Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8.

    >>> float(drawn_counts(np.random.default_rng(0), 4).sum())
    4.0
    """
    if units is None:
        return rng.multinomial(n, np.full(n, 1.0 / n)).astype(np.float64)
    n_units = int(units.max()) + 1
    return np.asarray(rng.multinomial(n_units, np.full(n_units, 1.0 / n_units))[units], dtype=np.float64)


def noise_effect(residual: FloatArray, units: IntArray | None) -> float:
    """Estimate how many rows of a group err as one: the factor of the variance of a mean of residuals.

    Args:
        residual: Outcome less expectation, shape (n,).
        units: The group of each row; None if no row depends on another.
    Returns:
        At least 1.

    >>> noise_effect(np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1]))
    2.0
    """
    if units is None:
        return 1.0
    own = float(np.square(residual).sum())
    together = float(np.square(np.bincount(units, weights=residual)).sum())
    return max(1.0, together / own) if own > 0 else 1.0


def intervals(
    value: Mapping[str, float],
    held_out: Mapping[str, float],
    replicates: Sequence[tuple[Mapping[str, float], Mapping[str, float]]],
    *,
    is_size: bool = False,
) -> dict[str, EstimateInterval]:
    """Make the intervals of figures.

    Args:
        value: The figures, by name.
        held_out: The same on the held-out rows.
        replicates: Both in each replicate; a figure that is undefined in one of ten is left out.
        is_size: The figures are sizes with heavy tails. Held-out rows that lack the largest errors give too low an
            upper end, so the interval also holds the percentiles mirrored on the log scale.
    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13: the percentiles.
    """
    found = {}
    ends = (LEVEL / 2, 1 - LEVEL / 2)
    for name, figure in value.items():
        pairs = [(now[name], then[name]) for now, then in replicates if name in now and name in then]
        if name not in held_out or len(pairs) < LEAST_DEFINED * len(replicates):
            continue
        now, then = np.array(pairs).T
        low, high = map(float, np.quantile(now, ends))
        if is_size and low > 0 and figure > 0:
            low, high = min(low, figure * figure / high), max(high, figure * figure / low)
        change_low, change_high = map(float, np.quantile(now - then, ends))
        found[name] = EstimateInterval(
            figure, min(low, figure), max(high, figure), held_out[name], change_low, change_high
        )
    return found
