"""Clocks that a test moves by hand."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class HandClock:
    """A time of day that stands still until it is moved, or moves by the same step at every look."""

    def __init__(
        self, now: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC), *, step: timedelta = timedelta()
    ) -> None:
        self.now = now
        self._step = step

    def __call__(self) -> datetime:
        self.now += self._step
        return self.now

    def pass_by(self, seconds: float) -> datetime:
        """Move the clock forward."""
        self.now += timedelta(seconds=seconds)
        return self.now


class HandSeconds:
    """A monotonic count of seconds that grows only when a test, or whoever sleeps by it, makes it grow."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        """Let seconds pass."""
        self.seconds += seconds

    def sleep(self, seconds: float) -> None:
        """Sleep without waiting, and keep how long it would have been."""
        self.waits.append(seconds)
        self.seconds += seconds
