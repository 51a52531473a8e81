"""The candidates compete on folds: each settles its complexity, a blend of them joins, and the choice is made."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.domains.table.models.choice import CONSTANT, Choice, choose, choose_with_ensemble
from core.domains.table.models.folds import N_FOLDS, JudgingFolds, mean_losses
from core.domains.table.models.held_out import HeldOut, held_out_by
from core.models.learners.blend import BlendLearner
from core.models.learners.learner import FitOnceLearner
from core.models.learners.samples import Sample
from core.models.scores import row_losses


@dataclass(frozen=True, slots=True)
class ComparedMethods:
    """The result.

    Attributes:
        learner: The method that ships, fitted to the rows of the first fold.
        choice: Why it ships.
        held_out: How all rows were answered; None unless the folds judge all of them equally often.
    """

    learner: FitOnceLearner
    choice: Choice
    held_out: HeldOut | None


def compare(
    learners: Mapping[str, FitOnceLearner],
    blend: BlendLearner,
    rows: Sample,
    judging: JudgingFolds,
    *,
    unit: float,
    seed: int,
    ensemble: str | None = None,
) -> ComparedMethods:
    """Let the candidates compete.

    Args:
        learners: The candidates by name, simplest first, the constant among them.
        blend: Joins if there are at least two others, and none of them has all the weight.
        rows: The rows; numbers to predict are standardised.
        judging: The folds.
        unit: What a standardised squared error of 1 is in the unit of the target.
        seed: The random seed.
        ensemble: The candidate that combines the others; no blend joins then.
    """
    folds = judging.folds
    answers = {name: learner.tune(rows, folds, seed=seed) for name, learner in learners.items()}
    candidates: dict[str, FitOnceLearner] = dict(learners)
    if len(parts := {name: learner for name, learner in learners.items() if name != CONSTANT}) > 1 and not ensemble:
        blended = blend.of(parts).settle(answers, rows, folds)
        if max(blend.weights) < 1.0:
            # It counts as simpler than its last part: the mean of two answers errs less wildly than the trees alone.
            last = list(parts)[-1]
            answers |= {blend.name: blended, last: answers.pop(last)}
            candidates[blend.name] = blend
    losses, judged = {}, np.empty(0, dtype=np.int64)
    for name, found in answers.items():
        by_fold = [row_losses(rows.target[fold.judge], answer) for fold, answer in zip(folds, found, strict=True)]
        means, judged = mean_losses(folds, by_fold, len(rows))
        losses[name] = unit * means

    def chosen(among: Mapping[str, FloatArray], group: AnyArray) -> Choice:
        if ensemble is None:
            return choose(among, group)
        return choose_with_ensemble(among, group, ensemble, n_folds=N_FOLDS if judging.is_exhaustive else None)

    choice = chosen(losses, rows.group[judged])
    held_out = None
    if judging.is_exhaustive:
        held_out = held_out_by(choice.ships, answers, losses, folds, rows, chosen=chosen)
    return ComparedMethods(candidates[choice.ships], choice, held_out)
