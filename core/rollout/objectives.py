"""Is the candidate's failure rate within an objective, when callers who fail do so repeatedly?"""

import math

from core.rollout import ceilings
from core.rollout.by_caller import candidate_units, design_effect, failing_cells
from core.rollout.caller_sums import CallerSums

LEAST_FAILING = 10
"""The callers who failed, by cell, from which on the failures themselves show how far callers fail alike."""


def observations(sums: CallerSums, n: float) -> float:
    """Return what the candidate's answers are worth as independent observations.

    They are divided by the design effect. Where few callers failed, that shows nothing: a caller for whom every answer
    fails may not have come yet. Then each caller is one observation.

    Args:
        sums: The failures by caller.
        n: The candidate's answers.
    """
    independent = n / design_effect(sums)
    return independent if failing_cells(sums) >= LEAST_FAILING else min(independent, candidate_units(sums))


def log_below(sums: CallerSums, n: float, n_failed: float, rate: float) -> float:
    """Weigh the evidence that the candidate's failures are rarer than a rate, with callers who fail alike.

    Args:
        sums: The failures by caller.
        n: The candidate's answers.
        n_failed: How many of them failed.
        rate: The objective.
    """
    worth = observations(sums, n)
    return ceilings.log_below(worth, n_failed * worth / n, rate) if n else 0.0


def callers_needed(rate: float, needed: float) -> int:
    """Return how many callers without a failure show that failures are rarer than a rate.

    Args:
        rate: The objective.
        needed: The evidence that is needed.

    >>> callers_needed(0.001, math.log(20))
    3815
    """
    low, high = 1, 1
    while ceilings.log_below(high, 0, rate) < needed:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if ceilings.log_below(middle, 0, rate) >= needed else (middle, high)
    return high


def log_above(sums: CallerSums, n: float, n_failed: float, rate: float) -> float:
    """Weigh the evidence that they are more frequent; arguments as for `log_below`."""
    effect = design_effect(sums)
    return ceilings.log_above(n / effect, n_failed / effect, rate)


def either(a: float, b: float) -> float:
    """Return the evidence that one of two proofs holds: the mean of two e-processes is one.

    Args:
        a: The logarithm of one.
        b: That of the other.
    """
    highest = max(a, b)
    return highest + math.log((math.exp(a - highest) + math.exp(b - highest)) / 2)
