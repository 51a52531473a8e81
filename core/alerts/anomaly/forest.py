"""An isolation forest, fitted by scikit-learn and evaluated without it: a vector takes a fraction of a millisecond."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.arrays import FloatArray, IntArray

N_TREES: Final = 100
N_SAMPLES: Final = 256
SEED: Final = 13
_MOST_VECTORS: Final = 4_096


@dataclass(frozen=True, slots=True)
class IsolationScores:
    """The trees of a fitted forest as arrays: row t is tree t, column k its node k."""

    feature: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    path: FloatArray  # the length of the path that ends in a node, corrected for the samples left in it
    depth: int
    usual_path: float

    @classmethod
    def fit(cls, vectors: FloatArray, seed: int = SEED) -> "IsolationScores":
        """Fit a forest. The same vectors give the same forest.

        Args:
            vectors: Shape (n, features), finite.
            seed: Of the choice of samples, features and cuts.
        """
        from sklearn.ensemble import IsolationForest

        vectors = vectors[:: max(1, len(vectors) // _MOST_VECTORS)]  # each tree draws 256 of them
        n_samples = min(N_SAMPLES, len(vectors))
        forest = IsolationForest(n_estimators=N_TREES, max_samples=n_samples, random_state=seed).fit(vectors)
        trees = [estimator.tree_ for estimator in forest.estimators_]
        shape = len(trees), max(tree.node_count for tree in trees)
        feature, left, right = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        threshold, path = np.zeros(shape), np.zeros(shape)
        depth = 0
        for row, tree in enumerate(trees):
            n = tree.node_count
            is_leaf = tree.children_left == -1
            here = np.arange(n)
            feature[row, :n] = np.where(is_leaf, 0, tree.feature)
            threshold[row, :n] = np.where(is_leaf, np.inf, tree.threshold)
            left[row, :n] = np.where(is_leaf, here, tree.children_left)
            right[row, :n] = np.where(is_leaf, here, tree.children_right)
            depths = np.zeros(n)
            for node in range(n):  # a parent has a smaller number than its children
                if not is_leaf[node]:
                    depths[[tree.children_left[node], tree.children_right[node]]] = depths[node] + 1
            path[row, :n] = depths + _usual_path(tree.n_node_samples.astype(np.float64))
            depth = max(depth, int(depths.max()))
        usual = float(_usual_path(np.array([float(n_samples)]))[0])
        return cls(feature, threshold, left, right, path, depth, usual)

    def of(self, vectors: FloatArray) -> FloatArray:
        """Return the scores, shape (n,): near 1 for a vector that few cuts isolate, below 0.5 for a usual one."""
        vectors = vectors.astype(np.float32).astype(np.float64)  # the trees were grown on these
        trees, here = np.arange(len(self.feature)), np.zeros((len(vectors), len(self.feature)), dtype=np.int64)
        rows = np.arange(len(vectors))[:, None]
        for _ in range(self.depth):
            is_left = vectors[rows, self.feature[trees, here]] <= self.threshold[trees, here]
            here = np.where(is_left, self.left[trees, here], self.right[trees, here])
        scores: FloatArray = 2.0 ** (-self.path[trees, here].mean(axis=1) / max(self.usual_path, 1e-9))
        return scores


def _usual_path(n_samples: FloatArray) -> FloatArray:
    """Return the mean length of the path of an unsuccessful search in a binary tree of n samples (Liu et al., 2008)."""
    n = np.maximum(n_samples, 3.0)
    many = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(n_samples <= 1, 0.0, np.where(n_samples == 2, 1.0, many))
