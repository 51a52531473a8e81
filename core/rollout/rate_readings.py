"""The reading of a guard that counts failures: errors, and answers later than the limit.

Harm is judged by the first failures of callers, which is exact. Safety must also hold over all failures: first
failures alone would call any candidate safe in the end, once most callers of both arms have failed.
"""

import math

from core.rollout import ceilings, eprocess, objectives
from core.rollout.by_caller import MOSTLY, candidate_units, contrast, failing_cells, log_evidence
from core.rollout.caller_sums import CallerSums
from core.rollout.evidence import RateCounts
from core.rollout.plan import Guard, RolloutPlan
from core.rollout.readings import GuardReading, GuardVerdict, Pace
from core.rollout.verdicts import OPEN, progress, verdict_of


def read_rate(plan: RolloutPlan, guard: Guard, counts: RateCounts, sums: CallerSums, pace: Pace) -> GuardReading:
    """Read the guard of a failure rate.

    Args:
        plan: The plan of the rollout.
        guard: The guard.
        counts: Its requests, failures and first failures.
        sums: All its failures by caller.
        pace: How fast evidence comes in.
    """
    tallies, tolerated = counts.evidence.tallies, guard.tolerated_share
    n, n_failed = counts.n_candidate, counts.n_candidate_failed
    # After a switch all traffic goes to the candidate, and only its objective can judge it.
    compared = plan.steps[-1].share < 1
    if compared:
        harm, peak = eprocess.log_harm(tallies), counts.evidence.peak_log_harm
        safety = eprocess.log_safety(tallies, guard.margin)
        if counts.has_repeated:
            # If at least one of two proofs is sound, the weaker of them is.
            safety = min(safety, log_evidence(contrast(sums, ratio=guard.margin), higher=False))
        if tolerated is not None:
            safety = objectives.either(safety, objectives.log_below(sums, n, n_failed, tolerated))
    else:
        harm = peak = objectives.log_above(sums, n, n_failed, tolerated) if tolerated is not None else 0.0
        safety = objectives.log_below(sums, n, n_failed, tolerated) if tolerated is not None else 0.0
    verdict = verdict_of(plan, harm, peak, safety, has_data=n > 0 and (compared or tolerated is not None))
    low, high = eprocess.interval(tallies, plan.beta)
    eta = _eta(plan, guard, counts, sums, pace, harm, safety) if verdict in OPEN else None
    return GuardReading(
        guard=guard.name,
        source=guard.source,
        required=guard.required,
        verdict=verdict,
        reason=_reason(guard, counts, verdict, compared=compared) + _too_few(plan, guard, sums, verdict, compared),
        stable_value=counts.n_stable_failed / counts.n_stable if counts.n_stable else None,
        candidate_value=n_failed / n if n else None,
        n_stable=counts.n_stable,
        n_candidate=n,
        effect=eprocess.estimate(tallies),
        low=low,
        high=high,
        level=1 - plan.beta,
        harm_share=progress(peak if verdict is GuardVerdict.HARMFUL else harm, plan.alpha_per_guard),
        safety_share=progress(safety, plan.beta),
        eta_requests=eta,
        eta_seconds=pace.seconds_of(eta),
        is_ratio=True,
    )


def _too_few(plan: RolloutPlan, guard: Guard, sums: CallerSums, verdict: GuardVerdict, compared: bool) -> str:
    """Say that callers are too few for the objective, where all that is missing is more of them."""
    n, limit = sums.arms()[2], guard.tolerated_share
    n_failing = failing_cells(sums)
    if verdict is not GuardVerdict.UNDECIDED or limit is None or not n or n_failing >= objectives.LEAST_FAILING:
        return ""
    units = candidate_units(sums)
    if units > MOSTLY * n:
        return ""
    if n_failing:
        return f"; callers count once each until {objectives.LEAST_FAILING} have failed, and {units:,.0f} have come"
    # Compared, the objective is one of two proofs, which costs a factor of two.
    needed = objectives.callers_needed(limit, -math.log(plan.beta) + (math.log(2) if compared else 0.0))
    if units >= needed:
        return ""
    return f"; without failures that takes about {needed:,} callers, and {units:,.0f} have come"


def _eta(
    plan: RolloutPlan, guard: Guard, counts: RateCounts, sums: CallerSums, pace: Pace, harm: float, safety: float
) -> int | None:
    """Estimate the requests to the likelier verdict: harm at the estimated ratio, or safety if both arms are equal.

    Where callers count and the same callers come again, requests say nothing of when enough callers will have come:
    then only what the known callers can still show is estimated.
    """
    n = counts.n_stable + counts.n_candidate
    n_candidate, units = sums.arms()[2], candidate_units(sums)
    come_again = units <= MOSTLY * n_candidate
    # The comparison is made of the first failures of callers.
    n_first = sum(tally.n for tally in counts.evidence.tallies)
    left = max(0.0, units * n / max(n_candidate, 1) - n_first) if come_again else math.inf
    rate = (n_first + 0.5) / (n + 1) if n_first else 0.0
    ratio = eprocess.estimate(counts.evidence.tallies)
    if harm > max(safety, 0.0) and ratio is not None:
        by_failure = eprocess.log_harm_growth(pace.share, ratio)
        missing = -math.log(plan.alpha_per_guard) - harm
        return _requests(missing, rate * by_failure if missing <= left * by_failure else 0.0)
    by_failure = eprocess.log_safety_growth(pace.share, guard.margin)
    missing = -math.log(plan.beta) - safety
    growth = rate * by_failure if missing <= left * by_failure else 0.0
    counts_callers = failing_cells(sums) < objectives.LEAST_FAILING
    if guard.tolerated_share is not None and n_candidate and not (come_again and counts_callers):
        candidate_rate = (counts.n_candidate_failed + 0.5) / (counts.n_candidate + 1)
        worth = objectives.observations(sums, n_candidate) / n_candidate
        growth = max(growth, pace.share * worth * ceilings.log_below_growth(guard.tolerated_share, candidate_rate))
    return _requests(missing, growth)


def _requests(missing: float, growth: float) -> int | None:
    return math.ceil(missing / growth) if growth > 1e-12 else None


def _reason(guard: Guard, counts: RateCounts, verdict: GuardVerdict, *, compared: bool) -> str:
    seen = f"{counts.n_candidate_failed:,} of {counts.n_candidate:,}"
    if compared:
        seen += f" against {counts.n_stable_failed:,} of {counts.n_stable:,}"
    limit = "" if guard.tolerated_share is None else f"{guard.tolerated_share * 100:g}%"
    margin = f"less than {guard.margin:g} times the stable rate" if compared else ""
    either = " or ".join(filter(None, (margin, limit and f"at most {limit}")))
    match verdict:
        case GuardVerdict.HARMFUL:
            return f"{guard.name}: {seen}, shown to be " + ("more frequent" if compared else f"more than {limit}")
        case GuardVerdict.SAFE:
            return f"{guard.name}: {seen}, shown to be {either}"
        case GuardVerdict.SUSPECT:
            return f"{guard.name}: {seen}, under suspicion"
        case GuardVerdict.NO_DATA:
            missing = f"no candidate {'outcome' if guard.source.needs_outcomes else 'answer'} yet"
            return f"{guard.name}: " + (f"{seen}, nothing to compare with" if counts.n_candidate else missing)
    return f"{guard.name}: {seen}, not yet shown to be {either}"
