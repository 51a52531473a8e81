"""Work in threads of this process: LightGBM, scikit-learn and NumPy compute outside Python's lock."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from core.executors.work import Work

S = TypeVar("S")
T = TypeVar("T")


class ThreadExecutor:
    """Threads, as many as there are cores unless a number is given. The results do not depend on the number."""

    def __init__(self, n_threads: int = 0) -> None:
        self._n_threads = n_threads or os.cpu_count() or 1

    def map(self, work: Work[S, T], items: Sequence[S]) -> list[T]:
        """Do every item; return the results in the order of the items."""
        with ThreadPoolExecutor(self._n_threads, thread_name_prefix="work") as threads:
            # Each in the context of the caller, which knows the executor of the session.
            futures = [threads.submit(copy_context().run, work.here, item) for item in items]
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()

    def close(self) -> None:
        """Do nothing: threads live as long as a list of items."""
