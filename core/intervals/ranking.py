"""Intervals of AUC and average precision: the influence of each row, summed by group."""

import math
from collections.abc import Callable, Iterable

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.intervals.shares import effective_interval
from core.intervals.units import Interval, Units, Z, t_quantile

SHRINKAGE = 10.0  # units at which the sample's variance counts as much as that of the model
LEAST_RATIO = 0.3  # the least variance believed, relative to that of the model
N_HALVINGS = 60


def auc_influence(chance: FloatArray, score: FloatArray) -> tuple[float, FloatArray]:
    """Compute the AUC and the influence of each row on it.

    Args:
        chance: Whether the event happened, or its probability, shape (n,).
        score: Higher for likelier rows, shape (n,).
    Returns:
        The AUC, ties counted half, and its change per weight of each row, which sum to zero; NaN without pairs.
    Source:
        DeLong, DeLong and Clarke-Pearson, Biometrics 44(3), 1988: for labels these are their structural components.
    """
    events, others = chance.astype(np.float64), 1.0 - chance
    run, n_runs = _runs(score)
    run_events, run_others = np.bincount(run, events, n_runs), np.bincount(run, others, n_runs)
    below = (np.cumsum(run_others) - run_others / 2)[run] - others / 2  # others that a row is above; never itself
    above = (run_events.sum() - np.cumsum(run_events) + run_events / 2)[run] - events / 2
    rest_others, rest_events = others.sum() - others, events.sum() - events
    pairs = float(events @ rest_others)
    if pairs <= 0:
        return float("nan"), np.zeros(len(score))
    value = float(events @ below) / pairs
    influence = events * (below - value * rest_others) + others * (above - value * rest_events)
    return value, np.asarray(influence / pairs)


def average_precision_influence(happened: FloatArray, score: FloatArray) -> tuple[float, FloatArray]:
    """Compute the average precision and the influence of each row on it.

    Returns:
        The mean precision at each event, equal scores entering together, and its change per weight of each row, which
        sum to zero; NaN without an event.
    """
    run, n_runs = _runs(-score)
    events = np.bincount(run, happened, n_runs)
    entered, n_events = np.cumsum(np.bincount(run, minlength=n_runs)), float(events.sum())
    if n_events <= 0:
        return float("nan"), np.zeros(len(score))
    precision = np.cumsum(events) / entered
    value = float(events @ precision) / n_events
    # A row also enters the precision at every event ranked at or below it.
    raised = np.cumsum((events / entered)[::-1])[::-1][run]
    lowered = np.cumsum((events * precision / entered)[::-1])[::-1][run]
    influence = happened * (precision[run] - value + raised) - lowered
    return value, np.asarray(influence / n_events)


def auc_interval(happened: FloatArray, score: FloatArray, group: AnyArray) -> Interval | None:
    """Bound the AUC of scores against outcomes.

    Returns:
        None if there is only one outcome, or one group.
    Source:
        DeLong et al., Biometrics 44(3), 1988, over groups as in Obuchowski, Biometrics 53(2), 1997.
    """
    units = Units(group)
    value, influence = auc_influence(happened, score)
    if units.n < 2 or not math.isfinite(value):
        return None
    squares = _sum_of_squares(influence, units)
    return _score_limits(value, squares, squares, [_OutcomeCounts(happened > 0, units)], units)


def auc_of_classes_interval(actual: FloatArray, answer: FloatArray, group: AnyArray) -> Interval | None:
    """Bound the mean AUC of each class against the others.

    Args:
        actual: Position of each row's class, shape (n,).
        answer: Probabilities, shape (n, n_classes).
        group: Group of each row, shape (n,).
    Returns:
        None if there is only one class, or one group.
    """
    units = Units(group)
    present = [k for k in range(answer.shape[1]) if 0 < np.count_nonzero(actual == k) < len(actual)]
    if units.n < 2 or not present:
        return None
    parts = [auc_influence((actual == k).astype(np.float64), answer[:, k]) for k in present]
    value, influence = float(np.mean([part[0] for part in parts])), np.mean([part[1] for part in parts], axis=0)
    counts = [_OutcomeCounts(actual == k, units) for k in present]
    of_each = _mean(_sum_of_squares(part[1], units) for part in parts)
    return _score_limits(value, _sum_of_squares(influence, units), of_each, counts, units)


def average_precision_interval(happened: FloatArray, score: FloatArray, group: AnyArray) -> Interval | None:
    """Bound the average precision.

    It is a mean over events, so its limits are those of a share seen in as many independent events as have its
    variance; with few events their number is drawn toward how many there are. The limits lie between mid-P's and
    Clopper and Pearson's, since the average precision of few events is a little too high.

    Returns:
        None without an event, or with one group.
    """
    units = Units(group)
    value, influence = average_precision_influence(happened, score)
    if units.n < 2 or not math.isfinite(value):
        return None
    k = units.count_with(happened > 0)
    variance = _sum_of_squares(influence, units) * _small_sample(k)
    n_effective = float(k)
    if variance > 0 and 0 < value < 1:
        seen = k / (k + SHRINKAGE)
        n_effective = math.exp(seen * math.log(value * (1.0 - value) / variance) + (1.0 - seen) * math.log(k))
    t = t_quantile(min(max(2 * k - 1, 1), units.degrees_of_freedom))
    return effective_interval(value, min(n_effective, float(len(score))) * (Z / t) ** 2, own_part=0.75)


class _OutcomeCounts:
    """How many rows, and how many units, have an event and how many do not."""

    def __init__(self, happened: AnyArray, units: Units) -> None:
        self.rows = (int(np.count_nonzero(happened)), int(np.count_nonzero(~happened)))
        self.units = (units.count_with(happened), units.count_with(~happened))


def _score_limits(value: float, squares: float, of_each: float, counts: list[_OutcomeCounts], units: Units) -> Interval:
    """Return the AUCs from which the AUC seen is no further than chance explains.

    The variance at each candidate is that of Hanley and McNeil, scaled to DeLong's at the AUC seen. DeLong's is
    unreliable with few events and zero without a mistake, so the scale is drawn toward 1, where each unit counts once.

    Args:
        value: The AUC, or the mean of several.
        squares: Its variance over units, DeLong's.
        of_each: The mean variance of the single AUCs, which exceeds that of their mean.
        counts: The outcomes of each AUC.
        units: The units of evidence.
    Source:
        Newcombe, Statistics in Medicine 25(4), 2006, method 5: the score limits, which are apart even at an AUC of 1.
    """
    k = min(min(count.units) for count in counts)
    inside = min(max(value, 0.5 / math.prod(counts[0].rows)), 1.0 - 0.5 / math.prod(counts[0].rows))
    prior = _mean(_model_variance(inside, *count.units) for count in counts)
    by_rows = _mean(_model_variance(inside, *count.rows) for count in counts)
    scale = 1.0
    if 0.0 < value < 1.0 and squares > 0.0:
        variance = max(of_each * _small_sample(k), LEAST_RATIO * by_rows)
        scale = squares / of_each * (variance / prior) ** (k / (k + SHRINKAGE))
    t = t_quantile(min(2.0 * k, units.degrees_of_freedom))

    def excess(candidate: float) -> float:
        variance = scale * _mean(_model_variance(candidate, *count.units) for count in counts)
        return abs(value - candidate) - t * math.sqrt(variance)

    low = 0.0 if value <= 0.0 else _root(excess, 0.0, value)
    high = 1.0 if value >= 1.0 else _root(excess, 1.0, value)
    return Interval(low, high)


def _model_variance(value: float, n_events: int, n_others: int) -> float:
    """The variance of an AUC for exponential scores.

    Source:
        Hanley and McNeil, Radiology 143(1), 1982, with the mean of the two sample sizes as in Newcombe (2006).
    """
    more = (n_events + n_others) / 2.0 - 1.0
    return (value * (1.0 - value) * (1.0 + more * ((1.0 - value) / (2.0 - value) + value / (1.0 + value)))) / (
        n_events * n_others
    )


def _root(excess: Callable[[float], float], outside: float, inside: float) -> float:
    for _ in range(N_HALVINGS):
        middle = (outside + inside) / 2
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle
    return outside


def _sum_of_squares(influence: FloatArray, units: Units) -> float:
    return float(np.square(units.sums(influence)).sum())


def _small_sample(k: int) -> float:
    return k / (k - 1) if k > 1 else 1.0


def _mean(values: Iterable[float]) -> float:
    return math.fsum(found := list(values)) / len(found)


def _runs(score: FloatArray) -> tuple[AnyArray, int]:
    """The position of each row's score among the different scores, lowest first."""
    values, run = np.unique(score, return_inverse=True)
    return run, len(values)
