"""The metrics of alerting: open alerts, limits, silences, and what receivers were told."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.alerts import Alert
from core.alerts.delivery.counts import ReceiverCounts, receiver_counts
from core.alerts.delivery.outbox import Outbox
from core.alerts.evaluation.records import GROUP_TABLE, RuleGroupRecord
from core.alerts.limits import alert_limits
from core.alerts.store import DATABASE
from core.clock import Clock, utc_now
from core.errors import CoreError
from core.metrics import catalogue
from core.settings import Settings
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.state import Workspace

MOST_ALERTS = 500
"""Open alerts that have a series of their own: ten thousand may fire at once."""


class AlertingMetrics(Collector):
    """What fires, what is compared with which limit, what is silenced, and who was told."""

    def __init__(
        self,
        workspace: "Workspace",
        snapshot: Callable[[], Snapshot],
        settings: Callable[[], Settings],
        clock: Clock = utc_now,
    ) -> None:
        self._workspace, self._snapshot, self._settings, self._clock = workspace, snapshot, settings, clock

    def collect(self) -> Iterable[Metric]:
        """Collect the metrics."""
        snapshot = self._snapshot()
        yield from _open_alerts([alert for alert in snapshot.alerts if alert.state.is_open])
        limits = catalogue.ALERT_LIMIT.family()
        for name, value in alert_limits(self._settings().alerts).items():
            limits.add_metric((name,), value)
        yield limits
        now = self._clock()
        yield catalogue.SILENCES_ACTIVE.family(sum(silence.is_active(now) for silence in snapshot.silences))
        yield catalogue.RULES_FAILING.family(self._n_failing())
        yield from _notifications(self._counts())

    def _n_failing(self) -> int:
        try:
            groups = self._workspace.database(DATABASE).documents(GROUP_TABLE, RuleGroupRecord, key="group").all()
        except (CoreError, OSError):  # `bondx_state_problems` says so
            return 0
        return sum(len(group.errors) for group in groups)

    def _counts(self) -> list[ReceiverCounts]:
        outbox = Outbox(self._workspace)
        try:
            return receiver_counts(outbox.health().values(), outbox.pending())
        except (CoreError, OSError):  # `bondx_state_problems` says so
            return []


def _open_alerts(alerts: list[Alert]) -> Iterable[Metric]:
    counts = Counter(
        (alert.rule, alert.labels.get("model", ""), str(alert.severity), str(alert.state)) for alert in alerts
    )
    counted = catalogue.ALERTS.family()
    for key, n in sorted(counts.items()):
        counted.add_metric(key, n)
    yield counted
    each = catalogue.ALERT.family()
    for alert in sorted(alerts, key=lambda alert: (-alert.severity.rank, alert.first_at))[:MOST_ALERTS]:
        about = (alert.labels.get(name, "") for name in ("model", "version", "session"))
        state = str(alert.state)
        each.add_metric((alert.rule, str(alert.severity), state, alert.fingerprint, alert.source, *about), 1.0)
    yield each


def _notifications(receivers: Iterable[ReceiverCounts]) -> Iterable[Metric]:
    sent = catalogue.NOTIFICATIONS.family()
    waiting, dead = catalogue.NOTIFICATIONS_WAITING.family(), catalogue.CHANNELS_DEAD.family()
    for counts in receivers:
        sent.add_metric((counts.receiver, "delivered"), counts.n_delivered)
        sent.add_metric((counts.receiver, "failed"), counts.n_failed)
        waiting.add_metric((counts.receiver,), counts.n_waiting)
        dead.add_metric((counts.receiver,), counts.n_dead)
    yield from (sent, waiting, dead)
