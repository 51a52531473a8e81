"""Notice the changes that consoles and commands make."""

import threading
from collections.abc import Sequence
from typing import ClassVar

from typing_extensions import override

from core.engine.worker import Worker
from core.state import ChangeWatch, Workspace
from core.state.change_watch import PERIOD_SECONDS


class ChangeNotice(Worker):
    """Wakes each worker when a database that it watches changes."""

    name: ClassVar[str] = "watcher"

    def __init__(self, workspace: Workspace, workers: Sequence[Worker]) -> None:
        """Prepare to watch.

        Args:
            workspace: The workspace with the databases.
            workers: The workers to wake.
        """
        self.wake = threading.Event()
        self._workspace = workspace
        self._workers = workers
        self._watch: ChangeWatch | None = None

    @override
    def step(self) -> float:
        if self._watch is None:
            self._watch = ChangeWatch(self._workspace)
            changed = frozenset().union(*(worker.watches for worker in self._workers))
            # the watch does not report changes made before it began
        else:
            changed = self._watch.changed()
        for worker in self._workers:
            if worker.watches & changed:
                worker.wake.set()
        return PERIOD_SECONDS

    @override
    def end(self, *, after_failure: bool) -> None:
        self._watch = None
