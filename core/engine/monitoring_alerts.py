"""The alerts on what the monitor found of a live version: fired, kept current and resolved from its document alone."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from core.alerts import Alerts
from core.alerts.lifecycle import Dwell
from core.monitoring.column_words import named, since_text
from core.monitoring.documents import HealthState, ModelMonitoring, VersionMonitoring
from core.monitoring.sentences import drift_sentence, health_sentence, performance_sentence
from core.monitoring.verdicts import DriftType, DriftVerdict, PerformanceVerdict
from core.monitoring.watch import LiveVersion

DRIFT, PERFORMANCE, FAILING, WATCHING = "drift_found", "performance_fell", "model_failing", "monitoring_failed"
CLEAR_SECONDS = 600.0
"""An alert ends once its cause has been away for ten minutes, so that it does not come and go."""
LONGEST_CONTINUED = timedelta(days=1)
"""An alert of drift waits this long for the version that took over to answer enough rows."""
_DWELL = Dwell.of_seconds(0, CLEAR_SECONDS)  # each verdict holds however often one looks: none needs a second look
_AT_ONCE = Dwell()
_OWN_ALERT = "serving"  # a version that no server can load has an alert of its servers


class _Cause(NamedTuple):
    """An alert that a model or one of its versions has, or could have."""

    rule: str
    labels: tuple[tuple[str, str], ...]

    @property
    def model(self) -> str:
        return dict(self.labels).get("model", "")

    @property
    def version(self) -> str | None:
        """Return the version that it is about; None of an alert that outlasts a change of version."""
        return dict(self.labels).get("version")


class MonitoringAlerts:
    """Keeps the alerts of all watched models.

    What is wrong with a model is one incident, whichever of its versions answers meanwhile: its alert has the model as
    its label, and its summary names the version. A candidate has alerts of its own, of what is not wrong with the
    model. That a watcher cannot look is an alert of the version.
    """

    def __init__(self, alerts: Alerts) -> None:
        """Prepare; the open alerts of an earlier engine are read at the first update."""
        self._alerts = alerts
        self._open: set[_Cause] | None = None

    def update(self, found: ModelMonitoring, watchers: Iterable[str], now: datetime) -> None:
        """Fire, update or clear the alerts of one model.

        Args:
            found: What is known of its live versions now.
            watchers: The names of all watchers.
            now: The time.
        """
        of, names = {"model": found.model}, list(watchers)
        for rule, sentence_of in _SENTENCES.items():
            sentence = sentence_of(_key(found.model, found.live), found.live)
            if not sentence and rule == DRIFT:
                sentence = self._continued(found, now)
            self._keep(rule, of, sentence, now)
            for candidate in found.versions[1:]:  # what its model has an alert of is no second incident
                own = "" if sentence else sentence_of(_key(found.model, candidate), candidate)
                self._keep(rule, {**of, "version": candidate.version}, own, now)
        for version in found.versions:
            for watcher in names:
                problem = version.failures.get(watcher, "")
                sentence = f"{_key(found.model, version)}: {watcher} cannot be watched ({problem})" if problem else ""
                labels = {**of, "version": version.version, "watcher": watcher}
                self._keep(WATCHING, labels, sentence, now, dwell=_AT_ONCE)

    def forget(self, versions: Iterable[LiveVersion], now: datetime) -> None:
        """Clear the alerts of models without a live version, and those of versions that are no longer live.

        Args:
            versions: The live versions.
            now: The time.
        """
        live = list(versions)
        models, known = {each.model for each in live}, {(each.model, each.version) for each in live}
        candidates = {(each.model, each.version) for each in live if each.role == "candidate"}
        for cause in list(self._known()):
            if cause.version is None:
                is_live = cause.model in models
            else:
                is_live = (cause.model, cause.version) in (known if cause.rule == WATCHING else candidates)
            if not is_live:
                self._alerts.clear(cause.rule, labels=dict(cause.labels), now=now, reason="it is no longer live")
                self._known().discard(cause)

    def _continued(self, found: ModelMonitoring, now: datetime) -> str:
        """Say that a move goes on, as far as is known: the version that took over has too few rows to judge it."""
        live, last = found.live, found.earlier[0] if found.earlier else None
        cause = _Cause(DRIFT, (("model", found.model),))
        if last is None or cause not in self._known() or now - last.live_until > LONGEST_CONTINUED:
            return ""
        judged = {(each.type, each.name): each for each in (live.drift.columns if live.drift is not None else ())}
        for column in last.moved:
            now_shown = judged.get((column.type, column.name))
            is_open = now_shown is None or now_shown.verdict is DriftVerdict.INCONCLUSIVE
            is_quality = column.type is DriftType.QUALITY and live.drift is not None  # shown only while it has moved
            if column.verdict is DriftVerdict.ALARM and is_open and not is_quality:
                before = (
                    since_text(column) if column.changed_with else f"{since_text(column)}, when {last.version} was live"
                )
                return (
                    f"{_key(found.model, live)}: {named(column)}: {column.reason}, {before}; {live.version} has "
                    "answered too few rows since to say whether that goes on"
                )
        return ""

    def _keep(self, rule: str, labels: dict[str, str], sentence: str, now: datetime, *, dwell: Dwell = _DWELL) -> None:
        cause = _Cause(rule, tuple(sorted(labels.items())))
        if sentence:
            self._alerts.fire(rule, labels=labels, summary=sentence, now=now, dwell=dwell)
            self._known().add(cause)
        elif cause in self._known():
            left = self._alerts.clear(rule, labels=labels, now=now, reason="it is over", dwell=dwell)
            if left is None or not left.state.is_open:
                self._known().discard(cause)

    def _known(self) -> set[_Cause]:
        if self._open is None:
            rules = {DRIFT, PERFORMANCE, FAILING, WATCHING}
            self._open = {
                _Cause(alert.rule, tuple(sorted(alert.labels.items())))
                for alert in self._alerts.open()
                if alert.rule in rules
            }
        return self._open


def _key(model: str, version: VersionMonitoring) -> str:
    return f"{model}@{version.version}"


def _drift_of(key: str, found: VersionMonitoring) -> str:
    moved = found.drift is not None and found.drift.verdict is DriftVerdict.ALARM
    return drift_sentence(key, found) if moved else ""


def _fall_of(key: str, found: VersionMonitoring) -> str:
    performance = found.performance
    fell = performance is not None and performance.verdict is PerformanceVerdict.FELL
    return performance_sentence(key, performance) if performance and fell else ""


def _failure_of(key: str, found: VersionMonitoring) -> str:
    failing = (reason for reason in found.health.reasons if reason.state is HealthState.FAILING)
    return health_sentence(key, found) if any(each.source != _OWN_ALERT for each in failing) else ""


_SENTENCES: Mapping[str, Callable[[str, VersionMonitoring], str]] = {
    DRIFT: _drift_of,
    PERFORMANCE: _fall_of,
    FAILING: _failure_of,
}
