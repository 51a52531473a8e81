"""Record the series that the engine knows, for the rule files that look at them."""

import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.settings.current import CurrentSettings

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from core.metrics.recording import MetricRecording

JOB = "bondx-engine"
_HISTORY_SECONDS = 180
"""Of the machine's samples, only the newest are recorded; the forecast of the disk is made once a minute."""


class Recorder(Worker):
    """Stores a scrape of the workspace, the machine and the engine every `alerts.evaluation_interval_seconds`."""

    name: ClassVar[str] = "series"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to record."""
        self.wake = threading.Event()
        self._context = context
        self._settings = CurrentSettings(context.workspace.root, context.settings)
        self._recording: MetricRecording | None = None

    @override
    def step(self) -> float:
        if self._recording is None:
            self._recording = self._begin()
        return self._recording.record_if_due(self._measured)

    @override
    def end(self, *, after_failure: bool) -> None:
        if self._recording is not None and not after_failure:
            self._recording.end()

    def _begin(self) -> "MetricRecording":
        # Imported here: a console that starts an engine paints first.
        from core.metrics.process_metrics import ProcessMetrics
        from core.metrics.recording import MetricRecording
        from core.metrics.workspace_metrics import workspace_collectors
        from core.view.source import SnapshotSource

        context = self._context
        source = SnapshotSource(
            context.workspace, clock=context.clock, history_seconds=_HISTORY_SECONDS, looks_at_epochs=False
        )
        self._process = ProcessMetrics()
        self._collectors = workspace_collectors(
            context.workspace,
            source.take,
            settings=self._settings,
            workers=context.workers.all,
            clock=context.clock,
        )
        return MetricRecording(context.workspace, self._settings, context.clock, job=JOB, instance=socket.gethostname())

    def _measured(self) -> "Iterable[Metric]":
        yield from self._process.families(self._process.values())
        for collector in self._collectors:
            yield from collector.collect()
