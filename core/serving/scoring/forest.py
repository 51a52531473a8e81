"""An isolation forest as flat arrays: all trees walk down together, one level a step."""

import numpy as np

from core.models.arrays import FloatArray, IntArray
from core.models.derived import sources
from core.models.designs import ANOMALY_FOREST
from core.models.isolation import IsolationDetector
from core.serving.scoring.features import LOG_FLOORS

_EULER = 0.5772156649015329  # np.euler_gamma


class CompiledForest:
    """A fitted forest, without scikit-learn's two milliseconds of overhead for each tree and call.

    Attributes:
        numbers: The table's columns rows are to bring, in order.
    """

    def __init__(self, detector: IsolationDetector) -> None:
        """Compile a detector.

        Raises:
            UnsupportedSpaceError: It reads a derived column that is not known here.
        """
        self.numbers: tuple[str, ...] = tuple(
            dict.fromkeys(source for name in ANOMALY_FOREST for source in sources(name))
        )
        at = {name: position for position, name in enumerate(self.numbers)}
        self._from = np.array([at[sources(name)[0]] for name in ANOMALY_FOREST], dtype=np.intp)
        self._floor = np.array([LOG_FLOORS.get(name, np.nan) for name in ANOMALY_FOREST])
        self._is_log = np.array([name in LOG_FLOORS for name in ANOMALY_FOREST])
        self._log1p = np.array([name == "ln_age" for name in ANOMALY_FOREST])
        self._centre = detector.centre
        features: list[IntArray] = []
        thresholds: list[FloatArray] = []
        children: list[IntArray] = []
        depths: list[FloatArray] = []
        self._roots = np.zeros(len(detector.estimator.estimators_), dtype=np.intp)
        offset, deepest = 0, 0
        pairs = zip(detector.estimator.estimators_, detector.estimator.estimators_features_, strict=True)
        for number, (tree, columns) in enumerate(pairs):
            shape = tree.tree_
            n_nodes = shape.node_count
            self._roots[number] = offset
            is_leaf = shape.children_left < 0
            own = np.arange(n_nodes)
            features.append(np.where(is_leaf, 0, np.asarray(columns)[np.maximum(shape.feature, 0)]))
            thresholds.append(np.where(is_leaf, np.inf, shape.threshold))  # a leaf leads to itself
            left = np.where(is_leaf, own, shape.children_left) + offset
            right = np.where(is_leaf, own, shape.children_right) + offset
            children.append(np.stack([left, right], axis=1))
            depth = _depths(shape.children_left, shape.children_right)
            depths.append(depth + _average_path(shape.n_node_samples.astype(np.float64)))
            deepest = max(deepest, int(depth.max()))
            offset += n_nodes
        self._feature = np.concatenate(features)
        self._threshold = np.concatenate(thresholds)
        self._children = np.concatenate(children).ravel()
        self._depth = np.concatenate(depths)
        self._n_levels = deepest
        self._scale = len(self._roots) * float(_average_path(np.array([float(detector.estimator._max_samples)]))[0])

    def score(self, numbers: FloatArray) -> FloatArray:
        """Tell how soon rows are isolated, shape (n,); the higher, the stranger."""
        read = numbers.take(self._from, axis=1)
        logs, log1p = self._is_log, self._log1p
        read[:, logs] = np.log(np.maximum(read[:, logs], self._floor[logs]))
        read[:, log1p] = np.log1p(np.maximum(read[:, log1p], 0.0))
        rows = np.where(np.isfinite(read), read, self._centre).astype(np.float32)
        first = (np.arange(len(rows)) * rows.shape[1])[:, None]
        cells = rows.ravel()
        node = np.broadcast_to(self._roots, (len(rows), len(self._roots)))
        for _ in range(self._n_levels):
            goes_right = cells.take(first + self._feature.take(node)) > self._threshold.take(node)
            node = self._children.take(2 * node + goes_right)
        return np.asarray(2.0 ** (-self._depth.take(node).sum(axis=1) / self._scale))


def _depths(left: IntArray, right: IntArray) -> FloatArray:
    """Return the depth of each node; parents come before their children."""
    depth = np.zeros(len(left))
    for parent in range(len(left)):
        if left[parent] >= 0:
            depth[left[parent]] = depth[right[parent]] = depth[parent] + 1.0
    return depth


def _average_path(n_samples: FloatArray) -> FloatArray:
    """Average length of an unsuccessful search in a binary tree of n samples.

    Source:
        Liu, Ting and Zhou, Isolation Forest, ICDM 2008, equation 1, in scikit-learn's form.
    """
    more = np.maximum(n_samples, 3.0)
    length = 2.0 * (np.log(more - 1.0) + _EULER) - 2.0 * (more - 1.0) / more
    return np.where(n_samples <= 1.0, 0.0, np.where(n_samples <= 2.0, 1.0, length))
