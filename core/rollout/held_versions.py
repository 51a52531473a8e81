"""The holds of a model for the registry: the versions of its active rollout, and warnings on rolled-back versions."""

from collections.abc import Container, Iterable, Mapping, Sequence

import msgspec

from core.registry.holds import ModelHolds, Use, derive, verdicts_against
from core.rollout.rollout import Rollout, RolloutPhase


class HoldsCorrection(msgspec.Struct, frozen=True, kw_only=True):
    """Stored holds of a model that differ from what its rollouts report."""

    model: str
    written: ModelHolds | None  # None: earlier releases wrote none
    right: ModelHolds

    @property
    def is_repair(self) -> bool:
        """Whether stored holds name the wrong versions, so that a version in use may be removed."""
        written = self.written
        return written is not None and (written.held, written.warnings) != (self.right.held, self.right.warnings)

    @property
    def problem(self) -> str:
        """The difference, in words."""
        written = self.written.held if self.written else {}
        if written == self.right.held:
            return "stored warnings on rolled-back versions differ from those of the rollouts"
        return f"stored: {_in_words(written)}; by the rollouts: {_in_words(self.right.held)}"


def corrections(written: Mapping[str, ModelHolds], rollouts: Sequence[Rollout]) -> list[HoldsCorrection]:
    """Compare the stored holds of all models with their rollouts.

    Args:
        written: The stored holds, by model.
        rollouts: All stored rollouts.

    Returns:
        The differences, by model; empty if all stored holds are right.
    """
    found = []
    for model in sorted({rollout.model for rollout in rollouts} | set(written)):
        stored = written.get(model)
        right = msgspec.structs.replace(holds_of(model, rollouts), revision=stored.revision if stored else 0)
        if stored != right:
            found.append(HoldsCorrection(model=model, written=stored, right=right))
    return found


def _in_words(held: Mapping[str, str]) -> str:
    return ", ".join(f"{version} is held by {rollout}" for version, rollout in held.items()) or "no version is held"


def holds_of(model: str, rollouts: Iterable[Rollout]) -> ModelHolds:
    """Return the holds and warnings of a model's versions.

    Args:
        model: The model.
        rollouts: All stored rollouts of this model, perhaps among others.
    """
    return derive(model, [_use(rollout) for rollout in rollouts if rollout.model == model])


def deciding(model: str, rollouts: Iterable[Rollout], versions: Container[str]) -> set[str]:
    """Return the ids of the rollouts whose verdict against a version is still in force.

    Args:
        model: The model.
        rollouts: All stored rollouts of this model, perhaps among others.
        versions: The registered versions of the model: a verdict against another version binds nobody.
    """
    against = verdicts_against(_use(rollout) for rollout in rollouts if rollout.model == model)
    return {use.rollout_id for version, use in against.items() if version in versions}


def _use(rollout: Rollout) -> Use:
    seen = rollout.observed
    reasons = [event.reason for event in seen.events] if seen.phase is RolloutPhase.ROLLED_BACK else None
    return Use(
        rollout.rollout_id,
        rollout.stable,
        rollout.candidate,
        rollout.is_active,
        seen.ended_at,
        reasons,
        went_live=seen.phase is RolloutPhase.PROMOTED,
    )
