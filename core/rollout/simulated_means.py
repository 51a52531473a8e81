"""Many simulated means at once: how often the verdicts on losses are wrong.

The same formulas as `means`, over arrays; the tests hold one against the other.
"""

from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.rollout.means import LEAST_PER_ARM, N_CALIBRATION, TAU_IN_SDS, VALUES_PER_SQUARED_SKEWNESS

_ROUNDING = 1e-12  # of squares, against those of all values: what sums of equal values leave behind


@dataclass(frozen=True, slots=True)
class _Arm:
    """Moments of one arm after every value."""

    n: FloatArray
    mean: FloatArray
    squares: FloatArray
    cubes: FloatArray

    @property
    def variance_of_mean(self) -> FloatArray:
        return np.asarray(self.squares / np.maximum(self.n - 1, 1) / np.maximum(self.n, 1))


def log_evidence(values: FloatArray, is_candidate: BoolArray, margin: float) -> tuple[FloatArray, FloatArray]:
    """Return the logs of the evidence of harm and of safety after every value.

    Args:
        values: Losses in the order in which they came, shape (n_rollouts, n_values).
        is_candidate: Whose each is.
        margin: The ratio of means that a safe candidate stays below.
    """
    n_calibrating = np.argmax(np.cumsum(~is_candidate, axis=1) == N_CALIBRATION, axis=1)[:, None]
    calibrating = np.arange(values.shape[1]) <= n_calibrating
    tau = TAU_IN_SDS * np.std(values, axis=1, ddof=1, where=calibrating & ~is_candidate)[:, None]
    stable = _moments(values, ~is_candidate & ~calibrating)
    candidate = _moments(values, is_candidate & ~calibrating)
    skewness = _strongest_skewness(stable, candidate)
    needed = VALUES_PER_SQUARED_SKEWNESS * skewness**2
    enough = np.minimum(stable.n, candidate.n) >= LEAST_PER_ARM

    def weighed(difference: FloatArray, variance: FloatArray, lower: _Arm, higher: _Arm) -> FloatArray:
        decisive = np.where(skewness >= 0, lower.n, higher.n)
        spread = variance + tau**2
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = 0.5 * np.log(variance / spread) + tau**2 * difference**2 / (2 * variance * spread)
        return np.where(enough & (decisive >= needed) & (difference > 0) & (variance > 0), logs, 0.0)

    harm = weighed(
        candidate.mean - stable.mean, stable.variance_of_mean + candidate.variance_of_mean, stable, candidate
    )
    safety = weighed(
        margin * stable.mean - candidate.mean,
        margin**2 * stable.variance_of_mean + candidate.variance_of_mean,
        candidate,
        stable,
    )
    return harm, safety


def _moments(values: FloatArray, which: BoolArray) -> _Arm:
    centre = values.mean()
    off = np.where(which, values - centre, 0.0)
    n = np.cumsum(which, axis=1, dtype=np.float64)
    sums, squares, cubes = (np.cumsum(off**power, axis=1) for power in (1, 2, 3))
    mean = sums / np.maximum(n, 1)
    about = squares - n * mean**2
    about[about < _ROUNDING * squares] = 0.0
    return _Arm(n, mean + centre, about, cubes - 3 * mean * squares + 2 * n * mean**3)


def _strongest_skewness(stable: _Arm, candidate: _Arm) -> FloatArray:
    n, squares = stable.n + candidate.n, stable.squares + candidate.squares
    together = _Arm(n, stable.mean, squares, stable.cubes + candidate.cubes)
    strongest = np.zeros_like(n)
    for arm in (stable, candidate, together):
        with np.errstate(divide="ignore", invalid="ignore"):
            skewness = np.where(arm.squares > 0, np.sqrt(arm.n) * arm.cubes / arm.squares**1.5, 0.0)
        strongest = np.where(np.abs(skewness) > np.abs(strongest), skewness, strongest)
    return strongest
