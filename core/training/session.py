"""A training session as a document: what people want of it, and what the engine saw of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from core.quality.gate import GateResult
from core.settings import TrainingSettings


class DesiredSession(StrEnum):
    """What people want of a session; the engine takes the next step towards it."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class SessionPhase(StrEnum):
    """Where a session stands; only the engine writes it."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"  # winding up: the epoch at work ends first, or the final refit and test are being made
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_at_rest(self) -> bool:
        """Whether the engine has nothing left to do here unless somebody asks anew."""
        return self in (SessionPhase.FINISHED, SessionPhase.STOPPED, SessionPhase.FAILED)


class ObservedSession(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's half of a session. Scores are attainments: shares of the best attainable score."""

    phase: SessionPhase = SessionPhase.QUEUED
    epoch: int = 0  # the last one completed
    n_epochs: int = 0  # the most there may be
    score: float | None = None
    best_score: float | None = None
    best_epoch: int | None = None
    gates: tuple[GateResult, ...] = ()
    quality_score: float | None = None
    metrics: dict[str, float] = {}
    started_at: datetime | None = None
    epoch_started_at: datetime | None = None
    last_progress_at: datetime | None = None
    ended_at: datetime | None = None
    trained_seconds: float = 0.0  # time at work, pauses and outages left out
    eta_seconds: float | None = None  # to the last epoch there may be; None until an epoch has been timed
    failure: str | None = None  # of the last failed attempt; stays for the record while the session goes on
    stop_reason: str | None = None  # why it ended: converged, plateau, epoch limit, time limit, a person
    gave_up_at: int = 0  # the `desired_revision` under which it failed; asking anew means trying anew
    n_failed_epochs: int = 0  # attempts that did not come to an end; each was tried again
    n_rejected_epochs: int = 0  # draws that failed a gate and were not learnt from
    checkpoint: str | None = None  # relative to the workspace
    checkpoint_sha256: str | None = None
    registered: tuple[str, ...] = ()  # "spread/1.2.0"
    announcements: tuple[str, ...] = ()  # what the settings switch on that this release cannot do
    warnings: tuple[str, ...] = ()  # how this machine trains other than the settings lead one to expect


YOUNGER = ("domain", "domain_settings")  # settings that the first sessions did not have


def as_document(settings: TrainingSettings) -> dict[str, Any]:
    """Spell settings as they are kept and read back.

    Younger settings are left out where they say nothing, so that the digest of settings that have not changed stays
    what it has always been.
    """
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    usual = TrainingSettings()
    return {key: value for key, value in document.items() if key not in YOUNGER or value != getattr(usual, key)}


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One training job. `settings` is the whole of what it computes from; it never changes after the start."""

    session_id: str
    name: str
    created_at: datetime
    created_by: str
    settings: dict[str, Any]
    desired: DesiredSession = DesiredSession.RUNNING
    desired_by: str
    desired_at: datetime
    desired_revision: int = 1  # the revision in which somebody last changed what is wanted
    reason: str = ""
    observed: ObservedSession
    run_id: str | None = None
    revision: int = 0
    updated_at: datetime | None = None
    updated_by: str = ""

    @property
    def training(self) -> TrainingSettings:
        """The settings as the typed model they were saved from."""
        return msgspec.convert(self.settings, TrainingSettings)

    @property
    def wants_work(self) -> bool:
        """Whether the engine should train this session now."""
        phase = self.observed.phase
        has_given_up = phase is SessionPhase.FAILED and self.observed.gave_up_at >= self.desired_revision
        return self.desired is DesiredSession.RUNNING and phase is not SessionPhase.FINISHED and not has_given_up
