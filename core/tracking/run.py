"""The record of one training: its inputs, its results, and where it ran."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

import msgspec


class RunStatus(StrEnum):
    """The status of a run. Lost means that its process is gone and the run was not resumed."""

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


class MadeElsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the making of a run that another system has tracked."""

    started_at: datetime
    git: dict[str, Any] | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The tracked record of one training."""

    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = ("parameters", "environment", "git", "artifacts", "data_hashes")
    ALIKE: ClassVar[tuple[str, ...]] = ("session_id", "started_by", "parent_id", "updated_by")
    WHOLE_WHILE: ClassVar[str] = "is_running"

    run_id: str  # "r-0001"
    session_id: str
    name: str
    status: RunStatus
    started_at: datetime
    started_by: str
    ended_at: datetime | None = None
    parameters: dict[str, Any] = {}
    metrics: dict[str, float] = {}  # the last value of each metric; the history is in the telemetry
    diverged: tuple[str, ...] = ()  # the losses whose last value is NaN or infinite; they have no value in `metrics`
    undefined: tuple[str, ...] = ()  # the other metrics whose last value is NaN or infinite; they have no value, either
    artifacts: tuple[RunArtifact, ...] = ()
    environment: dict[str, Any] = {}
    git: dict[str, Any] | None = None
    data_hashes: dict[str, str] = {}
    tags: dict[str, str] = {}
    parent_id: str = ""  # the run it is part of
    lost_after_seconds: float | None = None  # it is lost after a longer silence; None: an engine is responsible for it
    updated_at: datetime
    updated_by: str
    revision: int = 0

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status is RunStatus.RUNNING

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
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
    return int(digits) if prefix == "r" and digits.isascii() and digits.isdecimal() else 0
