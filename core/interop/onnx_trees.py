"""Trees as ONNX's operator `TreeEnsemble`, in doubles: thresholds and leaves as the library has them."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from core.explain.plain_trees import LEAF, PlainTree, PlainTrees
from core.interop.onnx_graph import ML, Graph, GraphValue

_UP_TO: Final = 0  # BRANCH_LEQ
_SUM: Final = 1
_NAN_IS_ZERO, _ZERO_IS_MISSING = 1, 2  # as in `PlainTree.reading`
NEXT_TO_ZERO: Final = float(np.float32(1e-35))
"""LightGBM reads no smaller number but zero (`kZeroThreshold`)."""


def sum_of_trees(graph: Graph, matrix: GraphValue, ensembles: Sequence[PlainTrees], *, n_columns: int) -> GraphValue:
    """Sum the leaves of several ensembles on the same columns, shape (n, ensembles).

    Args:
        graph: The graph.
        matrix: What the trees read; NaN for an empty cell.
        ensembles: One for each column of the answer.
        n_columns: Of the matrix.
    """
    cells = graph.rounded(matrix) if any(trees.is_single for trees in ensembles) else matrix
    written = _Nodes(n_columns)
    constants = [trees.constant for trees in ensembles]
    for target, trees in enumerate(ensembles):
        for tree in trees.trees:
            if tree.left[0] == LEAF:
                constants[target] += float(tree.value[0])
            else:
                written.add(tree, target)
    if not written.roots:
        return graph.repeated(np.array(constants), matrix)
    blocks = [cells, *written.more_columns(graph, cells)]
    return graph.op("Add", written.operator(graph, graph.beside(blocks), len(ensembles)), np.array([constants]))


class _Nodes:
    """The attributes of the operator, node by node.

    A split on a category becomes a split on a column of zeros and ones, since a library's set of levels has no limit.
    """

    def __init__(self, n_columns: int) -> None:
        self._n_columns = n_columns
        self._more: dict[tuple[int, tuple[int, ...] | None], int] = {}  # further columns, by what they are made of
        self.roots: list[int] = []
        self._feature: list[int] = []
        self._split: list[float] = []
        self._missing: list[int] = []
        self._below: dict[str, list[int]] = {"true": [], "false": []}
        self._is_leaf: dict[str, list[int]] = {"true": [], "false": []}
        self._leaf_target: list[int] = []
        self._leaf_value: list[float] = []

    def add(self, tree: PlainTree, target: int) -> None:
        """Add a tree with a split."""
        position: dict[int, int] = {}
        order, waiting = [], [0]
        while waiting:
            node = waiting.pop()
            order.append(node)
            if tree.left[node] == LEAF:
                position[node] = len(self._leaf_value)
                self._leaf_target.append(target)
                self._leaf_value.append(float(tree.value[node]))
                continue
            position[node] = len(self._feature)
            feature, split, missing = self._condition(tree, node)
            self._feature.append(feature)
            self._split.append(split)
            self._missing.append(missing)
            waiting += [int(tree.right[node]), int(tree.left[node])]
        self.roots.append(position[0])
        for node in order:
            if tree.left[node] != LEAF:
                for side, child in (("true", int(tree.left[node])), ("false", int(tree.right[node]))):
                    self._below[side].append(position[child])
                    self._is_leaf[side].append(int(tree.left[child] == LEAF))

    def more_columns(self, graph: Graph, cells: GraphValue) -> list[GraphValue]:
        """Compute the columns that splits read beyond those of the matrix, in their order."""
        blocks = []
        for column, codes in self._more:
            value = graph.columns(cells, np.array([column]))
            if codes is None:
                is_zero = graph.op("LessOrEqual", graph.op("Abs", value), NEXT_TO_ZERO)
                blocks.append(graph.op("Where", is_zero, np.nan, value))
                continue
            table = np.ones((codes[-1] + 2, 1))  # the last place is for every other code and for an empty cell
            table[list(codes)] = 0.0
            last = float(len(table) - 1)
            # Not a number, negative, or beyond the last: each of these comparisons is false of NaN.
            is_known = graph.op("And", graph.op("GreaterOrEqual", value, 0.0), graph.op("Less", value, last))
            code = graph.op("Where", is_known, value, last)
            place = graph.op("Cast", graph.op("Squeeze", code, np.array([1])), to=7)
            blocks.append(graph.op("Gather", table, place, axis=0))
        return blocks

    def operator(self, graph: Graph, cells: GraphValue, n_targets: int) -> GraphValue:
        """Add the operator."""
        return graph.op(
            "TreeEnsemble",
            cells,
            domain=ML,
            n_targets=n_targets,
            aggregate_function=_SUM,
            post_transform=0,
            tree_roots=self.roots,
            nodes_featureids=self._feature,
            nodes_splits=_tensor(self._split),
            nodes_modes=_tensor([_UP_TO] * len(self._feature), whole=True),
            nodes_truenodeids=self._below["true"],
            nodes_trueleafs=self._is_leaf["true"],
            nodes_falsenodeids=self._below["false"],
            nodes_falseleafs=self._is_leaf["false"],
            nodes_missing_value_tracks_true=self._missing,
            leaf_targetids=self._leaf_target,
            leaf_weights=_tensor(self._leaf_value),
        )

    def _condition(self, tree: PlainTree, node: int) -> tuple[int, float, int]:
        """Return the column, the number up to which a row goes left, and whether an empty cell does."""
        feature, split = int(tree.feature[node]), float(tree.threshold[node])
        if (codes := tree.levels.get(node)) is not None:
            return self._further(feature, tuple(sorted(map(int, codes)))), 0.5, 0
        reading = 0 if tree.reading is None else int(tree.reading[node])
        if reading == _NAN_IS_ZERO:
            return feature, split, int(split >= 0.0)
        if reading == _ZERO_IS_MISSING:
            feature = self._further(feature, None)
        return feature, split, int(tree.missing_left[node])

    def _further(self, feature: int, codes: tuple[int, ...] | None) -> int:
        return self._n_columns + self._more.setdefault((feature, codes), len(self._more))


def _tensor(values: Sequence[float], *, whole: bool = False) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array(values, dtype=np.uint8 if whole else np.float64), "values")
