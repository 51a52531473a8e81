"""What the rules of a file would have done over recorded series, and how other limits would have changed that."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from core.alerts.alert import Alert
from core.alerts.evaluation.group import labeller, recorded_labels
from core.alerts.evaluation.recorded import SourceWithRecorded
from core.alerts.evaluation.rule_state import RuleState
from core.alerts.ready_made import BUILT_IN_TWINS
from core.alerts.rule_files import AlertingRule, RecordingRule, RuleFile, RuleGroup
from core.errors import UsageError
from core.promql import (
    STALE,
    EvaluationBudget,
    EvaluationLimits,
    Expression,
    SeriesLabels,
    SeriesSamples,
    SeriesSource,
    VectorSample,
)
from core.promql.plan import Binary, Number

MOST_STEPS: Final = 100_000
_COMPARISONS: Final = ("==", "!=", ">", "<", ">=", "<=")


class ReplayedFiring(msgspec.Struct, frozen=True, kw_only=True):
    """One time that an alert would have fired."""

    pending_from: datetime
    from_: datetime = msgspec.field(name="from")
    until: datetime | None  # None: it fires at the end

    def minutes(self, end: datetime) -> float:
        """Return how long it would have fired."""
        return ((self.until or end) - self.from_).total_seconds() / 60


class ReplayedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of a rule over the replayed time."""

    rule: str
    labels: dict[str, str]
    firings: tuple[ReplayedFiring, ...]
    line: str  # of the whole time: '.' nothing, '-' pending, '#' firing


class ReplayedVariant(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have done with another `for` or threshold."""

    rule: str
    for_: str = msgspec.field(name="for")
    threshold: float | None
    n_firings: int
    minutes: float
    missed: tuple[str, ...]  # the recorded incidents during which it would not have fired


@dataclass(frozen=True, slots=True)
class ReplaySpan:
    """The time that is replayed, in ms since 1970."""

    start_ms: int
    end_ms: int
    step_ms: int

    @property
    def steps(self) -> range:
        """The instants of evaluation."""
        first = -(-self.start_ms // self.step_ms) * self.step_ms
        return range(first, self.end_ms + 1, self.step_ms)

    def of(self, group: RuleGroup) -> "ReplaySpan":
        """Return the span at the interval of a group."""
        if group.interval is None:
            return self
        return ReplaySpan(self.start_ms, self.end_ms, max(1, round(group.interval.total_seconds() * 1000)))


@dataclass(slots=True)
class _Course:
    """What a rule returned at each instant."""

    rule: AlertingRule
    span: ReplaySpan
    found: list[dict[SeriesLabels, float]]


def replay(file: RuleFile, source: SeriesSource, span: ReplaySpan, width: int = 60) -> list[ReplayedAlert]:
    """Evaluate every rule at every instant of a span.

    Args:
        file: The rules.
        source: The series.
        span: The time.
        width: Of the line of each alert, in characters.
    Returns:
        The alerts that were pending or fired, by rule in the order of the file.
    Raises:
        UsageError: The span has too many steps.
        PromqlError: The series do not allow an expression.
    """
    return [alert for course in _courses(file, source, span) for alert in _alerts(course, course.rule.for_, width)]


def vary(
    file: RuleFile,
    source: SeriesSource,
    span: ReplaySpan,
    incidents: Sequence[Alert],
    *,
    fors: Sequence[timedelta] = (),
    thresholds: Sequence[float] = (),
) -> list[ReplayedVariant]:
    """Evaluate every alerting rule with every `for` and threshold, the rule's own first.

    Args:
        file: The rules.
        source: The series.
        span: The time.
        incidents: The recorded alerts; those of the rule or its built-in twin count.
        fors: Instead of `for`.
        thresholds: Instead of the number on the right of the comparison.
    Raises:
        UsageError: The span has too many steps, or no rule has a threshold.
        PromqlError: The series do not allow an expression.
    """
    from core.alerts.durations import duration_text

    variants = []
    varied = [file]
    for threshold in thresholds:
        varied.append(_with_threshold(file, threshold))
    end = _at(span.end_ms)
    for each in varied:
        for course in _courses(each, source, span):
            own = threshold_of(course.rule.expression)
            if each is not file and own is None:
                continue
            for for_ in dict.fromkeys((course.rule.for_, *fors)):
                alerts = _alerts(course, for_, 1)
                firings = [firing for alert in alerts for firing in alert.firings]
                variants.append(
                    ReplayedVariant(
                        rule=course.rule.name,
                        for_=duration_text(for_),
                        threshold=own,
                        n_firings=len(firings),
                        minutes=round(sum(firing.minutes(end) for firing in firings), 1),
                        missed=tuple(_missed(course.rule, alerts, incidents, span)),
                    )
                )
    order = {rule.name: position for position, rule in enumerate(file.rules)}
    return sorted(variants, key=lambda variant: order[variant.rule])


def threshold_of(expression: Expression) -> float | None:
    """Return the number on the right of the comparison that an expression is, if it is one.

    >>> threshold_of(Expression.parse("a > 0.25")), threshold_of(Expression.parse("a > b"))
    (0.25, None)
    """
    root = expression.root
    if isinstance(root, Binary) and root.op in _COMPARISONS and isinstance(root.right, Number):
        return root.right.value
    return None


def _with_threshold(file: RuleFile, threshold: float) -> RuleFile:
    if all(not isinstance(rule, AlertingRule) or threshold_of(rule.expression) is None for rule in file.rules):
        raise UsageError("No rule of the file compares with a number on the right, so there is no threshold to vary.")
    groups = [
        dataclasses.replace(group, rules=tuple(_moved(rule, threshold) for rule in group.rules))
        for group in file.groups
    ]
    return dataclasses.replace(file, groups=tuple(groups))


def _moved(rule: AlertingRule | RecordingRule, threshold: float) -> AlertingRule | RecordingRule:
    """Return a rule with another threshold; one without a threshold as it is."""
    root = rule.expression.root
    if not isinstance(rule, AlertingRule) or threshold_of(rule.expression) is None or not isinstance(root, Binary):
        return rule
    other = dataclasses.replace(root, right=Number(threshold))
    return dataclasses.replace(rule, expression=Expression(rule.expression.text, other))


def _courses(file: RuleFile, source: SeriesSource, span: ReplaySpan) -> Iterable[_Course]:
    seen = SourceWithRecorded(source)
    limits = EvaluationLimits(seconds=math.inf)  # a person waits for it, and may end it
    for group in file.groups:
        own = span.of(group)
        steps = own.steps
        if len(steps) > MOST_STEPS:
            raise UsageError(f"The replay has {len(steps):,} steps, more than {MOST_STEPS:,}: replay a shorter time.")
        if not steps:
            continue
        offset = round(group.query_offset.total_seconds() * 1000)
        for rule in group.rules:
            budget = limits.begin()
            series = rule.expression.over(seen, steps[0] - offset, steps[-1] - offset, own.step_ms, budget)
            if isinstance(rule, AlertingRule):
                yield _Course(rule, own, _found(rule, series, steps, offset, seen))
            else:
                for one in series:
                    labels = recorded_labels(rule, one.labels)
                    seen.add_series(_with_ends(SeriesSamples(labels, one.at_ms, one.values), own.step_ms))


def _found(
    rule: AlertingRule, series: Iterable[SeriesSamples], steps: range, offset: int, source: SeriesSource
) -> list[dict[SeriesLabels, float]]:
    found: list[dict[SeriesLabels, float]] = [{} for _ in steps]
    is_fixed = not any("{{" in text for text in rule.labels.values())
    for one in series:
        positions = ((one.at_ms + offset - steps[0]) // steps.step).tolist()
        values = one.values.tolist()
        labels: SeriesLabels = ()
        if is_fixed:
            labels = labeller(rule, source, steps[0], EvaluationBudget(), [])(VectorSample(one.labels, 0.0))
        for position, value in zip(positions, values, strict=True):
            if not is_fixed:
                label_of = labeller(rule, source, steps[position], EvaluationBudget(), [])
                labels = label_of(VectorSample(one.labels, value))
            found[position][labels] = value
    return found


def _with_ends(series: SeriesSamples, step_ms: int) -> SeriesSamples:
    """Mark where a recorded series ends, as its recording does."""
    gaps = np.flatnonzero(np.diff(series.at_ms) > step_ms)
    at_ms = np.append(series.at_ms[gaps], series.at_ms[-1:]) + step_ms
    merged, values = np.append(series.at_ms, at_ms), np.append(series.values, np.full(at_ms.size, STALE))
    order = np.argsort(merged, kind="stable")
    return SeriesSamples(series.labels, merged[order], values[order])


def _alerts(course: _Course, for_: timedelta, width: int) -> list[ReplayedAlert]:
    rule, steps = course.rule, course.span.steps
    for_ms, keep_ms = (round(time.total_seconds() * 1000) for time in (for_, rule.keep_firing_for))
    state = RuleState()
    pending: dict[SeriesLabels, int] = {}
    fired: dict[SeriesLabels, int] = {}
    spans: dict[SeriesLabels, list[tuple[int, int | None, int | None]]] = {}  # pending from, firing from, until
    for at_ms, found in zip(steps, course.found, strict=True):
        if not found and not state.active:
            continue
        changes = state.advance(found, at_ms, for_ms=for_ms, keep_ms=lambda _: keep_ms)
        for alert in changes.begun:
            pending[alert.labels] = at_ms
        for alert in changes.fired:
            fired[alert.labels] = at_ms
        for alert in changes.ended:
            spans.setdefault(alert.labels, []).append((pending.pop(alert.labels), fired.pop(alert.labels, None), at_ms))
    for labels, begun in pending.items():
        spans.setdefault(labels, []).append((begun, fired.get(labels), None))
    return [
        ReplayedAlert(
            rule=rule.name,
            labels=dict(labels),
            firings=tuple(
                ReplayedFiring(pending_from=_at(begun), from_=_at(firing), until=None if until is None else _at(until))
                for begun, firing, until in found
                if firing is not None
            ),
            line=_line(found, course.span, width),
        )
        for labels, found in sorted(spans.items())
    ]


def _line(spans: Iterable[tuple[int, int | None, int | None]], span: ReplaySpan, width: int) -> str:
    """Draw the whole time in characters; a firing is seen however short it was."""
    line = ["."] * width
    length = max(1, span.end_ms - span.start_ms)

    def place(at_ms: int) -> int:
        return min(width - 1, max(0, (at_ms - span.start_ms) * width // length))

    for begun, firing, until in spans:
        end = span.end_ms if until is None else until
        for position in range(place(begun), place(end) + 1):
            line[position] = line[position] if line[position] == "#" else "-"
        if firing is not None:
            for position in range(place(firing), place(max(firing, end - 1)) + 1):
                line[position] = "#"
    return "".join(line)


def _missed(
    rule: AlertingRule, alerts: Iterable[ReplayedAlert], incidents: Iterable[Alert], span: ReplaySpan
) -> Iterable[str]:
    """Yield the recorded incidents during which none of the alerts about the same thing fires."""
    names = {rule.name, BUILT_IN_TWINS.get(rule.name, rule.name)}
    start, end = _at(span.start_ms), _at(span.end_ms)
    found = list(alerts)
    for incident in incidents:
        until = incident.resolved_at or end
        since = incident.incident_at or incident.first_at
        if incident.rule not in names or until < start or since > end:
            continue
        is_seen = any(
            firing.from_ <= until and (firing.until or end) >= since
            for alert in found
            if _is_about_the_same(alert.labels, incident.labels)
            for firing in alert.firings
        )
        if not is_seen:
            yield f"{incident.full_name} at {since:%Y-%m-%d %H:%M} UTC"


def _is_about_the_same(labels: Mapping[str, str], others: Mapping[str, str]) -> bool:
    return all(labels[name] == others[name] for name in labels.keys() & others.keys() - {"severity", "instance", "job"})


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
