"""The metrics of the engine: whether it is there, its workers, and how far its telemetry is behind."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.clock import Clock, utc_now
from core.errors import CoreError
from core.maintenance.system_health import WorkerState, read_health
from core.maintenance.workspace_health import worker_health
from core.metrics import catalogue
from core.state import Workspace
from core.view.snapshot import Snapshot

Workers = Callable[[], Mapping[str, WorkerState]]


class EngineMetrics(Collector):
    """The engine as its lease, its telemetry and its workers show it."""

    def __init__(self, snapshot: Callable[[], Snapshot], workers: Workers, clock: Clock = utc_now) -> None:
        self._snapshot, self._workers, self._clock = snapshot, workers, clock

    def collect(self) -> Iterable[Metric]:
        """Collect the metrics."""
        snapshot, now = self._snapshot(), self._clock()
        is_up = snapshot.engine is not None and snapshot.engine.silent_since is None
        yield catalogue.ENGINE_UP.family(float(is_up))
        newest = [points[-1][0] for points in snapshot.resources.values() if points]
        lag = catalogue.TELEMETRY_LAG.family()
        if newest:
            lag.add_metric((), max(0.0, now.timestamp() - max(newest)))
        yield lag
        up, age, failures = (
            metric.family() for metric in (catalogue.WORKER_UP, catalogue.WORKER_AGE, catalogue.WORKER_FAILURES)
        )
        for name, state in sorted(self._workers().items()) if is_up else ():
            worker = worker_health(name, state, now)
            up.add_metric((name,), float(worker.is_ready))
            age.add_metric((name,), worker.age_seconds)
            failures.add_metric((name,), worker.n_failures)
        yield from (up, age, failures)


def reported_workers(workspace: Workspace) -> Workers:
    """Return a function that reads the workers from the engine's last report, which is at most ten seconds old.

    Args:
        workspace: The workspace of the engine.
    """

    def read() -> Mapping[str, WorkerState]:
        try:
            return read_health(workspace).workers
        except CoreError:  # there is none yet, or it is damaged: nothing is known
            return {}

    return read
