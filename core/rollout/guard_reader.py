"""Evidence -> the readings of all guards, after the checks that the two arms can be compared."""

from collections.abc import Mapping, Sequence

import msgspec

from core.rollout.caller_readings import read_callers
from core.rollout.caller_sums import CallerSums
from core.rollout.comparability import obstacle_to, read_checks
from core.rollout.evidence import RateCounts, RolloutEvidence
from core.rollout.plan import Guard, GuardSource, RolloutPlan
from core.rollout.rare_losses import bound_of
from core.rollout.rate_readings import read_rate
from core.rollout.readings import GuardReading, Pace
from core.rollout.slice_readings import read_slices


def read_guards(
    plan: RolloutPlan,
    evidence: RolloutEvidence,
    sums: Mapping[str, CallerSums],
    pace: Pace,
    *,
    settled: Mapping[str, CallerSums] | None = None,
    n_reported: int = 0,
) -> tuple[GuardReading, ...]:
    """Read every guard of a rollout, then the checks of its traffic and of its outcomes.

    Args:
        plan: The plan with its guards.
        evidence: The counts so far.
        sums: The sums by caller, as `Collector.sums` has them.
        pace: How fast evidence comes in.
        settled: The sums of settled answers, as `Collector.settled` has them.
        n_reported: The number of losses that callers computed, whose size has no known bound.
    """
    settled = settled or {}
    checks = read_checks(plan, {**sums, **settled})
    readings = []
    for guard in plan.guards:
        if guard.source in (GuardSource.ERRORS, GuardSource.SLOW):
            readings.append(
                read_rate(plan, guard, evidence.rates.get(guard.name, RateCounts()), sums[guard.name], pace)
            )
        else:
            obstacle = _obstacle(plan, guard, checks)
            reading = read_callers(
                plan,
                guard,
                sums[guard.name],
                pace,
                settled=settled.get(guard.name),
                obstacle=obstacle,
                bound=bound_of(plan, guard, n_reported=n_reported),
            )
            if guard.source.needs_outcomes and evidence.n_unpaired:
                left_out = f"{evidence.n_unpaired:,} outcomes of rows that one version did not answer are left out"
                reading = msgspec.structs.replace(reading, reason=f"{reading.reason}; {left_out}")
            readings.append(reading)
    return (*readings, *checks)


def read_levels(
    plan: RolloutPlan,
    sums: Mapping[str, CallerSums],
    *,
    settled: Mapping[str, CallerSums] | None = None,
    n_reported: int = 0,
) -> tuple[GuardReading, ...]:
    """Read every guard on every level of every slice, the worst first; arguments as for `read_guards`."""
    if not plan.slices:
        return ()
    checks = read_checks(plan, {**sums, **(settled or {})})
    return read_slices(
        plan,
        sums,
        obstacles={guard.name: _obstacle(plan, guard, checks) for guard in plan.sliced_guards},
        bounds={guard.name: bound_of(plan, guard, n_reported=n_reported) for guard in plan.sliced_guards},
    )


def _obstacle(plan: RolloutPlan, guard: Guard, checks: Sequence[GuardReading]) -> str:
    """Return why the arms of a guard cannot be compared; values of pairs always can."""
    if plan.is_paired and guard.source.needs_outcomes:
        return ""
    return obstacle_to(checks, needs_outcomes=guard.source.needs_outcomes)
