"""A fitted isolation forest as plain arrays: all trees are descended together, one level per step.

It holds only numbers, so it is written and read in milliseconds and independent of scikit-learn's internals; and it
scores without scikit-learn's overhead of two milliseconds per tree and call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from core.arrays import AnyArray, Float32Array, FloatArray
from core.models.errors import ArtifactError

CHUNK_ROWS = 1_024  # rows per batch, so that their current nodes stay in the processor's cache
KINDS = {"roots": "<i4", "children": "<i4", "feature": "<i2", "threshold": "<f8", "n_samples": "<i4", "drawn": "<i4"}


@dataclass(frozen=True, eq=False)
class FlatForest:
    """The trees of an isolation forest, with their nodes in sequence.

    Attributes:
        roots: The first node of each tree.
        children: Left and right child of each node, shape (n_nodes, 2); a leaf points to itself.
        feature: The column a node splits on; 0 for a leaf.
        threshold: Values up to it go left; 0 for a leaf.
        n_samples: How many of the rows drawn for the tree reached the node.
        drawn: How many rows were drawn for each tree, shape (1,).
    """

    roots: AnyArray
    children: AnyArray
    feature: AnyArray
    threshold: AnyArray
    n_samples: AnyArray
    drawn: AnyArray
    _walk: tuple[AnyArray, ...] = field(init=False, repr=False)
    _paths: FloatArray = field(init=False, repr=False)
    _n_levels: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        depths = self._depths()
        usual = average_path(self.drawn.astype(np.float64))[0]
        paths = (depths + average_path(self.n_samples.astype(np.float64))) / usual if usual else np.ones(len(depths))
        object.__setattr__(self, "_n_levels", int(depths.max()))
        object.__setattr__(self, "_paths", paths / len(self.roots))
        wide = (self.roots, self.children.ravel(), self.feature)  # numpy indexes fastest by its native integer type
        object.__setattr__(self, "_walk", tuple(array.astype(np.intp) for array in wide))

    @classmethod
    def of(cls, estimator: Any, *, n_features: int) -> Self:
        """Extract the trees of scikit-learn's `IsolationForest`.

        Raises:
            ArtifactError: It came from a file, and its nodes do not form trees over that many columns.
        """
        trees = [tree.tree_ for tree in estimator.estimators_]
        roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
        own = np.arange(sum(tree.node_count for tree in trees))
        offset = np.repeat(roots, [tree.node_count for tree in trees])
        is_leaf = np.concatenate([tree.children_left for tree in trees]) < 0
        columns = [
            np.asarray(chosen)[np.maximum(tree.feature, 0)]
            for tree, chosen in zip(trees, estimator.estimators_features_, strict=True)
        ]
        sides = [np.concatenate([getattr(tree, f"children_{side}") for tree in trees]) for side in ("left", "right")]
        arrays: dict[str, AnyArray] = {
            "roots": roots,
            "children": np.stack([np.where(is_leaf, own, side + offset) for side in sides], axis=1),
            "feature": np.where(is_leaf, 0, np.concatenate(columns)),
            "threshold": np.where(is_leaf, 0.0, np.concatenate([tree.threshold for tree in trees])),
            "n_samples": np.concatenate([tree.n_node_samples for tree in trees]),
            "drawn": np.array([estimator.max_samples_]),
        }
        flat = {f"forest.{name}": array.astype(KINDS[name]) for name, array in arrays.items()}
        return cls.restore(flat, n_features=n_features)

    @classmethod
    def restore(cls, arrays: Mapping[str, AnyArray], *, n_features: int) -> Self:
        """Read what `dump` wrote.

        Raises:
            ArtifactError: An array is missing, or the nodes do not form trees over that many columns.
        """
        parts = {name: arrays.get(f"forest.{name}") for name in KINDS}
        for name, part in parts.items():
            if part is None or part.dtype.str != KINDS[name] or part.ndim != (2 if name == "children" else 1):
                raise ArtifactError(f"the forest's array {name!r} is missing or of another kind")
        whole: dict[str, AnyArray] = {name: part for name, part in parts.items() if part is not None}
        if problem := _problem(**whole, n_features=n_features):
            raise ArtifactError(f"the forest is inconsistent: {problem}")
        return cls(**whole)

    def dump(self) -> dict[str, AnyArray]:
        """Write the forest as named arrays."""
        return {f"forest.{name}": getattr(self, name) for name in KINDS}

    @property
    def paths(self) -> FloatArray:
        """Per node its part of the average path that ends there, as a share of the usual path of a tree."""
        return self._paths

    @property
    def splits(self) -> AnyArray:
        """The column of every split."""
        return np.asarray(self.feature[self.children[:, 0] != np.arange(len(self.children))])

    def score(self, rows: Float32Array) -> FloatArray:
        """Score how soon rows are isolated, shape (n,); higher is stranger. No value may be missing.

        Source:
            Liu, Ting and Zhou, Isolation Forest, ICDM 2008, equation 2.
        """
        chunks = [self._path(rows[start : start + CHUNK_ROWS]) for start in range(0, len(rows), CHUNK_ROWS)]
        return np.asarray(2.0 ** -np.concatenate([np.empty(0), *chunks]))

    def _path(self, rows: Float32Array) -> FloatArray:
        """Average path length, as a share of the usual length."""
        roots, children, feature = self._walk
        first = (np.arange(len(rows)) * rows.shape[1])[:, None]
        cells = rows.ravel()
        node = np.broadcast_to(roots, (len(rows), len(roots)))
        for _ in range(self._n_levels):
            goes_right = cells.take(first + feature.take(node)) > self.threshold.take(node)
            node = children.take(2 * node + goes_right)
        return np.asarray(self._paths.take(node).sum(axis=1))

    def _depths(self) -> FloatArray:
        depths = np.zeros(len(self.children))
        level, reached = 0, self.roots
        while len(reached):
            depths[reached] = level
            splits = reached[self.children[reached, 0] != reached]
            level, reached = level + 1, self.children[splits].ravel()
        return depths


def average_path(n_samples: FloatArray) -> FloatArray:
    """Average length of an unsuccessful search in a binary tree of n samples.

    Source:
        Liu, Ting and Zhou, Isolation Forest, ICDM 2008, equation 1, in scikit-learn's form.
    """
    more = np.maximum(n_samples, 3.0)
    length = 2.0 * (np.log(more - 1.0) + np.euler_gamma) - 2.0 * (more - 1.0) / more
    return np.where(n_samples <= 1.0, 0.0, np.where(n_samples <= 2.0, 1.0, length))


def _problem(
    *,
    roots: AnyArray,
    children: AnyArray,
    feature: AnyArray,
    threshold: AnyArray,
    n_samples: AnyArray,
    drawn: AnyArray,
    n_features: int,
) -> str | None:
    """Return why arrays are not a forest, or None.

    Every node must be the root of one tree or the child of one split, and never its own ancestor.
    """
    n_nodes = len(feature)
    if not len(roots) or children.shape != (n_nodes, 2) or not len(threshold) == len(n_samples) == n_nodes:
        return "its arrays are of different sizes"
    own = np.arange(n_nodes)
    is_split = (children != own[:, None]).any(axis=1)
    if not np.array_equal(np.sort(np.concatenate((roots, children[is_split].ravel()))), own):
        return "a node belongs to no split, or to several"
    reached, n_reached = roots, 0
    while len(reached):
        n_reached += len(reached)
        reached = children[reached[is_split[reached]]].ravel()
    if n_reached != n_nodes:
        return "a node is its own ancestor"
    if feature.min() < 0 or feature.max() >= n_features or not np.isfinite(threshold).all():
        return "a split has no valid column or threshold"
    if n_samples.min() < 1 or len(drawn) != 1 or drawn[0] < 1:
        return "a node without samples"
    return None
