"""Which versions a rollout rests on: neither side may be taken out of use while the candidate is judged.

Rollouts live in the registry's own file, and the registry reads no more of them than this.
"""

import msgspec

from core.state.database import Database

TABLE = "rollouts"
AT_WORK = frozenset({"pending", "running", "paused", "inconclusive"})


class _Observed(msgspec.Struct, frozen=True):
    phase: str = "pending"


class _Rollout(msgspec.Struct, frozen=True, kw_only=True):
    rollout_id: str
    model: str
    stable: str
    candidate: str
    observed: _Observed = _Observed()
    revision: int = 0


class Claims:
    """What active rollouts hold."""

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
