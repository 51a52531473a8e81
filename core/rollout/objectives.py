"""Is the candidate's failure rate within an objective, when callers who fail do so repeatedly?"""

import math

from core.rollout import ceilings
from core.rollout.by_caller import design_effect
from core.rollout.caller_sums import CallerSums


def log_below(sums: CallerSums, n: float, n_failed: float, rate: float) -> float:
    """Weigh the evidence that the candidate's failures are rarer than a rate, with callers who fail alike.

    The counts are divided by the design effect: failures that come by the caller are fewer than they seem.
    """
    effect = design_effect(sums)
    return ceilings.log_below(n / effect, n_failed / effect, rate)


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
