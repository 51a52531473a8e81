"""The state of a Dask cluster: its workers, their memory and their tasks."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from core.errors import UsageError
from core.executors.dask_connection import connected, workers_of
from core.executors.errors import ExecutorError
from core.settings.executor import ExecutorSettings

_STATES = ("executing", "ready", "waiting", "memory")


class WorkerStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, as its scheduler last heard of it."""

    name: str
    address: str
    n_threads: int
    memory_bytes: int
    memory_limit_bytes: int | None  # None without a limit
    cpu_share: float  # of one core
    n_running: int  # tasks
    n_waiting: int  # tasks that were given to it and have not begun
    n_results: int  # results that it holds


class ClusterStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster at one instant."""

    address: str
    workers: tuple[WorkerStanding, ...]

    @property
    def n_threads(self) -> int:
        """Tasks that it can do at a time."""
        return sum(worker.n_threads for worker in self.workers)

    @property
    def n_running(self) -> int:
        """Tasks that are being done."""
        return sum(worker.n_running for worker in self.workers)

    @property
    def n_waiting(self) -> int:
        """Tasks that have not begun."""
        return sum(worker.n_waiting for worker in self.workers)

    @property
    def memory_bytes(self) -> int:
        """Memory of all workers."""
        return sum(worker.memory_bytes for worker in self.workers)


def settings_for(address: str, settings: ExecutorSettings) -> ExecutorSettings:
    """Return the settings with which a cluster is asked for its state.

    Args:
        address: Of the scheduler; empty for the settings' own.
        settings: The `executor` block in force.
    Raises:
        UsageError: There is no address, or it may not be used without encryption.
    """
    if not address:
        if settings.kind != "dask":
            raise UsageError(f"executor.kind is {settings.kind}: name the address of a scheduler, tcp://HOST:PORT.")
        return settings
    try:
        return ExecutorSettings(
            kind="dask",
            address=address,
            tls=settings.tls if address.startswith("tls://") else None,
            allow_unencrypted=settings.allow_unencrypted,
        )
    except ValueError as error:
        raise UsageError(f"{error}.") from None


def cluster_standing(settings: ExecutorSettings) -> ClusterStanding:
    """Ask a scheduler for its workers.

    Args:
        settings: With kind dask.
    Raises:
        MissingDaskError: Dask is not installed.
        UsageError: A file of `executor.tls` cannot be read.
        ExecutorError: The scheduler does not answer.
    """
    client = connected(settings)
    try:
        found: Mapping[str, Mapping[str, Any]] = workers_of(client)
        given: Mapping[str, Any] = client.processing()
    except (OSError, TimeoutError) as error:
        raise ExecutorError(f"the Dask scheduler {settings.address} ended while it was asked ({error})") from None
    finally:
        with suppress(OSError, TimeoutError):
            client.close(timeout=1.0)
    workers = (_worker(address, told, len(given.get(address, ()))) for address, told in found.items())
    return ClusterStanding(
        address=settings.address, workers=tuple(sorted(workers, key=lambda worker: (worker.name, worker.address)))
    )


def _worker(address: str, told: Mapping[str, Any], n_given: int) -> WorkerStanding:
    metrics = told.get("metrics") or {}
    n_tasks = {state: int(metrics.get("task_counts", {}).get(state, 0)) for state in _STATES}
    return WorkerStanding(
        name=str(told.get("name", address)),
        address=address,
        n_threads=int(told.get("nthreads", 0)),
        memory_bytes=int(metrics.get("memory", 0)),
        memory_limit_bytes=int(told["memory_limit"]) if told.get("memory_limit") else None,
        cpu_share=float(metrics.get("cpu", 0.0)) / 100.0,
        n_running=n_tasks["executing"],
        n_waiting=max(n_given - n_tasks["executing"], 0),
        n_results=n_tasks["memory"],
    )
