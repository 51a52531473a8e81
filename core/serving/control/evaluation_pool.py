"""A few threads of their own for what a caller may make expensive, so that the other paths answer meanwhile."""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

import anyio.to_thread

from core.promql import EvaluationLimits, EvaluationStoppedError
from core.serving.errors import UnavailableError

T = TypeVar("T")

MOST_AT_ONCE: Final = 2
"""How many expressions are evaluated at once. Whoever comes then is asked to come again: a queue would only grow."""
_MAX_SAMPLES: Final = 5_000_000
_SECONDS: Final = 5.0


class EvaluationPool:
    """Runs evaluations; used by the event loop of a server."""

    def __init__(self) -> None:
        """Start with nothing running."""
        self._limiter = anyio.CapacityLimiter(MOST_AT_ONCE)
        self._n_running = 0
        self._stopping = threading.Event()
        self.limits = EvaluationLimits(max_samples=_MAX_SAMPLES, seconds=_SECONDS, stop=self._stopping)
        """Of one expression: a caller over the network gets less than an operator at the machine."""

    async def run(self, work: Callable[[], T]) -> T:
        """Run in a thread of the pool.

        Raises:
            UnavailableError: All threads are busy, or the server ends.
        """
        if self._n_running >= MOST_AT_ONCE:
            raise UnavailableError(f"{MOST_AT_ONCE} expressions are being evaluated already: ask again in a moment.")
        self._n_running += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        except EvaluationStoppedError:
            raise UnavailableError("The server ends: ask again in a moment.") from None
        finally:
            self._n_running -= 1

    def stop(self) -> None:
        """Give up what is being evaluated: the server ends."""
        self._stopping.set()
