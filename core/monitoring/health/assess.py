"""The state of health of a live version, from what is known of it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from core.monitoring.column_words import clock
from core.monitoring.documents import HealthChange, HealthState, VersionHealth
from core.monitoring.health.answers import (
    judge_data_quality,
    judge_drift,
    judge_estimate,
    judge_labels,
    judge_performance,
    judge_staleness,
)
from core.monitoring.health.facts import HealthFacts, JudgedSource
from core.monitoring.health.serving import judge_errors, judge_latency, judge_serving
from core.settings.health import HealthPolicy

SOURCES: Sequence[Callable[[HealthFacts, HealthPolicy], JudgedSource]] = (
    judge_serving,
    judge_errors,
    judge_performance,
    judge_labels,
    judge_estimate,
    judge_drift,
    judge_data_quality,
    judge_latency,
    judge_staleness,
)
"""Where reasons come from; of reasons of one state and weight, the earlier source comes first."""
_ANSWERS = (judge_performance, judge_estimate, judge_drift)
MOST_CHANGES = 20
_GRAVITY = (HealthState.HEALTHY, HealthState.UNKNOWN, HealthState.DEGRADED, HealthState.FAILING)


def assess(facts: HealthFacts, rules: HealthPolicy) -> VersionHealth:
    """Say how well a version does its work.

    A reason makes it degraded or failing. It is healthy only if enough is known to say so: its errors, and how well it
    answers, by drift, outcomes or an estimate. Otherwise its health is unknown, and `missing` says what is missing.

    Args:
        facts: What is known.
        rules: The limits.

    Returns:
        The health, without its history.
    """
    judged = {source: source(facts, rules) for source in SOURCES}
    reasons = [each.reason for each in judged.values() if each.reason is not None]
    reasons.sort(key=lambda reason: (_GRAVITY.index(reason.state), reason.weight), reverse=True)
    state = reasons[0].state if reasons else HealthState.HEALTHY
    is_enough = judged[judge_errors].is_known and any(judged[source].is_known for source in _ANSWERS)
    if state is HealthState.HEALTHY and not is_enough:
        state = HealthState.UNKNOWN
    missing = [each.missing for each in judged.values() if each.missing]
    if state is HealthState.UNKNOWN and (just := _just_live(facts, rules)):
        missing = [just, *missing]
    missing += [f"{watcher} cannot be watched: {problem}" for watcher, problem in sorted(facts.failures.items())]
    return VersionHealth(state=state, reasons=tuple(reasons), missing=tuple(missing))


def _just_live(facts: HealthFacts, rules: HealthPolicy) -> str:
    """Say that a version has just gone live: too little can be known of it yet, and it is no fault."""
    since = facts.live_since
    if since is None or not timedelta() <= facts.now - since < timedelta(minutes=rules.window_minutes):
        return ""
    # The time alone: the sentence is stored, and an age would stand still with the engine.
    return f"it went live at {clock(since)}"


def with_history(before: VersionHealth | None, health: VersionHealth, at: datetime) -> VersionHealth:
    """Add since when the state lasts, and how it changed before.

    Args:
        before: The health as last assessed.
        health: The health now.
        at: Now.
    """
    if before is not None and before.since is not None and before.state is health.state:
        return replace(health, since=before.since, changes=before.changes)
    earlier = before.changes if before is not None else ()
    changes = (*earlier, HealthChange(at=at, state=health.state))[-MOST_CHANGES:]
    return replace(health, since=at, changes=changes)


def is_worse(state: HealthState, than: HealthState) -> bool:
    """Whether one state is worse than another.

    >>> is_worse(HealthState.DEGRADED, HealthState.HEALTHY), is_worse(HealthState.UNKNOWN, HealthState.DEGRADED)
    (True, False)
    """
    return _GRAVITY.index(state) > _GRAVITY.index(than)
