"""Work in processes of this machine. A process that is killed costs its task, which another process does again."""

import contextlib
import logging
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from core.errors import CoreError
from core.executors.errors import ExecutorError, TaskLostError
from core.executors.remote import ATTEMPTS, RemoteCall, RemoteExecutor, counted
from core.executors.worker import NEEDS_SHARED, read_message, request_of, write_message
from core.own_python import child_environment, module_command, signal_name

log = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0


class WorkerDiedError(CoreError):
    """A worker ended in the middle of a task; the message says how."""


@dataclass(frozen=True, slots=True)
class _Job:
    call: RemoteCall
    task: bytes
    answer: "Future[bytes]"


class ProcessExecutor(RemoteExecutor):
    """A few worker processes, which start when first needed. Each is driven by a thread of this process."""

    def __init__(self, n_workers: int = 0) -> None:
        self._n_workers = n_workers or os.cpu_count() or 1
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._workers: dict[int, _WorkerProcess] = {}  # by process id
        self._is_closed = False

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that run."""
        with self._lock:
            return tuple(self._workers)

    def answers(self, call: RemoteCall, tasks: Sequence[bytes]) -> list[bytes]:
        """Let workers do the tasks; return their answers in order."""
        self._start()
        jobs = [_Job(call, task, Future()) for task in tasks]
        ended = counted(call.title, len(jobs))
        for job in jobs:
            job.answer.add_done_callback(lambda _: ended())
            self._jobs.put(job)
        try:
            return [job.answer.result() for job in jobs]
        finally:
            for job in jobs:
                job.answer.cancel()

    def close(self) -> None:
        """End the workers, also in the middle of a task."""
        with self._lock:
            self._is_closed = True
            for worker in self._workers.values():
                worker.kill()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._is_closed:
                raise ExecutorError("the worker processes have ended")
            while len(self._threads) < self._n_workers:
                thread = threading.Thread(target=self._drive, name=f"worker-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _drive(self) -> None:
        """Let one worker do task after task. The kernel ends it with this thread, so this thread starts it."""
        worker: _WorkerProcess | None = None
        while (job := self._jobs.get()) is not None:
            if job.answer.set_running_or_notify_cancel():
                worker = self._done(job, worker)
        if worker is not None:
            self._forget(worker)

    def _done(self, job: _Job, worker: "_WorkerProcess | None") -> "_WorkerProcess | None":
        """Do a job, on other workers if one ends; return the worker for the next job."""
        ends: list[str] = []
        while len(ends) < ATTEMPTS:
            try:
                worker = worker or self._hire()
                job.answer.set_result(worker.ask(job.call, job.task))
                return worker
            except WorkerDiedError as error:
                if worker is not None:
                    self._forget(worker)
                worker = None
                ends.append(str(error))
                log.warning("%s; its task, one of the %s, is done again", error, job.call.title)
            except (CoreError, OSError) as error:
                job.answer.set_exception(error)
                return worker
        job.answer.set_exception(TaskLostError(job.call.title, ATTEMPTS, ends[-1]))
        return None

    def _hire(self) -> "_WorkerProcess":
        with self._lock:
            if self._is_closed:
                raise ExecutorError("the worker processes have ended")
            worker = _WorkerProcess()
            self._workers[worker.pid] = worker
            return worker

    def _forget(self, worker: "_WorkerProcess") -> None:
        with self._lock:
            self._workers.pop(worker.pid, None)
        worker.close()


class _WorkerProcess:
    """A running worker; used by one thread, except for `kill`."""

    def __init__(self) -> None:
        worker_reads, we_write = os.pipe()
        we_read, worker_writes = os.pipe()
        self._process = subprocess.Popen(
            module_command("core.executors.worker", worker_reads, worker_writes, os.getpid()),
            stdin=subprocess.DEVNULL,
            pass_fds=(worker_reads, worker_writes),
            start_new_session=True,  # Ctrl-C at the terminal is for the training to handle
            env=child_environment(),
        )
        os.close(worker_reads)
        os.close(worker_writes)
        self._requests = os.fdopen(we_write, "wb")
        self._replies = os.fdopen(we_read, "rb")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, call: RemoteCall, task: bytes) -> bytes:
        """Let it do a task.

        Raises:
            WorkerDiedError: It ended meanwhile.
        """
        reply = self._exchange(request_of(call.key, call.work, None, task))
        if reply.startswith(NEEDS_SHARED):
            reply = self._exchange(request_of(call.key, call.work, call.shared, task))
        return reply[1:]

    def kill(self) -> None:
        """Kill it immediately."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """End it by closing its pipe, and reap it."""
        for pipe in (self._requests, self._replies):
            with contextlib.suppress(OSError):  # a request was still in the buffer
                pipe.close()
        self._process.wait()

    def _exchange(self, request: bytes) -> bytes:
        try:
            write_message(self._requests, request)
            reply = read_message(self._replies)
        except OSError:
            reply = None
        if reply is None:
            raise WorkerDiedError(f"the worker process {self.pid} {self._end()}")
        return reply

    def _end(self) -> str:
        """Say how it ended."""
        try:
            status = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:  # it has closed its pipe, and lives
            self.kill()
            status = self._process.wait()
        return f"was killed by {signal_name(status)}" if status < 0 else f"ended with exit code {status}"
