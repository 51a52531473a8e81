"""What can go wrong with a rollout, where some caller acts differently on it."""

from collections.abc import Sequence

from core.errors import ConflictError, NotFoundError, RefusedError


class RolloutRefusedError(RefusedError):
    """A rule forbids what was asked of a rollout; the message says which, and what to do instead."""


class RolloutActiveError(ConflictError):
    """The model has a rollout already; there is one at a time."""

    def __init__(self, model: str, rollout_id: str, candidate: str, by: str) -> None:
        self.rollout_id = rollout_id
        super().__init__(
            f"{model} has an active rollout: {rollout_id}, of {candidate}, started by {by}. "
            f"Abort it or let it end, then start the next one."
        )


class NotRoutedError(NotFoundError):
    """No version of this model serves."""

    def __init__(self, model: str, known: Sequence[str]) -> None:
        choices = ", ".join(sorted(known)) or "none; promote a version to Production first"
        super().__init__(f"No version of {model!r} is in Production. Models that serve: {choices}.")
