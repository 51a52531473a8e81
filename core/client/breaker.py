"""A circuit breaker: a peer that keeps failing gets no requests for a while, then one trial request."""

import threading
import time
from collections.abc import Callable
from enum import StrEnum

from core.client.errors import CircuitOpenError


class BreakerState(StrEnum):
    """Whether requests pass."""

    CLOSED = "closed"  # all pass
    OPEN = "open"  # none pass
    HALF_OPEN = "half_open"  # one trial request passes


class CircuitBreaker:
    """Opens after consecutive failures; after a rest, one trial request decides. Thread-safe."""

    def __init__(
        self, *, n_failures: int = 5, rest_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start closed.

        Args:
            n_failures: How many consecutive failures open it.
            rest_seconds: How long it stays open.
            clock: Seconds that only go forward.
        """
        self._limit = n_failures
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._n_failed = 0
        self._reason = ""
        self._opened_at: float | None = None
        self._is_trying = False

    @property
    def state(self) -> BreakerState:
        """The state of the breaker now."""
        with self._lock:
            if self._opened_at is None:
                return BreakerState.CLOSED
            return BreakerState.OPEN if self._left() > 0 else BreakerState.HALF_OPEN

    @property
    def is_open(self) -> bool:
        """Whether no request would pass."""
        return self.state is BreakerState.OPEN

    def admit(self) -> None:
        """Let a request through; `failed`, `succeeded` or `gave_up` must follow.

        Raises:
            CircuitOpenError: The breaker is open, or another request is on trial.
        """
        with self._lock:
            if self._opened_at is None:
                return
            if (left := self._left()) > 0 or self._is_trying:
                raise CircuitOpenError(self._n_failed, max(left, 0.0), self._reason)
            self._is_trying = True

    def succeeded(self) -> None:
        """Note an answer: the peer is reachable."""
        with self._lock:
            self._n_failed = 0
            self._opened_at = None
            self._is_trying = False

    def failed(self, reason: str) -> None:
        """Note a failure, and open if it reaches the limit or was the trial."""
        with self._lock:
            self._n_failed += 1
            self._reason = reason
            if self._is_trying or (self._opened_at is None and self._n_failed >= self._limit):
                self._opened_at = self._clock()
                self._is_trying = False

    def gave_up(self) -> None:
        """Note that a request was abandoned without a result."""
        with self._lock:
            self._is_trying = False

    def _left(self) -> float:
        assert self._opened_at is not None
        return self._opened_at + self._rest_seconds - self._clock()
