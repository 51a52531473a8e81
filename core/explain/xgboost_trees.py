"""The trees of XGBoost in the plain form of `plain_trees`, read from its own JSON."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.explain.plain_trees import LEAF, PlainTree, PlainTrees


def trees_of_xgboost(booster: Any, make: Any, *, output: int = 0) -> PlainTrees:
    """Read the trees of an XGBoost booster without splits on categories.

    Args:
        booster: An `xgboost.Booster`.
        make: `xgboost.DMatrix`: the score before the first tree is what a row's margin leaves, whatever its spelling.
        output: Of a booster with a score per class, which.
    """
    model = json.loads(bytes(booster.save_raw(raw_format="json")))["learner"]["gradient_booster"]["model"]
    found = [tree for tree, group in zip(model["trees"], model["tree_info"], strict=True) if int(group) == output]
    trees = PlainTrees(tuple(map(_tree, found)), is_single=True)
    row = np.zeros((1, int(booster.num_features())))
    margin = np.ravel(booster.predict(make(row, nthread=1), output_margin=True))
    return PlainTrees(trees.trees, float(margin[output]) - float(trees.score(row)[0]), is_single=True)


def _tree(told: Mapping[str, Any]) -> PlainTree:
    left = np.array(told["left_children"], dtype=np.int64)
    is_leaf = left < 0
    split = np.array(told["split_conditions"], dtype=np.float32)
    # Values below the condition go left; the greatest of them is the last number of single precision before it.
    threshold = np.nextafter(split, np.float32(-np.inf), dtype=np.float32).astype(np.float64)
    return PlainTree(
        left=np.where(is_leaf, LEAF, left),
        right=np.where(is_leaf, LEAF, np.array(told["right_children"], dtype=np.int64)),
        feature=np.where(is_leaf, 0, np.array(told["split_indices"], dtype=np.int64)),
        threshold=np.where(is_leaf, 0.0, threshold),
        missing_left=np.array(told["default_left"], dtype=np.bool_),
        value=np.where(is_leaf, split, np.float32(0.0)).astype(np.float64),
        cover=np.array(told["sum_hessian"], dtype=np.float64),
    )
