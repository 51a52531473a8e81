"""Can the arms be compared at all? The traffic against its share, and the arrival of outcomes, before any loss.

A loss is compared among the outcomes that arrived. If those of one arm are lost, or are reported selectively, the rest
says nothing of the versions: a candidate twice as bad whose bad outcomes are missing looks safe. So both checks come
before the losses, are judged by caller and at every look as losses are, and while one fails nothing is promoted, and
nothing is rolled back for its losses.

The outcomes of settled answers are checked, as far as a plan waits for them: a worse candidate whose bad outcomes come
later would otherwise be uneven for as long as it has traffic, and never taken back.

What no check can see: outcomes that are missing in equal number from both arms but selectively in one. While shares of
outcomes still differ by chance, they are given as counts.

Source:
    Lindon and Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022, on testing a sample ratio at
    every look; here by caller, since callers are what is assigned.
"""

import math
from collections.abc import Mapping, Sequence

from core.rollout.by_caller import Contrast, contrast, contrast_of_counts, log_evidence
from core.rollout.caller_sums import CallerSums
from core.rollout.collector import ARRIVALS, TRAFFIC
from core.rollout.plan import GuardSource, RolloutPlan
from core.rollout.readings import GuardReading, GuardVerdict
from core.rollout.verdicts import progress

_WORDS = {GuardVerdict.EVEN: "as expected", GuardVerdict.NO_DATA: "nothing to compare yet"}


def read_checks(plan: RolloutPlan, sums: Mapping[str, CallerSums]) -> list[GuardReading]:
    """Read the checks of a rollout with two arms."""
    if TRAFFIC not in sums or plan.steps[-1].share >= 1:
        return []
    checks = [_traffic(plan, sums[TRAFFIC])]
    if ARRIVALS in sums and any(guard.source.needs_outcomes for guard in plan.guards):
        checks.append(_arrivals(plan, sums[ARRIVALS]))
    return checks


def obstacle_to(checks: Sequence[GuardReading], *, needs_outcomes: bool) -> str:
    """Return why a guard cannot compare the arms now; empty if it can."""
    for check in checks:
        concerns = needs_outcomes or check.source is GuardSource.TRAFFIC
        if concerns and check.verdict in (GuardVerdict.UNEVEN, GuardVerdict.SUSPECT):
            return f"cannot be compared: {check.reason}"
    return ""


def _traffic(plan: RolloutPlan, sums: CallerSums) -> GuardReading:
    n_stable, _, n_candidate, _ = sums.arms()
    layout = sums.layout
    by_step = sums.by_cell(sums.n).sum(axis=0)
    expected = float(by_step @ layout.shares) / max(float(by_step.sum()), 1.0)
    actual = n_candidate / max(n_stable + n_candidate, 1)
    return _check(
        plan,
        TRAFFIC,
        GuardSource.TRAFFIC,
        contrast_of_counts(sums),
        (n_stable, n_candidate),
        (1 - actual, actual),
        f"the candidate got {actual:.1%} of the requests, and {expected:.1%} was set",
    )


def _arrivals(plan: RolloutPlan, sums: CallerSums) -> GuardReading:
    n_stable, arrived_stable, n_candidate, arrived = sums.arms()
    stable, candidate = arrived_stable / max(n_stable, 1), arrived / max(n_candidate, 1)
    return _check(
        plan,
        ARRIVALS,
        GuardSource.ARRIVALS,
        contrast(sums),
        (arrived_stable, arrived) if arrived + arrived_stable else (0, 0),
        (stable, candidate),
        f"outcomes arrived for {candidate:.1%} of the candidate's answers and {stable:.1%} of the stable version's",
    )


def _check(
    plan: RolloutPlan,
    name: str,
    source: GuardSource,
    of: Contrast,
    n: tuple[float, float],
    values: tuple[float, float],
    seen: str,
) -> GuardReading:
    # Two-sided: half of alpha for either direction.
    evidence = max(log_evidence(of, higher=True), log_evidence(of, higher=False)) - math.log(2)
    needed = -math.log(plan.alpha)
    if sum(n) == 0:
        verdict = GuardVerdict.NO_DATA
    elif evidence >= needed:
        verdict = GuardVerdict.UNEVEN
    else:
        verdict = GuardVerdict.SUSPECT if evidence >= needed / 2 else GuardVerdict.EVEN
    compared = "losses" if plan.texts is None else "texts"
    what = {GuardVerdict.UNEVEN: f"{compared} cannot be compared", GuardVerdict.SUSPECT: "under suspicion"}
    rest = what.get(verdict) or _WORDS[verdict]
    return GuardReading(
        guard=name,
        source=source,
        required=False,
        verdict=verdict,
        reason=f"{name}: {rest}" if verdict is GuardVerdict.NO_DATA else f"{name}: {seen}, {rest}",
        stable_value=values[0] if sum(n) else None,
        candidate_value=values[1] if sum(n) else None,
        n_stable=int(n[0]),
        n_candidate=int(n[1]),
        level=1 - plan.alpha,
        harm_share=progress(evidence, plan.alpha),
    )
