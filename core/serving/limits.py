"""Limits on the size and duration of one request."""

from dataclasses import dataclass
from typing import Self

from core.settings import ServingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingLimits:
    """The limits of one server; the `serving` block of the settings explains each."""

    body_bytes: int = 8 << 20
    rows: int = 10_000
    body_seconds: float = 10.0
    answer_seconds: float = 30.0
    connections: int = 1_000
    connections_by_peer: int = 500
    first_request_seconds: float = 10.0
    idle_seconds: int = 75
    inline_rows: int = 64
    waiting_batches: int = 32
    workers: int = 2
    outcome_limit: float = 1e12
    memory_bytes: int = 0
    stop_seconds: float = 15.0

    @classmethod
    def of(cls, settings: ServingSettings) -> Self:
        """Read the limits from the settings.

        >>> ServingLimits.of(ServingSettings()) == ServingLimits()
        True
        """
        return cls(
            body_bytes=int(settings.max_body_mib * (1 << 20)),
            rows=settings.max_rows,
            body_seconds=settings.body_seconds,
            answer_seconds=settings.answer_seconds,
            connections=settings.connections,
            connections_by_peer=settings.connections_by_peer,
            first_request_seconds=settings.first_request_seconds,
            idle_seconds=settings.idle_seconds,
            inline_rows=settings.inline_rows,
            waiting_batches=settings.waiting_batches,
            workers=settings.workers,
            outcome_limit=settings.outcome_limit,
            memory_bytes=int(settings.memory_mib * (1 << 20)),
            stop_seconds=settings.stop_seconds,
        )
