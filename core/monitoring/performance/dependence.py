"""How alike the outcomes of one caller are: how many rows are worth one independent row."""

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import ndtri

from core.arrays import FloatArray
from core.intervals.units import t_quantile
from core.monitoring.performance.layout import SCORES, Layout
from core.monitoring.performance.sequences import LEVEL
from core.monitoring.performance.state import PerformanceState

LEAST_CELLS = 10  # of callers, below which nothing is known of how alike their rows are

_SQUARES = {"e": "e2", "abs": "e2", "e2": "e4", "log": "log2", "b": "b2", "s2": "s4"}


class Dependence:
    """The design effects of one version: by score, how many rows are worth one independent row."""

    def __init__(self, layout: Layout | None, effects: Mapping[str, float], n: float) -> None:
        """Keep what was found.

        Args:
            layout: Of the sums.
            effects: By score, of the whole life; infinite if there are too few callers to know.
            n: The rows behind them.
        """
        self.effects = dict(effects)
        self._layout, self._n = layout, n

    @classmethod
    def of(cls, state: PerformanceState) -> "Dependence":
        """Estimate the design effects of the whole life from the sums by cell of callers."""
        layout = state.layout
        if layout is None or not state.n_grouped or state.cells.shape[1] < 2:
            return cls(layout, {}, 0.0)
        effects = _effects(layout, state.cells, state.life, LEVEL)
        return cls(layout, effects, float(state.cells[:, 0].sum()))

    def within(self, cells: FloatArray, sums: FloatArray, level: float) -> dict[str, float]:
        """Return the design effects of the rows of a window.

        A caller may have all its rows in one window, as a batch has, or its part in each. So the cells of the window
        itself say how alike its rows are, at least as alike as they are if each caller has its part: the excess over 1
        grows with the rows of one caller, as it is m - 1 times their correlation (Kish, ibid.).

        Args:
            cells: By cell of callers, rows and scores of the window.
            sums: Of the window.
            level: How often what is made of them may miss.
        """
        if self._layout is None or not self.effects or math.isinf(max(self.effects.values())):
            return self.effects
        part = float(cells[:, 0].sum()) / self._n
        own = _effects(self._layout, cells, sums, level)
        return {name: max(own[name], 1.0 + (effect - 1.0) * part) for name, effect in self.effects.items()}


def _effects(layout: Layout, cells: FloatArray, sums: FloatArray, level: float) -> dict[str, float]:
    """Estimate the design effects of some rows.

    Source:
        The variance of a ratio over clusters, relative to that over rows: Kish, Survey Sampling (1965), section 5.4;
        enlarged as Student's quantile is, for few cells. They count as if of one size: ibid., section 11.7.
    """
    rows, names = cells[:, 0], SCORES[layout.task]
    n = float(rows.sum())
    n_cells = n * n / float(np.square(rows).sum()) if n else 0.0
    if n_cells < LEAST_CELLS:
        return dict.fromkeys(names, math.inf)
    few = n_cells / (n_cells - 1.0)
    few *= (t_quantile(n_cells - 1.0, 1.0 - level / 2) / float(ndtri(1.0 - level / 2))) ** 2
    effects = {}
    for position, name in enumerate(names, start=1):
        total = cells[:, position]
        mean = float(total.sum()) / n
        variance = _variance(layout, sums, name, mean)
        between = float(np.square(total - mean * rows).sum())
        effects[name] = max(between * few / (n * variance), 1.0) if variance > 0 else 1.0
    return effects


def _variance(layout: Layout, sums: FloatArray, score: str, mean: float) -> float:
    if score == "correct":
        return mean * (1.0 - mean)
    square = layout.scalar(sums, "b" if score == "e" and "b" in layout.places else _SQUARES[score])
    return square / layout.scalar(sums, "n") - mean * mean
