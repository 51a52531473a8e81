"""The rule files of a workspace, evaluated at their intervals; what must outlast a restart is durable."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.alerts.alert import fingerprint_of
from core.alerts.evaluation.group import GroupOutcome, evaluate_group, expanded_text
from core.alerts.evaluation.recording import RuleSeriesWriter
from core.alerts.evaluation.records import GROUP_TABLE, PENDING_TABLE, ActiveRuleAlert, RuleGroupRecord
from core.alerts.evaluation.rule_alerts import SOURCE, RuleAlerts, alert_of
from core.alerts.evaluation.rule_names import rule_names
from core.alerts.evaluation.rule_state import ActiveAlert, RuleState, StateChanges
from core.alerts.lifecycle import STILL_SO_EVERY
from core.alerts.ready_made import BUILT_IN_TWINS, READY_MADE_FILE
from core.alerts.rule_files import AlertingRule, RecordingRule, RuleGroup, RulesInForce
from core.alerts.store import DATABASE
from core.clock import Clock
from core.errors import CoreError
from core.promql import EvaluationLimits, EvaluationStoppedError, SeriesLabels, SeriesSource, VectorSample
from core.settings import AlertSettings

if TYPE_CHECKING:
    from core.state import Documents, Workspace

log = logging.getLogger(__name__)

OUTAGE_TOLERANCE = timedelta(hours=1)
"""A pending alert goes on after a restart if it could have fired at most this long ago; else it begins anew."""


LONG_SECONDS = 1.0
REST_FACTOR = 20
"""A rule that fails after a long time rests so many times as long, so that it takes at most 5 % of the others' time."""


@dataclass(slots=True)
class RuleGroupRun:
    """One group as it is evaluated."""

    file: str
    group: RuleGroup
    names: tuple[str, ...]  # of its rules, each once
    states: dict[int, RuleState] = field(default_factory=dict)
    last_tick: int = -1
    rests: dict[int, tuple[float, str]] = field(default_factory=dict)  # until when, and the error

    @property
    def key(self) -> str:
        """The file and the group."""
        return f"{self.file}:{self.group.name}"

    def interval_ms(self, settings: AlertSettings) -> int:
        """How often it is evaluated."""
        if self.group.interval is not None:
            return max(1, round(self.group.interval.total_seconds() * 1000))
        return round(settings.evaluation_interval_seconds * 1000)


class RuleEvaluation:
    """Evaluates the rules of a workspace. The engine keeps one instance."""

    def __init__(
        self,
        workspace: "Workspace",
        source: SeriesSource,
        clock: Clock,
        retention_days: float = 15.0,
        limits: EvaluationLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin where the last engine ended.

        Args:
            workspace: The workspace.
            source: The recorded series.
            clock: The time.
            retention_days: How long recorded results are kept.
            limits: Of each rule; by default those of Prometheus.
            monotonic: Seconds of a clock that is never set back.
        """
        self._workspace, self._source, self._clock = workspace, source, clock
        self._limits, self._monotonic = limits or EvaluationLimits(), monotonic
        self._rules = RulesInForce(workspace.root)
        self._alerts = RuleAlerts(workspace, clock)
        self._writer = RuleSeriesWriter(workspace.metrics_file, clock, retention_days)
        self._groups: dict[str, RuleGroupRun] = {}
        self._states: dict[str, RuleState] = {}  # by rule, those of files that cannot be read now included
        self._failing: dict[str, dict[str, str]] = {}  # by group: the errors by rule
        self._is_restored = False

    @property
    def failing(self) -> Mapping[str, str]:
        """The files with rules that cannot be evaluated, and the first error of each."""
        found: dict[str, list[str]] = {}
        for key, run in self._groups.items():
            for name, error in self._failing.get(key, {}).items():
                if name in run.names:
                    found.setdefault(run.file, []).append(f"the rule {name} fails: {error}")
        return {
            file: first + (f" ({len(others)} more: bondx alerts rules)" if others else "")
            for file, (first, *others) in found.items()
        }

    @property
    def problems(self) -> Mapping[str, str]:
        """The files that cannot be used, and why."""
        return self._rules.problems

    def step(self, settings: AlertSettings) -> float:
        """Take changed files, and evaluate the groups that are due.

        Returns:
            Seconds until the next group is due.

        Raises:
            StateError: The alerts cannot be written.
            EvaluationStoppedError: The process ends. What was not yet judged is judged by the next engine.
        """
        now = self._clock()
        if self._rules.refresh(settings) or not self._is_restored:
            self._take_rules(now)
        now_ms = _ms(now)
        for run in self._groups.values():
            interval = run.interval_ms(settings)
            if (tick := now_ms // interval) != run.last_tick:
                run.last_tick = tick
                self._evaluate(run, tick * interval, now)
        waits = [(run.last_tick + 1) * run.interval_ms(settings) - _ms(self._clock()) for run in self._groups.values()]
        return min([settings.evaluation_interval_seconds, *(max(wait, 50) / 1000 for wait in waits)])

    def close(self) -> None:
        """Close the stores."""
        self._writer.close()

    def _take_rules(self, now: datetime) -> None:
        """Build the groups of the rules in force; the state of a rule with the same name stays."""
        if not self._is_restored:
            self._states = self._restored(now)
        ticks = {run.key: run.last_tick for run in self._groups.values()}
        self._groups = {}
        for file, rule_file in self._rules.files.items():
            for group in rule_file.groups:
                run = RuleGroupRun(file, group, rule_names(file, group))
                run.states = {
                    position: self._states.setdefault(run.names[position], RuleState())
                    for position, rule in enumerate(group.rules)
                    if isinstance(rule, AlertingRule)
                }
                run.last_tick = ticks.get(run.key, -1)
                self._groups[run.key] = run
        self._is_restored = True
        self._failing = {key: errors for key, errors in self._failing.items() if key in self._groups}
        self._end_orphans(now)

    def _restored(self, now: datetime) -> dict[str, RuleState]:
        """Return the states that the last engine left."""
        states: dict[str, RuleState] = {}
        for kept in self._pending.all():
            labels: SeriesLabels = tuple(sorted(kept.labels.items()))
            alert = ActiveAlert(labels, _ms(kept.active_at), float("nan"), is_firing=kept.is_firing)
            alert.kept_since_ms = None if kept.kept_since is None else _ms(kept.kept_since)
            states.setdefault(kept.rule, RuleState()).active[labels] = alert
        for open_alert in self._alerts.open_of_rule_files():  # an engine may have ended before it kept the state
            labels = tuple(sorted(open_alert.labels.items()))
            name = f"{open_alert.source.removeprefix(SOURCE)}:{open_alert.rule}"
            fired = ActiveAlert(labels, _ms(open_alert.first_at), float("nan"))
            states.setdefault(name, RuleState()).active.setdefault(labels, fired).is_firing = True
        for name, state in states.items():
            rule = self._rule(name)
            for labels, alert in list(state.active.items()):
                waited = now - _at(alert.active_at_ms)
                if rule is not None and not alert.is_firing and waited > rule.for_ + OUTAGE_TOLERANCE:
                    del state.active[labels]
        return states

    def _rule(self, name: str) -> AlertingRule | None:
        for file, rule_file in self._rules.files.items():
            for group in rule_file.groups:
                for each, rule in zip(rule_names(file, group), group.rules, strict=True):
                    if each == name and isinstance(rule, AlertingRule):
                        return rule
        return None

    def _end_orphans(self, now: datetime) -> None:
        """Resolve the alerts whose rule is gone, and forget its state. A file that cannot be read keeps its alerts."""
        known = {name for run in self._groups.values() for name in run.names}
        broken = tuple(f"{name}:" for name in self._rules.problems)
        gone = [kept.key for kept in self._pending.all() if kept.rule not in known and not kept.rule.startswith(broken)]
        named = {
            (SOURCE + run.key, rule.name)
            for run in self._groups.values()
            for rule in run.group.rules
            if isinstance(rule, AlertingRule) and self._is_wanted(run, rule)
        }
        for alert in self._alerts.open_of_rule_files():
            if (alert.source, alert.rule) not in named and not alert.source.removeprefix(SOURCE).startswith(broken):
                self._alerts.end(alert.fingerprint, now, "its rule is no longer in force")
        for name in [name for name in self._states if name not in known and not name.startswith(broken)]:
            del self._states[name]
        ended = [group.group for group in self._records.all() if group.group not in self._groups]
        if gone or ended:
            with self._workspace.database(DATABASE).transaction():
                self._pending.remove_all(gone)
                self._records.remove_all(ended)

    @staticmethod
    def _is_wanted(run: RuleGroupRun, rule: AlertingRule | RecordingRule) -> bool:
        """Whether the engine evaluates a rule: the twin of a built-in rule would say the same a second time."""
        return run.file != READY_MADE_FILE.name or rule.name not in BUILT_IN_TWINS

    def _evaluate(self, run: RuleGroupRun, at_ms: int, now: datetime) -> None:
        began = self._monotonic()
        resting = {position: error for position, (until, error) in run.rests.items() if began < until}
        outcome = evaluate_group(
            run.group,
            self._source,
            at_ms,
            lambda rule: self._is_wanted(run, rule),
            self._limits,
            resting=resting,
            monotonic=self._monotonic,
        )
        run.rests = {position: run.rests[position] for position in resting}
        for position, error in outcome.errors.items():
            if (seconds := outcome.seconds[position]) > LONG_SECONDS:  # in vain, while the other rules waited
                run.rests[position] = self._monotonic() + REST_FACTOR * seconds, error
        outcome.errors.update(resting)
        for position, samples in outcome.samples.items():
            rule = run.group.rules[position]
            if isinstance(rule, AlertingRule):
                try:
                    fault = self._advance(run, position, rule, samples, at_ms, now)
                    if fault:
                        outcome.errors.setdefault(position, fault)
                except EvaluationStoppedError:
                    raise
                except CoreError as failure:
                    outcome.errors[position] = str(failure)
        self._record(run, outcome, at_ms)
        self._note(run, outcome, now, self._monotonic() - began)

    def _advance(
        self,
        run: RuleGroupRun,
        position: int,
        rule: AlertingRule,
        samples: Mapping[SeriesLabels, VectorSample],
        at_ms: int,
        now: datetime,
    ) -> str:
        """Take what a rule returned. Documents of alerts come first: a restart between finds the state as it was.

        Returns:
            Why a text of its alerts could not be made, if so.
        """
        state = run.states[position]
        changes = state.advance(
            {labels: sample.value for labels, sample in samples.items()},
            at_ms,
            for_ms=round(rule.for_.total_seconds() * 1000),
            keep_ms=lambda labels: round(self._alerts.keep_firing(rule, dict(labels)) * 1000),
        )
        for alert in changes.ended:
            if alert.is_firing and not self._is_held_elsewhere(rule.name, alert.labels, state):
                fingerprint = fingerprint_of(rule.name, dict(alert.labels))
                self._alerts.end(fingerprint, now, "its expression returns nothing any more")
        budget = self._limits.begin()  # of all texts of the rule
        for alert in state.active.values():
            labels = dict(alert.labels)
            if alert.is_firing and alert.labels in samples and self._alerts.is_news(rule.name, labels, now):
                sample, faults = samples[alert.labels], list[str]()
                about = {
                    name: expanded_text(text, f"annotation {name}", sample, self._source, at_ms, budget, faults)
                    for name, text in rule.annotations.items()
                }
                alert.fault = faults[0] if faults else ""
                active_at = _at(alert.active_at_ms)
                source = SOURCE + run.key
                self._alerts.hold(
                    alert_of(rule, source, labels, about, value=alert.value, active_at=active_at, now=now)
                )
        if not changes.is_empty:
            self._keep(run.names[position], changes)
        return next((alert.fault for alert in state.active.values() if alert.fault), "")

    def _is_held_elsewhere(self, name: str, labels: SeriesLabels, but: RuleState) -> bool:
        """Whether another rule of the same name fires with the same labels: to people it is the same alert."""
        return any(
            rule.name == name and run.states[position] is not but and _fires(run.states[position], labels)
            for run in self._groups.values()
            for position, rule in enumerate(run.group.rules)
            if isinstance(rule, AlertingRule)
        )

    def _keep(self, rule: str, changes: StateChanges) -> None:
        """Make the changes of a rule durable."""
        documents = self._pending
        with self._workspace.database(DATABASE).transaction():
            ended = {_key(rule, alert.labels) for alert in changes.ended}
            documents.remove_all(key for key in ended if documents.find(key) is not None)
            live = {alert.labels: alert for alert in (*changes.begun, *changes.fired, *changes.kept)}
            for labels, alert in live.items():
                key = _key(rule, labels)
                if key in ended:
                    continue
                document = ActiveRuleAlert(
                    key=key,
                    rule=rule,
                    labels=dict(labels),
                    active_at=_at(alert.active_at_ms),
                    is_firing=alert.is_firing,
                    kept_since=None if alert.kept_since_ms is None else _at(alert.kept_since_ms),
                )
                if (before := documents.find(key)) is None:
                    documents.insert(document)
                else:
                    documents.replace(replace(document, revision=before.revision))

    def _record(self, run: RuleGroupRun, outcome: GroupOutcome, at_ms: int) -> None:
        """Write what the rules of a group recorded, and its alerts as a Prometheus does."""
        samples = [sample for recorded in outcome.recorded.values() for sample in recorded]
        firing = [
            (rule.name, alert)
            for position, rule in enumerate(run.group.rules)
            if isinstance(rule, AlertingRule)
            for alert in run.states[position].active.values()
        ]
        at = _at(at_ms) - run.group.query_offset
        try:
            self._writer.record(run.key, at, samples, firing)
        except CoreError as error:
            log.warning("the results of the rules %s could not be recorded: %s", run.key, error)
            for position, rule in enumerate(run.group.rules):
                if isinstance(rule, RecordingRule):
                    outcome.errors.setdefault(position, str(error))

    def _note(self, run: RuleGroupRun, outcome: GroupOutcome, now: datetime, seconds: float) -> None:
        """Keep how the group fared: at once if its errors changed, else once a minute."""
        errors = {run.names[position]: text for position, text in outcome.errors.items()}
        self._failing[run.key] = errors
        documents = self._records
        before = documents.find(run.key)
        if before is not None and before.errors == errors and now - before.evaluated_at < STILL_SO_EVERY:
            return
        for name, text in errors.items():
            if before is None or before.errors.get(name) != text:
                log.warning("the rule %s could not be evaluated: %s", name, text)
        record = RuleGroupRecord(group=run.key, evaluated_at=now, seconds=round(seconds, 4), errors=errors)
        with self._workspace.database(DATABASE).transaction():
            if before is None:
                documents.insert(record)
            else:
                documents.replace(replace(record, revision=before.revision))

    @property
    def _records(self) -> "Documents[RuleGroupRecord]":
        return self._workspace.database(DATABASE).documents(GROUP_TABLE, RuleGroupRecord, key="group")

    @property
    def _pending(self) -> "Documents[ActiveRuleAlert]":
        return self._workspace.database(DATABASE).documents(PENDING_TABLE, ActiveRuleAlert, key="key")


def _fires(state: RuleState, labels: SeriesLabels) -> bool:
    return (alert := state.active.get(labels)) is not None and alert.is_firing


def _key(rule: str, labels: SeriesLabels) -> str:
    text = "\x1e".join([rule, *(f"{name}\x1f{value}" for name, value in labels)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
