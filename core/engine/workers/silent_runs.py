"""Mark runs as lost if their processes stop reporting."""

import logging
import threading
from typing import ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.tracking import Runs

SETTLE_SECONDS = 5.0

log = logging.getLogger(__name__)


class SilentRuns(Worker):
    """Looks every few seconds for runs whose processes no longer report."""

    name: ClassVar[str] = "runs"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to look."""
        self.wake = threading.Event()
        self._runs = Runs(context.workspace)
        self._actor = context.actor

    @override
    def step(self) -> float:
        for run in self._runs.settle(actor=self._actor):
            log.info("run %s is %s", run.run_id, run.status)
        return SETTLE_SECONDS
