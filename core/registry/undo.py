"""Undo walks back move by move: which move is the next to undo, and which version was live before it."""

from collections.abc import Sequence

from core.registry.documents import ProductionStanding, Transition
from core.registry.stages import Stage, TransitionVerb


def next_to_undo(transitions: Sequence[Transition], *, before: int | None = None) -> Transition | None:
    """Return the newest move that is not undone yet; an undo is not a move of its own.

    Args:
        transitions: The moves of a model's versions, ascending.
        before: Only moves below this number.
    """
    by_number = {transition.number: transition for transition in transitions}
    number = max(by_number, default=0) if before is None else before - 1
    while (found := by_number.get(number)) is not None and found.undoes is not None:
        number = found.undoes - 1  # the moves between an undone move and its undo are undone as well
    return found


def standing_before(transitions: Sequence[Transition], number: int) -> ProductionStanding:
    """Return which version was live before a move, from all moves since the first.

    Args:
        transitions: The moves of a model's versions, ascending.
        number: The move.
    """
    standing = ProductionStanding()
    before: dict[int, ProductionStanding] = {}
    for transition in transitions:
        before[transition.number] = standing
        if transition.number == number:
            break
        if transition.undoes is not None:
            standing = before.get(transition.undoes, standing)
        else:
            moved = (transition.verb, transition.version, transition.from_stage, transition.to_stage)
            standing = standing_after(standing, *moved)
    return standing


def standing_after(
    standing: ProductionStanding, verb: TransitionVerb, version: str, before: Stage | None, after: Stage | None
) -> ProductionStanding:
    """Return which version is live after a move that is no undo."""
    if verb is TransitionVerb.ROLL_BACK:
        return standing.rolled_back()
    if verb is TransitionVerb.PROMOTE and after is Stage.PRODUCTION:
        return standing.promoted(version)
    if verb is TransitionVerb.ARCHIVE and before is Stage.PRODUCTION:
        return standing.retired()
    return standing
