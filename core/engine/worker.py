"""What the engine's workers have in common, and the thread that keeps one at work."""

import logging
import threading
from collections.abc import Callable
from typing import ClassVar, Protocol

from core.backoff import BackOff

log = logging.getLogger(__name__)

RESTART = BackOff(first_seconds=1.0, most_seconds=60.0)  # of a worker that failed


class Worker(Protocol):
    """One thing the engine does for as long as it lives; a thread of its own calls `step` again and again."""

    name: ClassVar[str]
    watches: ClassVar[frozenset[str]] = frozenset()
    """The databases whose changes wake it."""
    wake: threading.Event
    """Set by whoever has news for it."""

    def step(self) -> float | None:
        """Do what there is to do now.

        Returns:
            In how many seconds there may be something to do again, if nothing wakes it before; None when only news
            can bring it.
        """

    def stop(self) -> None:
        """Have a long step come to an end; from any thread. Short ones just end."""
        return

    def end(self, *, after_failure: bool) -> None:
        """Let go of what was taken up: the engine ends, or a step failed and the next one begins anew."""
        return


class WorkerThread(threading.Thread):
    """Keeps a worker at work. One that fails says so in the log and by an alert, and begins again after a pause."""

    def __init__(self, worker: Worker, *, report: Callable[[str, Exception], None]) -> None:
        """Prepare the thread.

        Args:
            worker: Whom it serves.
            report: Tells people that a worker failed, by its name.
        """
        # a process that has to go at once must not wait for an epoch
        super().__init__(name=f"engine-{worker.name}", daemon=True)
        self._worker = worker
        self._report = report
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Begin no further step; does not wait for the one at work."""
        self._stopping.set()
        self._worker.stop()
        self._worker.wake.set()

    def run(self) -> None:
        """Work until stopped."""
        n_failures = 0
        while True:
            try:
                self._work()
                return
            except Exception as error:
                n_failures += 1
                pause = RESTART.wait_seconds(n_failures)
                self._tell(error, pause)
            if self._stopping.wait(pause):
                return

    def _work(self) -> None:
        worker, failed = self._worker, True
        try:
            while True:
                worker.wake.clear()  # before looking: what comes in meanwhile is looked at in the next step
                if self._stopping.is_set():
                    break
                worker.wake.wait(worker.step())
            failed = False
        finally:
            worker.end(after_failure=failed)

    def _tell(self, error: Exception, pause: float) -> None:
        name = self._worker.name
        log.exception("the %s failed; it begins again in %.0f s", name, pause)
        try:
            self._report(name, error)
        except Exception:  # what failed may be the very disk that the alert would be written to
            log.exception("the failure of the %s could not be reported", name)
