"""`histogram_quantile` over classic buckets."""

import numpy as np

from core.promql.budget import EvaluationBudget
from core.promql.range_functions import out_of_range
from core.promql.series import SeriesLabels
from core.promql.vectors import Floats, Vector, key_function, merged

SMALL_DELTA = 1e-12
"""A bucket that is smaller or larger than the one below by no more than this share is taken for equal to it."""


def histogram_quantile(share: Floats, vector: Vector, budget: EvaluationBudget) -> Vector:
    """Return the quantile of each histogram, interpolated within its bucket.

    Args:
        share: The quantile asked for, at each step.
        vector: Cumulative buckets; series without a readable `le` are left out.
        budget: What is left to the evaluation.
    """
    key = key_function(("le",), keeps=False)
    groups: dict[SeriesLabels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        try:
            bound = float(dict(labels).get("le", ""))
        except ValueError:
            continue
        if not np.isnan(bound):
            groups.setdefault(key(labels), []).append((bound, row))
    n_steps = vector.values.shape[1]
    if not groups:
        return Vector.empty(n_steps)
    values, present = np.zeros((len(groups), n_steps)), np.zeros((len(groups), n_steps), dtype=bool)
    for number, buckets in enumerate(groups.values()):
        budget.check()
        buckets.sort()
        rows = [row for _, row in buckets]
        bounds, there = np.array([bound for bound, _ in buckets]), vector.present[rows]
        patterns, of_step = np.unique(there, axis=1, return_inverse=True)
        for at, pattern in enumerate(patterns.T):
            if not pattern.any():
                continue
            steps = np.flatnonzero(of_step.ravel() == at)
            counts = vector.values[rows][pattern][:, steps]
            values[number, steps] = _quantile(share[steps], bounds[pattern], counts)
            present[number, steps] = True
    return merged(Vector(list(groups), values, present))


def _quantile(share: Floats, bounds: Floats, counts: Floats) -> Floats:
    """Return the quantile of one histogram at several steps (`BucketQuantile` of Prometheus)."""
    unknown = np.full(share.shape, np.nan)
    if bounds[-1] != np.inf:
        return out_of_range(share, unknown)
    bounds, starts = np.unique(bounds, return_index=True)
    counts = np.add.reduceat(counts, starts, axis=0)
    if len(bounds) < 2:
        return out_of_range(share, unknown)
    for at in range(1, len(bounds)):
        below, here = counts[at - 1], counts[at]
        is_close = np.abs(here - below) <= SMALL_DELTA * np.minimum(np.abs(here) + np.abs(below), np.finfo(float).max)
        counts[at] = np.where(is_close | (here < below), below, here)
    rank = share * counts[-1]
    reached = counts[:-1] >= rank
    bucket = np.where(reached.any(axis=0), reached.argmax(axis=0), len(bounds) - 1)
    steps = np.arange(share.size)
    before = np.maximum(bucket - 1, 0)
    is_first = bucket == 0
    low = np.where(is_first, 0.0, bounds[before])
    count = counts[bucket, steps] - np.where(is_first, 0.0, counts[before, steps])
    rank = rank - np.where(is_first, 0.0, counts[before, steps])
    found = low + (bounds[bucket] - low) * (rank / count)
    found = np.where(is_first & (bounds[0] <= 0), bounds[0], found)
    found = np.where(bucket == len(bounds) - 1, bounds[-2], found)
    return out_of_range(share, np.where(counts[-1] == 0, np.nan, found))
