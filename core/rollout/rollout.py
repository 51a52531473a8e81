"""A rollout as a document: what people want, and what the engine observed."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

import msgspec

from core.rollout.disagreement import Disagreement
from core.rollout.evidence import RolloutEvidence
from core.rollout.experiment import ExperimentVerdict
from core.rollout.judgement import RolloutVerdict
from core.rollout.plan import RolloutPlan
from core.rollout.readings import GuardReading
from core.rollout.strategies import Strategy
from core.rollout.unjudged import LossOrigins, NotJudged, not_judged
from core.telemetry.predictions import Cursor

MAX_EVENTS = 200
END = "rollout.end"
"""The end of a rollout without a verdict, as the audit log calls it."""


class DesiredRollout(StrEnum):
    """The state people want a rollout in; the engine takes the next step towards it."""

    RUNNING = "running"
    PAUSED = "paused"  # stay at this share; still watching for harm
    ABORTED = "aborted"  # all traffic back to the stable version immediately
    PROMOTE_NOW = "promote_now"  # go live without waiting for proof; gates and proven harm still refuse


class RolloutPhase(StrEnum):
    """The phase of a rollout; only the engine writes it."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    INCONCLUSIVE = "inconclusive"  # past its deadline; keeps its share, watches for harm, until an operator decides
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    FINISHED = "finished"  # an experiment or a shadow has its finding; the stable version answers all requests

    @property
    def is_active(self) -> bool:
        """Whether the candidate is still being judged."""
        return self in (RolloutPhase.PENDING, RolloutPhase.RUNNING, RolloutPhase.PAUSED, RolloutPhase.INCONCLUSIVE)

    @property
    def is_success(self) -> bool:
        """Whether it ended as planned: the candidate is live, or an experiment or a shadow has its finding."""
        return self in (RolloutPhase.PROMOTED, RolloutPhase.FINISHED)


def state_in_words(state: str) -> str:
    """Spell a phase or a desired state as people say it: a rollout is held, which is stored as paused.

    >>> state_in_words(RolloutPhase.PAUSED), state_in_words(RolloutPhase.RUNNING)
    ('held', 'running')
    """
    return "held" if state == RolloutPhase.PAUSED else str(state)


class RolloutEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One decision in the life of a rollout."""

    at: datetime
    verb: str  # as the audit log calls it
    reason: str
    step: int
    share: float
    by: str


class ObservedRollout(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's half of a rollout."""

    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = (
        "evidence",
        "begin_cursor",
        "cursor",
        "readings",
        "slices",
        "disagreement",
        "verdict",
        "experiment",
        "losses",
        "not_judged",
        "events",
    )

    phase: RolloutPhase = RolloutPhase.PENDING
    phase_since: datetime | None = None
    step: int = 0
    step_since: datetime | None = None
    share: float = 0.0  # the target share of traffic for the candidate
    started_at: datetime | None = None
    deadline_at: datetime | None = None
    ended_at: datetime | None = None
    heeded_revision: int | None = (
        None  # the desired revision when it became inconclusive; a later revision is an answer
    )
    n_before_step: tuple[int, int] = (0, 0)  # answers of stable and candidate before this step began
    evidence: RolloutEvidence = RolloutEvidence()
    begin_cursor: Cursor | None = None  # where it began to read; None: not begun, or begun by an earlier release
    cursor: Cursor | None = None  # how far predictions have been read; None: not begun
    readings: tuple[GuardReading, ...] = ()
    slices: tuple[GuardReading, ...] = ()  # by level of each slice, the worst first
    disagreement: tuple[Disagreement, ...] = ()  # between the answers of both versions: all rows, then by slice
    verdict: RolloutVerdict | None = None
    experiment: ExperimentVerdict | None = None
    losses: LossOrigins = LossOrigins()
    not_judged: tuple[NotJudged, ...] = ()  # what the candidate has not been judged by so far
    problem: str | None = None  # why it cannot be judged now: it keeps its share, and is tried again
    problem_since: datetime | None = None
    last_answer_at: datetime | None = None  # when new predictions were last read
    events: tuple[RolloutEvent, ...] = ()

    @property
    def n_step_stable(self) -> int:
        """Answers of the stable version at this step."""
        return self.evidence.n_stable - self.n_before_step[0]

    @property
    def n_step_candidate(self) -> int:
        """Answers of the candidate at this step."""
        return self.evidence.n_candidate - self.n_before_step[1]

    @property
    def actual_share(self) -> float | None:
        """The share of this step's traffic that actually went to the candidate; None before the first request."""
        n = self.n_step_stable + self.n_step_candidate
        return self.n_step_candidate / n if n else None


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """The act of moving a model's traffic from the stable version to a candidate."""

    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = ("expected", "policy_files")
    ALIKE: ClassVar[tuple[str, ...]] = (
        "model",
        "created_by",
        "starters",
        "policy_sha256",
        "desired_by",
        "updated_by",
    )
    WHOLE_WHILE: ClassVar[str] = "is_active"

    rollout_id: str
    model: str
    stable: str
    candidate: str
    plan: RolloutPlan
    created_at: datetime
    created_by: str
    starters: tuple[str, ...] = ()  # the persons who may be behind its start, and so behind its promotion at the end
    policy_sha256: str = ""  # of the model's rules when it was started
    policy_files: tuple[str, ...] = ()  # the files of these rules, the overriding file last
    reason: str = ""
    expected: tuple[str, ...] = ()  # how long each verdict takes in the usual traffic, as the plan said; empty: unknown
    desired: DesiredRollout = DesiredRollout.RUNNING
    desired_step: int = 0  # the lowest step a person has requested
    desired_by: str
    desired_at: datetime
    desired_reason: str = ""
    desired_revision: int = 1  # the revision of the last change of the desired state
    observed: ObservedRollout = ObservedRollout()
    updated_at: datetime
    updated_by: str
    revision: int = 0

    @property
    def strategy(self) -> Strategy:
        """How traffic gets to the candidate."""
        return self.plan.strategy

    @property
    def is_active(self) -> bool:
        """Whether the candidate is still being judged; meanwhile neither version may be removed."""
        return self.observed.phase.is_active

    @property
    def is_stuck(self) -> bool:
        """Whether it cannot be judged: an error keeps the engine from reading or judging its evidence."""
        return self.is_active and self.observed.problem is not None

    def cannot_be_read(self, problem: str) -> "Rollout":
        """Return this earlier state, marked as one that may not be the present one."""
        return msgspec.structs.replace(self, observed=msgspec.structs.replace(self.observed, problem=problem))

    @property
    def not_judged(self) -> tuple[NotJudged, ...]:
        """What the candidate has not been judged by so far; at the end, what it never was."""
        observed = self.observed
        if not self.is_active and observed.readings:
            return observed.not_judged
        return not_judged(self.plan, observed.readings if self.is_open else None, observed.slices)

    @property
    def is_held(self) -> bool:
        """Whether a person holds it at its share."""
        return self.desired is DesiredRollout.PAUSED

    @property
    def is_undecided(self) -> bool:
        """Whether it is past its deadline without a verdict."""
        return self.observed.phase is RolloutPhase.INCONCLUSIVE

    @property
    def needs_resuming(self) -> bool:
        """Whether it keeps its share until a person resumes it."""
        return self.is_held or self.is_undecided or self.observed.phase is RolloutPhase.PAUSED

    @property
    def is_aborting(self) -> bool:
        """Whether an abort was requested and it has not ended yet."""
        return self.is_active and self.desired is DesiredRollout.ABORTED

    @property
    def is_open(self) -> bool:
        """Whether its first step has been opened."""
        return self.observed.phase is not RolloutPhase.PENDING

    @property
    def is_live(self) -> bool:
        """Whether its candidate has gone to Production."""
        return self.observed.phase is RolloutPhase.PROMOTED

    @property
    def is_cut_short(self) -> bool:
        """Whether a move in the registry ended it: its candidate went live another way, or its stable version left."""
        ended_as = (RolloutPhase.PROMOTED, RolloutPhase.ABORTED)
        last = self.observed.events[-1].verb if self.observed.events else ""
        return self.observed.phase in ended_as and last == END and self.desired is not DesiredRollout.ABORTED

    @property
    def has_finding(self) -> bool:
        """Whether it has ended with a finding: an experiment or a shadow."""
        return self.observed.phase is RolloutPhase.FINISHED

    @property
    def is_at_last_step(self) -> bool:
        """Whether the next step is to go live, or to end with a finding."""
        return self.observed.step >= self.plan.last_step

    @property
    def is_asked_live(self) -> bool:
        """Whether a person wants its candidate live without waiting for proof."""
        return self.desired is DesiredRollout.PROMOTE_NOW

    @property
    def is_asked_further(self) -> bool:
        """Whether the next step was requested and has not been taken yet."""
        return self.is_asked_live or self.desired_step > self.observed.step

    @property
    def share(self) -> float:
        """The share of the traffic to route to the candidate now: 0 as soon as an abort is requested."""
        return self.observed.share if self.is_active and self.desired is not DesiredRollout.ABORTED else 0.0

    @property
    def mirror_share(self) -> float:
        """The share of requests to copy now to the version that does not answer them."""
        serves = (
            self.observed.phase is not RolloutPhase.PENDING
            and self.is_active
            and self.desired is not DesiredRollout.ABORTED
        )
        return self.plan.copied_share if serves else 0.0
