"""The watchers that the engine's monitor runs on every live version, in this order: one entry each.

A watcher's `name` is the field of `VersionMonitoring` that it writes (`core.monitoring.documents`).
"""

from collections.abc import Callable

from core.engine.context import EngineContext
from core.engine.monitoring_rules import monitoring_rules
from core.explain.deny_list import DenyList
from core.monitoring.drift_watch import DriftWatch
from core.monitoring.estimation.watch import EstimateWatch
from core.monitoring.labels.watch import LabelsWatch
from core.monitoring.performance.watch import PerformanceWatch
from core.monitoring.traffic_watch import TrafficWatch
from core.monitoring.watch import Watcher


def _denied_columns(context: EngineContext) -> Callable[[], DenyList]:
    return lambda: DenyList.of(context.current.read().explanation)


WATCHERS: tuple[Callable[[EngineContext], Watcher], ...] = (
    lambda context: DriftWatch(context.workspace.live_file, monitoring_rules(context), _denied_columns(context)),
    lambda context: TrafficWatch(context.workspace.predictions_file),
    lambda context: PerformanceWatch(monitoring_rules(context), _denied_columns(context)),
    lambda context: EstimateWatch(),
    lambda context: LabelsWatch(),
)
