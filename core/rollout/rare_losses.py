"""What an arm's answers can have missed: rare large losses. A verdict must hold although they were missed.

Of n answers without a kind of loss, its share is below ln(1/p) / n, except with a probability of p: ln(1/p) more
losses of that kind would have been no surprise. So "worse" must still hold after so many of the largest loss are added
to the stable version, and "safe" after they are added to the candidate. How large they may be is known where losses
have a bound. Elsewhere it is the largest value that either arm has shown, and the arm must have answers enough to have
met what happens once in a hundred of them. Nothing can be said of larger losses that come more rarely.

Source:
    Hanley and Lippman-Hand, JAMA 249(13), 1983, the rule of three; Bahadur and Savage, Annals of Mathematical
    Statistics 27(4), 1956: without a bound on losses, no test of a mean can exclude rare ones.
"""

import math

from core.rollout.by_caller import (
    Contrast,
    callers_met,
    contrast,
    heavy_callers_unmet,
    log_evidence,
)
from core.rollout.caller_sums import CallerSums
from core.rollout.plan import Guard, GuardSource, RolloutPlan

LEAST_VALUES = 50
"""The values that each arm needs before any verdict."""
LEAST_SHARE = 0.01
"""Where losses have no bound, what happens to this share of the answers must have been met."""


def bound_of(plan: RolloutPlan, guard: Guard, *, n_reported: int) -> float | None:
    """Return the largest value that a guard can see; None if that is unknown.

    Args:
        plan: The plan of the rollout.
        guard: The guard.
        n_reported: The number of losses that callers computed: of these only the cap of the plan is known.
    """
    if guard.source.is_rate or guard.source.is_of_texts:
        return 1.0
    if guard.source is not GuardSource.LOSS:
        return None
    return plan.loss.cap if n_reported else plan.loss.largest


def values_needed(bound: float | None, error_rate: float) -> int:
    """Return how many values the arm needs that a verdict favours.

    Args:
        bound: The largest loss there can be; None if that is unknown.
        error_rate: How often the verdict may be wrong.

    >>> values_needed(None, 0.05), values_needed(1.0, 0.05)
    (300, 50)
    """
    return LEAST_VALUES if bound is not None else max(LEAST_VALUES, math.ceil(-math.log(error_rate) / LEAST_SHARE))


def callers_to_meet(margin: float, error_rate: float) -> int:
    """Return how many callers an arm needs, so that those it has not met cannot take its share beyond a margin.

    >>> callers_to_meet(0.03, 0.05)
    97
    """
    return math.ceil(-math.log(error_rate) * (1 / margin - 1))


def unseen_in(sums: CallerSums, *, of_candidate: bool, bound: float | None, error_rate: float) -> float:
    """Return by how much an arm's mean would rise with the large losses that it can have missed.

    Texts of one caller contradict themselves alike, since its prompts are alike: there the arm can have missed callers.
    """
    n_stable, stable, n_candidate, candidate = sums.arms()
    n, total = (n_candidate, candidate) if of_candidate else (n_stable, stable)
    if not n:
        return 0.0
    size = sums.largest if bound is None else bound
    if not sums.is_paired:
        size -= total / n
    elif bound is not None and sums.has_negative:
        size *= 2  # of a difference
    n_missed = -math.log(error_rate)
    if not sums.by_caller:
        return n_missed * max(size, 0.0) / (n + n_missed)
    n = callers_met(sums, of_candidate=of_candidate)
    unmet = heavy_callers_unmet(sums) if of_candidate else 0.0
    return (n_missed / (n + n_missed) + unmet) * max(size, 0.0)


def harm_contrast(sums: CallerSums, bound: float | None, error_rate: float) -> Contrast:
    """Compare the arms with missed losses added to the stable version."""
    return contrast(sums, shift=unseen_in(sums, of_candidate=False, bound=bound, error_rate=error_rate))


def safety_contrast(
    sums: CallerSums, bound: float | None, error_rate: float, *, ratio: float = 1.0, shift: float = 0.0
) -> Contrast:
    """Compare the arms at a margin with missed losses added to the candidate; arguments as for `contrast`."""
    unseen = unseen_in(sums, of_candidate=True, bound=bound, error_rate=error_rate)
    return contrast(sums, ratio=ratio, shift=shift - unseen / ratio)


def log_harm(
    sums: CallerSums,
    bound: float | None,
    error_rate: float,
    of: Contrast | None = None,
    *,
    n_needed: int | None = None,
) -> float:
    """Weigh the evidence that the candidate is worse; 0 while either arm has too few values.

    Args:
        sums: The sums by cell.
        bound: The largest loss there can be; None if that is unknown.
        error_rate: How often the verdict may be wrong.
        of: The contrast, if it is known.
        n_needed: The values that the stable version needs; by default `values_needed` at the error rate.
    """
    n_stable, _, n_candidate, _ = sums.arms()
    if n_needed is None:
        n_needed = values_needed(bound, error_rate)
    if n_stable < n_needed or n_candidate < LEAST_VALUES:
        return 0.0
    return log_evidence(of or harm_contrast(sums, bound, error_rate), higher=True)
