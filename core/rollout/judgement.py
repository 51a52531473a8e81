"""Plan, readings and the time -> a verdict with its reason. It reads no disk and no clock."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from core.rollout.experiment import ExperimentVerdict, Winner, decide
from core.rollout.plan import RolloutPlan, RolloutStep
from core.rollout.readings import GuardReading, GuardVerdict
from core.rollout.strategies import Strategy
from core.rollout.unjudged import not_judged


class VerdictOutcome(StrEnum):
    """What to do with a rollout."""

    ADVANCE = "advance"  # to the next step; from the last, to the end
    HOLD = "hold"
    INCONCLUSIVE = "inconclusive"  # the deadline passed without proof: a person must decide
    ROLL_BACK = "roll_back"


class RolloutVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with a rollout, and why."""

    outcome: VerdictOutcome
    reason: str
    guard: str | None = None  # the deciding guard
    eta_seconds: float | None = None  # to the next decision, if it can be estimated


class StepStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a rollout when it is judged."""

    step: int
    step_since: datetime
    n_step_candidate: int  # answers of the candidate at this step
    deadline_at: datetime
    held: bool = False  # by a person


def judge(
    plan: RolloutPlan, standing: StepStanding, readings: Sequence[GuardReading], *, now: datetime
) -> RolloutVerdict:
    """Decide whether a candidate may go a step further, and say why.

    Harm comes before everything else, even while a person holds the rollout. A step ends after its dwell time and its
    minimum number of samples, unless a guard is suspect. Going live takes more: every required guard must be shown to
    be safe. Without enough evidence the rollout waits until the deadline; then a person must decide.

    Args:
        plan: The plan of the rollout.
        standing: The state of the rollout.
        readings: The readings of its guards.
        now: The current time.
    """
    for reading in readings:
        if reading.verdict is GuardVerdict.HARMFUL:
            return RolloutVerdict(
                outcome=VerdictOutcome.ROLL_BACK, reason=reading.reason, guard=reading.guard, eta_seconds=0.0
            )
    if standing.held:
        return RolloutVerdict(outcome=VerdictOutcome.HOLD, reason="held by a person; still watching for harm")
    waiting = _what_is_missing(plan, standing, readings, now)
    if waiting is None:
        return RolloutVerdict(
            outcome=VerdictOutcome.ADVANCE, reason=_why_it_advances(plan, standing, readings), eta_seconds=0.0
        )
    if now >= standing.deadline_at:
        return msgspec.structs.replace(
            waiting,
            outcome=VerdictOutcome.INCONCLUSIVE,
            reason=f"the deadline passed without a decision: {waiting.reason}",
        )
    return waiting


def experiment_of(plan: RolloutPlan, readings: Sequence[GuardReading]) -> ExperimentVerdict | None:
    """Return what an A/B split has shown so far; None for other strategies."""
    if plan.strategy is not Strategy.AB:
        return None
    margin = next(guard.margin for guard in plan.guards if guard.name == plan.primary)
    return decide(next(reading for reading in readings if reading.guard == plan.primary), margin)


def _what_is_missing(
    plan: RolloutPlan, standing: StepStanding, readings: Sequence[GuardReading], now: datetime
) -> RolloutVerdict | None:
    """Name the first thing that keeps a rollout at its step, or None."""
    step = plan.steps[standing.step]
    dwell_ends_at = standing.step_since + timedelta(seconds=step.dwell_seconds)
    if now < dwell_ends_at:
        left = (dwell_ends_at - now).total_seconds()
        reason = f"waiting at {_share(step)} until {dwell_ends_at:%H:%M:%S} UTC"
        return RolloutVerdict(outcome=VerdictOutcome.HOLD, reason=reason, eta_seconds=left)
    if standing.n_step_candidate < step.min_samples:
        reason = f"{standing.n_step_candidate:,} of at least {step.min_samples:,} answers at {_share(step)}"
        return RolloutVerdict(outcome=VerdictOutcome.HOLD, reason=reason, eta_seconds=_samples_eta(step, standing, now))
    for reading in readings:
        if reading.verdict in (GuardVerdict.SUSPECT, GuardVerdict.UNEVEN):
            return _hold(reading)
    if standing.step < plan.last_step:
        return None
    if (experiment := experiment_of(plan, readings)) is not None:
        if experiment.winner is Winner.UNDECIDED:
            primary = next(reading for reading in readings if reading.guard == plan.primary)
            return _hold(primary, experiment.reason)
        return None
    # The slowest guard is named: when it is shown to be safe, so are the others.
    open_guards = [reading for reading in readings if reading.required and reading.verdict is not GuardVerdict.SAFE]
    if not open_guards:
        return None
    return _hold(max(open_guards, key=lambda reading: math.inf if reading.eta_seconds is None else reading.eta_seconds))


def _hold(reading: GuardReading, reason: str = "") -> RolloutVerdict:
    return RolloutVerdict(
        outcome=VerdictOutcome.HOLD,
        reason=reason or reading.reason,
        guard=reading.guard,
        eta_seconds=reading.eta_seconds,
    )


def _samples_eta(step: RolloutStep, standing: StepStanding, now: datetime) -> float | None:
    seconds = (now - standing.step_since).total_seconds()
    if standing.n_step_candidate == 0 or seconds <= 0:
        return None
    return (step.min_samples - standing.n_step_candidate) * seconds / standing.n_step_candidate


def _why_it_advances(plan: RolloutPlan, standing: StepStanding, readings: Sequence[GuardReading]) -> str:
    if standing.step < plan.last_step:
        step = plan.steps[standing.step]
        return f"{standing.n_step_candidate:,} answers at {_share(step)} with no sign of harm"
    if (experiment := experiment_of(plan, readings)) is not None:
        reasons = [experiment.reason]
    else:
        reasons = [reading.reason for reading in readings if reading.required]
    guards = [reading for reading in readings if reading.slice is None]
    slices = [reading for reading in readings if reading.slice is not None]
    if open_points := not_judged(plan, guards, slices):
        reasons.append(f"not judged: {', '.join(map(str, open_points))}")
    return "; ".join(reasons)


def _share(step: RolloutStep) -> str:
    return f"{step.share * 100:g}%"
