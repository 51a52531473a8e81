"""Whether the metrics of a model are unusual now: season, forest, and a limit set on held-out history."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.alerts.anomaly.baseline import DAY_MS, MINUTE_MS, SeasonalBaseline, robust_spread
from core.alerts.anomaly.forest import IsolationScores
from core.arrays import BoolArray, FloatArray, IntArray

LEAST_DAYS: Final = 2.0
"""Of recorded history; with less, there is no baseline to compare with."""
SMOOTHED_STEPS: Final = 5
"""A vector is the mean of the deviations of this many minutes: noise of single minutes is no news."""
_MOST_FOLDS: Final = 5
_LEAST_SCALE: Final = 0.2
_BEYOND: Final = 0.1
_LEAST_GAP: Final = 0.02
_CLEAR: Final = 6.0
"""A metric that is so many deviations from usual for minutes is an incident."""
_AROUND_STEPS: Final = 15
_MOST_LEFT_OUT: Final = 0.08
"""Of the history; what happens more often than that is usual, however far out it is."""
_MOST_WITH_AROUND: Final = 0.25


@dataclass(frozen=True, slots=True)
class _Model:
    """Season and forest of one part of the history."""

    baseline: SeasonalBaseline
    scale: FloatArray  # per metric: what smoothing leaves of a deviation, little of noise and all of a slow course
    forest: IsolationScores
    edge: FloatArray  # per feature: what 99.9 % of the history stays below

    @classmethod
    def fit(cls, at_ms: IntArray, values: FloatArray) -> "_Model":
        """Learn one part of the history."""
        baseline = SeasonalBaseline.fit(at_ms, values)
        smoothed = _smoothed(at_ms, baseline.deviations(at_ms, values))
        scale = np.clip(robust_spread(smoothed), _LEAST_SCALE, 1.0)
        features = _features(smoothed / scale)
        return cls(baseline, scale, IsolationScores.fit(features), np.quantile(np.abs(features), 0.999, axis=0))

    def smoothed(self, at_ms: IntArray, values: FloatArray) -> FloatArray:
        """Return the mean deviation of the last minutes before each, in its own spreads."""
        found: FloatArray = _smoothed(at_ms, self.baseline.deviations(at_ms, values)) / self.scale
        return found

    def scores(self, at_ms: IntArray, values: FloatArray) -> FloatArray:
        """Return the score of each minute."""
        return self.scores_of(self.smoothed(at_ms, values))

    def scores_of(self, smoothed: FloatArray) -> FloatArray:
        """Return the scores; a forest cannot tell how far beyond its own data a vector is, so that is added."""
        features = _features(smoothed)
        beyond = np.maximum(np.abs(features) - self.edge, 0.0).sum(axis=1)
        scores: FloatArray = self.forest.of(features) + _BEYOND * np.log1p(beyond)
        return scores


@dataclass(frozen=True, slots=True)
class AnomalyJudgement:
    """How unusual a model is at an instant."""

    score: float  # above 1: unusual; 0: as usual
    deviations: FloatArray  # of each metric, in robust standard deviations, mean of the last minutes


@dataclass(frozen=True, slots=True)
class AnomalyDetector:
    """What was learnt of one model's history."""

    model: _Model
    middle: float  # the median of the scores of held-out history
    limit: float
    n_days: float

    @classmethod
    def fit(
        cls, at_ms: IntArray, values: FloatArray, *, for_steps: int, keep_steps: int, alarms_a_day: float
    ) -> "AnomalyDetector | None":
        """Learn the history of one model, one vector a minute.

        Clear incidents are left out: else they would count as usual, and use up the false alarms that are allowed.
        Season and forest are fitted on all of the history but a fifth, and score this fifth; so for each fifth. The
        limit is the lowest at which these held-out scores would have fired no more often than allowed: as long as `for`
        above it without a break, firings that `keep_firing` joins counted once.

        Args:
            at_ms: The minutes, ascending, shape (n,).
            values: The metrics, shape (n, metrics); NaN where a metric has no value.
            for_steps: For how many minutes the score must be above the limit.
            keep_steps: For how many minutes an alert fires on.
            alarms_a_day: How many false alarms a day are allowed.
        Returns:
            None if fewer than two days have values.
        """
        is_there = ~np.isnan(values).all(axis=1)
        at_ms, values = at_ms[is_there], values[is_there]
        n_days = len(at_ms) * MINUTE_MS / DAY_MS
        if n_days < LEAST_DAYS * 0.95:  # a few scrapes may be missing
            return None
        is_usual = ~_incidents(at_ms, values)
        at_ms, values = at_ms[is_usual], values[is_usual]
        folds = np.minimum(np.arange(len(at_ms)) * _MOST_FOLDS // len(at_ms), _MOST_FOLDS - 1)
        held_out = np.empty(len(at_ms))
        for fold in range(_MOST_FOLDS):
            is_out = folds == fold
            model = _Model.fit(at_ms[~is_out], values[~is_out])
            held_out[is_out] = model.scores(at_ms[is_out], values[is_out])
        middle = float(np.median(held_out))
        limit = _limit(at_ms, held_out, for_steps, keep_steps, int(alarms_a_day * n_days))
        return cls(_Model.fit(at_ms, values), middle, max(limit, middle + _LEAST_GAP), n_days)

    def judge(self, at_ms: IntArray, values: FloatArray) -> AnomalyJudgement:
        """Judge the last of some minutes.

        Args:
            at_ms: The last minutes, at least one, ascending.
            values: The metrics at them.
        """
        last = slice(-SMOOTHED_STEPS, None)
        deviations = self.model.smoothed(at_ms[last], values[last])[-1]
        (score,) = self.model.scores_of(deviations[None, :]).tolist()
        return AnomalyJudgement((score - self.middle) / (self.limit - self.middle), deviations)

    def scores(self, at_ms: IntArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the score of each minute, and the deviations of its metrics."""
        smoothed = self.model.smoothed(at_ms, values)
        return (self.model.scores_of(smoothed) - self.middle) / (self.limit - self.middle), smoothed


def firing_steps(is_above: BoolArray, for_steps: int) -> IntArray:
    """Return the steps at which a condition has held for so many steps since it began.

    >>> firing_steps(np.array([True, True, True, False, True]), 1).tolist()
    [1, 2]
    """
    steps = np.arange(len(is_above))
    last_below = np.maximum.accumulate(np.where(is_above, -1, steps))
    return np.flatnonzero(steps - last_below > for_steps)


def _limit(at_ms: IntArray, scores: FloatArray, for_steps: int, keep_steps: int, n_allowed: int) -> float:
    """Return the lowest limit at which at most so many alarms would have fired."""
    candidates = np.unique(np.quantile(scores, np.linspace(0.9, 1.0, 2001)))
    low, high = 0, len(candidates) - 1  # nothing is above the highest
    while low < high:
        mid = (low + high) // 2
        fires = at_ms[firing_steps(scores > candidates[mid], for_steps)]
        n_alarms = int(len(fires) > 0) + int((np.diff(fires) > (keep_steps + 1) * MINUTE_MS).sum())
        low, high = (low, mid) if n_alarms <= n_allowed else (mid + 1, high)
    return float(candidates[low])


def _incidents(at_ms: IntArray, values: FloatArray) -> BoolArray:
    """Return which minutes of the history lie in a clear incident, or shortly before or after it."""
    deviations = SeasonalBaseline.fit(at_ms, values).deviations(at_ms, values)
    largest = np.abs(_smoothed(at_ms, deviations)).max(axis=1)
    is_clear: BoolArray = (largest >= _CLEAR) & (largest > np.quantile(largest, 1 - _MOST_LEFT_OUT))
    around: BoolArray = np.convolve(is_clear, np.ones(2 * _AROUND_STEPS + 1), mode="same") > 0.5
    return around if around.mean() <= _MOST_WITH_AROUND else is_clear


def _smoothed(at_ms: IntArray, deviations: FloatArray) -> FloatArray:
    """Return the mean over the last minutes; a gap is not bridged."""
    sums = np.concatenate([np.zeros((1, deviations.shape[1])), np.cumsum(deviations, axis=0)])
    end = np.arange(1, len(at_ms) + 1)
    first = np.searchsorted(at_ms, at_ms - (SMOOTHED_STEPS - 1) * MINUTE_MS)
    smoothed: FloatArray = (sums[end] - sums[first]) / (end - first)[:, None]
    return smoothed


def _features(smoothed: FloatArray) -> FloatArray:
    """Return what the forest sees: the deviations, the largest one, and their length.

    A cut of the forest looks at one feature; the last two let it see that any of many is far out.
    """
    largest = np.abs(smoothed).max(axis=1)
    length = np.sqrt((smoothed**2).mean(axis=1))
    return np.column_stack([smoothed, largest, length])
