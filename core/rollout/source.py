"""Where a worker learns what was served: the interface, and one that is told what to say."""

from datetime import datetime
from typing import Protocol

from core.telemetry.predictions import Arm, Batch, Cursor, Scored, ServedRequest


class PredictionSource(Protocol):
    """What the worker asks of `PredictionReader`, or of another in its place."""

    def end(self) -> Cursor:
        """Return the cursor behind everything that is stored."""

    def read(
        self, rollout_id: str, after: Cursor, *, settled_before: datetime, paired: bool = False, n: int = ...
    ) -> Batch:
        """Return what was stored of a rollout after a cursor."""

    def failed_units(self, rollout_id: str, until: Cursor, *, over_ms: float | None = None) -> set[int]:
        """Return the callers of a rollout that had a failure up to a cursor."""


class ScriptedSource:
    """Says what it was told: for rehearsals and tests. Knows one rollout."""

    def __init__(self) -> None:
        self.served: list[ServedRequest] = []
        self.pairs: list[tuple[ServedRequest, ServedRequest]] = []
        self.scored: list[Scored] = []

    def serve(
        self, arm: Arm, n: int, *, share: float, n_failed: int = 0, latency_ms: float = 2.0, unit: int | None = None
    ) -> None:
        """Have an arm answer so many requests, the failures first."""
        self.served += [ServedRequest(arm, share, latency_ms, number < n_failed, unit) for number in range(n)]

    def score(self, arm: Arm, *losses: float, share: float) -> None:
        """Have the losses of so many predictions become known."""
        self.scored += [Scored(arm, share, loss, None) for loss in losses]

    def end(self) -> Cursor:
        """Return the cursor behind all it was told."""
        return Cursor(store="script", prediction=len(self.served) + len(self.pairs), outcome=len(self.scored))

    def read(
        self, rollout_id: str, after: Cursor, *, settled_before: datetime, paired: bool = False, n: int = 20_000
    ) -> Batch:
        """Return what it was told after a cursor."""
        served = [] if paired else self.served[after.prediction :][:n]
        pairs = self.pairs[after.prediction :][:n] if paired else []
        scored = self.scored[after.outcome :][:n]
        cursor = Cursor(
            store="script",
            prediction=after.prediction + len(served) + len(pairs),
            outcome=after.outcome + len(scored),
        )
        return Batch(served, pairs, scored, cursor, is_last=len(served) + len(pairs) < n and len(scored) < n)

    def failed_units(self, rollout_id: str, until: Cursor, *, over_ms: float | None = None) -> set[int]:
        """Return the callers that had a failure up to a cursor."""
        return {
            served.unit
            for served in self.served[: until.prediction]
            if served.unit is not None and (served.error if over_ms is None else (served.latency_ms or 0.0) > over_ms)
        }
