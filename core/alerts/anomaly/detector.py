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
_RECURRING: Final = 0.5
_LEAST_RECURRING: Final = 3
"""Days, and of all days the share, on which a metric is far out that is so as usual."""
_FAR: Final = 1.5
"""Deviations: a vector without a metric that is so far out is no anomaly, however rare it is."""
_TAIL: Final = 5
"""From how many of the largest alarms it is taken how much further out rarer ones are."""


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
        baseline = SeasonalBaseline.fit(at_ms, values, SMOOTHED_STEPS)
        smoothed = _smoothed(at_ms, baseline.deviations(at_ms, values))
        scale = np.maximum(np.clip(robust_spread(smoothed), _LEAST_SCALE, 1.0), baseline.least)
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
        held_out, is_far = np.empty(len(at_ms)), np.empty(len(at_ms), dtype=bool)
        for fold in range(_MOST_FOLDS):
            is_out = folds == fold
            model = _Model.fit(at_ms[~is_out], values[~is_out])
            smoothed = model.smoothed(at_ms[is_out], values[is_out])
            held_out[is_out], is_far[is_out] = model.scores_of(smoothed), _is_far(smoothed)
        middle = float(np.median(held_out))
        held_out = np.where(is_far, held_out, np.minimum(held_out, middle))
        limit = limit_for(at_ms, held_out, for_steps, keep_steps, alarms_a_day * n_days)
        return cls(_Model.fit(at_ms, values), middle, max(limit, middle + _LEAST_GAP), n_days)

    def judge(self, at_ms: IntArray, values: FloatArray) -> AnomalyJudgement:
        """Judge the last of some minutes.

        Args:
            at_ms: The last minutes, at least one, ascending.
            values: The metrics at them.
        """
        last = slice(-SMOOTHED_STEPS, None)
        deviations = self.model.smoothed(at_ms[last], values[last])[-1]
        (score,) = self._relative(deviations[None, :]).tolist()
        return AnomalyJudgement(score, deviations)

    def scores(self, at_ms: IntArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the score of each minute, and the deviations of its metrics."""
        smoothed = self.model.smoothed(at_ms, values)
        return self._relative(smoothed), smoothed

    def _relative(self, smoothed: FloatArray) -> FloatArray:
        """Return the scores in parts of the limit; where no metric is far from usual, at most 0."""
        found = (self.model.scores_of(smoothed) - self.middle) / (self.limit - self.middle)
        relative: FloatArray = np.where(_is_far(smoothed), found, np.minimum(found, 0.0))
        return relative


def firing_steps(is_above: BoolArray, for_steps: int) -> IntArray:
    """Return the steps at which a condition has held for so many steps since it began.

    >>> firing_steps(np.array([True, True, True, False, True]), 1).tolist()
    [1, 2]
    """
    steps = np.arange(len(is_above))
    last_below = np.maximum.accumulate(np.where(is_above, -1, steps))
    return np.flatnonzero(steps - last_below > for_steps)


def limit_for(at_ms: IntArray, scores: FloatArray, for_steps: int, keep_steps: int, n_allowed: float) -> float:
    """Return the limit at which as long a time as this one is to have so many alarms.

    A limit at which k alarms would have fired is just below what the next larger one reached, so that a time like this
    one has k + 1 above it, in the mean. Between two such limits a part of an alarm is a part of the way. Less than one
    alarm is further out than anything that was seen: how far is taken from the largest ones, whose distances shrink as
    those of an exponential tail (1/1, 1/2, 1/3, … of its scale).

    Args:
        at_ms: The minutes, ascending.
        scores: The score of each.
        for_steps: For how many minutes the score must be above the limit.
        keep_steps: For how many minutes an alert fires on.
        n_allowed: How many alarms are allowed, which need not be a whole number.
    """
    candidates = np.unique(np.quantile(scores, np.linspace(0.9, 1.0, 2001)))

    def at(n_alarms: int) -> float:
        return _limit(at_ms, scores, for_steps, keep_steps, n_alarms, candidates)

    if n_allowed >= 1:
        whole = int(n_allowed)
        high, low = at(whole - 1), at(whole)
        return high - (n_allowed - whole) * (high - low)
    scale = (at(0) - at(_TAIL)) / sum(1 / rank for rank in range(1, _TAIL + 1))
    return at(0) - scale * float(np.log(n_allowed))


def _limit(
    at_ms: IntArray, scores: FloatArray, for_steps: int, keep_steps: int, n_allowed: int, candidates: FloatArray
) -> float:
    """Return the lowest candidate at which at most so many alarms would have fired."""
    low, high = 0, len(candidates) - 1  # nothing is above the highest
    while low < high:
        mid = (low + high) // 2
        fires = at_ms[firing_steps(scores > candidates[mid], for_steps)]
        n_alarms = int(len(fires) > 0) + int((np.diff(fires) > (keep_steps + 1) * MINUTE_MS).sum())
        low, high = (low, mid) if n_alarms <= n_allowed else (mid + 1, high)
    return float(candidates[low])


def _incidents(at_ms: IntArray, values: FloatArray) -> BoolArray:
    """Return which minutes of the history lie in a clear incident, or shortly before or after it.

    A metric that is far out on most days is so again tomorrow, such as of a batch at another hour each night. That is
    no incident: it is learnt, and its alarms count among the allowed.
    """
    deviations = np.abs(_smoothed(at_ms, SeasonalBaseline.fit(at_ms, values).deviations(at_ms, values)))
    _, day = np.unique(at_ms // DAY_MS, return_inverse=True)
    n_days = np.array([len(np.unique(day[each])) for each in (deviations >= _CLEAR).T])
    recurs = n_days >= max(_LEAST_RECURRING, _RECURRING * (day[-1] + 1))
    largest = np.where(recurs, 0.0, deviations).max(axis=1)
    is_clear: BoolArray = (largest >= _CLEAR) & (largest > np.quantile(largest, 1 - _MOST_LEFT_OUT))
    around: BoolArray = np.convolve(is_clear, np.ones(2 * _AROUND_STEPS + 1), mode="same") > 0.5
    return around if around.mean() <= _MOST_WITH_AROUND else is_clear


def _is_far(smoothed: FloatArray) -> BoolArray:
    found: BoolArray = np.abs(smoothed).max(axis=1) >= _FAR
    return found


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
