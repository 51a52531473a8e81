"""What can go wrong with a rollout, where some caller acts differently on it."""

from collections.abc import Sequence

from core.errors import ConflictError, NotFoundError, RefusedError
from core.rollout.rollout import DesiredRollout, Rollout


class RolloutRefusedError(RefusedError):
    """A rule forbids what was asked of a rollout; the message says which, and what to do instead."""


class RolloutActiveError(ConflictError):
    """The model has a rollout already; there is one at a time."""

    def __init__(self, active: Rollout) -> None:
        self.rollout_id = active.rollout_id
        if active.desired is DesiredRollout.ABORTED:
            # The engine needs a moment; one that was killed in it leaves this to whoever asks again.
            cure = (
                f"{active.desired_by} aborted it, and the engine is ending it. Start the next rollout in a moment; "
                f"if no engine is running, bondx rollout abort {active.rollout_id} ends it."
            )
        else:
            cure = "Abort it or let it end, then start the next rollout."
        super().__init__(
            f"{active.model} already has an active rollout: {active.rollout_id} of {active.candidate}, started by "
            f"{active.created_by}. {cure}"
        )


class NotRoutedError(NotFoundError):
    """No version of this model serves."""

    def __init__(self, model: str, known: Sequence[str]) -> None:
        choices = ", ".join(sorted(known)) or "none; promote a version to Production first"
        super().__init__(f"No version of {model!r} is in Production. Models that serve: {choices}.")
