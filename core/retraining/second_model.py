"""A second opinion on new rows: a small model of them, which answers each row without having learned from it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray
from core.tables.signature import ColumnKind, ColumnSignature

N_FOLDS = 5
MOST_LEVELS = 200
_N_TREES = 60


def second_answers(
    frame: pd.DataFrame,
    columns: Sequence[ColumnSignature],
    actual: FloatArray,
    n_classes: int,
    group: AnyArray,
    *,
    seed: int,
) -> AnyArray:
    """Answer each row by models that learned from the rows of other groups.

    Args:
        frame: The rows.
        columns: The columns to learn from.
        actual: Numbers, or positions of classes, all known.
        n_classes: 0 for numbers.
        group: Of each row.
        seed: Of the folds.
    Returns:
        Numbers; the probability of the second of two classes; or probabilities of shape (n, n_classes).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    matrix, is_category = _matrix(frame, columns)
    _, units = np.unique(group, return_inverse=True)
    fold = np.random.default_rng(seed).integers(0, N_FOLDS, units.max() + 1)[units]
    shape = (len(actual), n_classes) if n_classes else (len(actual),)
    answers = np.full(shape, np.nan)
    for number in range(N_FOLDS):
        held = fold == number
        learn = ~held
        if not held.any() or not learn.any():
            continue
        shared = {"max_iter": _N_TREES, "categorical_features": is_category, "random_state": seed, "max_leaf_nodes": 15}
        if not n_classes:
            answers[held] = (
                HistGradientBoostingRegressor(**shared).fit(matrix[learn], actual[learn]).predict(matrix[held])
            )
            continue
        answers[held] = 0.0
        known = np.unique(actual[learn]).astype(np.int64)
        if len(known) == 1:
            answers[held, known[0]] = 1.0
            continue
        fitted = HistGradientBoostingClassifier(**shared).fit(matrix[learn], actual[learn].astype(np.int64))
        answers[np.ix_(held, known)] = fitted.predict_proba(matrix[held])
    return answers[:, 1] if n_classes == 2 else answers


def _matrix(frame: pd.DataFrame, columns: Sequence[ColumnSignature]) -> tuple[FloatArray, list[bool]]:
    parts, is_category = [], []
    for column in columns:
        values = frame[column.name]
        if column.kind is ColumnKind.CATEGORY:
            codes = pd.factorize(values.astype(object))[0].astype(np.float64)
            codes[(codes < 0) | (codes >= MOST_LEVELS)] = np.nan
            parts.append(codes)
        elif column.kind is ColumnKind.TIME:
            instants = pd.to_datetime(values, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[s]")
            seconds = instants.astype(np.int64).astype(np.float64)
            seconds[np.isnat(instants)] = np.nan
            parts.append(seconds)
        else:
            parts.append(values.to_numpy(dtype=np.float64, na_value=np.nan))
        is_category.append(column.kind is ColumnKind.CATEGORY)
    return np.column_stack(parts), is_category
