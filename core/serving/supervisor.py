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
from core.errors import ExitCode
from core.serving.counts import SharedCounts

log = logging.getLogger(__name__)

VARIABLE = "BONDX_SERVE_WORKER"
STOP, DRAIN = signal.SIGTERM, signal.SIGHUP
_LOOK_SECONDS = 0.05
_LONGEST_LOOK_SECONDS = 0.5  # counts of a pause between looks: a supervisor that was frozen has heard nobody
_START_SECONDS = 120.0  # what a start does without a sign on a busy machine: it imports, it opens the server
_READY, _ALIVE, _STARTING = b"1", b".", b"-"
_STATES = {"T": "stopped by a signal", "t": "stopped by a debugger", "D": "waiting for a device", "R": "computing"}
_LONG_ENOUGH_SECONDS = 10.0  # a worker that has lived longer is replaced without a pause when it ends
_BACK_OFF = BackOff(first_seconds=0.5, most_seconds=30.0)


@dataclass(slots=True)
class WorkerPlace:
    """What a worker gets from its supervisor."""

    listener: int  # descriptor of the listening socket
    pulse: int  # descriptor of the pipe that it writes to while it runs, and once it is ready
    counts: str  # folder of the counters of all workers
    name: str
    supervisor: int  # process id
    rpc: int | None = None  # descriptor of the socket that reserves the port for gRPC
    metrics_listener: int | None = None  # descriptor of the socket for probes and /metrics alone
    accounts_listener: int | None = None  # descriptor of the Unix socket for accounts of this machine

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """Read it from the environment; None in a process without a supervisor."""
        text = environment.get(VARIABLE)
        return None if text is None else cls(**json.loads(text))

    def is_orphaned(self) -> bool:
        """Whether the supervisor has died."""
        return os.getppid() != self.supervisor

    def tell_ready(self) -> None:
        """Report to the supervisor that this worker answers for every live version."""
        self._write(_READY)

    def beat(self) -> None:
        """Report to the supervisor that this worker runs."""
        self._write(_ALIVE)

    def beat_at_start(self) -> None:
        """Report to the supervisor that this worker runs, and does not answer yet."""
        self._write(_STARTING)

    def _write(self, sign: bytes) -> None:
        with suppress(BrokenPipeError, BlockingIOError):  # the supervisor has died, or is frozen and knows enough
            os.write(self.pulse, sign)


@dataclass(slots=True)
class _Worker:
    name: str
    process: subprocess.Popen[bytes]
    pulse: int
    begun: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    is_draining: bool = False
    has_begun: bool = False
    silent_seconds: float = 0.0  # without a sign, in the supervisor's own running time

    def look(self, seconds: float) -> None:
        """Notice signs of life, and whether it has become ready.

        Args:
            seconds: The time since the last look.
        """
        try:
            signs = os.read(self.pulse, 65_536)
        except BlockingIOError:
            self.silent_seconds += seconds
            return
        self.has_begun = self.has_begun or bool(signs.strip(_STARTING))
        if _READY in signs and not self.is_ready:
            self.is_ready = True
            log.info("%s is ready", self.name)
        self.silent_seconds = 0.0 if signs else self.silent_seconds + seconds

    def state(self) -> str:
        """Say what the system knows about the process; empty if nothing special."""
        try:
            letter = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return ""
        return _STATES.get(letter, "")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def retire(self, number: signal.Signals) -> None:
        """Let it end: it accepts nothing more, and gives no more signs."""
        self.is_draining = True
        self.silent_seconds = 0.0
        self.send(number)


class Supervisor:
    """Keeps workers running."""

    def __init__(
        self,
        listener: socket.socket,
        command: list[str],
        n_workers: int,
        *,
        metrics_listener: socket.socket | None = None,
        accounts_listener: socket.socket | None = None,
        silence_seconds: float = 10.0,
        end_seconds: float = 25.0,
        rpc_reserved: socket.socket | None = None,
        has_successor: bool = False,
    ) -> None:
        """Prepare.

        Args:
            listener: Listens already.
            command: Starts a worker, which finds its place in the environment.
            n_workers: How many run at a time.
            metrics_listener: Listens for probes and /metrics alone.
            accounts_listener: Listens for accounts of this machine.
            silence_seconds: How long a worker may give no sign before it is replaced.
            end_seconds: How long a worker may take to end once it is told to.
            rpc_reserved: Keeps the port for gRPC, on which each worker listens.
            has_successor: Whether the listener stays open behind this server, so that its workers leave callers to the
                next one.
        """
        self.has_stuck_worker = False  # whether one had to be ended, or ended beside a model that did not return
        self._silence_seconds = silence_seconds
        self._end_seconds = end_seconds
        self._looked = time.monotonic()
        self._last_sign = DRAIN if has_successor else STOP
        self._listener = listener
        self._rpc_reserved = rpc_reserved
        self._metrics_listener = metrics_listener
        self._accounts_listener = accounts_listener
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

    def _start(self, n: int) -> bool:
        """Start workers; return whether all of them were: the system may have no room for another process now."""
        for _ in range(n):
            self._n_started += 1
            name = f"worker-{self._n_started}"
            try:
                worker = self._started(name)
            except OSError as error:
                log.error("%s could not be started: %s", name, error.strerror or error)
                self._failed(self._n_failures + 1)
                return False
            self._workers.append(worker)
            log.info("%s started, process %d", name, worker.process.pid)
        return True

    def _started(self, name: str) -> _Worker:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)
        descriptor = self._listener.fileno()
        place = WorkerPlace(descriptor, write_end, str(self._counts), name, os.getpid())
        further = (self._rpc_reserved, self._metrics_listener, self._accounts_listener)
        place.rpc, place.metrics_listener, place.accounts_listener = (
            each.fileno() if each is not None else None for each in further
        )
        try:
            process = subprocess.Popen(
                self._command,
                env={**os.environ, VARIABLE: json.dumps(asdict(place))},
                pass_fds=(descriptor, write_end, *(each.fileno() for each in further if each is not None)),
                start_new_session=True,  # Ctrl-C at the terminal is for the supervisor to handle
            )
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        return _Worker(name, process, read_end)

    def _begin_restart(self) -> None:
        if self._is_restarting:
            log.warning("a restart is already under way")
            return
        log.info("restarting %d workers", self._n_workers)
        self._is_restarting = True
        self._old = {worker.name for worker in self._workers if not worker.is_draining}
        if not self._start(self._n_workers):
            self._give_up_restart()

    def _give_up_restart(self) -> None:
        log.error("the restart is given up: a new worker did not start; the old workers continue")
        self._is_restarting = False
        for worker in self._workers:
            if worker.name not in self._old:
                worker.retire(STOP)

    def _look(self) -> None:
        """Notice which workers are ready, silent or have ended; continue a restart."""
        now = time.monotonic()
        seconds, self._looked = min(now - self._looked, _LONGEST_LOOK_SECONDS), now
        for worker in self._workers:
            worker.look(seconds)
            self._end_if_silent(worker)
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._lost(worker)
        if not self._is_restarting:
            return
        new = [worker for worker in self._workers if worker.name not in self._old and not worker.is_draining]
        if len(new) >= self._n_workers and all(worker.is_ready for worker in new):
            self._is_restarting = False
            for worker in self._workers:
                if worker.name in self._old:
                    worker.retire(DRAIN)

    def _end_if_silent(self, worker: _Worker) -> None:
        """Kill a worker that gives no sign: the connections that it has accepted would wait for ever."""
        limit = self._silence_seconds if worker.has_begun else _START_SECONDS
        if worker.is_draining:  # it answers what it has accepted, and gives no more signs
            limit = self._end_seconds
        if worker.silent_seconds < limit or worker.process.poll() is not None:
            return
        self._kill(worker, f"has given no sign for {limit:g} s")

    def _kill(self, worker: _Worker, why: str) -> None:
        state = worker.state()
        log.error(
            "%s, process %d, %s%s: it is killed", worker.name, worker.process.pid, why, f" ({state})" if state else ""
        )
        worker.process.kill()
        worker.silent_seconds = 0.0

    def _lost(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        os.close(worker.pulse)
        SharedCounts(self._counts, worker.name).settle()
        if worker.is_draining:
            log.info("%s has been replaced", worker.name)
            return
        log.error("%s ended with status %s", worker.name, worker.process.returncode)
        if self._is_restarting and worker.name not in self._old:
            self._give_up_restart()
        self._failed(1 if time.monotonic() - worker.begun > _LONG_ENOUGH_SECONDS else self._n_failures + 1)

    def _failed(self, n_failures: int) -> None:
        """Start no other worker for a while after so many failures in a row."""
        self._n_failures = n_failures
        self._not_before = time.monotonic() + _BACK_OFF.wait_seconds(n_failures)

    def _fill_up(self) -> None:
        n_missing = self._n_workers - sum(not worker.is_draining for worker in self._workers)
        if n_missing > 0 and not self._is_restarting and time.monotonic() >= self._not_before:
            self._start(n_missing)

    def _end(self) -> None:
        for worker in self._workers:
            worker.send(self._last_sign)
        until = time.monotonic() + self._end_seconds
        for worker in self._workers:
            try:
                code = worker.process.wait(max(until - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                self._kill(worker, f"has not ended within {self._end_seconds:g} s")
                code = worker.process.wait()
            self.has_stuck_worker |= code in (ExitCode.STUCK, -signal.SIGKILL)
            os.close(worker.pulse)
