"""What rollouts report about versions: a version in use must stay, and a rolled-back version carries a warning.

Rollouts write it in the transaction that starts or ends them. The registry reads nothing else about rollouts, unless
the number of rollouts shows that an earlier release has started one since without writing it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from tinydb import where

from core.state.database import Database
from core.state.errors import DocumentFormatError

TABLE = "holds"
_ROLLOUTS = "rollouts"


class ModelHolds(msgspec.Struct, frozen=True, kw_only=True):
    """What the rollouts of one model report about its versions."""

    model: str
    held: Mapping[str, str] = {}  # the rollout that uses a version, by version
    warnings: Mapping[str, str] = {}  # the warning about a version, by version
    n_rollouts: int = 0  # the number of rollouts it was derived from: with another number, it is out of date
    revision: int = 0


class Use(NamedTuple):
    """One rollout, as far as it concerns the versions of its model."""

    rollout_id: str
    stable: str
    candidate: str
    is_active: bool
    ended_at: datetime | None
    reasons: Sequence[str] | None  # of its events, if it rolled the candidate back
    went_live: bool = False  # it ended with the candidate in Production


def derive(model: str, uses: Sequence[Use]) -> ModelHolds:
    """Return the holds and warnings of a model's versions.

    Args:
        model: The model.
        uses: The stored rollouts of this model: all that were not pruned.
    """
    held = {version: use.rollout_id for use in uses if use.is_active for version in (use.stable, use.candidate)}
    warnings = {version: _warning(use) for version, use in verdicts_against(uses).items()}
    return ModelHolds(model=model, held=held, warnings=warnings, n_rollouts=len(uses))


def verdicts_against(uses: Iterable[Use]) -> dict[str, Use]:
    """Return the rollout that rolled back each version, unless a later one has put the version live.

    Args:
        uses: The stored rollouts of one model.
    """
    ended = ((use.ended_at, use) for use in uses if use.ended_at is not None)
    against: dict[str, Use] = {}
    for _, use in sorted(ended, key=lambda found: found[0]):
        if use.went_live:  # a rollout that ended without a verdict of its own leaves the verdict of an earlier one
            against.pop(use.candidate, None)
        if use.reasons is not None:
            against[use.candidate] = use
    return against


def _warning(use: Use) -> str:
    reason = use.reasons[-1] if use.reasons else "no reason on record"
    return f"{use.rollout_id} rolled back {use.candidate} at {use.ended_at:%Y-%m-%d %H:%M} UTC: {reason}."


class RunningRollout(msgspec.Struct, frozen=True, kw_only=True):
    """The active rollout of a model, as far as a move of its versions concerns it."""

    rollout_id: str
    stable: str
    candidate: str
    share: float  # of the requests that the candidate answers
    is_aborting: bool = False  # a person has asked for its end, and the engine has not ended it yet
    asked_by: str = ""  # who has last asked for its start, its end or its pace

    def __str__(self) -> str:
        aborting = ", being aborted" if self.is_aborting else ""
        return f"{self.rollout_id}, {self.candidate} at {self.share * 100:g}%{aborting}"


class Holds:
    """What rollouts report about the versions of all models."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._documents = database.documents(TABLE, ModelHolds, "model")
        self._rollouts = database.documents(_ROLLOUTS, _Rollout, "rollout_id")
        self._owners = database.documents(_ROLLOUTS, _Owner, "rollout_id")

    def of(self, model: str) -> Mapping[str, str]:
        """Return the rollout that holds each version of a model, by version."""
        return self._read(model).held

    def warnings(self, model: str, version: str) -> tuple[str, ...]:
        """Say which rollout rolled back a version and why, unless a later rollout has put it live."""
        found = self._read(model).warnings.get(version)
        return () if found is None else (found,)

    def running(self, model: str) -> RunningRollout | None:
        """Return the active rollout of a model; a model has at most one."""
        if not self.of(model):
            return None
        rollouts = (rollout for rollout in self._rollouts.readable()[0] if rollout.model == model)
        return next((rollout.running for rollout in rollouts if rollout.use.is_active), None)

    def is_written(self, model: str) -> bool:
        """Whether rollouts have written holds of a model yet; earlier releases wrote none."""
        return self._documents.find(model) is not None

    def written(self) -> dict[str, ModelHolds]:
        """Return the holds as they are stored, by model.

        Raises:
            DocumentFormatError: A document is damaged.
        """
        return {holds.model: holds for holds in self._documents.all()}

    def write(self, holds: ModelHolds) -> None:
        """Replace the holds of a model, also if they are damaged; the caller holds the transaction."""
        try:
            before = self._documents.find(holds.model)
        except DocumentFormatError:
            self._database.table(TABLE).remove(where("model") == holds.model)
            before = None
        if before is None:
            self._documents.insert(holds)
        elif before != (present := msgspec.structs.replace(holds, revision=before.revision)):
            self._documents.replace(present)

    def discard(self) -> None:
        """Remove the holds of all models, in whatever form they are stored; the caller holds the transaction."""
        self._database.drop_table(TABLE)

    def _read(self, model: str) -> ModelHolds:
        try:
            written = self._documents.find(model)
        except DocumentFormatError:  # the doctor reports it, and the next engine replaces it
            written = None
        if written is not None and written.n_rollouts == self._n_rollouts(model):
            return written
        return derive(model, [rollout.use for rollout in self._rollouts.all() if rollout.model == model])

    def _n_rollouts(self, model: str) -> int:
        return sum(owner.model == model for owner in self._owners.readable()[0])


class _Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The only fields that are needed to count the rollouts of a model: each document is read once for that."""

    rollout_id: str
    model: str
    revision: int = 0


# Workspaces of a release that wrote no holds, or that such a release has used since holds were written: the documents
# as that release wrote them, a format that is final. The next start or end of a rollout, or the next engine, writes
# what is derived here.

_WAS_ACTIVE = frozenset({"pending", "running", "paused", "inconclusive"})
_WAS_ROLLED_BACK = "rolled_back"
_WENT_LIVE = "promoted"
_WAS_ABORTED = "aborted"


class _Event(msgspec.Struct, frozen=True):
    reason: str = ""


class _Observed(msgspec.Struct, frozen=True):
    phase: str = "pending"
    share: float = 0.0
    ended_at: datetime | None = None
    events: tuple[_Event, ...] = ()


class _Rollout(msgspec.Struct, frozen=True, kw_only=True):
    rollout_id: str
    model: str
    stable: str
    candidate: str
    desired: str = ""
    desired_by: str = ""
    observed: _Observed = _Observed()
    revision: int = 0

    @property
    def use(self) -> Use:
        """What it says about versions."""
        seen = self.observed
        reasons = [event.reason for event in seen.events] if seen.phase == _WAS_ROLLED_BACK else None
        is_active, went_live = seen.phase in _WAS_ACTIVE, seen.phase == _WENT_LIVE
        return Use(self.rollout_id, self.stable, self.candidate, is_active, seen.ended_at, reasons, went_live)

    @property
    def running(self) -> RunningRollout:
        """What a move of its versions ends."""
        return RunningRollout(
            rollout_id=self.rollout_id,
            stable=self.stable,
            candidate=self.candidate,
            share=self.observed.share,
            is_aborting=self.desired == _WAS_ABORTED,
            asked_by=self.desired_by,
        )
