"""The importance of each column: how much the loss rises when the column's values are permuted between rows."""

from collections.abc import Sequence

import numpy as np

from core.arrays import FloatArray
from core.models.learners.learner import FitOnceLearner
from core.models.learners.samples import JudgingFold, Sample
from core.models.scores import row_losses

MOST_ROWS = 1_000  # of one fold
MOST_FOLDS = 5
MOST_COLUMNS = 100  # those that the learner uses most; the others have hardly any effect to measure
MOST_CELLS = 200_000  # of a learner that does not know which columns it uses
MOST_ANSWERS = 60_000  # rows times columns times classes, from three classes on, each of which has trees of its own
LEAST_ROWS = 100


def permutation_importance(
    learner: FitOnceLearner, rows: Sample, folds: Sequence[JudgingFold], names: tuple[str, ...], *, seed: int
) -> dict[str, float]:
    """Measure importances on rows not used in training.

    Args:
        learner: The method, fitted to the rows of the first fold; it is fitted to those of others, too.
        rows: The rows that the folds select from.
        folds: At most five are used; one where there are many classes, since their trees cost much.
        names: Of the matrix's columns.
        seed: Of the permutations.
    Returns:
        Shares that sum to 1, largest first; zeros where no column matters. On a wide table only the hundred columns
        that the learner uses most are measured, so that the report does not cost more than the training.
    Source:
        Breiman, Random Forests, Machine Learning 45 (2001), section 10. For a detector, which has no loss, the mean
        change of the score takes its place.
    """
    rng = np.random.default_rng(seed)
    gains = np.zeros(len(names))
    for turn, fold in enumerate(folds[: 1 if learner.n_classes > 2 else MOST_FOLDS]):
        if turn:
            learner.learn(rows.take(fold.learn), seed=seed)
        gains += _gains(learner, rows.take(fold.judge), rng)
    gains = np.maximum(gains, 0.0)
    total = float(gains.sum())
    shares = gains / total if total > 0 else gains
    order = sorted(range(len(names)), key=lambda position: (-shares[position], names[position]))
    return {names[position]: float(shares[position]) for position in order}


def _gains(learner: FitOnceLearner, rows: Sample, rng: np.random.Generator) -> FloatArray:
    """Sum over rows, by column, how much the loss rises."""
    n_columns = rows.matrices.trees.shape[1]
    used, columns = learner.shares(), np.arange(n_columns)
    most = MOST_ROWS
    if used is None:
        most = min(most, max(MOST_CELLS // n_columns, LEAST_ROWS))
    else:
        columns = np.sort(np.argsort(-used, kind="stable")[:MOST_COLUMNS])
        columns = columns[used[columns] > 0]
    if learner.n_classes > 2:
        most = min(most, max(MOST_ANSWERS // (max(len(columns), 1) * learner.n_classes), LEAST_ROWS))
    if len(rows) > most:
        rows = rows.take(np.sort(rng.permutation(len(rows))[:most]))
    before = learner.answer(rows.matrices.trees)
    mixed, gains = rows.matrices.trees.copy(), np.zeros(n_columns)
    for position in columns:
        own = mixed[:, position].copy()
        mixed[:, position] = own[rng.permutation(len(rows))]
        gains[position] = len(rows) * _worse(learner, rows, before, learner.answer(mixed))
        mixed[:, position] = own
    return gains


def _worse(learner: FitOnceLearner, rows: Sample, before: FloatArray, after: FloatArray) -> float:
    if learner.name == "isolation_forest":
        return float(np.mean(np.abs(after - before)))
    return float(np.mean(row_losses(rows.target, after)) - np.mean(row_losses(rows.target, before)))
