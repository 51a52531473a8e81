"""Small fitted ensembles of every library, on a table with empty cells and a category."""

from typing import Any

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.explain.plain_trees import PlainTree, PlainTrees
from core.explain.shapley import shapley_of_coalitions

N_COLUMNS = 6
CATEGORY = 5


def table(seed: int = 0, n_rows: int = 400) -> tuple[FloatArray, FloatArray]:
    """Return a matrix with empty cells and a category in its last column, and a target with interactions."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n_rows, N_COLUMNS))
    matrix[:, CATEGORY] = rng.integers(0, 5, n_rows)
    filled = matrix.copy()
    matrix[rng.random(matrix.shape) < 0.05] = np.nan
    target = 2 * filled[:, 0] + filled[:, 1] * filled[:, 2] + (filled[:, CATEGORY] == 3) + rng.normal(size=n_rows) * 0.1
    return matrix, target


def booster(matrix: AnyArray, target: FloatArray, **parameters: Any) -> Any:
    import lightgbm as lgb

    settings = {"num_leaves": 12, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1, "seed": 1, **parameters}
    settings |= {"min_data_per_group": 5, "cat_smooth": 1.0}
    return lgb.train(settings, lgb.Dataset(matrix, target, categorical_feature=[CATEGORY]), 15)


def against_all_coalitions(trees: PlainTrees, row: AnyArray, background: AnyArray) -> FloatArray:
    """Return the Shapley values of a row by the definition, over every subset of its columns."""
    return np.array(shapley_of_coalitions(worths_against(trees, row, background)))


def worths_against(trees: PlainTrees, row: AnyArray, background: AnyArray) -> list[FloatArray]:
    """Return the worth of every subset of a row's columns, the others from background rows."""
    worths = []
    for coalition in range(2 ** len(row)):
        known = np.array([bool(coalition >> column & 1) for column in range(len(row))])
        worths.append(np.array(trees.score(np.where(known, row, background)).mean()))
    return worths


def along_paths_of_all_coalitions(trees: PlainTrees, row: AnyArray) -> FloatArray:
    """Return the path-dependent Shapley values of a row by the definition: both branches where a column is unknown."""
    return np.array(shapley_of_coalitions(worths_along_paths(trees, row)))


def worths_along_paths(trees: PlainTrees, row: AnyArray) -> list[FloatArray]:
    """Return the worth of every subset of a row's columns: both branches where a column is unknown."""
    cells = trees.cells(row[None, :])
    worths = []
    for coalition in range(2 ** len(row)):
        known = {column for column in range(len(row)) if coalition >> column & 1}
        worths.append(np.array(sum(_expected(tree, tree.goes_left(cells)[0], known, 0) for tree in trees.trees)))
    return worths


def _expected(tree: PlainTree, goes_left: AnyArray, known: set[int], node: int) -> float:
    if tree.left[node] < 0:
        return float(tree.value[node])
    left, right = int(tree.left[node]), int(tree.right[node])
    if int(tree.feature[node]) in known:
        return _expected(tree, goes_left, known, left if goes_left[node] else right)
    below = [tree.cover[child] * _expected(tree, goes_left, known, child) for child in (left, right)]
    return float(sum(below) / tree.cover[node])
