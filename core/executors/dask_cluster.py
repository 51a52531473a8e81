"""Work on the workers of a Dask cluster.

A task is a call of `do_task` with two byte strings; its answer is a byte string. Dask sends them and the name of the
function as pickles, on its own wire; nothing that comes back is unpickled by us or kept.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from core.errors import CoreError, UsageError
from core.executors.bench import Bench, versions
from core.executors.dask_connection import connected, in_words, lost, workers_of
from core.executors.errors import ExecutorError, TaskLostError
from core.executors.halted import HaltedWorkers, short_of_memory
from core.executors.packing import packed, unpacked
from core.executors.placed import PlacedClient
from core.executors.remote import ATTEMPTS, RemoteCall, RemoteExecutor, counted
from core.local_callers import is_loopback
from core.progress import begins
from core.settings.executor import ExecutorSettings

WITHOUT_WORKERS_SECONDS = 60.0
"""How long a scheduler may have no worker before the work fails; a worker that died is replaced within seconds."""

T = TypeVar("T")

_LOOK_SECONDS = 1.0
_bench = Bench()  # of this process, if it is a worker


class DaskExecutor(RemoteExecutor):
    """An existing Dask cluster; the connection is made with the first task."""

    def __init__(self, settings: ExecutorSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: Any = None

    def answers(self, call: RemoteCall, tasks: Sequence[bytes]) -> list[bytes]:
        """Let workers do the tasks; return their answers in order."""
        from distributed import CancelledError, KilledWorker

        client = self._connected()
        own = packed(versions())
        # A task of its own, and not scattered: what a dead worker held is computed again, what was scattered is lost.
        shared = client.submit(as_given, call.shared, key=f"bondx-shared-{call.key}")
        futures = [client.submit(do_task, call.key, call.work, own, shared, task, pure=False) for task in tasks]
        ended = counted(call.title, len(futures))
        for future in futures:
            future.add_done_callback(lambda _: ended())
        try:
            self._wait(client, futures)
            return [future.result() for future in futures]
        except KilledWorker as error:
            raise TaskLostError(call.title, ATTEMPTS, in_words(error)) from None
        except CancelledError:  # whose words name tasks as Dask does
            raise lost(self._settings, "it ended, or forgot the work") from None
        except OSError as error:
            raise lost(self._settings, error) from None
        except ExecutorError:
            raise
        except Exception as error:  # a task answers with its errors, so this one is the cluster's
            if client.status != "running":
                raise lost(self._settings, error) from None
            raise ExecutorError(
                f"the Dask cluster {self._settings.address} cannot run the work ({in_words(error)}). Cure: install "
                "bondx-console[dask] of this release for its scheduler and workers"
            ) from error
        finally:
            if client.status == "running":
                client.cancel(futures, force=False)

    def together(self, title: str, work: Callable[[PlacedClient], T]) -> T:
        """Do something for which the same workers must be there from its beginning to its end.

        Args:
            title: For people, in the singular.
            work: Is given the workers. It is done again, by those that are there then, where one of them ends.
        Returns:
            Its result.
        Raises:
            ExecutorError: It failed three times, the scheduler is gone or has too few workers, or one is halted for
                want of memory.
            CoreError: What the work raises.
        """
        why, error = "", cast("BaseException | None", None)
        for _ in range(ATTEMPTS):
            begins(f"{title}, again: {why}" if why else title)
            client = self._connected()
            placed = PlacedClient(client, self._chosen(client))
            with ThreadPoolExecutor(1, thread_name_prefix="together") as thread:
                future = thread.submit(copy_context().run, placed.done, work)
                try:
                    while not future.done() and placed.goes_on():
                        with contextlib.suppress(TimeoutError):
                            future.exception(timeout=_LOOK_SECONDS)
                finally:  # also when a person interrupts, who would wait for the end of the thread
                    if not future.done() or future.exception() is not None:
                        placed.abandon()
            error = future.exception()
            if error is None or isinstance(error, CoreError):
                return future.result()
            if client.status != "running":
                raise lost(self._settings, "the connection was lost")
            # The library may notice the end of a worker before the scheduler does; its words name a socket.
            why = "a worker ended" if placed.is_broken() else in_words(error)
        raise ExecutorError(
            f"{title} was given up after {ATTEMPTS} attempts ({why}). Cure: check whether a worker runs out of memory; "
            "with more workers each needs less"
        ) from error

    def standing_workers(self) -> list[tuple[str, int | None]]:
        """Return the workers that would share a fit, each with its limit of memory in bytes."""
        client = self._connected()
        return [(address, told.get("memory_limit") or None) for address, told in self._chosen(client).items()]

    def require_trusted_network(self) -> None:
        """Make sure that workers may talk to each other without encryption, which libraries do that share a fit.

        Raises:
            UsageError: The settings ask for encryption, and a worker is on another machine.
        """
        if self._settings.tls is None or self._settings.allow_unencrypted:
            return
        hosts = [(urlsplit(worker).hostname or "") for worker, _ in self.standing_workers()]
        if others := [host for host in hosts if not is_loopback(host)]:
            raise UsageError(
                f"the workers of a shared fit send each other sums without encryption, and {others[0]} is another "
                "machine. Cure: executor.allow_unencrypted: true on a trusted network, or executor.tables: memory."
            )

    def _chosen(self, client: Any) -> dict[str, dict[str, Any]]:
        """Return the workers that share a fit: as many as the settings name, or all that are there."""
        self._wait_for_workers(client)
        found = sorted(workers_of(client).items())
        if len(found) < max(self._settings.workers, 1):  # one has ended in between
            raise self._too_few(len(found))
        return dict(found[: self._settings.workers or len(found)])

    def close(self) -> None:
        """Leave the cluster; its workers stay."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close(timeout=_LOOK_SECONDS)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is not None and self._client.status != "running":
                self._client.close(timeout=_LOOK_SECONDS)
                self._client = None
            if self._client is None:
                client = connected(self._settings)
                try:
                    self._wait_for_workers(client)
                except ExecutorError:
                    client.close(timeout=_LOOK_SECONDS)
                    raise
                self._client = client
            return self._client

    def _wait_for_workers(self, client: Any) -> None:
        try:
            client.wait_for_workers(max(self._settings.workers, 1), timeout=WITHOUT_WORKERS_SECONDS)
        except TimeoutError:
            raise self._too_few(len(workers_of(client))) from None

    def _wait(self, client: Any, futures: Sequence[Any]) -> None:
        """Wait until all futures are over, or the cluster has had no workers, or halted ones alone, for too long."""
        from distributed import wait

        halted = HaltedWorkers()
        empty_since: float | None = None
        workers: dict[str, dict[str, Any]] = {}
        while True:
            with contextlib.suppress(TimeoutError), client.as_current():
                wait(futures, timeout=_LOOK_SECONDS)
                return
            with contextlib.suppress(OSError):
                workers = workers_of(client)
            if client.status != "running":  # it connects again, and has forgotten what was under way
                raise lost(self._settings, "the connection was lost")
            too_long = halted.too_long(workers)
            if workers and len(too_long) == len(workers):
                raise short_of_memory(too_long[0])
            if workers:
                empty_since = None
            elif empty_since is None:
                empty_since = time.monotonic()
            elif time.monotonic() - empty_since > WITHOUT_WORKERS_SECONDS:
                raise self._too_few(0)

    def _too_few(self, n_workers: int) -> ExecutorError:
        wanted = max(self._settings.workers, 1)
        return ExecutorError(
            f"the Dask scheduler {self._settings.address} has {n_workers} of {wanted} workers, for "
            f"{WITHOUT_WORKERS_SECONDS:.0f} s. Cure: start workers (dask worker {self._settings.address})"
        )


class OtherVersionsError(CoreError):
    """A worker has other versions of what results depend on."""

    def __init__(self, worker: str, differences: Sequence[str]) -> None:
        super().__init__(
            f"the worker {worker} might compute other results: {'; '.join(differences)}. Cure: install the same "
            "versions on both sides"
        )


def as_given(value: bytes) -> bytes:
    """Return the value: what tasks share is a task of its own."""
    return value


def do_task(key: str, work: str, own: bytes, shared: bytes, task: bytes) -> bytes:
    """Do a task on a worker of the cluster; Dask calls it there.

    Args:
        key: Of the work with what its tasks share.
        work: The name of its class.
        own: The versions of the training, packed.
        shared: What the tasks share, packed.
        task: The task, packed.
    """
    here, there = versions(), unpacked(own)
    if differences := [f"{name} {here[name]} instead of {there[name]}" for name in here if here[name] != there[name]]:
        from distributed import get_worker

        error = OtherVersionsError(str(get_worker().address), differences)
        return packed({"fault": {"kind": "", "is_ours": True, "text": str(error), "details": ""}})
    return _bench.answer(key, work, shared, task)
