"""The stages of a version, and the one table of moves between them."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from core.errors import UsageError


class Stage(StrEnum):
    """The stage of a model version; it is in exactly one stage at a time."""

    DEVELOPMENT = "Development"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"

    @classmethod
    def named(cls, word: str) -> "Stage":
        """Return the stage of this name, however it is capitalised.

        Raises:
            UsageError: There is no such stage; the message names the stages.

        >>> Stage.named("production")
        <Stage.PRODUCTION: 'Production'>
        """
        for stage in cls:
            if stage.lower() == str(word).lower():
                return stage
        raise UsageError(f"There is no stage {word!r}. Stages to choose from: {', '.join(cls)}.")


class TransitionVerb(StrEnum):
    """What an operator can do to the stages of a model."""

    PROMOTE = "promote"
    ROLL_BACK = "rollback"
    UNDO = "undo"
    ARCHIVE = "archive"


# Undo has no row: it reverses one recorded transition, so its moves are the rows below read from right to left.
# The version that a promotion or a rollback replaces goes from Production to Archived as part of that same move.
ALLOWED: Mapping[TransitionVerb, frozenset[tuple[Stage, Stage]]] = {
    TransitionVerb.PROMOTE: frozenset(
        {
            (Stage.DEVELOPMENT, Stage.STAGING),
            (Stage.STAGING, Stage.PRODUCTION),
            (Stage.ARCHIVED, Stage.STAGING),
        }
    ),
    # A former Production version has served all traffic before; it need not pass through Staging again.
    TransitionVerb.ROLL_BACK: frozenset(
        {
            (Stage.ARCHIVED, Stage.PRODUCTION),
            (Stage.STAGING, Stage.PRODUCTION),
        }
    ),
    TransitionVerb.ARCHIVE: frozenset(
        {
            (Stage.DEVELOPMENT, Stage.ARCHIVED),
            (Stage.STAGING, Stage.ARCHIVED),
            (Stage.PRODUCTION, Stage.ARCHIVED),
        }
    ),
}


def highest(stages: Iterable[Stage]) -> Stage:
    """Return the highest of the stages that a move touches, which decides who may make it.

    >>> highest([Stage.STAGING, Stage.PRODUCTION, Stage.ARCHIVED])
    <Stage.PRODUCTION: 'Production'>
    """
    return max(stages, key=(Stage.ARCHIVED, Stage.DEVELOPMENT, Stage.STAGING, Stage.PRODUCTION).index)


def is_allowed(verb: TransitionVerb, before: Stage, after: Stage) -> bool:
    """Return whether `verb` may move a version from one stage to the other.

    >>> is_allowed(TransitionVerb.PROMOTE, Stage.DEVELOPMENT, Stage.PRODUCTION)
    False
    """
    return (before, after) in ALLOWED.get(verb, frozenset())


def reachable(verb: TransitionVerb) -> tuple[Stage, ...]:
    """Return the stages that a verb may lead to, in the order of a version's life.

    >>> [str(stage) for stage in reachable(TransitionVerb.PROMOTE)]
    ['Staging', 'Production']
    """
    return tuple(stage for stage in Stage if any(after is stage for _, after in ALLOWED.get(verb, ())))


def promotions(before: Stage, after: Stage) -> tuple[Stage, ...]:
    """Return the stages of every promotion on the way to a stage; where there is no way, the stage itself.

    >>> [str(stage) for stage in promotions(Stage.DEVELOPMENT, Stage.PRODUCTION)]
    ['Staging', 'Production']
    """
    way: list[Stage] = []
    step = next_stage(before)
    while step is not None:
        way.append(step)
        if step is after:
            return tuple(way)
        step = next_stage(step)
    return (after,)


def next_stage(stage: Stage) -> Stage | None:
    """Return the stage that one promotion leads to, or None from the last one.

    >>> next_stage(Stage.STAGING)
    <Stage.PRODUCTION: 'Production'>
    """
    return next((after for before, after in ALLOWED[TransitionVerb.PROMOTE] if before is stage), None)
