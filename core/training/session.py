"""A training session as a document: the desired state, and the state the engine observed."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from core.domains.report_section import ReportSection
from core.json_documents import converted
from core.quality.gate import GateResult
from core.settings import TrainingSettings
from core.training.agents.agent import Agent
from core.training.criterion import Criterion
from core.training.text_training import TextTraining
from core.training.tuning.records import TuningProgress


class DesiredSession(StrEnum):
    """The desired state of a session; the engine takes the next step towards it."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class SessionPhase(StrEnum):
    """The phase of a session; only the engine writes it."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"  # stopping: the current epoch ends first, or the final refit and test are running
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_at_work(self) -> bool:
        """Whether the engine is training this session; a session that waits or was paused is not at work."""
        return self in (SessionPhase.PREPARING, SessionPhase.RUNNING, SessionPhase.STOPPING)

    @property
    def is_at_rest(self) -> bool:
        """Whether the engine has nothing left to do here until a new request."""
        return self in (SessionPhase.FINISHED, SessionPhase.STOPPED, SessionPhase.FAILED)


class ObservedSession(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's half of a session. Scores are attainments: shares of the best attainable score."""

    phase: SessionPhase = SessionPhase.QUEUED
    epoch: int = 0  # the last completed epoch
    n_epochs: int = 0  # the epoch limit
    score: float | None = None
    best_score: float | None = None
    best_epoch: int | None = None
    gates: tuple[GateResult, ...] = ()
    quality_score: float | None = None
    metrics: dict[str, float] = {}
    diverged: tuple[str, ...] = ()  # the losses of the last epoch that are NaN or infinite
    started_at: datetime | None = None
    epoch_started_at: datetime | None = None
    epoch_seconds: float | None = None  # of the last epoch that was timed
    last_progress_at: datetime | None = None
    ended_at: datetime | None = None
    trained_seconds: float = 0.0  # training time, without pauses and outages
    cpu_seconds: float = 0.0  # processor time of its child processes; of a parent, of all its agents
    eta_seconds: float | None = None  # until the epoch limit; None until an epoch has been timed
    failure: str | None = None  # of the last failed attempt; stays on record while the session continues
    is_failing: bool = False  # whether that attempt is the last news: no epoch and no batch of trials has ended since
    failed_epoch: int = 0  # the epoch of that attempt; 0 in documents written before it was recorded
    stop_reason: str | None = None  # why it ended: converged, plateau, epoch limit, time limit, stopped by a person
    gave_up_at: int = 0  # the `desired_revision` under which it failed; a new request means a new attempt
    n_failed_epochs: int = 0  # failed attempts; each was retried
    n_rejected_epochs: int = 0  # skipped epochs: their draws failed a gate
    checkpoint: str | None = None  # relative to the workspace
    checkpoint_sha256: str | None = None
    registered: tuple[str, ...] = ()  # "spread/1.2.0"
    sections: tuple[ReportSection, ...] = ()  # the domain's own part of the final report
    tuning: TuningProgress = TuningProgress()  # where the search of parameters stands; its trials are in files
    tuning_seconds: float = 0.0  # its time, without pauses and outages
    criteria: tuple[Criterion, ...] = ()  # where the criteria that end it stand after its last epoch
    announcements: tuple[str, ...] = ()  # features the settings switch on that this release does not have
    warnings: tuple[str, ...] = ()  # where training on this machine differs from what the settings suggest
    samples: tuple[str, ...] = ()  # documents that a model of language wrote after the last epoch


YOUNGER = (
    "domain",
    "domain_settings",
    "datasets",
    "experiment_name",
    "tuning",
    "executor",
    "agents",
    "only",
)  # settings added after the first release


def as_document(settings: TrainingSettings) -> dict[str, Any]:
    """Format settings for storage.

    Newer settings are left out at their defaults, so the digest of unchanged settings stays
    the same across releases.
    """
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    usual: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(TrainingSettings()))
    if not document["quality_gates"]["limits"]:
        del document["quality_gates"]["limits"]
    if not document["stress_testing"]["stressed_share"]:
        del document["stress_testing"]["stressed_share"]
    return {key: value for key, value in document.items() if key not in YOUNGER or value != usual[key]}


def without_place(document: dict[str, Any]) -> dict[str, Any]:
    """Return settings without the executor: it changes no result, and names a host, which no report does."""
    return {key: value for key, value in document.items() if key != "executor"}


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One training job. It computes from `settings` alone, which never change after the start."""

    session_id: str
    name: str
    created_at: datetime
    created_by: str
    settings: dict[str, Any]
    desired: DesiredSession = DesiredSession.RUNNING
    desired_by: str
    desired_at: datetime
    desired_revision: int = 1  # the revision of the last change of the desired state
    reason: str = ""
    tuning_stopped: str = ""  # who asked to end the search of parameters with the trials it has, and why
    observed: ObservedSession
    run_id: str | None = None
    parent: str = ""  # the session that this one is an agent of
    agent: Agent | None = None  # which one, and its limits
    text: TextTraining | None = None  # the model of language that it trains; None: the models of its settings
    children: tuple[str, ...] = ()  # the sessions of its agents
    is_held: bool = False  # paused or stopped by itself, not with its parent; only a request to resume it ends that
    revision: int = 0
    updated_at: datetime | None = None
    updated_by: str = ""

    @property
    def training(self) -> TrainingSettings:
        """The settings as a typed model."""
        return converted(self.settings, TrainingSettings)

    @property
    def experiment(self) -> str:
        """The experiment of its run; by default its domain."""
        return str(self.settings.get("experiment_name") or self.settings.get("domain") or TrainingSettings().domain)

    @property
    def wants_work(self) -> bool:
        """Whether the engine should train this session now."""
        phase = self.observed.phase
        has_given_up = phase is SessionPhase.FAILED and self.observed.gave_up_at >= self.desired_revision
        return self.desired is DesiredSession.RUNNING and phase is not SessionPhase.FINISHED and not has_given_up

    @property
    def has_ended(self) -> bool:
        """Whether it is at rest, and nobody has asked for more since."""
        return self.observed.phase.is_at_rest and not self.wants_work

    @property
    def is_finishing(self) -> bool:
        """Whether it ends on its own: the final fit and the test are running, and no request changes that."""
        is_ending = self.observed.phase is SessionPhase.STOPPING and self.observed.stop_reason is not None
        return is_ending and self.desired is DesiredSession.RUNNING

    @property
    def is_searching(self) -> bool:
        """Whether its search of parameters has begun, and its epochs have not."""
        tuning = self.observed.tuning
        return bool(tuning.standings) and not tuning.is_done and self.observed.phase is not SessionPhase.FINISHED

    @property
    def title(self) -> str:
        """Its name, with the model of language if it trains one."""
        return self.name if self.text is None else f"{self.name} ({self.text.model})".strip()

    def in_its_queue(self) -> "Session":
        """Return the session as it is shown: one that is to run and rests is queued, until its turn comes."""
        rests = self.observed.phase.is_at_rest or self.observed.phase is SessionPhase.PAUSED
        if not (rests and self.wants_work):
            return self
        waits = {"phase": SessionPhase.QUEUED, "stop_reason": None, "ended_at": None, "eta_seconds": None}
        return msgspec.structs.replace(self, observed=msgspec.structs.replace(self.observed, **waits))

    def refusal(self, desired: DesiredSession) -> str | None:
        """Return why a request is refused in this state, or None if it is allowed."""
        phase = self.observed.phase
        if phase is SessionPhase.FINISHED:
            return f"it has finished ({self.observed.stop_reason}); start a new session instead"
        if self.is_finishing and desired is not DesiredSession.RUNNING:
            return f"it is finishing ({self.observed.stop_reason}): only the final fit is left, then it ends by itself"
        if phase is SessionPhase.FAILED and desired is not DesiredSession.RUNNING:
            return "it has failed and is not running"
        if self.desired is desired and phase is not SessionPhase.FAILED:
            return f"{self.desired_by} already requested that at {self.desired_at:%H:%M:%S} UTC"
        if phase is SessionPhase.STOPPED and desired is DesiredSession.PAUSED:
            return "it is already stopped"
        return None
