"""The protocol of the engine's workers, and the thread that runs a worker."""

import logging
import threading
import time
from collections.abc import Callable
from typing import ClassVar, Protocol

from core.backoff import BackOff
from core.engine.worker_states import WorkerStates
from core.maintenance.system_health import WorkerActivity
from core.settings.policy_source import going_on_with_last_good

log = logging.getLogger(__name__)

RESTART = BackOff(first_seconds=1.0, most_seconds=60.0)  # pauses after failures of one worker


class Worker(Protocol):
    """A task that the engine performs as long as it lives. A thread of its own calls `step` repeatedly."""

    name: ClassVar[str]
    watches: ClassVar[frozenset[str]] = frozenset()
    """The databases whose changes wake the worker."""
    wake: threading.Event
    """Set by other threads that have news for the worker."""

    def step(self) -> float | None:
        """Perform the work that is due now.

        Returns:
            Seconds until the next step, unless the worker is woken earlier; None waits until it is woken.
        """

    def stop(self) -> None:
        """Ask a long step to end early; called from another thread. A short step needs no such request."""
        return

    def end(self, *, after_failure: bool) -> None:
        """Release all resources: the engine stops, or a step failed and the next step starts afresh."""
        return


class WorkerThread(threading.Thread):
    """Runs a worker. After a failure it writes to the log, raises an alert, and starts again after a pause."""

    def __init__(
        self,
        worker: Worker,
        *,
        report: Callable[[str, BaseException], None],
        recovered: Callable[[str], None] = lambda name: None,
        states: WorkerStates | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the thread.

        Args:
            worker: The worker to run.
            report: Called with the worker's name and the error when a step fails; raises the alert.
            recovered: Called with the worker's name after its first step, and after the first step that follows a
                failure; clears the alert, also that of an earlier engine.
            states: Where the thread notes what its worker does.
            monotonic: Seconds of a clock that is never set back.
        """
        # a process that must end immediately cannot wait for an epoch
        super().__init__(name=f"engine-{worker.name}", daemon=True)
        self._worker = worker
        self._report = report
        self._recovered = recovered
        self._is_known_to_work = False
        self._states = WorkerStates() if states is None else states
        self._monotonic = monotonic
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Start no further step. Returns immediately, while the current step may still run."""
        self._stopping.set()
        self._worker.stop()
        self._worker.wake.set()

    def run(self) -> None:
        """Work until stopped."""
        try:
            with going_on_with_last_good():  # a typo in a file must not stop a canary in the middle
                self._work_and_restart()
        finally:  # whatever ended the thread: nobody may take it for one that works
            self._states.note(self._worker.name, WorkerActivity.STOPPED)

    def _work_and_restart(self) -> None:
        n_failures = 0
        while True:
            began = self._monotonic()
            try:
                self._work()
                return
            except BaseException as error:  # a panic of Rust code is no Exception; and no exit ends one thread alone
                # A worker that worked for longer than any pause was well: its failure is a new one.
                has_recovered = self._monotonic() - began > RESTART.most_seconds
                n_failures = 1 if has_recovered else n_failures + 1
                pause = RESTART.wait_seconds(n_failures)
                self._tell(error, pause)
            if self._stopping.wait(pause):
                return

    def _work(self) -> None:
        worker, failed = self._worker, True
        try:
            while True:
                worker.wake.clear()  # before the step: news that arrives during the step causes another step
                if self._stopping.is_set():
                    break
                self._states.note(worker.name, WorkerActivity.WORKING)
                seconds = worker.step()
                self._tell_recovery()
                self._states.note(worker.name, WorkerActivity.WAITING)
                worker.wake.wait(seconds)
            failed = False
            self._states.note(worker.name, WorkerActivity.STOPPED)
        finally:
            worker.end(after_failure=failed)

    def _tell_recovery(self) -> None:
        if self._is_known_to_work:
            return
        try:
            self._recovered(self._worker.name)
        except Exception:  # the failure may be of the disk; the next step tries again
            log.exception("the recovery of the %s could not be noted", self._worker.name)
        else:
            self._is_known_to_work = True

    def _tell(self, error: BaseException, pause: float) -> None:
        name = self._worker.name
        self._is_known_to_work = False
        self._states.failed(name, error)
        log.exception("the %s failed; restarting it in %.0f s", name, pause)
        try:
            self._report(name, error)
        except Exception:  # the failure may be of the disk that the alert would be written to
            log.exception("the failure of the %s could not be reported", name)
