"""Workers that share one piece of work from its beginning to its end, each with its own part."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from core.executors.dask_connection import workers_of
from core.executors.errors import ExecutorError
from core.executors.halted import HaltedWorkers, is_halted, short_of_memory

STUCK_SECONDS = 30.0
"""How long a worker may take to answer after its task was given up."""

_LOOK_SECONDS = 0.2

T = TypeVar("T")


class _AbandonedError(Exception):
    """Ends the thread of work that was given up."""


class PlacedClient:
    """A Dask client for a library that spreads one training over workers which talk to each other.

    What the library leaves to the scheduler is decided here, so that the same parts always meet in the same order: part
    k is computed on worker k, and the workers that hold parts are named in this order. All else is the client's.

    Args:
        client: A `distributed.Client`.
        workers: The workers by address, as the scheduler tells of them.

    Attributes:
        workers: The addresses of the workers.
    """

    def __init__(self, client: Any, workers: Mapping[str, Mapping[str, Any]]) -> None:
        self._client = client
        self._futures: list[Any] = []
        self._places: list[Sequence[str]] = []  # of each future: the workers that alone can compute it
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._halted = HaltedWorkers()
        # A worker that is replaced may have the address of the one that ended, but never its folder.
        self._folders = {worker: told["local_directory"] for worker, told in workers.items()}
        self.workers = tuple(workers)

    def done(self, work: "Callable[[PlacedClient], T]") -> T:
        """Do the work in this thread; what it waits for are tasks of this client."""
        with self._client.as_current():
            return work(self)

    def place(self, function: Callable[..., Any], shares: Sequence[Any], *arguments: Any) -> list[Any]:
        """Call a function for each share, the k-th on worker k.

        Args:
            function: Is called with the share, and the arguments.
            shares: As many as there are workers, or fewer.
            arguments: The same for all of them.
        Returns:
            The futures.
        """
        return [
            self.submit(function, share, *arguments, workers=[worker], allow_other_workers=False, pure=False)
            for share, worker in zip(shares, self.workers, strict=False)
        ]

    def submit(self, *arguments: Any, **options: Any) -> Any:
        """Submit a task as the client does."""
        return self._begun(lambda: self._client.submit(*arguments, **options), options.get("workers") or ())

    def compute(self, parts: Sequence[Any]) -> list[Any]:
        """Compute part k on worker k."""
        return [
            self._begun(partial(self._client.compute, part, workers=[worker], allow_other_workers=False), [worker])
            for part, worker in zip(parts, self.workers, strict=False)
        ]

    def who_has(self, futures: Sequence[Any]) -> dict[Any, list[str]]:
        """Name the workers that hold results, in the order of the results."""
        found = self._client.who_has(futures)
        return {future.key: list(found[future.key]) for future in futures}

    def is_broken(self) -> bool:
        """Return whether a worker is gone, or the scheduler."""
        return not self._is_whole(self._there())

    def goes_on(self) -> bool:
        """Return whether the scheduler and all workers are there, by one look at them.

        Raises:
            ExecutorError: A worker for which the work waits has been halted for want of memory for too long.
        """
        there = self._there()
        if not self._is_whole(there):
            return False
        self._require_memory(there)
        return True

    def _is_whole(self, there: Mapping[str, Mapping[str, Any]]) -> bool:
        is_whole = all(there.get(worker, {}).get("local_directory") == own for worker, own in self._folders.items())
        return is_whole and self._client.status == "running"

    def _require_memory(self, there: Mapping[str, dict[str, Any]]) -> None:
        with self._lock:
            placed = zip(self._futures, self._places, strict=True)
            awaited = {worker for future, places in placed if not future.done() for worker in places}
        workers = {worker: told for worker, told in there.items() if worker in awaited}
        if halted := self._halted.too_long(workers):
            raise short_of_memory(halted[0])

    def abandon(self) -> None:
        """Give up all tasks. A worker whose library still waits for the one that is gone is started again.

        Raises:
            ExecutorError: Such a worker cannot be started again from here.
        """
        with self._lock:
            self._is_abandoned = True
        if self._client.status != "running":
            return
        # Dask's scheduler drops a client that cancels a task on which a part of a graph depends: dependents come first.
        for future in reversed(self._futures):
            self._client.cancel([future])
        stuck = self._stuck({future.key for future in self._futures})
        there = self._there()
        with_nanny = [worker for worker in stuck if there.get(worker, {}).get("nanny")]
        ended = self._client.restart_workers(with_nanny, raise_for_error=False) if with_nanny else {}
        if left := [worker for worker in stuck if worker in there and ended.get(worker) not in ("OK", "removed")]:
            raise ExecutorError(
                f"the worker {left[0]} still waits for one that ended, and has no nanny that could start it again. "
                "Cure: start it again"
            )

    def _stuck(self, keys: set[str]) -> list[str]:
        """Return the workers that are still at tasks which were given up, or do not answer."""
        from distributed import CancelledError, wait

        until = time.monotonic() + STUCK_SECONDS
        there = self._there()
        # A halted worker is at nothing, and would not answer.
        asked = [worker for worker in self.workers if worker in there and not is_halted(there[worker])]
        while asked and (left := until - time.monotonic()) > 0:
            answers = {
                worker: self._client.submit(
                    is_at_work, keys, workers=[worker], allow_other_workers=False, pure=False, priority=1
                )
                for worker in asked
            }
            with contextlib.suppress(TimeoutError, CancelledError), self._client.as_current():
                wait(list(answers.values()), timeout=left)
            there = self._there()
            asked = [
                worker
                for worker, answer in answers.items()
                if worker in there and (answer.status != "finished" or answer.result())
            ]
            self._client.cancel(list(answers.values()))
            time.sleep(_LOOK_SECONDS)
        return asked

    def _there(self) -> dict[str, dict[str, Any]]:
        try:
            return workers_of(self._client)
        except OSError:  # the scheduler is gone
            return {}

    def _begun(self, begin: Callable[[], Any], workers: Sequence[str]) -> Any:
        with self._lock:  # what is begun later than the work is given up would be waited for without end
            if self._is_abandoned:
                raise _AbandonedError
            self._futures.append(found := begin())
            self._places.append(workers)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def is_at_work(keys: set[str]) -> bool:
    """Return whether a worker is still at one of some tasks; Dask calls it there."""
    from distributed import get_worker

    return any(task.key in keys for task in list(get_worker().state.executing))
