"""Workers of a Dask cluster that are given no work any more, since they are short of memory."""

import time
from collections.abc import Mapping
from typing import Any

from core.executors.errors import ExecutorError

HALTED_SECONDS = 60.0
"""How long a worker may be halted before the work fails; one that frees its memory goes on within seconds."""


class HaltedWorkers:
    """Remembers since when workers are halted."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def too_long(self, workers: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Name the workers that have been halted for `HALTED_SECONDS`, at every look.

        Args:
            workers: By address, as the scheduler tells of them now.
        """
        now = time.monotonic()
        self._since = {worker: self._since.get(worker, now) for worker, told in workers.items() if is_halted(told)}
        return [worker for worker, since in self._since.items() if now - since >= HALTED_SECONDS]


def is_halted(told: Mapping[str, Any]) -> bool:
    """Return whether a worker is given no work, and is at none; one that is paused goes on with what it had begun.

    Args:
        told: What the scheduler tells of the worker.
    """
    is_at_work = told["metrics"].get("task_counts", {}).get("executing", 0) > 0
    return bool(told["status"] == "paused") and not is_at_work


def short_of_memory(worker: str) -> ExecutorError:
    """Say that a worker has been halted for too long."""
    return ExecutorError(
        f"the worker {worker} is at its limit of memory, and Dask has given it no work for {HALTED_SECONDS:.0f} s. "
        "Cure: give workers more memory, or use more of them"
    )
