"""A retraining as a document: what people want of it, and what the engine observed. Light to import."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from core.settings.retraining import RetrainingPolicy


class TriggerKind(StrEnum):
    """Why a model is trained anew."""

    DRIFT = "drift"
    PERFORMANCE = "performance"
    SCHEDULE = "schedule"
    VOLUME = "volume"  # so many new labelled rows have come
    STALENESS = "staleness"
    MANUAL = "manual"
    API = "api"


class StepName(StrEnum):
    """The steps of a retraining, in order."""

    COLLECT = "collect"
    CHECK = "check"
    TRAIN = "train"
    VALIDATE = "validate"
    REGISTER = "register"
    ROLLOUT = "rollout"
    WATCH = "watch"

    @property
    def computes(self) -> bool:
        """Whether a child process performs it; the engine performs the others itself."""
        return self in (StepName.COLLECT, StepName.CHECK, StepName.TRAIN, StepName.VALIDATE)


class StepState(StrEnum):
    """The state of one step."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # it ended the retraining: what it found, or a person, spoke against going on
    FAILED = "failed"  # it broke off; it is tried again while attempts are left


class RetrainingPhase(StrEnum):
    """Where a retraining stands; only the engine writes it."""

    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    AWAITING_APPROVAL = "awaiting_approval"
    RESTORING = "restoring"  # the earlier version is being brought back
    DONE = "done"  # the new version is live and was watched
    REJECTED = "rejected"  # its rows or its version did not pass; the live version stayed
    RESTORED = "restored"  # the new version was live, and the earlier one is again
    FAILED = "failed"  # a step broke off more often than the policy tries; the live version stayed
    CANCELLED = "cancelled"

    @property
    def is_active(self) -> bool:
        """Whether anything is left to do."""
        return self in (
            RetrainingPhase.QUEUED,
            RetrainingPhase.RUNNING,
            RetrainingPhase.HELD,
            RetrainingPhase.AWAITING_APPROVAL,
            RetrainingPhase.RESTORING,
        )


class DesiredRetraining(StrEnum):
    """The state people want; the engine takes the next step towards it."""

    RUNNING = "running"
    HELD = "held"  # begin no further step; a canary keeps its share
    CANCELLED = "cancelled"  # end it, with the earlier version live


class RetrainingApproval(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that the new version may meet traffic."""

    by: str
    persons: tuple[str, ...]  # everyone who may be behind it: two approvals need different ones
    at: datetime
    reason: str = ""


class RetrainingStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: its state, times, reason in words, evidence and cost."""

    name: StepName
    state: StepState = msgspec.field(default_factory=lambda: StepState.WAITING)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    n_failures: int = 0  # attempts that broke off
    next_attempt_at: datetime | None = None
    reason: str = ""  # one sentence: what it found, or what it waits for
    evidence: dict[str, Any] = {}  # figures by name, as JSON
    seconds: float | None = None  # that its attempts computed
    peak_memory_mb: int | None = None  # of the child process


class RetrainingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One decision in the life of a retraining."""

    at: datetime
    verb: str  # as the audit log calls it
    reason: str
    by: str


class MetricBefore(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of the live version just before the new one met traffic: what the new one is watched against."""

    metric: str
    value: float
    low: float
    high: float
    n: int = 0  # outcomes
    window: str = ""  # day, week, or empty for all of its time
    higher_is_better: bool = False


class ObservedRetraining(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's half of a retraining."""

    phase: RetrainingPhase = RetrainingPhase.QUEUED
    reason: str = ""  # why it stands there, one sentence
    steps: tuple[RetrainingStep, ...] = tuple(RetrainingStep(name=name) for name in StepName)
    champion: str = ""  # the live version when it began: what it is compared with, and what is restored
    challenger: str = ""  # the new version, once it is registered
    run_id: str = ""  # the tracked run of its training
    rollout_id: str = ""
    before: tuple[MetricBefore, ...] = ()  # what the champion did lately, by outcomes
    promoted_at: datetime | None = None
    ends_as: RetrainingPhase | None = None  # the phase after the earlier version has been restored
    started_at: datetime | None = None
    ended_at: datetime | None = None
    events: tuple[RetrainingEvent, ...] = ()

    def step(self, name: StepName) -> RetrainingStep:
        """Return one step."""
        return next(step for step in self.steps if step.name is name)

    @property
    def current(self) -> RetrainingStep | None:
        """The first step that is not done; None after the last."""
        return next((step for step in self.steps if step.state is not StepState.DONE), None)


class Retraining(msgspec.Struct, frozen=True, kw_only=True):
    """The training of a model on what is new, up to a watched live version."""

    retraining_id: str  # "rt-0001"
    model: str
    trigger: TriggerKind
    cause: str  # what triggered it, one sentence
    policy: RetrainingPolicy  # the rules when it was asked for; they do not change meanwhile
    priority: int = 0  # the highest computes first
    as_of: datetime  # rows up to here count, so that an attempt after a crash collects the same
    created_at: datetime
    created_by: str
    reason: str = ""
    desired: DesiredRetraining = DesiredRetraining.RUNNING
    desired_by: str
    desired_at: datetime
    desired_reason: str = ""
    desired_revision: int = 1
    approvals: tuple[RetrainingApproval, ...] = ()
    observed: ObservedRetraining = ObservedRetraining()
    updated_at: datetime
    updated_by: str
    revision: int = 0

    @property
    def is_active(self) -> bool:
        """Whether anything is left to do."""
        return self.observed.phase.is_active

    @property
    def n_approvals_lacking(self) -> int:
        """How many more persons must approve."""
        return max(self.policy.n_approvals - len(self.approvals), 0)

    @property
    def needs_superiority(self) -> bool:
        """Whether the new version must be better, not only not worse."""
        if self.policy.validation.require != "auto":
            return self.policy.validation.require == "superior"
        return self.trigger in (TriggerKind.DRIFT, TriggerKind.PERFORMANCE)

    def refusal(self, desired: DesiredRetraining) -> str | None:
        """Say why a request would be refused, or None."""
        if not self.is_active:
            return f"it has ended ({in_words(self.observed.phase)})"
        if self.desired is DesiredRetraining.CANCELLED:
            return f"{self.desired_by} cancelled it at {self.desired_at:%H:%M} UTC"
        if self.observed.phase is RetrainingPhase.RESTORING:
            return "the earlier version is being restored"
        if self.desired is desired:
            return f"{self.desired_by} already asked for that at {self.desired_at:%H:%M} UTC"
        return None


class RetrainingMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine remembers of a model between its retrainings."""

    model: str
    schedule: str = ""  # the schedule and zone that `handled_until` is about
    handled_until: datetime | None = None  # all due instants until here have been handled
    revision: int = 0


def in_words(state: str) -> str:
    """Spell a phase as people say it.

    >>> in_words(RetrainingPhase.AWAITING_APPROVAL)
    'awaiting approval'
    """
    return str(state).replace("_", " ")
