"""Record the series that the engine knows, for the rule files that look at them."""

import socket
import threading
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.series import EngineSeries
from core.engine.worker import Worker

if TYPE_CHECKING:
    from core.metrics.recording import MetricRecording

JOB = "bondx-engine"


class Recorder(Worker):
    """Stores a scrape of the workspace, the machine and the engine every `alerts.evaluation_interval_seconds`."""

    name: ClassVar[str] = "series"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to record."""
        self.wake = threading.Event()
        self._context = context
        self._recording: MetricRecording | None = None

    @override
    def step(self) -> float:
        if self._recording is None:
            self._recording = self._begin()
        return self._recording.record_if_due(self._series.measure)

    @override
    def end(self, *, after_failure: bool) -> None:
        if self._recording is not None and not after_failure:
            self._recording.end()

    def _begin(self) -> "MetricRecording":
        # Imported here: a console that starts an engine paints first.
        from core.metrics.recording import MetricRecording

        context = self._context
        self._series = EngineSeries(context)
        return MetricRecording(
            context.workspace, context.current, context.clock, job=JOB, instance=socket.gethostname()
        )
