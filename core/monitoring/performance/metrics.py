"""Metrics and their confidence sequences, from the sums of one group of labelled answers."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray
from core.intervals import Interval
from core.losses import LEAST_PROBABILITY
from core.monitoring.performance.layout import Layout, MeasuredTask
from core.monitoring.performance.sequences import LEVEL, Moments, figure_sequence, mean_sequence, share_sequence

HIGHER_IS_BETTER = frozenset({"accuracy", "precision", "recall", "f1", "auc", "r2"})
MOST_LOG_LOSS = -math.log(LEAST_PROBABILITY)
LEAST_EVENTS = 10  # of either outcome, below which an AUC has no sequence


class MeasuredMetric(NamedTuple):
    """A metric of some rows.

    Attributes:
        name: Such as "mae".
        value: Of the rows.
        interval: Valid at every look; None if there are too few rows.
        n: Rows behind it.
        error: By how much binning may have changed the value; 0 if it is exact.
    """

    name: str
    value: float
    interval: Interval | None
    n: int
    error: float = 0.0


def metrics_of(
    layout: Layout, sums: FloatArray, *, level: float = LEVEL, effects: Mapping[str, float] | None = None
) -> tuple[MeasuredMetric, ...]:
    """Return every metric that the rows define.

    Args:
        layout: Of the sums.
        sums: Of the rows.
        level: How often each sequence may miss, ever.
        effects: By score, how many rows are worth one independent row.
    """
    of = GroupSums(layout, sums, level, effects or {})
    kinds = {
        MeasuredTask.NUMBER: _of_numbers,
        MeasuredTask.EVENT: _of_event,
        MeasuredTask.CLASSES: _of_classes,
        MeasuredTask.CLASS: _of_class,
    }
    found = list(kinds[layout.task](of)) if layout.task in kinds and of["n"] else []
    return (*found, *_reported(of))


class GroupSums:
    """The sums of one group of rows, by name."""

    def __init__(self, layout: Layout, sums: FloatArray, level: float, effects: Mapping[str, float]) -> None:
        """Wrap sums; arguments as for `metrics_of`."""
        self.layout, self.sums, self.level = layout, sums, level
        self._effects = effects

    def __getitem__(self, name: str) -> float:
        return self.layout.scalar(self.sums, name)

    def effect(self, score: str) -> float:
        """Return how many rows are worth one independent row, of one score."""
        return self._effects.get(score, 1.0)

    def moments(self, name: str, square: str, above: float, *, is_above_seen: bool = False) -> Moments:
        """Return the mean of losses from 0 to `above` more than their mean, which is a limit or has only been seen."""
        n, mean = self["n"], self[name] / self["n"]
        variance = max(self[square] / n - mean * mean, 0.0) * n / max(n - 1.0, 1.0)
        return Moments(mean, variance, n, 2.0 * mean, above, is_above_seen=is_above_seen)

    def loss(self, metric: str, name: str, square: str, above: float, *, is_above_seen: bool = False) -> MeasuredMetric:
        """Return a mean loss."""
        of = self.moments(name, square, above, is_above_seen=is_above_seen)
        return MeasuredMetric(metric, of.mean, mean_sequence(of, self.level, self.effect(name)), int(of.n))

    def share(self, metric: str, n_with: float, n: float) -> MeasuredMetric | None:
        """Return a share of rows; None without a row."""
        if not n:
            return None
        return MeasuredMetric(metric, n_with / n, share_sequence(n_with, n, self.level, self.effect("correct")), int(n))


def _of_numbers(of: GroupSums) -> Iterator[MeasuredMetric]:
    n, most = of["n"], of["max_e"]
    squared = of.loss("rmse", "e2", "e4", most * most, is_above_seen=True)
    yield squared._replace(value=math.sqrt(squared.value), interval=_rooted(squared.interval))
    yield of.loss("mae", "abs", "e2", most, is_above_seen=True)
    bias = of["e"] / n
    variance = max(of["e2"] / n - bias * bias, 0.0) * n / max(n - 1.0, 1.0)
    furthest = most + abs(bias)
    moments = Moments(bias, variance, n, furthest, furthest, is_below_seen=True, is_above_seen=True)
    yield MeasuredMetric("bias", bias, mean_sequence(moments, of.level, of.effect("e")), int(n))
    if (r2 := _r2(of)) is not None:
        yield r2


def _rooted(interval: Interval | None) -> Interval | None:
    return None if interval is None else Interval(math.sqrt(max(interval.low, 0.0)), math.sqrt(max(interval.high, 0.0)))


def _r2(of: GroupSums) -> MeasuredMetric | None:
    """Return the share of the variance that is explained, with the variance of its influence (delta method)."""
    n = of["n"]
    d, d2, d3, d4, e2, e4 = (of[name] / n for name in ("d", "d2", "d3", "d4", "e2", "e4"))
    spread = d2 - d * d
    if n < 2 or not spread > 1e-12 * max(d2, 1e-300):
        return None
    ratio = e2 / spread
    crossed = of["e2d2"] / n - 2.0 * d * of["e2d"] / n + d * d * e2
    fourth = d4 - 4.0 * d * d3 + 6.0 * d * d * d2 - 3.0 * d**4
    variance = max(e4 - 2.0 * ratio * crossed + ratio * ratio * fourth, 0.0) / spread**2
    value = 1.0 - ratio
    found = figure_sequence(value, variance, n, of.level, of.effect("e2"))
    return MeasuredMetric("r2", value, _clipped(found, -math.inf), int(n))


def _clipped(interval: Interval | None, least: float = 0.0) -> Interval | None:
    return None if interval is None else Interval(max(interval.low, least), min(interval.high, 1.0))


def _of_event(of: GroupSums) -> Iterator[MeasuredMetric]:
    n, tp, fp, fn = of["n"], of["tp"], of["fp"], of["fn"]
    yield of.loss("brier", "b", "b2", 1.0)
    yield of.loss("log_loss", "log", "log2", MOST_LOG_LOSS)
    (auc,) = _aucs(of) or (None,)
    # F1 grows with the share of hits among hits and mistakes, so its limits follow from those of that share.
    f1 = of.share("f1", tp, tp + fp + fn)
    if f1 is not None:
        ends = None if f1.interval is None else Interval(*(2.0 * end / (1.0 + end) for end in f1.interval))
        f1 = f1._replace(value=2.0 * tp / (2.0 * tp + fp + fn), interval=ends)
    shares = (
        of.share("accuracy", n - fp - fn, n), of.share("precision", tp, tp + fp), of.share("recall", tp, tp + fn), f1
    )  # fmt: skip
    yield from (found for found in (auc, *shares) if found is not None)
    bias = of["e"] / n
    moments = Moments(bias, max(of["b"] / n - bias * bias, 0.0), n, 1.0, 1.0)
    yield MeasuredMetric("bias", bias, mean_sequence(moments, of.level, of.effect("e")), int(n))


def _of_classes(of: GroupSums) -> Iterator[MeasuredMetric]:
    yield of.loss("shortfall", "s2", "s4", 1.0)
    yield of.loss("log_loss", "log", "log2", MOST_LOG_LOSS)
    yield of.loss("brier", "b", "b2", 2.0)
    yield from _of_class(of)
    if aucs := _aucs(of):
        mean = float(np.mean([auc.value for auc in aucs]))
        ends = [auc.interval for auc in aucs if auc.interval is not None]
        interval = _mean_interval(ends) if len(ends) == len(aucs) else None
        yield MeasuredMetric("auc", mean, interval, int(of["n"]), float(np.mean([auc.error for auc in aucs])))


def _of_class(of: GroupSums) -> Iterator[MeasuredMetric]:
    accuracy = of.share("accuracy", of["correct"], of["n"])
    yield from () if accuracy is None else (accuracy,)
    k = len(of.layout.classes)
    if not k:
        return
    counts = of.layout.block(of.sums, "by_class", k, 3)
    counts = counts[(counts[:, 1] > 0) | (counts[:, 2] > 0)]
    each = GroupSums(of.layout, of.sums, of.level / max(len(counts), 1), {"correct": of.effect("correct")})
    for name in ("precision", "recall", "f1"):
        yield _macro(name, each, counts, int(of["n"]))


def _macro(name: str, of: GroupSums, counts: FloatArray, n: int) -> MeasuredMetric:
    """Return the mean over classes; a class without an answer or an outcome counts 0, as in scikit-learn.

    The sequences of the classes share the level, so all of them hold together, and with them that of the mean.
    """
    values, ends = [], []
    for hits, answers, outcomes in counts.tolist():
        rows = {"precision": answers, "recall": outcomes, "f1": answers + outcomes - hits}[name]
        found = of.share(name, hits, rows)
        value, interval = 0.0, Interval(0.0, 1.0)
        if found is not None:
            value, interval = found.value, found.interval or interval
        if name == "f1":
            value, interval = 2 * value / (1 + value), Interval(*(2 * end / (1 + end) for end in interval))
        values.append(value)
        ends.append(interval)
    return MeasuredMetric(name, float(np.mean(values)), _mean_interval(ends), n)


def _mean_interval(ends: list[Interval]) -> Interval:
    return Interval(float(np.mean([end.low for end in ends])), float(np.mean([end.high for end in ends])))


def _aucs(of: GroupSums) -> list[MeasuredMetric]:
    """Return the AUC of each ranked score that has both outcomes."""
    layout = of.layout
    if not layout.n_ranked:
        return []
    blocks = layout.block(of.sums, "by_bin", layout.n_ranked, layout.n_bins, 2)
    level = of.level / layout.n_ranked
    found = [auc_of_bins(each[:, 0], each[:, 1], level=level, effect=of.effect("correct")) for each in blocks]
    return [auc for auc in found if auc is not None]


def auc_of_bins(
    others: FloatArray, events: FloatArray, *, level: float = LEVEL, effect: float = 1.0
) -> MeasuredMetric | None:
    """Return the AUC of scores that are known by their bin.

    Args:
        others: Rows without the event in each bin, from the lowest scores to the highest.
        events: Rows with it.
        level: How often the sequence may miss, ever.
        effect: How many rows are worth one independent row.
    Returns:
        The AUC with pairs of one bin counted half; its error is half of the share of those pairs, and its sequence
        includes it. None without both outcomes.
    Source:
        DeLong, DeLong and Clarke-Pearson, Biometrics 44(3), 1988, on binned scores.

    >>> auc_of_bins(np.array([3.0, 1.0]), np.array([1.0, 3.0]))[1:2]
    (0.75,)
    """
    n_events, n_others = float(events.sum()), float(others.sum())
    if not n_events or not n_others:
        return None
    above = (np.cumsum(others) - others / 2.0) / n_others  # of an event: the share of others below it
    below = 1.0 - (np.cumsum(events) - events / 2.0) / n_events  # of another: the share of events above it
    value = float(events @ above) / n_events
    error = float(events @ others) / (2.0 * n_events * n_others)
    n = n_events + n_others
    spread = float(events @ np.square(above - value)) / n_events**2
    spread += float(others @ np.square(below - value)) / n_others**2
    found = None
    if min(n_events, n_others) >= LEAST_EVENTS * effect:
        found = figure_sequence(value, spread * n, n, level, effect)
    wider = None if found is None else Interval(max(found.low - error, 0.0), min(found.high + error, 1.0))
    return MeasuredMetric("auc", value, wider, int(n), error)


def _reported(of: GroupSums) -> Iterator[MeasuredMetric]:
    n = of["reported_n"]
    if n:
        mean = of["reported"] / n
        variance = max(of["reported2"] / n - mean * mean, 0.0) * n / max(n - 1.0, 1.0)
        furthest = of["max_reported"] + abs(mean)
        moments = Moments(mean, variance, n, furthest, furthest, is_below_seen=True, is_above_seen=True)
        sequence = mean_sequence(moments, of.level)
        yield MeasuredMetric("reported_loss", mean, sequence, int(n))
