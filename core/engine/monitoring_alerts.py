"""The alerts on what the monitor found of a live version: fired, kept current and resolved from its document alone."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from core.alerts import Alerts
from core.alerts.lifecycle import Dwell
from core.monitoring.documents import HealthState, VersionMonitoring
from core.monitoring.sentences import drift_sentence, health_sentence, performance_sentence
from core.monitoring.verdicts import DriftVerdict, PerformanceVerdict

DRIFT, PERFORMANCE, FAILING, WATCHING = "drift_found", "performance_fell", "model_failing", "monitoring_failed"
CLEAR_SECONDS = 600.0
"""An alert ends once its cause has been away for ten minutes, so that it does not come and go."""
_DWELL = Dwell.of_seconds(0, CLEAR_SECONDS)  # each verdict holds however often one looks: none needs a second look
_AT_ONCE = Dwell()
_OWN_ALERT = "serving"  # a version that no server can load has an alert of its servers


class _Cause(NamedTuple):
    """An alert that a version has, or could have."""

    rule: str
    labels: tuple[tuple[str, str], ...]

    @property
    def version(self) -> tuple[str, str]:
        of = dict(self.labels)
        return of.get("model", ""), of.get("version", "")


class MonitoringAlerts:
    """Keeps the alerts of all live versions."""

    def __init__(self, alerts: Alerts) -> None:
        """Prepare; the open alerts of an earlier engine are read at the first update."""
        self._alerts = alerts
        self._open: set[_Cause] | None = None

    def update(self, model: str, found: VersionMonitoring, watchers: Iterable[str], now: datetime) -> None:
        """Fire, update or clear the alerts of one version.

        Args:
            model: Its model.
            found: What is known of it now.
            watchers: The names of all watchers.
            now: The time.
        """
        key, of = f"{model}@{found.version}", {"model": model, "version": found.version}
        drift, performance = found.drift, found.performance
        moved = drift is not None and drift.verdict is DriftVerdict.ALARM
        self._keep(DRIFT, of, drift_sentence(key, found) if moved else "", now)
        fell = performance is not None and performance.verdict is PerformanceVerdict.FELL
        self._keep(PERFORMANCE, of, performance_sentence(key, performance) if performance and fell else "", now)
        failing = any(
            reason.state is HealthState.FAILING and reason.source != _OWN_ALERT for reason in found.health.reasons
        )
        self._keep(FAILING, of, health_sentence(key, found) if failing else "", now)
        for watcher in watchers:
            problem = found.failures.get(watcher, "")
            sentence = f"{key}: {watcher} cannot be watched ({problem})" if problem else ""
            self._keep(WATCHING, {**of, "watcher": watcher}, sentence, now, dwell=_AT_ONCE)

    def forget(self, live: Iterable[tuple[str, str]], now: datetime) -> None:
        """Clear the alerts of versions that are no longer live.

        Args:
            live: The live versions: model and number.
            now: The time.
        """
        known = set(live)
        for cause in [cause for cause in self._known() if cause.version not in known]:
            self._alerts.clear(cause.rule, labels=dict(cause.labels), now=now, reason="it is no longer live")
            self._known().discard(cause)

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
