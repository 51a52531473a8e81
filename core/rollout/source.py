"""Where a worker reads the served requests: the interface, and a scripted source."""

from datetime import datetime
from typing import Protocol

from core.losses import LossRule
from core.telemetry.chunk import to_us
from core.telemetry.predictions import Arm, Batch, Cursor, Scored, ScoredPair, ServedRequest

_HALF = 1 << 63
_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio


class PredictionSource(Protocol):
    """The interface of `PredictionReader` that the worker uses."""

    def end(self) -> Cursor:
        """Return the cursor behind everything that is stored."""

    def read(
        self,
        rollout_id: str,
        after: Cursor,
        *,
        settled_before: datetime,
        paired: bool = False,
        with_served: bool | None = None,
        loss: LossRule = ...,
        n: int = ...,
    ) -> Batch:
        """Return the records of a rollout after a cursor."""

    def failed_units(self, rollout_id: str, until: Cursor, *, over_ms: float | None = None) -> set[int]:
        """Return the callers of a rollout that had a failure up to a cursor."""


class ScriptedSource:
    """Returns scripted records: for rehearsals and tests. Knows one rollout."""

    def __init__(self) -> None:
        self.served: list[ServedRequest] = []
        self.pairs: list[tuple[ServedRequest, ServedRequest]] = []
        self.scored: list[Scored] = []

    def serve(
        self, arm: Arm, n: int, *, share: float, n_failed: int = 0, latency_ms: float = 2.0, unit: int | None = None
    ) -> None:
        """Let an arm answer n requests, the failures first."""
        self.served += [
            ServedRequest(arm, share, latency_ms, number < n_failed, unit, request=_spread(len(self.served) + number))
            for number in range(n)
        ]

    def score(self, arm: Arm, *losses: float, share: float) -> None:
        """Report the losses of predictions."""
        self.scored += [
            Scored(arm, share, loss, None, request=_spread(len(self.scored) + number))
            for number, loss in enumerate(losses)
        ]

    def end(self) -> Cursor:
        """Return the cursor behind all records."""
        return Cursor(store="script", prediction=len(self.served) + len(self.pairs), outcome=len(self.scored))

    def read(
        self,
        rollout_id: str,
        after: Cursor,
        *,
        settled_before: datetime,
        paired: bool = False,
        with_served: bool | None = None,
        loss: LossRule | None = None,
        n: int = 20_000,
    ) -> Batch:
        """Return the records after a cursor."""
        with_served = not paired if with_served is None else with_served
        served = self.served[after.prediction :][:n] if with_served else []
        pairs = [] if with_served else self.pairs[after.prediction :][:n]
        scored = self.scored[after.outcome :][:n]
        cursor = Cursor(
            store="script",
            prediction=after.prediction + len(served) + len(pairs),
            outcome=after.outcome + len(scored),
        )
        is_last = len(served) + len(pairs) < n and len(scored) < n
        return Batch(
            served,
            pairs,
            scored,
            cursor,
            is_last,
            scored_pairs=_paired(scored) if paired else (),
            seen_until_us=to_us(settled_before) if is_last else 0,
        )

    def failed_units(self, rollout_id: str, until: Cursor, *, over_ms: float | None = None) -> set[int]:
        """Return the callers that had a failure up to a cursor."""
        return {
            served.unit
            for served in self.served[: until.prediction]
            if served.unit is not None and (served.error if over_ms is None else (served.latency_ms or 0.0) > over_ms)
        }


def _spread(number: int) -> int:
    """Spread the numbers of requests evenly over 64 bits, as their hashes are."""
    return (number * _GOLDEN + _HALF) % (2 * _HALF) - _HALF


def _paired(scored: list[Scored]) -> list[ScoredPair]:
    """Pair the losses of both versions, in the order of each."""
    stable = [score for score in scored if not score.arm.is_of_candidate]
    candidate = [score for score in scored if score.arm.is_of_candidate]
    return [
        ScoredPair(one.loss, other.loss, one.unit, one.slices, one.request, one.at_us)
        for one, other in zip(stable, candidate, strict=False)
    ]
