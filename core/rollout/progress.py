"""Requests and verdicts -> the next state of a rollout. Pure functions: the worker writes the result."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from core.rollout.judgement import RolloutVerdict, VerdictOutcome
from core.rollout.rollout import END, MAX_EVENTS, DesiredRollout, ObservedRollout, Rollout, RolloutEvent, RolloutPhase
from core.rollout.strategies import Strategy
from core.rollout.unjudged import not_judged
from core.telemetry.predictions import Cursor

_ENGINE = "engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutChange:
    """One step of a rollout, with its reason."""

    verb: str  # as the audit log calls it
    reason: str
    observed: ObservedRollout
    promotes: bool = False  # the candidate goes to Production with it, or the step is not taken


def begin(rollout: Rollout, cursor: Cursor, *, now: datetime) -> RolloutChange:
    """Open the first step; only what is stored after the cursor counts."""
    step = rollout.plan.steps[0]
    opened = msgspec.structs.replace(
        rollout.observed,
        phase=RolloutPhase.RUNNING,
        phase_since=now,
        share=step.share,
        step_since=now,
        started_at=now,
        deadline_at=now + timedelta(seconds=rollout.plan.deadline_seconds),
        begin_cursor=cursor,
        cursor=cursor,
    )
    what = "copies of requests" if rollout.strategy is Strategy.SHADOW else f"{step.share * 100:g}% of the traffic"
    return _change("rollout.begin", f"{rollout.candidate} gets {what}", opened, now)


def next_change(
    rollout: Rollout, observed: ObservedRollout, verdict: RolloutVerdict, *, now: datetime
) -> RolloutChange | None:
    """Decide what happens next, if anything does.

    Args:
        rollout: The document, for what people want.
        observed: The observations so far, perhaps newer than the document.
        verdict: The verdict on the evidence.
        now: The current time.
    """
    desired, phase = rollout.desired, observed.phase
    asked = f"asked by {rollout.desired_by}" + (f": {rollout.desired_reason}" if rollout.desired_reason else "")
    if desired is DesiredRollout.ABORTED:
        return end(observed, RolloutPhase.ABORTED, END, asked, now=now)
    if verdict.outcome is VerdictOutcome.ROLL_BACK:
        return end(observed, RolloutPhase.ROLLED_BACK, "rollout.roll_back", verdict.reason, now=now)
    if desired is DesiredRollout.PROMOTE_NOW:
        open_points = not_judged(rollout.plan, observed.readings, observed.slices)
        unjudged = f"; not judged: {', '.join(map(str, open_points))}" if open_points else ""
        return end(observed, RolloutPhase.PROMOTED, "rollout.promote", f"{asked}{unjudged}", now=now, promotes=True)
    if desired is DesiredRollout.PAUSED and phase in (RolloutPhase.RUNNING, RolloutPhase.INCONCLUSIVE):
        return _change("rollout.hold", asked, _in_phase(observed, RolloutPhase.PAUSED, now), now)
    if desired is DesiredRollout.RUNNING and phase is RolloutPhase.PAUSED:
        return _change("rollout.resume", asked, _resumed(observed, now), now)
    if phase is RolloutPhase.INCONCLUSIVE and desired is DesiredRollout.RUNNING and _is_answered(rollout, observed):
        renewed = msgspec.structs.replace(
            _in_phase(observed, RolloutPhase.RUNNING, now),
            deadline_at=now + timedelta(seconds=rollout.plan.deadline_seconds),
        )
        return _change("rollout.resume", f"{asked}; with a new deadline", renewed, now)
    if rollout.desired_step > observed.step:
        return _to_step(rollout, observed, rollout.desired_step, asked, now)
    if verdict.outcome is VerdictOutcome.ADVANCE and phase is RolloutPhase.RUNNING:
        if observed.step < rollout.plan.last_step:
            return _to_step(rollout, observed, observed.step + 1, verdict.reason, now)
        if rollout.strategy.promotes:
            return end(observed, RolloutPhase.PROMOTED, "rollout.promote", verdict.reason, now=now, promotes=True)
        return end(observed, RolloutPhase.FINISHED, "rollout.finish", verdict.reason, now=now)
    if verdict.outcome is VerdictOutcome.INCONCLUSIVE and phase is RolloutPhase.RUNNING:
        reason = f"{verdict.reason}; it keeps its share until an operator decides"
        waiting = msgspec.structs.replace(
            _in_phase(observed, RolloutPhase.INCONCLUSIVE, now), heeded_revision=rollout.desired_revision
        )
        return _change("rollout.inconclusive", reason, waiting, now)
    return None


def with_event(observed: ObservedRollout, verb: str, reason: str, *, now: datetime) -> ObservedRollout:
    """Note an event that changes nothing else."""
    return _change(verb, reason, observed, now).observed


def end(
    observed: ObservedRollout,
    phase: RolloutPhase,
    verb: str,
    reason: str,
    *,
    now: datetime,
    promotes: bool = False,
    by: str = _ENGINE,
) -> RolloutChange:
    """End a rollout; unless the candidate is promoted with it, the stable version answers all requests from now on."""
    ended = msgspec.structs.replace(
        _in_phase(observed, phase, now), share=1.0 if phase is RolloutPhase.PROMOTED else 0.0, ended_at=now
    )
    return _change(verb, reason, ended, now, promotes=promotes, by=by)


def _to_step(rollout: Rollout, observed: ObservedRollout, step: int, reason: str, now: datetime) -> RolloutChange:
    share = rollout.plan.steps[step].share
    advanced = msgspec.structs.replace(
        observed,
        step=step,
        step_since=now,
        share=share,
        n_before_step=(observed.evidence.n_stable, observed.evidence.n_candidate),
        verdict=None,  # it was about the previous step
    )
    return _change("rollout.advance", f"to {share * 100:g}%: {reason}", advanced, now)


def _resumed(observed: ObservedRollout, now: datetime) -> ObservedRollout:
    """Resume: dwell time and deadline are extended by the time on hold."""
    held = max(now - observed.phase_since, timedelta()) if observed.phase_since else timedelta()
    return msgspec.structs.replace(
        _in_phase(observed, RolloutPhase.RUNNING, now),
        step_since=observed.step_since + held if observed.step_since else now,
        deadline_at=observed.deadline_at + held if observed.deadline_at else None,
    )


def _is_answered(rollout: Rollout, observed: ObservedRollout) -> bool:
    """Return whether someone has requested something since it became inconclusive, whatever the clocks show."""
    if observed.heeded_revision is None:  # it became inconclusive before revisions were stored
        return observed.phase_since is not None and rollout.desired_at > observed.phase_since
    return rollout.desired_revision > observed.heeded_revision


def _in_phase(observed: ObservedRollout, phase: RolloutPhase, now: datetime) -> ObservedRollout:
    return msgspec.structs.replace(observed, phase=phase, phase_since=now)


def _change(
    verb: str, reason: str, observed: ObservedRollout, now: datetime, *, promotes: bool = False, by: str = _ENGINE
) -> RolloutChange:
    event = RolloutEvent(at=now, verb=verb, reason=reason, step=observed.step, share=observed.share, by=by)
    events = (*observed.events, event)[-MAX_EVENTS:]
    return RolloutChange(
        verb=verb, reason=reason, observed=msgspec.structs.replace(observed, events=events), promotes=promotes
    )
