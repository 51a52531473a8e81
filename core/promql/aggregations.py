"""Aggregations of an instant vector: `sum`, `topk`, `count_values` and their kin."""

import math
from collections.abc import Callable

import numpy as np

from core.promql.budget import EvaluationBudget
from core.promql.errors import PromqlError
from core.promql.range_functions import out_of_range
from core.promql.series import SeriesLabels
from core.promql.vectors import Floats, Presence, StepValues, Times, Vector, merged

AGGREGATIONS = frozenset(
    "sum avg min max count group stddev stdvar quantile topk bottomk count_values".split()  # noqa: SIM905
)


def aggregate(
    name: str,
    vector: Vector,
    key: Callable[[SeriesLabels], SeriesLabels],
    parameter: StepValues | None,
    budget: EvaluationBudget,
) -> Vector:
    """Aggregate the series of each group, at each step.

    Args:
        name: The aggregation.
        vector: The series.
        key: What reduces the labels of a series to those of its group.
        parameter: The scalar or string of an aggregation that has one.
        budget: What is left to the evaluation.
    Raises:
        PromqlError: The parameter is wrong, or results share their labels, or the time is over.
    """
    numbers: dict[SeriesLabels, int] = {}
    of_row = np.array([numbers.setdefault(key(labels), len(numbers)) for labels in vector.labels], dtype=np.int64)
    groups = list(numbers)
    if not groups:
        return Vector.empty(vector.values.shape[1])
    if name == "count_values":
        assert isinstance(parameter, str)
        return _count_values(vector, groups, of_row, parameter, budget)
    if name in ("topk", "bottomk"):
        assert isinstance(parameter, np.ndarray)
        return _first_k(vector, of_row, parameter, budget, is_top=name == "topk")
    order = np.argsort(of_row, kind="stable")
    starts = np.searchsorted(of_row[order], np.arange(len(groups)))
    values, present = vector.values[order], vector.present[order]
    counts = np.add.reduceat(present.astype(float), starts, axis=0)
    if name == "quantile":
        assert isinstance(parameter, np.ndarray)
        results = _quantiles(values, present, starts, parameter, budget)
    else:
        results = _reduced(name, values, present, starts, counts, budget)
    return Vector(groups, results, counts > 0)


def _reduced(
    name: str, values: Floats, present: Presence, starts: Times, counts: Floats, budget: EvaluationBudget
) -> Floats:
    match name:
        case "count":
            return counts
        case "group":
            return np.ones_like(counts)
        case "min":
            return np.fmin.reduceat(np.where(present, values, np.nan), starts, axis=0)
        case "max":
            return np.fmax.reduceat(np.where(present, values, np.nan), starts, axis=0)
    zeroed = np.where(present, values, 0.0)
    if name == "sum":
        return _exact_sums(zeroed, starts, budget)
    means = _exact_sums(zeroed, starts, budget) / counts
    too_large = ~np.isfinite(means) & (np.add.reduceat((~np.isfinite(zeroed)).astype(int), starts, axis=0) == 0)
    if too_large.any():
        n_rows = np.diff(np.append(starts, len(values)))
        scaled = np.add.reduceat(zeroed / np.repeat(np.maximum(counts, 1), n_rows, axis=0), starts, axis=0)
        means = np.where(too_large & (counts > 0), scaled, means)
    if name == "avg":
        return means
    n_rows = np.diff(np.append(starts, len(values)))
    # From the least value: equal values deviate by nothing, whatever their size.
    least = np.fmin.reduceat(np.where(present, values, np.nan), starts, axis=0)
    off = np.where(present, zeroed - np.repeat(least, n_rows, axis=0), 0.0)
    off = np.where(present, off - np.repeat(np.add.reduceat(off, starts, axis=0) / counts, n_rows, axis=0), 0.0)
    variance = np.add.reduceat(off * off, starts, axis=0) / counts
    return np.sqrt(variance) if name == "stddev" else variance


def _exact_sums(values: Floats, starts: Times, budget: EvaluationBudget) -> Floats:
    """Add up per group; where terms cancel each other, without the rounding error of their size."""
    sums = np.add.reduceat(values, starts, axis=0)
    sizes = np.add.reduceat(np.abs(values), starts, axis=0)
    ends = np.append(starts[1:], len(values))
    for group, step in np.argwhere(np.isfinite(sizes) & (np.abs(sums) < 1e-3 * sizes)).tolist():
        budget.check()
        sums[group, step] = math.fsum(values[starts[group] : ends[group], step].tolist())
    return sums


def _quantiles(values: Floats, present: Presence, starts: Times, share: Floats, budget: EvaluationBudget) -> Floats:
    results = np.zeros((len(starts), values.shape[1]))
    ends = np.append(starts[1:], len(values))
    for group, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        budget.check()
        rows, there = values[start:end], present[start:end]
        # NaN sorts first, as in Prometheus; what is absent, last.
        kind = np.where(there, ~np.isnan(rows), 2)
        ordered = np.take_along_axis(rows, np.lexsort((rows, kind), axis=0), axis=0)
        last = np.maximum(there.sum(axis=0) - 1, 0)
        rank = np.clip(np.nan_to_num(share), 0, 1) * last
        lower = np.floor(rank).astype(np.int64)
        upper = np.minimum(lower + 1, last)
        steps = np.arange(values.shape[1])
        weight = rank - lower
        results[group] = out_of_range(share, ordered[lower, steps] * (1 - weight) + ordered[upper, steps] * weight)
    return results


def _first_k(vector: Vector, of_row: Times, parameter: Floats, budget: EvaluationBudget, *, is_top: bool) -> Vector:
    """Keep the k largest or smallest series of each group; the best come first where there is one step."""
    if np.isnan(parameter).any():
        raise PromqlError("Parameter value is NaN")
    if (np.abs(parameter) >= 2**63).any():
        raise PromqlError("The first argument of topk or bottomk, a number of series, is too large.")
    kept = np.zeros_like(vector.present)
    rank: list[int] = []
    for step, k in enumerate(parameter.tolist()):
        budget.check()
        left: dict[int, int] = {}
        value = vector.values[:, step]
        order = np.lexsort((-value if is_top else value, np.isnan(value), of_row))
        for row in order.tolist():
            if vector.present[row, step] and left.setdefault(int(of_row[row]), int(k)) > 0:
                left[int(of_row[row])] -= 1
                kept[row, step] = True
                rank.append(row)
    rows = list(dict.fromkeys(rank))
    return Vector([vector.labels[row] for row in rows], vector.values[rows], kept[rows])


def _count_values(
    vector: Vector, groups: list[SeriesLabels], of_row: Times, label: str, budget: EvaluationBudget
) -> Vector:
    found: dict[SeriesLabels, Floats] = {}
    n_steps = vector.values.shape[1]
    for row, step in np.argwhere(vector.present).tolist():
        budget.check()
        base = [pair for pair in groups[of_row[row]] if pair[0] != label]
        labels = tuple(sorted([*base, (label, plain_number(float(vector.values[row, step])))]))
        if (counts := found.get(labels)) is None:
            budget.hold(n_steps)
            counts = found[labels] = np.zeros(n_steps)
        counts[step] += 1
    if not found:
        return Vector.empty(n_steps)
    stacked = np.stack(list(found.values()))
    return merged(Vector(list(found), stacked, stacked > 0))


def plain_number(value: float) -> str:
    """Write a number without an exponent, as Go's `FormatFloat(value, 'f', -1, 64)`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")
