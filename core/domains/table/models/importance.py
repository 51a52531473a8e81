"""The importance of each column: how much the loss rises when the column's values are permuted between rows."""

import numpy as np

from core.arrays import FloatArray
from core.models.learners.learner import FitOnceLearner
from core.models.learners.samples import Sample
from core.models.scores import row_losses

MOST_ROWS = 1_000


def permutation_importance(
    learner: FitOnceLearner, rows: Sample, names: tuple[str, ...], *, seed: int
) -> dict[str, float]:
    """Measure importances on rows not used in training.

    Args:
        learner: The method, not trained on these rows.
        rows: Rows held out; a thousand are enough.
        names: Of the matrix's columns.
        seed: Of the permutations.
    Returns:
        Shares that sum to 1, largest first; zeros where no column matters.
    Source:
        Breiman, Random Forests, Machine Learning 45 (2001), section 10. For a detector, which has no loss, the mean
        change of the score takes its place.
    """
    rng = np.random.default_rng(seed)
    if len(rows) > MOST_ROWS:
        rows = rows.take(np.sort(rng.permutation(len(rows))[:MOST_ROWS]))
    before = learner.answer(rows.matrices.trees)
    gains = np.zeros(len(names))
    for position in range(len(names)):
        mixed = rows.matrices.trees.copy()
        mixed[:, position] = mixed[rng.permutation(len(rows)), position]
        gains[position] = max(_worse(learner, rows, before, learner.answer(mixed)), 0.0)
    total = float(gains.sum())
    shares = gains / total if total > 0 else gains
    order = sorted(range(len(names)), key=lambda position: (-shares[position], names[position]))
    return {names[position]: float(shares[position]) for position in order}


def _worse(learner: FitOnceLearner, rows: Sample, before: FloatArray, after: FloatArray) -> float:
    if learner.name == "isolation_forest":
        return float(np.mean(np.abs(after - before)))
    return float(np.mean(row_losses(rows.target, after)) - np.mean(row_losses(rows.target, before)))
