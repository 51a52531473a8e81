"""The metrics of a workspace itself, and everything that a workspace says of what goes on in it."""

from collections.abc import Callable, Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.metrics import catalogue
from core.metrics.machine_metrics import MachineMetrics
from core.metrics.monitoring_metrics import MonitoringMetrics
from core.metrics.rollout_metrics import RolloutMetrics
from core.metrics.session_metrics import SessionMetrics
from core.view.snapshot import Snapshot


class WorkspaceMetrics(Collector):
    """Whether an engine works on it, its open alerts, and whether it can be read and written."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Collect the metrics."""
        snapshot = self._snapshot()
        is_up = snapshot.engine is not None and snapshot.engine.silent_since is None
        yield catalogue.ENGINE_UP.family(float(is_up))
        alerts = catalogue.ALERTS.family()
        counts: dict[tuple[str, str, str, str], int] = {}
        for alert in snapshot.alerts:
            if alert.state.is_open:
                key = (alert.rule, alert.labels.get("model", ""), str(alert.severity), str(alert.state))
                counts[key] = counts.get(key, 0) + 1
        for key, n in sorted(counts.items()):
            alerts.add_metric(key, n)
        yield alerts
        yield catalogue.WORKSPACE_WRITABLE.family(float(not snapshot.unwritable))
        yield catalogue.STATE_PROBLEMS.family(len(snapshot.problems))


def workspace_collectors(snapshot: Callable[[], Snapshot]) -> list[Collector]:
    """Return the collectors of what servers and the engine know alike.

    Args:
        snapshot: Returns the workspace.
    """
    kinds = (WorkspaceMetrics, MonitoringMetrics, RolloutMetrics, SessionMetrics, MachineMetrics)
    return [kind(snapshot) for kind in kinds]
