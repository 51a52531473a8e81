"""The series that an engine measures: recorded for rule files, and answered on its own /metrics."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from core.engine.context import EngineContext

_HISTORY_SECONDS = 180
"""Of the machine's samples, only the newest are measured; the forecast of the disk is made once a minute."""


class EngineSeries:
    """What an engine knows as metrics. Safe for several threads; nothing heavy is imported before the first call."""

    def __init__(self, context: "EngineContext") -> None:
        """Prepare; nothing is read yet.

        Args:
            context: Of the engine.
        """
        from core.metrics.process_metrics import ProcessMetrics
        from core.metrics.span_metrics import span_family
        from core.metrics.workspace_metrics import workspace_collectors
        from core.view.source import SnapshotSource

        source = SnapshotSource(
            context.workspace, clock=context.clock, history_seconds=_HISTORY_SECONDS, looks_at_epochs=False
        )
        self._process = ProcessMetrics()
        self._spans, self._span_family = context.traces.counts, span_family
        self._collectors = workspace_collectors(
            context.workspace, source.take, settings=context.current, workers=context.workers.all, clock=context.clock
        )
        self._lock = threading.Lock()

    def measure(self) -> "Iterable[Metric]":
        """Measure everything now."""
        with self._lock:
            found = [*self._process.families(self._process.values())]
            found.append(self._span_family(self._spans.n_sent, self._spans.n_lost))
            for collector in self._collectors:
                found += collector.collect()
        return found
