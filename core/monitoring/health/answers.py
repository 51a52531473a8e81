"""Reasons from what a version is asked and answers: drift, data quality, performance, its estimate, age."""

from collections.abc import Sequence
from datetime import timedelta

from core.monitoring.column_words import cause_first, named, share_of_model, since_text
from core.monitoring.documents import HealthState, MonitoredColumn, MonitoredMetric
from core.monitoring.health.facts import MOST_WEIGHT, HealthFacts, JudgedSource, wrong
from core.monitoring.verdicts import MOST_AWAITED, DriftType, DriftVerdict, PerformanceVerdict
from core.settings.health import HealthPolicy

MOST_NAMED = 3  # columns in one sentence
ESTIMATED = timedelta(days=1)  # the rows of an estimate; outcomes of rows before them do not overrule it
FAILING_FACTOR = 2.0
"""A version whose errors have doubled is failing; a smaller certain fall is degraded."""


def judge_performance(facts: HealthFacts, rules: HealthPolicy) -> JudgedSource:
    """Say whether it does as well as on held-out rows, of the answers whose outcomes are known."""
    found = facts.performance
    if facts.writes_texts:
        return JudgedSource(missing="performance: no outcomes come for texts")
    if found is None or not found.n_outcomes:
        return JudgedSource(missing="performance: no outcome has been reported")
    if found.verdict is PerformanceVerdict.FELL and found.metrics:
        fell = next((metric for metric in found.metrics if metric.verdict is found.verdict), found.metrics[0])
        times = worsening(fell)
        state = HealthState.FAILING if times >= FAILING_FACTOR else HealthState.DEGRADED
        return wrong("performance", state, times, found.reason or metric_text(fell))
    worst = found.worst_slice
    if worst is not None and worst.verdict is PerformanceVerdict.FELL:
        text = f"Where {worst.slice}: {worst.reason or metric_text(worst)}"
        return wrong("performance", HealthState.DEGRADED, worsening(worst), text)
    if found.verdict is PerformanceVerdict.HOLDS:
        awaited = found.awaited_share or 0.0
        if found.holds_today or awaited <= MOST_AWAITED:
            return JudgedSource()
        return JudgedSource(missing=f"performance: it held, but {awaited:.0%} of the outcomes are awaited")
    needed = "" if found.n_needed is None else f", about {found.n_needed:,} in all would settle it"
    return JudgedSource(missing=f"performance: {found.n_outcomes:,} outcomes decide nothing yet{needed}")


def judge_labels(facts: HealthFacts, rules: HealthPolicy) -> JudgedSource:
    """Say whether the outcomes of wanted requests prove that it does worse; whoever asks for none misses nothing."""
    found, known = facts.labels, facts.performance
    if found is None or found.verdict is not PerformanceVerdict.FELL:
        return JudgedSource()
    if known is not None and (known.holds_today or known.verdict is PerformanceVerdict.FELL):
        return JudgedSource()  # all outcomes decide
    times = (found.value or 0.0) / found.reference if found.reference > 0 else FAILING_FACTOR
    state = HealthState.FAILING if times >= FAILING_FACTOR else HealthState.DEGRADED
    days = (facts.now - found.asked_at).days
    asked = f", asked for {days:,} days ago" if days > 1 else ""
    return wrong("labels", state, times, f"By a few outcomes{asked}: {found.reason}")


def judge_estimate(facts: HealthFacts, rules: HealthPolicy) -> JudgedSource:
    """Say whether it is likely to do worse, where outcomes do not say yet."""
    found, known, labels = facts.estimate, facts.performance, facts.labels
    if known is not None and (known.holds_today or known.verdict is PerformanceVerdict.FELL):
        return JudgedSource()  # outcomes decide
    if labels is not None and (
        labels.verdict is PerformanceVerdict.FELL
        or (labels.verdict is PerformanceVerdict.HOLDS and facts.now - labels.asked_at <= ESTIMATED)
    ):
        return JudgedSource()  # the outcomes of wanted requests decide
    if found is None or not found.metrics:
        why = found.reason if found is not None else ""
        return JudgedSource(missing=f"estimated performance: {why or 'there is no estimate yet'}")
    if found.verdict is PerformanceVerdict.FELL:
        fell = next((metric for metric in found.metrics if metric.verdict is found.verdict), found.metrics[0])
        text = f"Estimated without outcomes: {found.reason or metric_text(fell)}"
        return wrong("estimate", HealthState.DEGRADED, worsening(fell), text)
    if found.verdict is PerformanceVerdict.HOLDS:
        return JudgedSource()
    return JudgedSource(missing="estimated performance: the interval is too wide to say")


def judge_drift(facts: HealthFacts, rules: HealthPolicy) -> JudgedSource:
    """Say whether features, answers, outcomes or errors have moved."""
    found = facts.drift
    if found is None:
        return JudgedSource(missing=f"drift: {facts.no_profile or 'no row has been counted'}")
    columns = [column for column in found.columns if column.type is not DriftType.QUALITY]
    judged = _worst_of(columns, "drift") or JudgedSource()
    if judged.reason is not None and judged.reason.state is not HealthState.HEALTHY:
        return judged
    compared = [column for column in columns if not column.awaits_rows]
    has_none = not compared and (columns or found.verdict is DriftVerdict.INCONCLUSIVE)
    if has_none or any(column.verdict is DriftVerdict.INCONCLUSIVE for column in compared):
        why = _undecided(columns) if found.columns or not found.notes else found.notes[0]
        return judged._replace(missing=f"drift: {why}")  # a move on watch makes up for no column
    return judged


def judge_data_quality(facts: HealthFacts, rules: HealthPolicy) -> JudgedSource:
    """Say whether requests lack values, or hold values that the version has never seen."""
    if facts.drift is None:
        return JudgedSource(missing="data quality: no row has been counted")
    columns = [column for column in facts.drift.columns if column.type is DriftType.QUALITY]
    return _worst_of(columns, "quality") or JudgedSource()


def judge_staleness(facts: HealthFacts, rules: HealthPolicy) -> JudgedSource:
    """Say whether the version is older than the policy allows."""
    days = (facts.now - facts.created_at).total_seconds() / 86_400
    if rules.max_age_days is None or days <= rules.max_age_days:
        return JudgedSource()
    text = f"It was registered {days:,.0f} days ago; the policy allows {rules.max_age_days:g}"
    return wrong("staleness", HealthState.DEGRADED, days / rules.max_age_days, text)


def worsening(metric: MonitoredMetric) -> float:
    """Return how many times the error of a metric is that on held-out rows; 1 if that is unknown.

    The error of a metric that is best at 1, such as accuracy, is what it lacks of 1.

    >>> round(worsening(MonitoredMetric(metric="mae", value=3.0, reference=2.0)), 2)
    1.5
    >>> round(worsening(MonitoredMetric(metric="auc", value=0.7, reference=0.9, higher_is_better=True)), 2)
    3.0
    """
    value, reference = metric.value, metric.reference
    if value is None or reference is None:
        return 1.0
    if metric.higher_is_better:
        value, reference = 1 - value, 1 - reference
    if reference <= 0:
        return 1.0 if value <= reference else MOST_WEIGHT
    return max(value / reference, 0.0)


def metric_text(metric: MonitoredMetric) -> str:
    """Spell a metric with its interval and its reference."""
    value = "unknown" if metric.value is None else f"{metric.value:.4g}"
    between = f" ({metric.low:.4g} to {metric.high:.4g})" if metric.low is not None and metric.high is not None else ""
    held_out = "" if metric.reference is None else f", {metric.reference:.4g} on held-out rows"
    return f"{metric.metric} {value}{between}{held_out}"


def compared(metric: MonitoredMetric) -> str:
    """Say how a metric compares with that on held-out rows, in the metric that is shown.

    >>> compared(MonitoredMetric(metric="rmse", value=21.2, reference=4.9, verdict=PerformanceVerdict.FELL))
    'worse, 4.3 times that of held-out rows'
    >>> compared(MonitoredMetric(metric="auc", value=0.7, reference=0.9, verdict=PerformanceVerdict.FELL))
    'worse than on held-out rows'
    """
    if metric.verdict is PerformanceVerdict.HOLDS:
        return "not worse"
    if metric.verdict is PerformanceVerdict.OPEN:
        return "not decided"
    if metric.value is None or not metric.reference or metric.higher_is_better or metric.value < metric.reference:
        return "worse than on held-out rows"
    return f"worse, {metric.value / metric.reference:.2g} times that of held-out rows"


def _undecided(columns: Sequence[MonitoredColumn]) -> str:
    """Say which columns cannot be judged yet."""
    named = [each.name for each in columns if each.verdict is DriftVerdict.INCONCLUSIVE and not each.awaits_rows]
    units = sorted({f"{each.unit}s" for each in columns})
    if not named:
        return "no row today or yesterday" if units == ["rows"] else "nobody has asked lately"
    first = ", ".join(named[:MOST_NAMED]) + (f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else "")
    needs = "needs" if len(named) == 1 else "need"
    return f"{len(named)} of {len(columns)} columns {needs} more {' and '.join(units)} to rule it out ({first})"


def _worst_of(columns: Sequence[MonitoredColumn], source: str) -> JudgedSource | None:
    """Return the reason of the columns that have moved: the more of the model, the heavier. None if nothing moved."""
    if moved := cause_first(column for column in columns if column.verdict is DriftVerdict.ALARM):
        others = f", and {len(moved) - 1} more" if len(moved) > 1 else ""
        of_model = min(sum(map(share_of_model, moved)), 1.0)
        weight = 1 + (MOST_WEIGHT - 1) * of_model
        return wrong(source, HealthState.DEGRADED, weight, f"{_described(moved[0])}{others}")
    if watched := [column for column in columns if column.verdict is DriftVerdict.WATCH]:
        first = max(watched, key=lambda column: column.evidence)
        return wrong(source, HealthState.HEALTHY, min(first.evidence, 1.0), f"Watch {_described(first)}")
    return None


def _described(column: MonitoredColumn) -> str:
    since = f", {when}" if (when := since_text(column)) else ""
    share = f"; {column.importance:.0%} of the model" if column.importance is not None else ""
    return f"{named(column)}: {column.reason}{since}{share}"
