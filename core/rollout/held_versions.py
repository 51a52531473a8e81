"""The holds of a model for the registry: the versions of its active rollout, and warnings on rolled-back versions."""

from collections.abc import Iterable

from core.registry.holds import ModelHolds, rolled_back
from core.rollout.rollout import Rollout, RolloutPhase


def holds_of(model: str, rollouts: Iterable[Rollout]) -> ModelHolds:
    """Return the holds and warnings of a model's versions.

    Args:
        model: The model.
        rollouts: All rollouts ever started of this model, perhaps among others.
    """
    own = [rollout for rollout in rollouts if rollout.model == model]
    held = {
        version: rollout.rollout_id
        for rollout in own
        if rollout.is_active
        for version in (rollout.stable, rollout.candidate)
    }
    ended = [(at, rollout) for rollout in own if (at := rollout.observed.ended_at) is not None]
    warnings: dict[str, str] = {}
    for at, rollout in sorted(ended, key=lambda found: found[0]):  # the newest rollout decides
        warnings.pop(rollout.candidate, None)
        if rollout.observed.phase is RolloutPhase.ROLLED_BACK:
            reasons = [event.reason for event in rollout.observed.events]
            warnings[rollout.candidate] = rolled_back(rollout.rollout_id, rollout.candidate, at, reasons)
    return ModelHolds(model=model, held=held, warnings=warnings)
