"""An isolation forest that reads its columns from a request's numbers."""

import numpy as np

from core.models.arrays import FloatArray
from core.models.derived import sources
from core.models.designs import ANOMALY_FOREST
from core.models.isolation import IsolationDetector
from core.serving.scoring.features import LOG_FLOORS


class CompiledForest:
    """A fitted forest behind the few columns it reads, without a table.

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
        self._trees = detector.fitted

    def score(self, numbers: FloatArray) -> FloatArray:
        """Tell how soon rows are isolated, shape (n,); the higher, the stranger."""
        read = numbers.take(self._from, axis=1)
        logs, log1p = self._is_log, self._log1p
        read[:, logs] = np.log(np.maximum(read[:, logs], self._floor[logs]))
        read[:, log1p] = np.log1p(np.maximum(read[:, log1p], 0.0))
        return self._trees.score(np.where(np.isfinite(read), read, self._centre).astype(np.float32))
