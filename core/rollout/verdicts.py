"""Evidence of harm and of safety -> one guard's verdict, and how far it has come."""

import math

from core.rollout.plan import RolloutPlan
from core.rollout.readings import GuardVerdict

OPEN = (GuardVerdict.UNDECIDED, GuardVerdict.SUSPECT)
"""The verdicts that more data may still change."""


def verdict_of(plan: RolloutPlan, harm: float, peak: float, safety: float, *, has_data: bool) -> GuardVerdict:
    """Decide by the evidence, given as logarithms.

    Args:
        plan: The plan with its error rates.
        harm: The evidence of harm now.
        peak: The highest evidence of harm so far that may be used.
        safety: The evidence of safety.
        has_data: Whether there is anything to judge.
    """
    needed = -math.log(plan.alpha_per_guard)
    if peak >= needed:
        return GuardVerdict.HARMFUL
    if not has_data:
        return GuardVerdict.NO_DATA
    if safety >= -math.log(plan.beta):
        return GuardVerdict.SAFE
    # Half the way on a log scale: a good candidate is ever suspect with a probability of at most √alpha.
    return GuardVerdict.SUSPECT if harm >= needed / 2 else GuardVerdict.UNDECIDED


def progress(log_evidence: float, error_rate: float) -> float:
    """Return the evidence as a share of what a verdict takes, on a log scale."""
    return min(max(log_evidence / -math.log(error_rate), 0.0), 1.0)
