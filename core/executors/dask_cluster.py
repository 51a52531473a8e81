"""Work on the workers of a Dask cluster.

A task is a call of `do_task` with two byte strings; its answer is a byte string. Dask sends them and the name of the
function as pickles, on its own wire; nothing that comes back is unpickled by us or kept.
"""

import contextlib
import threading
import time
from collections.abc import Sequence
from typing import Any

from core.errors import CoreError
from core.executors.bench import Bench, versions
from core.executors.dask_connection import connected, in_words, lost, workers_of
from core.executors.errors import ExecutorError, TaskLostError
from core.executors.packing import packed, unpacked
from core.executors.remote import ATTEMPTS, RemoteCall, RemoteExecutor, counted
from core.settings.executor import ExecutorSettings

WITHOUT_WORKERS_SECONDS = 60.0
"""How long a scheduler may have no worker before the work fails; a worker that died is replaced within seconds."""

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
        except (CancelledError, OSError) as error:
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
                    client.wait_for_workers(max(self._settings.workers, 1), timeout=WITHOUT_WORKERS_SECONDS)
                except TimeoutError:
                    n_workers = len(workers_of(client))
                    client.close(timeout=_LOOK_SECONDS)
                    raise self._too_few(n_workers) from None
                self._client = client
            return self._client

    def _wait(self, client: Any, futures: Sequence[Any]) -> None:
        """Wait until all futures are over, or the cluster has had no workers for too long."""
        from distributed import wait

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
