"""Several server processes on one port, and their replacement without a gap.

The supervisor holds the listening socket, and its workers inherit it: a free worker accepts the next connection. In
a restart new workers start beside the old ones. Once they are ready, the old ones stop accepting, answer what they have
accepted, and end. The socket stays open all the time, so no connection is refused. `SO_REUSEPORT` would give each
worker a queue of its own, and closing one resets the connections that wait in it.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from core.backoff import BackOff
from core.serving.counts import SharedCounts

log = logging.getLogger(__name__)

VARIABLE = "BONDX_SERVE_WORKER"
STOP, DRAIN = signal.SIGTERM, signal.SIGHUP
_LOOK_SECONDS = 0.05
_LONG_ENOUGH_SECONDS = 10.0  # a worker that has lived longer is replaced without a pause when it ends
_BACK_OFF = BackOff(first_seconds=0.5, most_seconds=30.0)


@dataclass(slots=True)
class WorkerPlace:
    """What a worker gets from its supervisor."""

    listener: int  # descriptor of the listening socket
    ready: int  # descriptor of the pipe that it writes to once it is ready; -1 after that
    counts: str  # folder of the counters of all workers
    name: str
    supervisor: int  # process id

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """Read it from the environment; None in a process without a supervisor."""
        text = environment.get(VARIABLE)
        return None if text is None else cls(**json.loads(text))

    def is_orphaned(self) -> bool:
        """Whether the supervisor has died."""
        return os.getppid() != self.supervisor

    def tell_ready(self) -> None:
        """Report to the supervisor that this worker answers for every live version; a second call does nothing."""
        if self.ready < 0:
            return
        with suppress(BrokenPipeError):  # the supervisor has died
            os.write(self.ready, b"1")
        os.close(self.ready)
        self.ready = -1


@dataclass(slots=True)
class _Worker:
    name: str
    process: subprocess.Popen[bytes]
    ready: int
    begun: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    is_draining: bool = False

    def look(self) -> None:
        """Notice whether it has become ready."""
        if self.ready < 0:
            return
        try:
            self.is_ready = os.read(self.ready, 1) == b"1"
        except BlockingIOError:
            return
        os.close(self.ready)
        self.ready = -1

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self.process.poll() is None:
            self.process.send_signal(number)


class Supervisor:
    """Keeps workers running."""

    def __init__(self, listener: socket.socket, command: list[str], n_workers: int) -> None:
        """Prepare.

        Args:
            listener: Listens already.
            command: Starts a worker, which finds its place in the environment.
            n_workers: How many run at a time.
        """
        self._listener = listener
        self._command = command
        self._n_workers = n_workers
        self._workers: list[_Worker] = []
        self._n_started = self._n_failures = 0
        self._not_before = 0.0
        self._is_restarting = False
        self._old: set[str] = set()  # names of the workers that a restart replaces
        self._counts = Path()  # folder of the workers' counters, while it runs

    def run(self, should_stop: Callable[[], bool], takes_restart: Callable[[], bool]) -> bool:
        """Run until `should_stop`.

        Args:
            should_stop: Whether to stop.
            takes_restart: Whether a restart was asked for since the last call.
        Returns:
            False if no worker could be started at all.
        """
        with tempfile.TemporaryDirectory(prefix="bondx-serve-") as folder:
            self._counts = Path(folder)
            self._start(self._n_workers)
            is_first = True
            while not should_stop():
                if takes_restart():
                    self._begin_restart()
                self._look()
                if is_first and not self._workers:
                    return False
                is_first = is_first and not any(worker.is_ready for worker in self._workers)
                if not is_first:
                    self._fill_up()
                time.sleep(_LOOK_SECONDS)
            self._end()
        return True

    def _start(self, n: int) -> None:
        for _ in range(n):
            self._n_started += 1
            name = f"worker-{self._n_started}"
            read_end, write_end = os.pipe()
            os.set_blocking(read_end, False)
            descriptor = self._listener.fileno()
            place = WorkerPlace(descriptor, write_end, str(self._counts), name, os.getpid())
            process = subprocess.Popen(
                self._command,
                env={**os.environ, VARIABLE: json.dumps(asdict(place))},
                pass_fds=(descriptor, write_end),
                start_new_session=True,  # Ctrl-C at the terminal is for the supervisor to handle
            )
            os.close(write_end)
            self._workers.append(_Worker(name, process, read_end))
            log.info("%s started, process %d", name, process.pid)

    def _begin_restart(self) -> None:
        if self._is_restarting:
            log.warning("a restart is already under way")
            return
        log.info("restarting %d workers", self._n_workers)
        self._is_restarting = True
        self._old = {worker.name for worker in self._workers if not worker.is_draining}
        self._start(self._n_workers)

    def _look(self) -> None:
        """Notice which workers are ready or have ended; continue a restart."""
        for worker in self._workers:
            worker.look()
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._lost(worker)
        if not self._is_restarting:
            return
        new = [worker for worker in self._workers if worker.name not in self._old and not worker.is_draining]
        if len(new) >= self._n_workers and all(worker.is_ready for worker in new):
            self._is_restarting = False
            for worker in self._workers:
                if worker.name in self._old:
                    worker.is_draining = True
                    worker.send(DRAIN)

    def _lost(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        if worker.ready >= 0:
            os.close(worker.ready)
        SharedCounts(self._counts, worker.name).settle()
        if worker.is_draining:
            log.info("%s has been replaced", worker.name)
            return
        log.error("%s ended with status %s", worker.name, worker.process.returncode)
        if self._is_restarting and worker.name not in self._old:
            log.error("the restart is given up: a new worker did not start; the old workers continue")
            self._is_restarting = False
            for other in self._workers:
                if other.name not in self._old:
                    other.is_draining = True
                    other.send(STOP)
        now = time.monotonic()
        self._n_failures = 1 if now - worker.begun > _LONG_ENOUGH_SECONDS else self._n_failures + 1
        self._not_before = now + _BACK_OFF.wait_seconds(self._n_failures)

    def _fill_up(self) -> None:
        n_missing = self._n_workers - sum(not worker.is_draining for worker in self._workers)
        if n_missing > 0 and not self._is_restarting and time.monotonic() >= self._not_before:
            self._start(n_missing)

    def _end(self) -> None:
        for worker in self._workers:
            worker.send(STOP)
        for worker in self._workers:
            worker.process.wait()
            if worker.ready >= 0:
                os.close(worker.ready)
