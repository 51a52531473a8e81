"""How much of the target a single column predicts: a column that predicts nearly all is rarely known in advance.

Shares of importance cannot show that: two copies of the target in a table share its importance.
"""

import numpy as np

from core.arrays import FloatArray
from core.models.learners.samples import Sample

MOST_LEARNT, MOST_JUDGED = 5_000, 1_000  # rows; a copy of the target shows on fewer rows


def single_feature_leak(learn: Sample, judge: Sample, names: tuple[str, ...], *, n_classes: int) -> tuple[str, float]:
    """Find the single column that predicts most of the target.

    Args:
        learn: Training sample. Levels and numbers are looked up by value, with linear interpolation between values.
        judge: Evaluation sample.
        names: Of the matrix's columns.
        n_classes: How many classes the target has; 0 for a number.
    Returns:
        Its name, and the share by which it reduces the squared error of a constant prediction; at most 1.
    """
    learn, judge = learn.take(_spread(len(learn), MOST_LEARNT)), judge.take(_spread(len(judge), MOST_JUDGED))
    known, wanted = _as_columns(learn.target, n_classes), _as_columns(judge.target, n_classes)
    constant = float(np.square(wanted - known.mean(axis=0)).sum())
    if constant == 0.0:
        return names[0], 0.0
    learned, asked = learn.matrices.trees, judge.matrices.trees
    skills = [
        1.0 - float(np.square(wanted - _read_off(learned[:, k], known, asked[:, k])).sum()) / constant
        for k in range(len(names))
    ]
    best = int(np.argmax(skills))
    return names[best], skills[best]


def _spread(n_rows: int, most: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, most)).astype(np.int64))


def _as_columns(target: FloatArray, n_classes: int) -> FloatArray:
    """Return numbers as one column, classes as one column of zeros and ones each."""
    return np.asarray(target[:, None] == np.arange(n_classes), dtype=np.float64) if n_classes else target[:, None]


def _read_off(column: FloatArray, known: FloatArray, asked: FloatArray) -> FloatArray:
    """Predict each value by the mean target of its value in the sample, empty cells by that of empty cells."""
    is_empty, mean = np.isnan(column), known.mean(axis=0)
    answer = np.tile(known[is_empty].mean(axis=0) if is_empty.any() else mean, (len(asked), 1))
    if is_empty.all():
        return answer
    values, code, counts = np.unique(column[~is_empty], return_inverse=True, return_counts=True)
    has_value = ~np.isnan(asked)
    for k in range(known.shape[1]):
        means = np.bincount(code, weights=known[~is_empty, k]) / counts
        answer[has_value, k] = np.interp(asked[has_value], values, means)
    return answer
