"""One trial of a search: the parameters, and what they lose on each fold. Light to import."""

import math
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from core.models.tuning.ranges import ParameterValue


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"  # scored on every fold
    PRUNED = "pruned"  # behind the others after some of the folds
    FAILED = "failed"  # could not be trained


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A set of parameters, and its score.

    Attributes:
        number: Its place in the search. Trial 0 is the recipe of the settings, which is always scored on every fold.
        parameters: All that it was trained with.
        losses: Mean loss of the rows of each fold, in the order of the folds.
        curve: Mean loss of the rows of all folds so far, after each fold.
        why: Why it ended early.
    """

    number: int
    parameters: dict[str, ParameterValue]
    state: TrialState
    losses: tuple[float, ...] = ()
    curve: tuple[float, ...] = ()
    why: str = ""

    @property
    def loss(self) -> float | None:
        """The mean loss over all folds; None for a trial that was not scored on all of them."""
        return self.curve[-1] if self.state is TrialState.COMPLETE else None


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """Return the trial with the least loss, the first of several; None if none was scored on every fold."""
    scored = [trial for trial in trials if trial.loss is not None and math.isfinite(trial.loss)]
    return min(scored, key=lambda trial: (trial.loss, trial.number), default=None)
