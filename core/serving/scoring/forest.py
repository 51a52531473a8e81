"""What the isolation forest reads, laid out without a table: its trees are flat arrays already."""

import numpy as np

from core.arrays import FloatArray
from core.domains.bonds.models.derived import DERIVED, sources
from core.domains.bonds.models.designs import ANOMALY_FOREST
from core.domains.bonds.models.isolation import IsolationDetector
from core.serving.scoring.features import LOG1P, LOG_FLOORS, UnsupportedSpaceError


class CompiledForest:
    """A fitted forest for rows of plain numbers.

    Attributes:
        numbers: The table's columns that rows are to bring, in order.
    """

    def __init__(self, detector: IsolationDetector) -> None:
        """Compile a detector.

        Raises:
            UnsupportedSpaceError: It reads a derived column that is not known here.
        """
        if unknown := [name for name in ANOMALY_FOREST if name in DERIVED and name not in (*LOG_FLOORS, *LOG1P)]:
            raise UnsupportedSpaceError(f"no compiled form of {', '.join(unknown)}")
        self.numbers: tuple[str, ...] = tuple(
            dict.fromkeys(source for name in ANOMALY_FOREST for source in sources(name))
        )
        at = {name: position for position, name in enumerate(self.numbers)}
        self._from = np.array([at[sources(name)[0]] for name in ANOMALY_FOREST], dtype=np.intp)
        self._is_log = np.array([name in LOG_FLOORS for name in ANOMALY_FOREST])
        self._is_log1p = np.array([name in LOG1P for name in ANOMALY_FOREST])
        self._floor = np.array([LOG_FLOORS[name] for name in ANOMALY_FOREST if name in LOG_FLOORS])
        self._centre = detector.centre
        self._trees = detector.fitted

    def score(self, numbers: FloatArray) -> FloatArray:
        """Tell how soon rows are isolated, shape (n,); the higher, the stranger."""
        read = numbers.take(self._from, axis=1)
        read[:, self._is_log] = np.log(np.maximum(read[:, self._is_log], self._floor))
        read[:, self._is_log1p] = np.log1p(np.maximum(read[:, self._is_log1p], 0.0))
        return self._trees.score(np.where(np.isfinite(read), read, self._centre).astype(np.float32))
