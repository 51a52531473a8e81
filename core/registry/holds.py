"""What rollouts report about versions: a version in use must stay, and a rolled-back version carries a warning.

Rollouts write it in the transaction that starts or ends them. The registry reads nothing else about rollouts, unless
the number of rollouts shows that an earlier release has started one since without writing it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from tinydb import where

from core.state.database import Database
from core.state.errors import DocumentFormatError

TABLE = "holds"


class ModelHolds(msgspec.Struct, frozen=True, kw_only=True):
    """What the rollouts of one model report about its versions."""

    model: str
    held: Mapping[str, str] = {}  # the rollout that uses a version, by version
    warnings: Mapping[str, str] = {}  # the warning about a version, by version
    n_rollouts: int = 0  # the number of rollouts it was derived from: with another number, it is out of date
    revision: int = 0


class Holds:
    """What rollouts report about the versions of all models."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._documents = database.documents(TABLE, ModelHolds, "model")
        self._rollouts = database.documents("rollouts", _Rollout, "rollout_id")

    def of(self, model: str) -> Mapping[str, str]:
        """Return the rollout that holds each version of a model, by version."""
        return self._read(model).held

    def warnings(self, model: str, version: str) -> tuple[str, ...]:
        """Say which rollout rolled back a version and why, if the newest ended rollout with that candidate did."""
        found = self._read(model).warnings.get(version)
        return () if found is None else (found,)

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
        rollouts = [rollout for rollout in self._rollouts.all() if rollout.model == model]
        try:
            written = self._documents.find(model)
        except DocumentFormatError:  # the doctor reports it, and the next engine replaces it
            written = None
        if written is not None and written.n_rollouts == len(rollouts):
            return written
        return _before_holds(model, rollouts)


def rolled_back(rollout_id: str, version: str, at: datetime, reasons: Sequence[str]) -> str:
    """Return the warning about a version that a rollout rolled back; the last of its reasons is why."""
    reason = reasons[-1] if reasons else "no reason on record"
    return f"{rollout_id} rolled back {version} at {at:%Y-%m-%d %H:%M} UTC: {reason}."


# Workspaces of a release that wrote no holds, or that such a release has used since holds were written: the documents
# as that release wrote them, a format that is final. The next start or end of a rollout, or the next engine, writes
# what is derived here.

_WAS_ACTIVE = frozenset({"pending", "running", "paused", "inconclusive"})
_WAS_ROLLED_BACK = "rolled_back"


class _Event(msgspec.Struct, frozen=True):
    reason: str = ""


class _Observed(msgspec.Struct, frozen=True):
    phase: str = "pending"
    ended_at: datetime | None = None
    events: tuple[_Event, ...] = ()


class _Rollout(msgspec.Struct, frozen=True, kw_only=True):
    rollout_id: str
    model: str
    stable: str
    candidate: str
    observed: _Observed = _Observed()
    revision: int = 0


def _before_holds(model: str, rollouts: list[_Rollout]) -> ModelHolds:
    active = (rollout for rollout in rollouts if rollout.observed.phase in _WAS_ACTIVE)
    held = {version: rollout.rollout_id for rollout in active for version in (rollout.stable, rollout.candidate)}
    ended = [(at, rollout) for rollout in rollouts if (at := rollout.observed.ended_at) is not None]
    warnings: dict[str, str] = {}
    for at, rollout in sorted(ended, key=lambda found: found[0]):  # the newest rollout decides
        warnings.pop(rollout.candidate, None)
        if rollout.observed.phase == _WAS_ROLLED_BACK:
            reasons = [event.reason for event in rollout.observed.events]
            warnings[rollout.candidate] = rolled_back(rollout.rollout_id, rollout.candidate, at, reasons)
    return ModelHolds(model=model, held=held, warnings=warnings)
