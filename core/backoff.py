"""Waits between attempts: each longer than the one before, up to a limit."""

from dataclasses import dataclass

_MOST_GROWN = 100  # factors; beyond every limit, and small enough for a float


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """Exponential waits; each of many callers waits a random part of them, so that retries do not coincide.

    Source:
        Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015 ("full jitter").
    """

    attempts: int = 4
    first_seconds: float = 0.1
    factor: float = 2.0
    most_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_seconds < 0 or self.factor < 1:
            raise ValueError("at least one attempt, no negative wait, and a factor of at least 1")

    def wait_seconds(self, n_failures: int, share: float = 1.0) -> float:
        """Return how long to wait after a number of failures.

        Args:
            n_failures: Attempts that have failed, from 1.
            share: A random number from 0 to 1; 1 for a single caller.

        >>> [BackOff().wait_seconds(n) for n in (1, 2, 3, 10, 10_000)]
        [0.1, 0.2, 0.4, 5.0, 5.0]
        """
        return share * min(self.most_seconds, self.first_seconds * self.factor ** min(n_failures - 1, _MOST_GROWN))
