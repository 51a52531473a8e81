"""How many requests of the control API a caller may make: a bucket for each, which fills evenly."""

import threading
import time
from collections.abc import Callable

MOST_CALLERS = 10_000


class RateLimit:
    """The buckets of one server process. A full bucket holds the requests of a minute, so a burst is served at once."""

    def __init__(self, per_minute: int | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with full buckets.

        Args:
            per_minute: How many requests a caller may make in a minute; None for no limit.
            monotonic: A monotonic clock in seconds.
        """
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # requests left, and when that was

    def wait_seconds(self, caller: str) -> float:
        """Take one request; return 0, or in how many seconds the caller may make its next.

        Args:
            caller: The token, the account, or the address of a caller without either.
        """
        if self._per_minute is None:
            return 0.0
        each = 60.0 / self._per_minute
        now = self._monotonic()
        with self._lock:
            left, at = self._buckets.pop(caller, (float(self._per_minute), now))
            left = min(left + (now - at) / each, float(self._per_minute))
            if len(self._buckets) >= MOST_CALLERS:
                self._buckets.pop(next(iter(self._buckets)))  # whoever asked longest ago
            is_allowed = left >= 1
            self._buckets[caller] = (left - 1 if is_allowed else left), now
            return 0.0 if is_allowed else (1 - left) * each
