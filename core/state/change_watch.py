"""Notice commits of other processes and threads, by checking the files five times a second."""

import os
import threading
import time

from core.state.generation import FileSignature
from core.state.workspace import Workspace

PERIOD_SECONDS = 0.2


class ChangeWatch:
    """Reports which databases of a workspace have a new generation; for one thread.

    Only `stat` is called: a check of four databases takes some 20 µs, and does not affect writers.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.state_dir
        self._seen = self._look()

    def changed(self) -> frozenset[str]:
        """Return the names of databases that were changed, created or removed since the last call."""
        now, before = self._look(), self._seen
        self._seen = now
        return frozenset(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))

    def wait(self, timeout_seconds: float, stop: threading.Event) -> frozenset[str]:
        """Wait for a change.

        Args:
            timeout_seconds: The maximum wait.
            stop: Ends the waiting when set.

        Returns:
            The names of the changed databases; empty after a time-out or when `stop` is set.
        """
        deadline = time.monotonic() + timeout_seconds
        while not (names := self.changed()):
            rest = deadline - time.monotonic()
            if rest <= 0 or stop.wait(min(rest, PERIOD_SECONDS)):
                break
        return names

    def _look(self) -> dict[str, FileSignature]:
        seen = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".json"):
                        status = os.stat(entry.path)
                        signature = FileSignature(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
                        seen[entry.name.removesuffix(".json")] = signature
        except FileNotFoundError:  # the folder is missing, or a file vanished after listing: the next check settles it
            pass
        return seen
