"""The readings of slices: the same comparison as over all requests, on the sums of each level.

Each comparison has its part of alpha, so that all of them together keep to it. A level only takes a candidate back, or
holds it: most levels see too little to be shown safe within the life of a rollout.
"""

import math
from collections.abc import Mapping

from core.rollout.by_caller import difference_of, ratio_of
from core.rollout.caller_sums import CallerSums
from core.rollout.plan import Guard, GuardSource, RolloutPlan
from core.rollout.rare_losses import log_harm, values_needed
from core.rollout.readings import GuardReading, GuardVerdict
from core.rollout.sliced_sums import slice_key
from core.rollout.slices import SliceLevel, levels_of
from core.rollout.verdicts import progress


def read_slices(
    plan: RolloutPlan,
    sums: Mapping[str, CallerSums],
    *,
    obstacles: Mapping[str, str],
    bounds: Mapping[str, float | None],
) -> tuple[GuardReading, ...]:
    """Read every level that was seen, the worst first.

    Args:
        plan: The plan with its slices.
        sums: The sums by caller, of each guard and level by `slice_key`.
        obstacles: By guard, why its arms cannot be compared, where they cannot.
        bounds: By guard, the largest value that it can see; None if that is unknown.
    """
    readings = [
        _read(plan, guard, level, found, obstacles.get(guard.name, ""), bounds[guard.name])
        for guard in plan.sliced_guards
        for level in levels_of(plan.slices)
        if (found := sums.get(slice_key(guard, level))) is not None
    ]
    return tuple(sorted(readings, key=lambda each: (-each.harm_share, -_excess(each), each.guard)))


def _read(
    plan: RolloutPlan, guard: Guard, level: SliceLevel, sums: CallerSums, obstacle: str, bound: float | None
) -> GuardReading:
    n_stable, total_stable, n, total = sums.arms()
    harm = log_harm(
        # A level is small: for its tiny error rate it would never have values enough to have met what is rare.
        sums,
        bound,
        plan.alpha_per_level,
        n_needed=values_needed(bound, plan.beta),
    )
    verdict = _verdict(plan, harm, has_data=min(n, n_stable) > 0, obstacle=obstacle)
    is_rate = guard.source.is_rate or sums.is_binary
    has_ratio = guard.margin_difference is None and not sums.has_negative
    return GuardReading(
        guard=f"{guard.name} {level}",
        source=guard.source,
        required=False,
        verdict=verdict,
        reason=f"{guard.name} {level}: {obstacle or _reason(sums, verdict, is_rate=is_rate)}",
        stable_value=total_stable / n_stable if n_stable else None,
        candidate_value=total / n if n else None,
        n_stable=int(n_stable),
        n_candidate=int(n),
        effect=None if obstacle else ratio_of(sums) if has_ratio else difference_of(sums),
        level=1 - plan.beta,
        harm_share=progress(harm, plan.alpha_per_level),
        is_counted=guard.source is GuardSource.LOSS and sums.is_binary and n > 0,
        is_ratio=has_ratio,
        slice=level,
    )


def _verdict(plan: RolloutPlan, harm: float, *, has_data: bool, obstacle: str) -> GuardVerdict:
    if obstacle:
        return GuardVerdict.UNDECIDED
    if harm >= -math.log(plan.alpha_per_level):
        return GuardVerdict.HARMFUL
    if not has_data:
        return GuardVerdict.NO_DATA
    # So that all levels of a good candidate together are ever suspect with a probability of at most √(alpha / 2).
    suspect = math.log(plan.n_slice_tests) - math.log(plan.alpha / 2) / 2
    return GuardVerdict.SUSPECT if harm >= suspect else GuardVerdict.UNDECIDED


def _reason(sums: CallerSums, verdict: GuardVerdict, *, is_rate: bool) -> str:
    n_stable, stable, n, candidate = sums.arms()
    if verdict is GuardVerdict.NO_DATA:
        return f"no {'candidate' if not n else 'stable'} value yet"
    if is_rate:
        seen = f"{candidate:,.0f} of {n:,.0f} against {stable:,.0f} of {n_stable:,.0f}"
    else:
        seen = f"{candidate / n:.4g} ({n:,.0f}) against {stable / n_stable:.4g} ({n_stable:,.0f})"
    match verdict:
        case GuardVerdict.HARMFUL:
            return f"{seen}, shown to be " + ("more frequent" if is_rate else "worse")
        case GuardVerdict.SUSPECT:
            return f"{seen}, under suspicion"
    return f"{seen}, no sign of harm" if not n or not n_stable or candidate / n <= stable / n_stable else f"{seen}"


def _excess(reading: GuardReading) -> float:
    if reading.effect is None:
        return -math.inf
    return reading.effect - 1 if reading.has_ratio else reading.effect
