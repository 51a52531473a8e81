"""What is kept of one training: what went in, what came out, and where it ran."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class RunStatus(StrEnum):
    """How a run stands. Lost means that its process is gone and nobody took it up again."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


class RunArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a run produced; below the workspace its path is relative."""

    path: str
    sha256: str
    n_bytes: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The tracked record of one training."""

    run_id: str  # "r-0001"
    session_id: str
    name: str
    status: RunStatus
    started_at: datetime
    started_by: str
    ended_at: datetime | None = None
    parameters: dict[str, Any] = {}
    metrics: dict[str, float] = {}  # the last value of each; their history is in the telemetry
    artifacts: tuple[RunArtifact, ...] = ()
    environment: dict[str, Any] = {}
    git: dict[str, Any] | None = None
    data_hashes: dict[str, str] = {}
    tags: dict[str, str] = {}
    parent_id: str = ""  # the run it is a part of
    lost_after_seconds: float | None = None  # silent for longer it is lost; None: an engine answers for it
    updated_at: datetime
    updated_by: str
    revision: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come."""
        return self.status is not RunStatus.RUNNING

    @property
    def duration_seconds(self) -> float | None:
        """How long it took, once it is over."""
        return None if self.ended_at is None else (self.ended_at - self.started_at).total_seconds()


def run_number(run_id: str) -> int:
    """Return the number in a run's id, and 0 for an id that has none.

    >>> run_number("r-0012")
    12
    """
    prefix, _, digits = run_id.partition("-")
    return int(digits) if prefix == "r" and digits.isdecimal() else 0
