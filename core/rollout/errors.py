"""The errors of rollouts that callers handle differently."""

from collections.abc import Sequence

from core.errors import ConflictError, NotFoundError, RefusedError
from core.rollout.rollout import DesiredRollout, Rollout


class RolloutRefusedError(RefusedError):
    """A rule forbids the request; the message names the rule, and what to do instead."""


class RolloutActiveError(ConflictError):
    """The model already has a rollout; only one runs at a time."""

    def __init__(self, active: Rollout) -> None:
        self.rollout_id = active.rollout_id
        if active.desired is DesiredRollout.ABORTED:
            # The engine needs a moment; if it was killed meanwhile, a second abort ends the rollout.
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
    """No version of this model is in Production."""

    def __init__(self, model: str, known: Sequence[str]) -> None:
        choices = ", ".join(sorted(known)) or "none; promote a version to Production first"
        super().__init__(f"No version of {model!r} is in Production. Models that serve: {choices}.")
