"""What monitoring found, in one line each: for alerts, `bondx drift` and lists."""

from collections.abc import Iterable

from core.monitoring.column_words import column_facts, instant, moved_columns, named
from core.monitoring.documents import DriftBudget, ModelMonitoring, PerformancePart, VersionMonitoring
from core.monitoring.health.answers import metric_text
from core.monitoring.verdicts import DriftVerdict, PerformanceVerdict


def drift_sentence(key: str, found: VersionMonitoring) -> str:
    """Say which column moved most: how far, how sure, since when, on which slice, and what that likely costs.

    Args:
        key: The version, as people write it: "spread@1.4.0".
        found: What is known of it; its drift is an alarm.
    """
    drift = found.drift
    moved = moved_columns(drift, DriftVerdict.ALARM)
    if drift is None or not moved:
        return f"{key}: the data that it is asked have moved"
    first, others = moved[0], len(moved) - 1
    parts = [f"{key}: {named(first)}: {first.reason}", *column_facts(first)]
    if drift.prediction_move:
        parts.append(drift.prediction_move)
    if cost := cost_sentence(found):
        parts.append(cost)
    if others:
        parts.append(f"and {others} more {'column' if others == 1 else 'columns'}")
    if drift.false_alarm_days:
        parts.append(false_alarm_sentence(drift.false_alarm_days))
    return "; ".join(parts)


def budget_sentence(budget: DriftBudget) -> str:
    """Say how many alerts of drift nobody confirmed in 30 days, and how many are left or were too many.

    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 3, 2, tzinfo=UTC)
    >>> budget_sentence(DriftBudget(acceptable=3, spent=1, left=2, updated_at=at))
    'drift alerts in 30 days: 1 unconfirmed, 3 acceptable: 2 left'
    >>> budget_sentence(DriftBudget(acceptable=1, spent=3, left=0, updated_at=at))
    'drift alerts in 30 days: 3 unconfirmed, 1 acceptable: 2 over'
    """
    over = budget.spent - budget.acceptable
    rest = f"{over:g} over" if over > 0 else f"{budget.left:g} left"
    return f"drift alerts in 30 days: {budget.spent} unconfirmed, {budget.acceptable:g} acceptable: {rest}"


def false_alarm_sentence(days: float) -> str:
    """Say how rare a false alarm of a model is.

    >>> false_alarm_sentence(30.0)
    'at most one false alarm in 30 days on average'
    """
    return f"at most one false alarm in {days:g} days on average"


def performance_rules_sentence(margin: float, windows: Iterable[str]) -> str:
    """Say what is judged of performance.

    >>> performance_rules_sentence(0.1, ("hour", "week"))
    'a fall is more than 10% worse than on held-out rows, over the whole life or the last hour or week'
    """
    *first, last = windows
    named = f"{', '.join(first)} or {last}" if first else last
    return (
        f"a fall is more than {100 * margin:.3g}% worse than on held-out rows, over the whole life or the last {named}"
    )


def performance_sentence(key: str, performance: PerformancePart) -> str:
    """Say which metric fell, how far and how sure, and on which slice most."""
    fell = next((each for each in performance.metrics if each.verdict is PerformanceVerdict.FELL), None)
    parts = [f"{key}: {performance.reason or (metric_text(fell) if fell else 'its performance fell')}"]
    parts.append(f"{performance.n_outcomes:,} outcomes")
    worst = performance.worst_slice
    if worst is not None and worst.verdict is PerformanceVerdict.FELL:
        parts.append(f"most where {worst.slice}: {metric_text(worst)}")
    return "; ".join(parts)


def health_sentence(key: str, found: VersionMonitoring) -> str:
    """Say the state of health, since when, and the heaviest reason, else what is missing."""
    health = found.health
    since = f" since {instant(health.since)}" if health.since is not None else ""
    why = next((reason.text for reason in health.reasons if reason.state is health.state), "")
    if not why and health.state == "unknown":
        why = next(iter(health.missing), "")
    return f"{key} {health.state}{since}{f': {why}' if why else ''}"


def cost_sentence(found: VersionMonitoring) -> str:
    """Say what a move likely costs: the performance since, or its estimate where outcomes do not say yet."""
    performance, estimate = found.performance, found.estimate
    if performance is not None and performance.verdict is not PerformanceVerdict.OPEN and performance.metrics:
        return metric_text(performance.metrics[0])
    if estimate is not None and estimate.metrics:
        return f"estimated {metric_text(estimate.metrics[0])}"
    return ""


def worst_first(documents: Iterable[ModelMonitoring]) -> list[ModelMonitoring]:
    """Order models by health, the worst first, then by the weight of the heaviest reason, then by name."""
    order = ("failing", "degraded", "unknown", "healthy")

    def rank(each: ModelMonitoring) -> tuple[int, float, str]:
        heaviest = each.health.reasons[0].weight if each.health.reasons else 0.0
        return order.index(each.health.state), -heaviest, each.model

    return sorted(documents, key=rank)
