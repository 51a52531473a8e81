"""What rollouts say of versions: what an active one rests on may not go, and what one took back is warned of.

Rollouts live in the registry's own file, and the registry reads no more of them than this.
"""

from datetime import datetime

import msgspec

from core.state.database import Database

TABLE = "rollouts"
AT_WORK = frozenset({"pending", "running", "paused", "inconclusive"})
TAKEN_BACK = "rolled_back"


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


class Holds:
    """What rollouts hold, and what they have found."""

    def __init__(self, database: Database) -> None:
        self._rollouts = database.documents(TABLE, _Rollout, "rollout_id")

    def of(self, model: str) -> dict[str, str]:
        """Return the rollout that holds each version of a model, by version."""
        return {
            version: rollout.rollout_id
            for rollout in self._rollouts.all()
            if rollout.model == model and rollout.observed.phase in AT_WORK
            for version in (rollout.stable, rollout.candidate)
        }

    def warnings(self, model: str, version: str) -> tuple[str, ...]:
        """Say which rollout took a version back and why, if the newest one that ended with it as its candidate did."""
        ended = [
            rollout
            for rollout in self._rollouts.all()
            if (rollout.model, rollout.candidate) == (model, version) and rollout.observed.ended_at is not None
        ]
        newest = max(ended, key=lambda rollout: str(rollout.observed.ended_at), default=None)
        if newest is None or newest.observed.phase != TAKEN_BACK:
            return ()
        reason = newest.observed.events[-1].reason if newest.observed.events else "no reason on record"
        return (f"{newest.rollout_id} took {version} back at {newest.observed.ended_at:%Y-%m-%d %H:%M}Z: {reason}.",)
