"""Counters of answers, cheap enough for every request; Prometheus reads them on request.

Only the answering thread changes them, so an increment needs no lock.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from typing import Self

import msgspec

BOUNDS_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class VersionStats(msgspec.Struct):
    """The counters of one version since the server started."""

    n_requests: int = 0
    n_rows: int = 0
    n_errors: int = 0
    n_shadow: int = 0
    n_copies_dropped: int = 0
    seconds: float = 0.0
    last_used: float = 0.0  # seconds that only go forward, of this machine
    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))
    unfamiliar: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))

    def answered(self, seconds: float, n_rows: int) -> None:
        """Count one answered request."""
        self.last_used = time.monotonic()
        self.n_requests += 1
        self.n_rows += n_rows
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS_SECONDS, seconds)] += 1

    def add(self, other: Self) -> None:
        """Add the counters of another process."""
        self.n_requests += other.n_requests
        self.n_rows += other.n_rows
        self.n_errors += other.n_errors
        self.n_shadow += other.n_shadow
        self.n_copies_dropped += other.n_copies_dropped
        self.seconds += other.seconds
        self.buckets = [mine + theirs for mine, theirs in zip(self.buckets, other.buckets, strict=True)]
        for name, n in other.unfamiliar.items():
            self.unfamiliar[name] += n


class ServerStats:
    """All counters of one server."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], VersionStats] = {}
        self.refused: dict[tuple[str, int], int] = defaultdict(int)  # (dialect, status) -> how many
        self.n_telemetry_dropped = 0
        self.n_outcomes_refused = 0
        self.n_evicted = 0

    def of(self, model: str, version: str) -> VersionStats:
        """Return the counters of a version; they survive its unloading."""
        return self._versions.setdefault((model, version), VersionStats())

    def versions(self) -> list[tuple[str, str, VersionStats]]:
        """List the counters of every version that was ever loaded."""
        return [(model, version, stats) for (model, version), stats in list(self._versions.items())]
