"""The reading of a guard that compares the values of two arms by caller: losses, poor predictions, latency."""

import math

import msgspec
import numpy as np

from core.rollout import ceilings, objectives
from core.rollout.by_caller import (
    LEAST_CALLERS,
    MOSTLY,
    Contrast,
    callers_met,
    candidate_units,
    difference_of,
    effective_callers,
    heavy_callers_unmet,
    log_evidence,
    log_mixture,
    ratio_of,
)
from core.rollout.caller_intervals import difference_interval, ratio_interval
from core.rollout.caller_sums import CallerSums
from core.rollout.plan import Guard, GuardSource, RolloutPlan
from core.rollout.rare_losses import (
    LEAST_SHARE,
    LEAST_VALUES,
    callers_to_meet,
    harm_contrast,
    log_harm,
    safety_contrast,
    values_needed,
)
from core.rollout.readings import GuardReading, GuardVerdict, Pace
from core.rollout.verdicts import OPEN, progress, verdict_of

_FAILING = {GuardSource.FACTS: "contradictory", GuardSource.CUT: "cut off"}
_NOUNS = {GuardSource.FACTS: "whole text", GuardSource.CUT: "text of a request that left the end to the model"}
_FURTHEST = 2.0**20  # beyond a million times the present data, "never at this rate" is the honest answer


def read_callers(
    plan: RolloutPlan,
    guard: Guard,
    sums: CallerSums,
    pace: Pace,
    *,
    settled: CallerSums | None = None,
    obstacle: str = "",
    bound: float | None = None,
) -> GuardReading:
    """Read the guard of a mean, or of a rate of outcomes.

    Harm is judged by all that has come, since equal versions lack alike what has not. All else is judged by settled
    answers: a worse candidate lacks more of the large losses that are on their way.

    Args:
        plan: The plan of the rollout.
        guard: The guard.
        sums: Its values by caller.
        pace: How fast evidence comes in.
        settled: Those of settled answers; None where no answer has to settle.
        obstacle: Why the arms cannot be compared, if they cannot: then nothing is called harmful or safe.
        bound: The largest value there can be, if it is known.
    """
    settled = sums if settled is None else settled
    equal, margin = harm_contrast(sums, bound, plan.alpha_per_guard), _at_margin(plan, guard, settled, bound)
    harm, safety = _evidence(plan, guard, sums, settled, equal, margin, bound)
    if obstacle:
        verdict = GuardVerdict.UNDECIDED
    else:
        n_stable, _, n_candidate, _ = sums.arms()
        has_data = n_candidate > 0 and (n_stable > 0 or guard.tolerated_share is not None)
        verdict = verdict_of(plan, harm, harm, safety, has_data=has_data)
    share_settled = float(settled.n.sum()) / max(float(sums.n.sum()), 1.0)
    n_waiting = round(float(sums.n.sum() - settled.n.sum()))
    eta = _eta(plan, equal, margin, harm, safety, pace, share_settled) if verdict in OPEN and not obstacle else None
    is_binary, n_set_aside, n_capped = sums.is_binary, sums.n_set_aside, sums.n_capped
    sums = sums if verdict in (GuardVerdict.HARMFUL, GuardVerdict.NO_DATA) else settled
    n_stable, total_stable, n_candidate, total_candidate = sums.arms()
    callers, has_both = effective_callers(sums), min(n_stable, n_candidate) > 0
    has_ratio = guard.margin_difference is None and not sums.has_negative
    effect, bounds = (None, None) if obstacle else _effect(sums, plan.beta, bound, has_ratio=has_ratio)
    # Beside "safe", and beside "no difference that matters" of an experiment.
    is_said = has_both and not obstacle and (verdict is GuardVerdict.SAFE or guard.name == plan.primary)
    reading = GuardReading(
        guard=guard.name,
        source=guard.source,
        required=guard.required and not (guard.source is GuardSource.CUT and not n_stable + n_candidate),
        verdict=verdict,
        reason="",
        stable_value=total_stable / n_stable if n_stable else None,
        candidate_value=total_candidate / n_candidate if n_candidate else None,
        n_stable=int(n_stable),
        n_candidate=int(n_candidate),
        effect=effect,
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
        level=1 - plan.beta,
        harm_share=progress(harm, plan.alpha_per_guard),
        safety_share=progress(safety, plan.beta),
        eta_requests=eta,
        eta_seconds=pace.seconds_of(eta),
        is_counted=(guard.source is GuardSource.LOSS or guard.source.is_of_texts) and is_binary and n_candidate > 0,
        is_ratio=has_ratio,
        margin_difference=guard.margin_difference,
        callers_stable=round(callers[0], 1),
        callers_candidate=round(callers[1], 1),
        n_set_aside=n_set_aside,
        n_waiting=n_waiting,
        n_capped=n_capped,
        cannot_exclude=_cannot_exclude(plan, guard, sums, bound) if is_said else "",
    )
    return _with_reason(plan, guard, sums, reading, obstacle, bound)


def margin_text(guard: Guard, what: str) -> str:
    """Spell the margin of a guard, for example "less than 1.1 times the stable mean"."""
    if guard.margin_difference is not None:
        if guard.source.is_of_texts:
            return f"less than {100 * guard.margin_difference:g} points above the stable {what}"
        return f"less than {guard.margin_difference:g} above the stable {what}"
    return f"less than {guard.margin:g} times the stable {what}"


def _at_margin(plan: RolloutPlan, guard: Guard, sums: CallerSums, bound: float | None) -> Contrast | None:
    """Return the contrast at the margin; None where a ratio says nothing, since losses are negative."""
    if guard.margin_difference is not None:
        return safety_contrast(sums, bound, plan.beta, shift=guard.margin_difference)
    return None if sums.has_negative else safety_contrast(sums, bound, plan.beta, ratio=guard.margin)


def _evidence(
    plan: RolloutPlan,
    guard: Guard,
    sums: CallerSums,
    settled: CallerSums,
    equal: Contrast,
    margin: Contrast | None,
    bound: float | None,
) -> tuple[float, float]:
    """Return the evidence of harm and of safety."""
    n_stable, _, n, failed = settled.arms()
    harm = log_harm(sums, bound, plan.alpha_per_guard, equal)
    is_enough = min(effective_callers(settled)) >= LEAST_CALLERS and min(n_stable, n) >= LEAST_VALUES
    is_enough = is_enough and n >= values_needed(bound, plan.beta)
    safety = 0.0
    if is_enough and margin is not None:
        # Of zeros there is no ratio: then other losses must be shown to be rare.
        unit_share = ceilings.log_below(candidate_units(settled), 0, LEAST_SHARE)
        is_without_ratio = _is_all_zero(settled) and not guard.source.is_of_texts
        safety = unit_share if is_without_ratio else log_evidence(margin, higher=False)
    if guard.tolerated_share is None:
        return harm, safety
    below = objectives.log_below(settled, n, failed, guard.tolerated_share)
    if plan.steps[-1].share < 1:
        return harm, objectives.either(safety, below)
    _, _, n, failed = sums.arms()
    return objectives.log_above(sums, n, failed, guard.tolerated_share), below


def _is_all_zero(sums: CallerSums) -> bool:
    return not sums.total.any() and not sums.baseline.any() and sums.least == 0


def _effect(
    sums: CallerSums, beta: float, bound: float | None, *, has_ratio: bool
) -> tuple[float | None, tuple[float, float | None] | None]:
    if has_ratio:
        return ratio_of(sums), ratio_interval(sums, beta, bound)
    return difference_of(sums), difference_interval(sums, beta, bound)


def _eta(
    plan: RolloutPlan,
    equal: Contrast,
    margin: Contrast | None,
    harm: float,
    safety: float,
    pace: Pace,
    share_settled: float,
) -> int | None:
    """Estimate the requests to the likelier verdict, as a multiple of the data so far, while callers keep coming."""
    leans_to_harm = margin is None or harm > safety
    of, sign, error_rate = (equal, 1, plan.alpha_per_guard) if leans_to_harm else (margin, -1, plan.beta)
    if of is None or of.variance <= 0 or sign * of.total <= 0:
        return None
    needed, z, now = -math.log(error_rate), sign * of.total / math.sqrt(of.variance), max(harm, safety, 1e-9)
    times = 1.0
    while log_mixture(z * math.sqrt(times), of.information * times) < needed or now * times < needed:
        times *= 1.1
        if times > _FURTHEST:
            return None
    return math.ceil((times - 1) * pace.n_requests * (1.0 if leans_to_harm else share_settled))


def _cannot_exclude(plan: RolloutPlan, guard: Guard, sums: CallerSums, bound: float | None) -> str:
    """Name the rare kind of answer, or of caller, that would take the candidate beyond its margin and can be missing.

    Of n callers without a kind of caller, its share is below −ln β / n with a confidence of 1 − β. Where requests have
    no callers, each counts.

    Source:
        Hanley and Lippman-Hand, JAMA 249(13), 1983, the rule of three; Bahadur and Savage, Annals of Mathematical
        Statistics 27(4), 1956: without a bound on losses, no test of a mean can exclude it.
    """
    if not guard.source.needs_outcomes:
        return ""
    n_stable, stable, n, candidate = sums.arms()
    stable, candidate = stable / n_stable, candidate / n
    limit = stable * guard.margin if guard.margin_difference is None else stable + guard.margin_difference
    units = candidate_units(sums)
    share = -math.log(plan.beta) / units
    size = (limit - candidate) / min(share, 1.0)
    if limit <= candidate or (bound is not None and size > bound):
        return ""
    by_answer, once_in = units >= MOSTLY * n, f"{max(1 / share, 1):,.0f}"
    if sums.is_binary and bound == 1:
        return f"every answer wrong for up to one in {once_in} {'answers' if by_answer else 'callers'}"
    if by_answer:
        return f"a loss of {size:.3g} or more, less often than once in {once_in} answers"
    return f"losses of {size:.3g} or more in all answers to up to one in {once_in} callers"


def _with_reason(
    plan: RolloutPlan, guard: Guard, sums: CallerSums, reading: GuardReading, obstacle: str, bound: float | None
) -> GuardReading:
    reason = f"{guard.name}: {obstacle or _reason(plan, guard, sums, reading, bound)}"
    n = reading.n_stable if sums.is_paired else reading.n_stable + reading.n_candidate
    decided = (GuardVerdict.HARMFUL, GuardVerdict.NO_DATA)
    if reading.n_waiting and not obstacle and reading.verdict not in decided:
        reason += f"; {n:,} outcomes of settled answers, {reading.n_waiting:,} younger wait"
    if reading.n_capped and plan.loss.cap is not None:
        reason += f"; {reading.n_capped:,} beyond the cap of {plan.loss.cap:g} count as it"
    if reading.n_set_aside:
        reason += f"; {reading.n_set_aside:,} unusable value{'s' * (reading.n_set_aside > 1)} set aside"
    return msgspec.structs.replace(reading, reason=reason)


def _reason(plan: RolloutPlan, guard: Guard, sums: CallerSums, reading: GuardReading, bound: float | None) -> str:
    seen, margin = _seen(reading, sums), margin_text(guard, "rate" if reading.is_rate else "mean")
    match reading.verdict:
        case GuardVerdict.HARMFUL:
            return f"{seen}, shown to be " + ("more frequent" if reading.is_rate else "worse")
        case GuardVerdict.SAFE:
            rest = f"; not excluded: {reading.cannot_exclude}" if reading.cannot_exclude else ""
            if _is_all_zero(sums) and not guard.source.is_of_texts:
                return f"{seen}, no loss in either arm, and shown to be rarer than {LEAST_SHARE:.0%} of the candidate's"
            return f"{seen}, shown to be {margin}{rest}"
        case GuardVerdict.NO_DATA:
            what = _NOUNS.get(guard.source) or ("outcome" if guard.source.needs_outcomes else "answer")
            whose = "candidate" if not reading.n_candidate else "stable"
            return f"no {whose} {what} yet"
        case GuardVerdict.SUSPECT:
            return f"{seen}, under suspicion" + (" by all outcomes that have come" if reading.n_waiting else "")
    if not max(reading.n_stable, reading.n_candidate):
        return "no answer is settled yet"
    if guard.margin_difference is None and sums.has_negative:
        return f"{seen}; some are negative, so safety needs a margin by difference (loss_margin_difference)"
    fewest = min(reading.callers_stable or 0.0, reading.callers_candidate or 0.0)
    if fewest < LEAST_CALLERS:
        return f"{seen}, too few callers to judge: {fewest:.1f} of {LEAST_CALLERS} needed in each arm"
    if (n := min(reading.n_stable, reading.n_candidate)) < LEAST_VALUES:
        return f"{seen}, too few values to judge: {n:,} of {LEAST_VALUES} needed in each arm"
    if guard.source.is_of_texts and (met := callers_met(sums, of_candidate=True)) <= (
        needed := callers_to_meet(guard.margin_difference or 1.0, plan.beta)
    ):
        return f"{seen}, too few callers to have met the kind that fares worse: {met:,.0f} of about {needed:,} needed"
    if guard.source.is_of_texts and (unmet := heavy_callers_unmet(sums)) >= (guard.margin_difference or 1.0):
        return f"{seen}; nothing is known of very active callers who have the stable version alone: {unmet:.0%} of all"
    if (n := reading.n_candidate) < (needed := values_needed(bound, plan.beta)):
        return f"{seen}, too few values to have met rare large losses: {n:,} of {needed:,} needed of the candidate"
    if _is_dominated(guard, sums):
        # One value that is most of the sum: equal and worse candidates look alike beside it.
        return f"{seen}; one value of {sums.largest:g} outweighs all others, so set loss_cap to judge by the rest"
    return f"{seen}, not yet shown to be {margin}"


def _is_dominated(guard: Guard, sums: CallerSums) -> bool:
    total = float(np.abs(sums.total).sum() + np.abs(sums.baseline).sum())
    return guard.source is GuardSource.LOSS and not sums.is_binary and sums.largest > total / 2


def _seen(reading: GuardReading, sums: CallerSums) -> str:
    if reading.is_rate:
        _, failed_stable, _, failed = sums.arms()
        what = f" {_FAILING[reading.source]}" if reading.source in _FAILING else ""
        return f"{failed:,.0f} of {reading.n_candidate:,}{what} against {failed_stable:,.0f} of {reading.n_stable:,}"
    sides = ((reading.candidate_value, reading.n_candidate), (reading.stable_value, reading.n_stable))
    return " against ".join(f"{value or 0.0:.4g} ({n:,})" for value, n in sides)
