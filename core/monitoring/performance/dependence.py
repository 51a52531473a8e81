"""How alike the outcomes of one caller are: how many rows are worth one independent row."""

import math
from collections.abc import Mapping

import numpy as np

from core.arrays import FloatArray
from core.intervals.units import Z, t_quantile
from core.monitoring.performance.layout import SCORES, Layout
from core.monitoring.performance.state import PerformanceState

LEAST_CELLS = 10  # of callers, below which nothing is known of how alike their rows are

_SQUARES = {"e": "e2", "abs": "e2", "e2": "e4", "log": "log2", "b": "b2", "s2": "s4"}


class Dependence:
    """The design effects of one version: by score, how many rows are worth one independent row."""

    def __init__(self, effects: Mapping[str, float], n: float) -> None:
        """Keep what was found.

        Args:
            effects: By score; infinite if there are too few callers to know.
            n: The rows behind them.
        """
        self.effects = dict(effects)
        self._n = n

    @classmethod
    def of(cls, state: PerformanceState) -> "Dependence":
        """Estimate the design effects from the sums by cell of callers.

        Source:
            The variance of a ratio over clusters, relative to that over rows: Kish, Survey Sampling (1965), section
            5.4; enlarged as Student's quantile is, for few cells.
        """
        layout = state.layout
        if layout is None or not state.n_grouped or state.cells.shape[1] < 2:
            return cls({}, 0.0)
        rows = state.cells[:, 0]
        n, n_cells = float(rows.sum()), int(np.count_nonzero(rows))
        names = SCORES[layout.task]
        if n_cells < LEAST_CELLS:
            return cls(dict.fromkeys(names, math.inf), n)
        few = n_cells / (n_cells - 1.0) * (t_quantile(n_cells - 1.0) / Z) ** 2
        effects = {}
        for position, name in enumerate(names, start=1):
            total = state.cells[:, position]
            mean = float(total.sum()) / n
            variance = _variance(layout, state.life, name, mean)
            between = float(np.square(total - mean * rows).sum())
            effects[name] = max(between * few / (n * variance), 1.0) if variance > 0 else 1.0
        return cls(effects, n)

    def within(self, n: float) -> dict[str, float]:
        """Return the design effects of part of the rows, of which each caller has its part.

        Its excess over 1 grows with the rows of one caller: it is m - 1 times their correlation (Kish, ibid.).
        """
        part = min(n / self._n, 1.0) if self._n else 0.0
        return {name: 1.0 + (effect - 1.0) * part if part else effect for name, effect in self.effects.items()}


def _variance(layout: Layout, sums: FloatArray, score: str, mean: float) -> float:
    if score == "correct":
        return mean * (1.0 - mean)
    square = layout.scalar(sums, "b" if score == "e" and "b" in layout.places else _SQUARES[score])
    return square / layout.scalar(sums, "n") - mean * mean
