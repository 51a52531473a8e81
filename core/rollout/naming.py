"""Which rollout a person means by a name: a rollout's id, or a model's name for its active rollout."""

from collections.abc import Sequence

from core.errors import NotFoundError, UsageError
from core.rollout.rollout import Rollout

_N_NAMED = 10


def rollout_named(rollouts: Sequence[Rollout], name: str) -> Rollout:
    """Find the rollout of an id, or else the active rollout of a model.

    Args:
        rollouts: Every rollout, oldest first.
        name: The id or the model.
    Raises:
        NotFoundError: There is no such rollout, and no active one of such a model; the message names the choices.
        UsageError: The model has several, which only a damaged store can hold.
    """
    if (found := next((rollout for rollout in rollouts if rollout.rollout_id == name), None)) is not None:
        return found
    of_model = [rollout for rollout in rollouts if rollout.model == name]
    active = [rollout for rollout in of_model if rollout.is_active]
    if len(active) > 1:
        ids = " and ".join(rollout.rollout_id for rollout in active)
        raise UsageError(f"{name} has several active rollouts, {ids}: name one of them by its id.")
    if active:
        return active[0]
    active_ones = [rollout for rollout in rollouts if rollout.is_active]
    named = ", ".join(f"{rollout.rollout_id} ({rollout.model})" for rollout in (active_ones or rollouts)[-_N_NAMED:])
    if active_ones:
        known = f"Active rollouts: {named}."
    elif rollouts:
        known = f"No rollout is active; ended: {named}."
    else:
        known = "There are no rollouts; bondx rollout start MODEL VERSION starts one."
    if of_model:
        raise NotFoundError(
            f"No rollout of {name} is active; the newest, {of_model[-1].rollout_id}, has ended. {known}"
        )
    raise NotFoundError(f"There is no rollout {name}, and no model {name} with a rollout. {known}")
