"""What became of an ensemble whose weights followed outcomes."""

from dataclasses import dataclass
from typing import Any

from core.models.ensembles.online_weights import FollowedWeights


@dataclass(frozen=True, slots=True)
class Reweighing:
    """The weights of the members before and after.

    Attributes:
        members: Their names.
        before: The weights of the version that was re-weighed, by member.
        followed: Where the outcomes led the weights from those that the ensemble was trained with.
    """

    members: tuple[str, ...]
    before: tuple[float, ...]
    followed: FollowedWeights

    def figures(self) -> dict[str, Any]:
        """Return what is recorded; plain JSON values."""
        found = self.followed
        return {
            "members": list(self.members),
            "trained_weights": [round(weight, 6) for weight in found.start.tolist()],
            "weights_before": [round(weight, 6) for weight in self.before],
            "weights": [round(weight, 6) for weight in found.weights.tolist()],
            "n_outcomes": found.n_outcomes,
            "moved": round(self.moved, 6),
            "loss": round(found.loss, 6),
            "loss_of_trained_weights": round(found.loss_of_start, 6),
        }

    @property
    def moved(self) -> float:
        """The share of the answer that changed hands against the version that was re-weighed."""
        after = self.followed.weights.tolist()
        return float(sum(abs(new - old) for new, old in zip(after, self.before, strict=True))) / 2.0

    def sentence(self) -> str:
        """Say which weights moved, and how far."""
        after = self.followed.weights.tolist()
        return ", ".join(
            f"{name} {old:.3f} to {new:.3f}" for name, old, new in zip(self.members, self.before, after, strict=True)
        )
