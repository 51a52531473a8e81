"""The rules in force as people see them, and expressions evaluated by hand."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from core.alerts.alert import AlertValue, alert_value, fingerprint_of
from core.alerts.anomaly.records import ANOMALY_TABLE, AnomalyRecord
from core.alerts.durations import duration_text
from core.alerts.evaluation.group import vector_at
from core.alerts.evaluation.records import GROUP_TABLE, PENDING_TABLE, ActiveRuleAlert, RuleGroupRecord
from core.alerts.evaluation.rule_names import rule_names
from core.alerts.evaluation.source import BY_HAND
from core.alerts.ready_made import BUILT_IN_TWINS, READY_MADE_FILE
from core.alerts.rule_files import ANOMALY_FILE, AlertingRule, RulesInForce
from core.alerts.store import DATABASE, AlertStore
from core.clock import utc_now
from core.errors import UsageError
from core.escape import shown
from core.promql import EvaluationLimits, Expression, Matcher, SeriesSamples, SeriesSource
from core.promql.plan import Text
from core.promql.series import NAME
from core.settings import AlertSettings

if TYPE_CHECKING:
    from core.state import Workspace


class RuleLine(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, and how its last evaluation went."""

    file: str
    group: str
    rule: str
    kind: str  # alert, record
    # inactive, pending, firing, resolved (by hand, and it still holds); recorded; error;
    # built-in: the engine judges it at once; unusable: its file
    state: str
    n_pending: int = 0
    n_firing: int = 0
    n_resolved: int = 0  # by hand: they hold, and stay quiet until they have ended
    severity: str = ""
    expr: str = ""
    for_: str = msgspec.field(name="for", default="")
    evaluated_at: datetime | None = None  # of the group, at most a minute old while an engine runs
    error: str = ""
    note: str = ""  # of a rule on anomalies: the models that it watches, and those without enough history
    built_in: str = ""  # the built-in rule that says the same


def rule_lines(workspace: "Workspace", settings: AlertSettings) -> list[RuleLine]:
    """Return the rules in force in their order, and a line for each file that cannot be used.

    Args:
        workspace: The workspace.
        settings: Which files are in force.
    """
    rules = RulesInForce(workspace.root)
    rules.refresh(settings)
    database = workspace.database(DATABASE)
    groups = {record.group: record for record in database.documents(GROUP_TABLE, RuleGroupRecord, key="group").all()}
    notes = _anomaly_notes(database.documents(ANOMALY_TABLE, AnomalyRecord, key="key").all())
    resolved = {alert.fingerprint for alert in AlertStore(workspace, utc_now).documents.all() if alert.outlasted}
    active: dict[str, list[ActiveRuleAlert]] = {}
    for alert in database.documents(PENDING_TABLE, ActiveRuleAlert, key="key").all():
        active.setdefault(alert.rule, []).append(alert)
    lines = [
        RuleLine(file=file, group="", rule="", kind="", state="unusable", error=problem)
        for file, problem in rules.problems.items()
    ]
    for file, rule_file in rules.files.items():
        for group in rule_file.groups:
            record = groups.get(f"{file}:{group.name}")
            for name, rule in zip(rule_names(file, group), group.rules, strict=True):
                is_alert = isinstance(rule, AlertingRule)
                twin = BUILT_IN_TWINS.get(rule.name, "") if file == READY_MADE_FILE.name else ""
                error = "" if record is None else record.errors.get(name, "")
                here = active.get(name, ())
                firing = [fingerprint_of(rule.name, alert.labels) for alert in here if alert.is_firing]
                n_resolved = sum(fingerprint in resolved for fingerprint in firing)
                n_pending, n_firing = len(here) - len(firing), len(firing) - n_resolved
                counts = {"firing": n_firing, "pending": n_pending, "resolved": n_resolved}
                state = next((word for word, n in counts.items() if n), "inactive") if is_alert else "recorded"
                lines.append(
                    RuleLine(
                        file=file,
                        group=group.name,
                        rule=rule.name,
                        kind="alert" if is_alert else "record",
                        state="built-in" if twin else "error" if error else state,
                        n_pending=n_pending,
                        n_firing=n_firing,
                        n_resolved=n_resolved,
                        severity=_severity(rule.labels) if is_alert else "",
                        expr=rule.expression.text,
                        for_=duration_text(rule.for_) if isinstance(rule, AlertingRule) and rule.for_ else "",
                        evaluated_at=None if record is None or twin else record.evaluated_at,
                        error=error,
                        note=notes.get(rule.name, "no model has been seen yet") if file == ANOMALY_FILE else "",
                        built_in=twin,
                    )
                )
    return lines


def _severity(labels: Mapping[str, str]) -> str:
    """Return the severity of a rule; a template has one for each alert."""
    severity = labels.get("severity", "warning")
    return "per alert" if "{{" in severity else severity


def _anomaly_notes(records: Iterable[AnomalyRecord]) -> dict[str, str]:
    """Say by rule which models are watched."""
    parts: dict[str, list[str]] = {}
    for record in sorted(records, key=lambda record: record.model):
        state = "watched" if record.is_watched else "not enough history"
        parts.setdefault(record.rule, []).append(f"{record.model}: {state}, {record.n_days:.1f} days")
    return {rule: "; ".join(lines) for rule, lines in parts.items()}


class EvaluatedSample(msgspec.Struct, frozen=True, kw_only=True):
    """One value of an expression."""

    labels: dict[str, str]
    value: AlertValue
    text: str


class UnknownMetricError(UsageError):
    """An expression without a result names a metric that nobody records."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        """Name the metric, and those that it may have been meant for."""
        nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
        cure = f"did you mean {', '.join(nearest)}?" if nearest else "docs/metrics.md lists all."
        super().__init__(f"No metric {shown(name)} is known: {cure}")


class _NamesAsked:
    """A source that notes under which names it has found no series."""

    def __init__(self, inner: SeriesSource) -> None:
        self._inner = inner
        self.without_series: list[str] = []

    def select(self, matchers: Sequence[Matcher], from_ms: int, to_ms: int) -> Sequence[SeriesSamples]:
        """Return the series that fulfil all matchers, with their samples in (from_ms, to_ms]."""
        found = self._inner.select(matchers, from_ms, to_ms)
        if not found:
            self.without_series += [each.value for each in matchers if each.name == NAME and each.op == "="]
        return found


def evaluate_by_hand(
    source: SeriesSource,
    text: str,
    at: datetime,
    limits: EvaluationLimits | None = None,
    *,
    known: Callable[[], Collection[str]] | None = None,
) -> list[EvaluatedSample]:
    """Evaluate an expression at an instant.

    Args:
        source: The series.
        text: The expression.
        at: The instant.
        limits: What it may read, and its time; by default less than a rule of the engine.
        known: Looks up the names of all metrics; an expression without a result may then name no other.
    Raises:
        PromqlError: It cannot be read, the series do not allow it, or it goes beyond the limits.
        EvaluationStoppedError: The process ends.
        UsageError: It is a string.
        UnknownMetricError: It has no result, and names a metric that is not known.
    """
    expression = Expression.parse(text)
    at_ms = round(at.timestamp() * 1000)
    if isinstance(expression.root, Text):
        raise UsageError("The expression is a string: it has no value.")
    asked = _NamesAsked(source)
    samples = [
        EvaluatedSample(
            labels=dict(sample.labels),
            value=(value := alert_value(sample.value)),
            text=value if isinstance(value, str) else f"{value:.10g}",
        )
        for sample in vector_at(expression, asked, at_ms, (limits or BY_HAND).begin())
    ]
    if not samples and asked.without_series and known is not None:
        names = known()
        for name in asked.without_series:
            if name not in names:
                raise UnknownMetricError(name, names)
    return samples
