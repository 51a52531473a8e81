"""The trees of every library in one plain form: what the exact algorithms of `leaf_games.py` read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray

LEAF: Final = -1
_CAPPED: Final = 1e300  # the largest number in LightGBM's dump, whose JSON knows no infinity
_NAN_IS_ZERO, _ZERO_IS_MISSING = 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class PlainTree:
    """One tree; node 0 is its root.

    Attributes:
        left: The child of each node where the condition holds; -1 for a leaf.
        right: The other child.
        feature: The column that a node splits on.
        threshold: Values up to it go left.
        missing_left: Whether an empty cell goes left.
        value: Of each leaf; other nodes' are not read.
        cover: How many training rows reached each node.
        reading: 1 where an empty cell is read as zero, 2 where a zero counts as an empty cell, else 0.
        levels: For a split on a category, the codes that go left; every other code and an empty cell go right.
    """

    left: IntArray
    right: IntArray
    feature: IntArray
    threshold: FloatArray
    missing_left: BoolArray
    value: FloatArray
    cover: FloatArray
    reading: IntArray | None = None
    levels: Mapping[int, IntArray] = field(default_factory=dict)

    def goes_left(self, matrix: AnyArray) -> BoolArray:
        """Say where each row goes at each node, shape (n, nodes)."""
        cells = matrix[:, self.feature]
        is_missing = np.isnan(cells)
        if self.reading is not None:
            cells = np.where(is_missing & (self.reading != 0), 0.0, cells)
            is_missing = (is_missing & (self.reading != _NAN_IS_ZERO)) | (
                (self.reading == _ZERO_IS_MISSING) & (np.abs(cells) <= 1e-35)
            )
        with np.errstate(invalid="ignore"):
            goes_left = np.where(is_missing, self.missing_left, cells <= self.threshold)
        for node, codes in self.levels.items():
            column = matrix[:, self.feature[node]]
            known = np.where(np.isnan(column) | (column < 0), -1, column).astype(np.int64)
            goes_left[:, node] = np.isin(known, codes) & (known >= 0)
        return np.asarray(goes_left, dtype=np.bool_)

    def paths(self) -> Iterator[tuple[int, list[tuple[int, bool]]]]:
        """Yield each leaf with its path: the nodes above it, and whether the path goes left there."""
        waiting: list[tuple[int, list[tuple[int, bool]]]] = [(0, [])]
        while waiting:
            node, path = waiting.pop()
            if self.left[node] == LEAF:
                yield node, path
                continue
            waiting.append((int(self.right[node]), [*path, (node, False)]))
            waiting.append((int(self.left[node]), [*path, (node, True)]))


@dataclass(frozen=True, slots=True, eq=False)
class PlainTrees:
    """An ensemble whose answer is the sum of its trees' leaves.

    Attributes:
        trees: The trees.
        constant: What is added to every answer.
        is_single: Whether the library reads cells in single precision.
    """

    trees: tuple[PlainTree, ...]
    constant: float = 0.0
    is_single: bool = False

    def cells(self, matrix: AnyArray) -> FloatArray:
        """Return a matrix as the library reads it."""
        if self.is_single:
            with np.errstate(over="ignore"):
                return matrix.astype(np.float32).astype(np.float64)
        return np.asarray(matrix, dtype=np.float64)

    def score(self, matrix: AnyArray) -> FloatArray:
        """Sum the leaves that rows reach, shape (n,)."""
        cells = self.cells(matrix)
        total = np.full(len(cells), self.constant)
        rows = np.arange(len(cells))
        for tree in self.trees:
            goes_left = tree.goes_left(cells)
            node = np.zeros(len(cells), dtype=np.int64)
            while (is_split := tree.left[node] != LEAF).any():
                below = np.where(goes_left[rows, node], tree.left[node], tree.right[node])
                node = np.where(is_split, below, node)
            total += tree.value[node]
        return total


def trees_of_lightgbm(booster: Any, *, output: int = 0) -> PlainTrees:
    """Read the trees of a LightGBM booster.

    Args:
        booster: A `lightgbm.Booster`.
        output: Of a booster with a score per class, which.
    """
    told = booster.dump_model()
    per_step = int(told["num_tree_per_iteration"])
    found = [entry["tree_structure"] for entry in told["tree_info"][output::per_step]]
    trees = list(map(_lightgbm_tree, found))
    if any((tree.threshold >= _CAPPED).any() for tree in trees):
        lines = (line for line in booster.model_to_string().splitlines() if line.startswith("threshold="))
        # A tree that is one leaf has no such line.
        of_trees = {
            int(entry["tree_index"]): next(lines)
            for entry in told["tree_info"]
            if "left_child" in entry["tree_structure"]
        }
        for place, entry in enumerate(told["tree_info"][output::per_step]):
            if (line := of_trees.get(int(entry["tree_index"]))) is not None:
                whole = [float(number) for number in line.removeprefix("threshold=").split()]
                trees[place] = _lightgbm_tree(entry["tree_structure"], whole)
    return PlainTrees(tuple(trees))


def _lightgbm_tree(root: Mapping[str, Any], whole: Sequence[float] = ()) -> PlainTree:
    """Read one tree.

    Args:
        root: What LightGBM dumps of it.
        whole: The numbers at which it splits, by the index of the split; the dump caps them at 1e300.
    """

    def threshold_of(node: Mapping[str, Any]) -> float:
        if whole and "split_index" in node:
            return whole[int(node["split_index"])]
        return float(node.get("threshold", 0.0))

    nodes: list[Mapping[str, Any]] = []
    children: list[tuple[int, int]] = []
    waiting: list[tuple[Mapping[str, Any], int, int]] = [(root, -1, 0)]
    while waiting:
        node, parent, side = waiting.pop()
        own = len(nodes)
        nodes.append(node)
        children.append((LEAF, LEAF))
        if parent >= 0:
            left, right = children[parent]
            children[parent] = (own, right) if side == 0 else (left, own)
        if "left_child" in node:
            waiting += [(node["right_child"], own, 1), (node["left_child"], own, 0)]
    levels = {
        own: np.array([int(code) for code in str(node["threshold"]).split("||")], dtype=np.int64)
        for own, node in enumerate(nodes)
        if node.get("decision_type") == "=="
    }
    reading = {"None": _NAN_IS_ZERO, "Zero": _ZERO_IS_MISSING, "NaN": 0}
    return PlainTree(
        left=np.array([left for left, _ in children]),
        right=np.array([right for _, right in children]),
        feature=np.array([node.get("split_feature", 0) for node in nodes], dtype=np.int64),
        threshold=np.array([0.0 if own in levels else threshold_of(node) for own, node in enumerate(nodes)]),
        missing_left=np.array([bool(node.get("default_left", False)) for node in nodes]),
        value=np.array([float(node.get("leaf_value", 0.0)) for node in nodes]),
        cover=np.array([float(node.get("internal_count", node.get("leaf_count", 1))) for node in nodes]),
        reading=np.array([reading[node.get("missing_type", "NaN")] for node in nodes], dtype=np.int64),
        levels=levels,
    )


def trees_of_sklearn(estimator: Any, *, output: int = 0) -> PlainTrees:
    """Read the trees of one of scikit-learn's ensembles.

    Args:
        estimator: A fitted forest, whose trees are averaged; gradient boosting, whose trees are summed on the scale of
            the link; or histogram gradient boosting.
        output: Of a classification the class: of a forest any, of boosting with two classes 0.
    """
    if hasattr(estimator, "_predictors"):
        grown = tuple(_histogram_tree(stage[output].nodes) for stage in estimator._predictors)
        baseline = float(np.ravel(estimator._baseline_prediction)[output])
        return PlainTrees(grown, baseline)
    stages = np.asarray(estimator.estimators_, dtype=object)
    if stages.ndim == 2:
        rate = float(estimator.learning_rate)
        trees = tuple(_sklearn_tree(tree.tree_, 0, rate) for tree in stages[:, output])
        return PlainTrees(trees, _start_of(estimator, output), is_single=True)
    share = 1.0 / len(stages)
    trees = tuple(_sklearn_tree(tree.tree_, output, share) for tree in stages)
    return PlainTrees(trees, is_single=True)


def trees_of_forest(forest: Any) -> PlainTrees:
    """Read the trees of a `FlatForest`; a row's answer is its mean path, as a share of the usual, below zero.

    So the answer is the base-2 logarithm of the anomaly score, higher for stranger rows.
    """
    trees = []
    ends = [*forest.roots[1:].tolist(), len(forest.feature)]
    for root, end in zip(forest.roots.tolist(), ends, strict=True):
        own = np.arange(root, end)
        is_leaf = forest.children[root:end, 0] == own
        sides = [np.where(is_leaf, LEAF, forest.children[root:end, side] - root).astype(np.int64) for side in (0, 1)]
        trees.append(
            PlainTree(
                left=sides[0],
                right=sides[1],
                feature=forest.feature[root:end].astype(np.int64),
                threshold=forest.threshold[root:end].astype(np.float64),
                missing_left=np.zeros(end - root, dtype=np.bool_),
                value=-forest.paths[root:end],
                cover=forest.n_samples[root:end].astype(np.float64),
            )
        )
    return PlainTrees(tuple(trees))


def _sklearn_tree(tree: Any, output: int, factor: float) -> PlainTree:
    value = np.asarray(tree.value, dtype=np.float64)[:, 0, :]
    is_leaf = tree.children_left < 0
    missing = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count))
    return PlainTree(
        left=np.asarray(tree.children_left, dtype=np.int64),
        right=np.asarray(tree.children_right, dtype=np.int64),
        feature=np.where(is_leaf, 0, tree.feature).astype(np.int64),
        threshold=np.where(is_leaf, 0.0, tree.threshold).astype(np.float64),
        missing_left=np.asarray(missing, dtype=np.bool_),
        value=factor * value[:, min(output, value.shape[1] - 1)],
        cover=np.asarray(tree.weighted_n_node_samples, dtype=np.float64),
    )


def _histogram_tree(nodes: AnyArray) -> PlainTree:
    is_leaf = nodes["is_leaf"].astype(np.bool_)
    return PlainTree(
        left=np.where(is_leaf, LEAF, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, LEAF, nodes["right"].astype(np.int64)),
        feature=np.where(is_leaf, 0, nodes["feature_idx"]).astype(np.int64),
        threshold=np.where(is_leaf, 0.0, nodes["num_threshold"]).astype(np.float64),
        missing_left=nodes["missing_go_to_left"].astype(np.bool_),
        value=nodes["value"].astype(np.float64),
        cover=nodes["count"].astype(np.float64),
    )


def _start_of(estimator: Any, output: int) -> float:
    """Return the score before the first tree of gradient boosting."""
    row = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    return float(np.ravel(estimator._raw_predict_init(row))[output])
