"""Trees from files: what must hold before a library follows them.

The libraries trust their files. A split that is its own child keeps a thread busy for ever, and a child or a column
that does not exist is read from anywhere in memory.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.arrays import AnyArray

_TREE_LEAF = -1  # of scikit-learn and XGBoost alike


def check_splits(left: AnyArray, right: AnyArray, feature: AnyArray, *, n_nodes: int, n_features: int) -> None:
    """Check the splits of one tree whose root is node 0.

    No node is the child of two splits, and the root is the child of none, so nothing below the root leads back.

    Args:
        left: The left child of each split; leaves are nodes of their own.
        right: The right child of each split.
        feature: The column of each split.
        n_nodes: The number of nodes.
        n_features: The number of columns.
    Raises:
        ValueError: A child or a column does not exist, or a node has two parents.
    """
    children = np.concatenate((left, right)).astype(np.int64)
    if n_nodes < 1 or ((children < 1) | (children >= n_nodes)).any():
        raise ValueError("a split has a child that does not exist")
    if (np.bincount(children) > 1).any():
        raise ValueError("a node is the child of two splits")
    if ((feature < 0) | (feature >= n_features)).any():
        raise ValueError("a split reads a column that does not exist")


def check_estimator(estimator: Any, *, n_features: int) -> None:
    """Check every tree of one of scikit-learn's ensembles.

    Raises:
        ValueError, TypeError, AttributeError: A tree is inconsistent, or the estimator has a part that we do not check.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.tree import BaseDecisionTree

    if hasattr(estimator, "_predictors"):
        _check_histogram_trees(estimator, n_features)
        return
    if type(getattr(estimator, "init_", None)) not in (type(None), DummyClassifier, DummyRegressor):
        raise ValueError("it begins with a model that is no constant")
    if getattr(estimator, "_max_features", n_features) != n_features:
        raise ValueError("its trees read only a part of the columns")
    for tree in np.ravel(np.asarray(estimator.estimators_, dtype=object)):
        if not isinstance(tree, BaseDecisionTree):
            raise ValueError(f"it contains a {type(tree).__name__} where a tree must be")
        nodes = tree.tree_
        splits = nodes.children_left != _TREE_LEAF
        left, right, feature = nodes.children_left[splits], nodes.children_right[splits], nodes.feature[splits]
        check_splits(left, right, feature, n_nodes=nodes.node_count, n_features=n_features)
        if np.isnan(nodes.threshold[splits]).any() or not np.isfinite(nodes.value).all():
            raise ValueError("a threshold or the value of a leaf is not a number")


def _check_histogram_trees(estimator: Any, n_features: int) -> None:
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    if getattr(estimator, "_preprocessor", None) is not None:
        raise ValueError("it rearranges its columns")
    for predictor in (tree for stage in estimator._predictors for tree in stage):
        if type(predictor) is not TreePredictor:
            raise ValueError(f"it contains a {type(predictor).__name__} where a tree must be")
        nodes = predictor.nodes
        splits = nodes[nodes["is_leaf"] == 0]
        if splits["is_categorical"].any():
            raise ValueError("a split by categories, which we do not check")
        left, right, feature = splits["left"], splits["right"], splits["feature_idx"]
        check_splits(left, right, feature, n_nodes=len(nodes), n_features=n_features)
        if np.isnan(splits["num_threshold"]).any() or not np.isfinite(nodes["value"]).all():
            raise ValueError("a threshold or the value of a leaf is not a number")


def check_xgboost(blob: bytes, *, n_features: int) -> None:
    """Check every tree of a model in XGBoost's JSON that answers one number a row.

    Raises:
        ValueError, KeyError, TypeError, RecursionError: It is no such model, or a tree is inconsistent.
    Source:
        https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html, "JSON Schema".
    """
    if not blob.startswith(b"{"):
        raise ValueError("it is not a JSON object")
    learner = json.loads(blob.decode(), object_pairs_hook=_without_repeats)["learner"]
    booster, parameters = learner["gradient_booster"], learner["learner_model_param"]
    if booster["name"] != "gbtree" or int(parameters["num_feature"]) != n_features:
        raise ValueError(f"it is not a model of trees that read {n_features} columns")
    if int(parameters["num_class"]) > 1 or int(parameters.get("num_target", 1)) != 1:
        raise ValueError("it answers several numbers a row")
    trees = booster["model"]["trees"]
    if [int(group) for group in booster["model"]["tree_info"]] != [0] * len(trees):
        raise ValueError("a tree belongs to an answer that does not exist")
    ends = booster["model"].get("iteration_indptr", [0, len(trees)])
    if ends[0] != 0 or ends[-1] != len(trees) or ends != sorted(ends):
        raise ValueError("its rounds of trees are inconsistent")
    for number, tree in enumerate(trees, start=1):
        try:
            _check_xgboost_tree(tree, n_features)
        except ValueError as error:
            raise ValueError(f"tree {number}: {error}") from error


def _check_xgboost_tree(tree: Mapping[str, Any], n_features: int) -> None:
    names = "left_children", "right_children", "split_indices", "split_conditions", "default_left"
    left, right, feature, conditions, default = (np.array(tree[name], dtype=np.float64) for name in names)
    n_nodes = len(left)
    if {array.shape for array in (left, right, feature, conditions, default)} != {(n_nodes,)}:
        raise ValueError("its arrays are of different sizes")
    told = tree["tree_param"]
    if int(told["num_nodes"]) != n_nodes or int(told["size_leaf_vector"]) > 1 or any(tree.get("split_type", ())):
        raise ValueError("it has other nodes than it says, splits by categories, or several numbers a leaf")
    splits = left != _TREE_LEAF
    if (right[~splits] != _TREE_LEAF).any():
        raise ValueError("a leaf has a child")
    check_splits(left[splits], right[splits], feature[splits], n_nodes=n_nodes, n_features=n_features)
    if not np.isfinite(conditions).all():
        raise ValueError("a threshold or the value of a leaf is not a number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # two readers may read a repeated entry differently
        raise ValueError("it has a repeated entry")
    return found
