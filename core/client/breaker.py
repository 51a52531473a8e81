"""A circuit breaker: a peer that keeps failing is left alone for a while, then tried with one request."""

import threading
import time
from collections.abc import Callable
from enum import StrEnum

from core.client.errors import CircuitOpenError


class BreakerState(StrEnum):
    """Whether requests pass."""

    CLOSED = "closed"  # they do
    OPEN = "open"  # they do not
    HALF_OPEN = "half_open"  # one does, on trial


class CircuitBreaker:
    """Opens after failures in a row; after a rest one request is let through, and decides. Thread-safe."""

    def __init__(
        self, *, n_failures: int = 5, rest_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin closed.

        Args:
            n_failures: How many in a row open it.
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
        """Whether a request would pass just now."""
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
            CircuitOpenError: The peer is left alone, or is being tried by somebody else.
        """
        with self._lock:
            if self._opened_at is None:
                return
            if (left := self._left()) > 0 or self._is_trying:
                raise CircuitOpenError(self._n_failed, max(left, 0.0), self._reason)
            self._is_trying = True

    def succeeded(self) -> None:
        """Note an answer: the peer is there."""
        with self._lock:
            self._n_failed = 0
            self._opened_at = None
            self._is_trying = False

    def failed(self, reason: str) -> None:
        """Note a failure, and open if it is one too many or was the trial."""
        with self._lock:
            self._n_failed += 1
            self._reason = reason
            if self._is_trying or (self._opened_at is None and self._n_failed >= self._limit):
                self._opened_at = self._clock()
                self._is_trying = False

    def gave_up(self) -> None:
        """Note that a request was given up and has shown nothing."""
        with self._lock:
            self._is_trying = False

    def _left(self) -> float:
        assert self._opened_at is not None
        return self._opened_at + self._rest_seconds - self._clock()
