"""Evidence -> the readings of all guards, after the checks that the two arms can be compared."""

from collections.abc import Mapping

from core.rollout.caller_readings import read_callers
from core.rollout.caller_sums import CallerSums
from core.rollout.comparability import obstacle_to, read_checks
from core.rollout.evidence import RateCounts, RolloutEvidence
from core.rollout.plan import GuardSource, RolloutPlan
from core.rollout.rate_readings import read_rate
from core.rollout.readings import GuardReading, Pace


def read_guards(
    plan: RolloutPlan, evidence: RolloutEvidence, sums: Mapping[str, CallerSums], pace: Pace, *, n_reported: int = 0
) -> tuple[GuardReading, ...]:
    """Read every guard of a rollout, then the checks of its traffic and of its outcomes.

    Args:
        plan: The plan with its guards.
        evidence: The counts so far.
        sums: The sums by caller, as `Collector.sums` has them.
        pace: How fast evidence comes in.
        n_reported: The number of losses that callers computed, whose size has no known bound.
    """
    checks = read_checks(plan, sums)
    largest = None if n_reported else plan.loss.largest
    readings = []
    for guard in plan.guards:
        if guard.source in (GuardSource.ERRORS, GuardSource.SLOW):
            readings.append(
                read_rate(plan, guard, evidence.rates.get(guard.name, RateCounts()), sums[guard.name], pace)
            )
        else:
            obstacle = obstacle_to(checks, needs_outcomes=guard.source.needs_outcomes)
            readings.append(read_callers(plan, guard, sums[guard.name], pace, obstacle=obstacle, largest=largest))
    return (*readings, *checks)
