"""Record the past while the engine runs, and once more when it stops."""

import threading
from contextlib import closing
from typing import ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.view.past.recorder import DocumentRecorder

LOOK_SECONDS = 1.0


class PastRecorder(Worker):
    """Looks for changed documents once a second."""

    name: ClassVar[str] = "recorder"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to record; the first step opens the store."""
        self.wake = threading.Event()
        self._context = context
        self._recorder: DocumentRecorder | None = None

    @override
    def step(self) -> float:
        if self._recorder is None:
            kept = self._context.settings.telemetry
            self._recorder = DocumentRecorder(
                self._context.workspace,
                hours=kept.past_hours,
                most_bytes=int(kept.past_mib * 2**20),
                clock=self._context.clock,
            )
        self._recorder.look()
        return LOOK_SECONDS

    @override
    def end(self, *, after_failure: bool) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            with closing(recorder):
                if not after_failure:
                    recorder.look()
