"""How much each column says of the target: alone, or in trees beside all others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.arrays import AnyArray, FloatArray

N_TREES, N_LEAVES = 60, 12
_N_NEIGHBOURS = 3
MOST_ROWS = 1_000
"""Of an estimate of mutual information, whose cost grows faster than the rows."""


def mutual_information(
    matrix: AnyArray, target: FloatArray, categories: Sequence[int], *, is_class: bool, seed: int
) -> FloatArray:
    """Estimate the mutual information of each column and the target, in nats, shape (columns,).

    Args:
        matrix: Shape (n, columns); NaN for an empty cell, which counts as a value of its own far from the others.
        target: Shape (n,).
        categories: The positions of columns that hold codes.
        is_class: Whether the target is a class.
        seed: Of the noise that parts equal values, and of the rows that are used of many.
    Source:
        Kraskov, Stögbauer and Grassberger, Estimating mutual information, Physical Review E 69 (2004).
    """
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    if len(target) > MOST_ROWS:
        keep = np.sort(np.random.default_rng(seed).permutation(len(target))[:MOST_ROWS])
        matrix, target = matrix[keep], target[keep]
    filled = np.asarray(matrix, dtype=np.float64).copy()
    for position in range(filled.shape[1]):
        column = filled[:, position]
        empty = np.isnan(column)
        if empty.any():
            known = column[~empty]
            column[empty] = known.min() - 3.0 * (known.std() or 1.0) if known.size else 0.0
    is_code = np.zeros(filled.shape[1], dtype=np.bool_)
    is_code[list(categories)] = True
    measure = mutual_info_classif if is_class else mutual_info_regression
    found = measure(filled, target, discrete_features=is_code, n_neighbors=_N_NEIGHBOURS, random_state=seed, n_jobs=1)
    return np.asarray(found, dtype=np.float64)


def tree_gains(
    matrix: AnyArray, target: FloatArray, categories: Sequence[int], *, is_class: bool, seed: int
) -> FloatArray:
    """Return the gain of each column in boosted trees on all of them, shape (columns,)."""
    from core.models.learners.lightgbm_library import load_lightgbm

    lgb: Any = load_lightgbm()
    rows = lgb.Dataset(
        matrix,
        label=target,
        categorical_feature=list(categories),
        params={"max_bin": 63, "num_threads": 1, "verbosity": -1},
    )
    parameters = {
        "objective": "binary" if is_class else "regression",
        "learning_rate": 0.1,
        "num_leaves": N_LEAVES,
        "min_data_in_leaf": max(10, len(target) // 100),
        "feature_fraction": 0.5,
        "lambda_l2": 1.0,
        "seed": seed % (2**31 - 1),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    booster = lgb.train(parameters, rows, num_boost_round=N_TREES)
    return np.asarray(booster.feature_importance(importance_type="gain"), dtype=np.float64)
