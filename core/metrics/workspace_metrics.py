"""The metrics of a workspace itself, and everything that a workspace says of what goes on in it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.clock import Clock, utc_now
from core.metrics import catalogue
from core.metrics.alerting_metrics import AlertingMetrics
from core.metrics.engine_metrics import EngineMetrics, Workers, reported_workers
from core.metrics.machine_metrics import MachineMetrics
from core.metrics.monitoring_metrics import MonitoringMetrics
from core.metrics.replication_metrics import ReplicationMetrics
from core.metrics.rollout_metrics import RolloutMetrics
from core.metrics.session_metrics import SessionMetrics
from core.metrics.stress_metrics import StressMetrics
from core.settings import settings_in_force
from core.settings.current import CurrentSettings
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.state import Workspace


class WorkspaceMetrics(Collector):
    """Whether it can be read and written."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Collect the metrics."""
        snapshot = self._snapshot()
        yield catalogue.WORKSPACE_WRITABLE.family(float(not snapshot.unwritable))
        yield catalogue.STATE_PROBLEMS.family(len(snapshot.damaged))


def workspace_collectors(
    workspace: "Workspace",
    snapshot: Callable[[], Snapshot],
    *,
    settings: CurrentSettings | None = None,
    workers: Workers | None = None,
    clock: Clock = utc_now,
) -> list[Collector]:
    """Return the collectors of what servers and the engine know alike.

    Args:
        workspace: The workspace.
        snapshot: Returns what is in it.
        settings: Its settings; by default they are read now.
        workers: Returns the workers of the engine; by default those of its last report.
        clock: The time.
    """
    settings = settings or CurrentSettings(workspace.root, settings_in_force(workspace.root))
    return [
        WorkspaceMetrics(snapshot),
        EngineMetrics(snapshot, workers or reported_workers(workspace), clock),
        AlertingMetrics(workspace, snapshot, settings.read, clock),
        MonitoringMetrics(snapshot, clock),
        RolloutMetrics(snapshot),
        SessionMetrics(snapshot),
        StressMetrics(snapshot, clock),
        MachineMetrics(snapshot, clock),
        ReplicationMetrics(workspace, settings.read, clock),
    ]
