"""Counters of answers, cheap enough for every request; Prometheus reads them on request.

Only the answering thread changes them, so an increment needs no lock.
"""

from bisect import bisect_left
from collections import defaultdict

BOUNDS_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class VersionStats:
    """The counters of one version since the server started."""

    __slots__ = ("buckets", "n_copies_dropped", "n_errors", "n_requests", "n_rows", "n_shadow", "seconds", "unfamiliar")

    def __init__(self) -> None:
        self.n_requests = self.n_rows = self.n_errors = self.n_shadow = self.n_copies_dropped = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BOUNDS_SECONDS) + 1)
        self.unfamiliar: dict[str, int] = defaultdict(int)

    def answered(self, seconds: float, n_rows: int) -> None:
        """Count one answered request."""
        self.n_requests += 1
        self.n_rows += n_rows
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS_SECONDS, seconds)] += 1


class ServerStats:
    """All counters of one server."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], VersionStats] = {}
        self.refused: dict[tuple[str, int], int] = defaultdict(int)  # (dialect, status) -> how many
        self.n_telemetry_dropped = 0
        self.n_outcomes_refused = 0

    def of(self, model: str, version: str) -> VersionStats:
        """Return the counters of a version; they survive its unloading."""
        return self._versions.setdefault((model, version), VersionStats())

    def versions(self) -> list[tuple[str, str, VersionStats]]:
        """List the counters of every version that was ever loaded."""
        return [(model, version, stats) for (model, version), stats in list(self._versions.items())]
