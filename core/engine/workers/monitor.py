"""Watch every live version: run the watchers on it once a minute, and show what they found."""

import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from msgspec.structs import replace
from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.drift_budget import update_budget
from core.engine.live_versions import LiveVersions
from core.engine.monitoring_alerts import MonitoringAlerts
from core.engine.monitoring_rules import monitoring_rules
from core.engine.watchers import WATCHERS
from core.engine.worker import Worker
from core.monitoring.documents import ModelMonitoring, VersionMonitoring
from core.monitoring.health.assess import assess, with_history
from core.monitoring.health.facts import HealthFacts
from core.monitoring.monitoring_store import MonitoringStore, worth_writing
from core.monitoring.succession import Predecessor, dated_across_versions, earlier_versions, predecessors
from core.monitoring.watch import LiveVersion, Watcher, WatcherLook, WatchState, WatchStates
from core.periodic import Periodic
from core.rollout.rollout_records import DATABASE
from core.telemetry import TelemetryError
from core.telemetry.live import LiveStates

log = logging.getLogger(__name__)

STEP_SECONDS = 10.0
_SETTLE = timedelta(seconds=5)
"""Servers count a minute and commit it within a second or two after its end."""
FIGURES_EVERY = timedelta(minutes=5)
"""A verdict is shown within a minute; figures alone are written less often, since playback keeps each of their states:
of fifty models, every minute would fill its 256 MiB in less than a day."""
_FORGET_EVERY = timedelta(hours=1)
UNSERVED = "live_version_unserved"


class Monitor(Worker):
    """Looks at each live version once a minute, and immediately at a version that has gone live.

    A look costs what is new since the last one. If one watcher fails on one version, that is an alert, and all others
    go on.
    """

    name: ClassVar[str] = "monitor"
    watches: ClassVar[frozenset[str]] = frozenset({DATABASE})

    def __init__(
        self,
        context: EngineContext,
        *,
        watchers: Sequence[Watcher] | None = None,
        states: WatchStates | None = None,
    ) -> None:
        """Prepare to watch; the first step reads what is live.

        Args:
            context: The engine.
            watchers: What to run; by default one of each kind in `WATCHERS`.
            states: Where the watchers' states are kept; by default beside the minutes that they have seen.
        """
        self.wake = threading.Event()
        self._context = context
        self._rules = monitoring_rules(context)
        self._watchers = tuple(make(context) for make in WATCHERS) if watchers is None else tuple(watchers)
        self._names = [watcher.name for watcher in self._watchers]
        self._live_states = LiveStates(context.workspace.live_file)
        self._states = states or self._live_states
        self._live = LiveVersions(context.workspace, context.clock)
        self._store = MonitoringStore(context.workspace)
        self._alerts = MonitoringAlerts(context.alerts)
        self._unserved: dict[tuple[str, str], str] = {}
        self._forgetting = Periodic(_FORGET_EVERY, first_at=context.clock())
        self._looked: dict[str, datetime] = {}  # by version, the minute of its last look

    @override
    def step(self) -> float:
        self.look(self._context.clock())
        return STEP_SECONDS

    @override
    def end(self, *, after_failure: bool) -> None:
        self._live_states.close()

    def look(self, now: datetime) -> None:
        """Look at every live version that is due, and write what is shown if it has changed.

        Args:
            now: The time.
        """
        versions = self._live.all()
        before = self._store.readable()
        known = {model: {each.version: each for each in found.versions} for model, found in before.items()}
        self._unserved = self._read_unserved()
        minute = (now - _SETTLE).replace(second=0, microsecond=0)
        shown: dict[str, list[VersionMonitoring]] = {}
        live: dict[str, set[str]] = {}
        for version in versions:
            live.setdefault(version.model, set()).add(version.version)
        earlier = {model: earlier_versions(before.get(model), numbers, now) for model, numbers in live.items()}
        for version in versions:
            found = known.get(version.model, {}).get(version.version)
            if found is None or self._looked.get(version.key) != minute or found.role != version.role:
                others = predecessors(before.get(version.model), earlier[version.model], version.version)
                found = self._look_at(version, found, others, now)
                self._looked[version.key] = minute
            shown.setdefault(version.model, []).append(found)
        self._looked = {version.key: self._looked[version.key] for version in versions}
        self._alerts.forget(versions, now)
        found_now = [
            ModelMonitoring(model=model, versions=tuple(each), earlier=earlier[model], updated_at=now)
            for model, each in shown.items()
        ]
        for each in found_now:
            self._alerts.update(each, self._names, now)
        self._store.write(worth_writing(before.get(each.model), each, FIGURES_EVERY) for each in found_now)
        self._forget_unwatched(versions, now)
        if versions:
            models = {version.model for version in versions}
            update_budget(self._store, self._context.alerts, self._rules(), models, now)

    def _forget_unwatched(self, versions: Sequence[LiveVersion], now: datetime) -> None:
        """Forget the states of versions that left long ago; what fails is tried again an hour later."""
        if not self._forgetting.is_due(now):
            return
        keep = timedelta(days=self._context.settings.telemetry.live.minutes_days)
        try:
            self._live_states.forget_unwatched([(each.model, each.version) for each in versions], now, keep)
        except TelemetryError as error:
            log.warning("states of versions that are no longer live are kept for now: %s", error)

    def _look_at(
        self,
        version: LiveVersion,
        before: VersionMonitoring | None,
        others: Iterable[Predecessor],
        now: datetime,
    ) -> VersionMonitoring:
        """Run every watcher on a version; each keeps what was shown of it if it fails."""
        found = replace(
            before or VersionMonitoring(version=version.version, role=version.role),
            role=version.role,
            live_since=version.live_since,
            no_profile=version.no_profile,
        )
        states, failures = [], {}
        for watcher in self._watchers:
            try:
                state = self._states.load(version.model, version.version, watcher.name)
                look = watcher.look(version, now, state)
            except Exception as error:  # of one watcher on one version: the others go on
                log.exception("%s: %s could not look", version.key, watcher.name)
                failures[watcher.name] = f"{type(error).__name__}: {error}"
                continue
            found = replace(found, **{watcher.name: look.part})
            if look.state is not None and look.state != state:
                states.append(_state(version, watcher, look))
        self._states.save(states)
        found = dated_across_versions(replace(found, failures=failures), others)
        health = assess(self._facts(version, found, now), version.rules.health)
        return replace(found, health=with_history(found.health, health, now))

    def _facts(self, version: LiveVersion, found: VersionMonitoring, now: datetime) -> HealthFacts:
        return HealthFacts(
            now=now,
            created_at=version.created_at,
            live_since=version.live_since,
            unserved=self._unserved.get((version.model, version.version), ""),
            no_profile=version.no_profile,
            traffic=found.traffic,
            drift=found.drift,
            performance=found.performance,
            estimate=found.estimate,
            labels=found.labels,
            failures=found.failures,
            writes_texts=version.writes_texts,
        )

    def _read_unserved(self) -> dict[tuple[str, str], str]:
        """Return, by version, why servers cannot load it: they keep an alert for each such live version."""
        open_ = [alert for alert in self._context.alerts.open() if alert.rule == UNSERVED]
        labels = [(alert.labels.get("model", ""), alert.labels.get("version", "")) for alert in open_]
        return {
            key: alert.summary.removeprefix(f"{key[0]} {key[1]}: ") for key, alert in zip(labels, open_, strict=True)
        }


def _state(version: LiveVersion, watcher: Watcher, look: WatcherLook) -> WatchState:
    return WatchState(version.model, version.version, watcher.name, look.cursor, look.state or b"")
