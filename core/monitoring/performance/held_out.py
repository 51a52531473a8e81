"""What a version achieved on held-out rows, as far as its profile tells: the reference of a verdict."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray
from core.losses import LEAST_PROBABILITY
from core.monitoring.data_profile import ColumnProfile, DataProfile, SliceProfile
from core.monitoring.performance.layout import MeasuredTask
from core.monitoring.performance.sequences import reach

Z_REFERENCE = 2.326  # of each end of a reference: it is missed in one case of a hundred
TAIL_ROWS = math.log(100.0)  # that rows which did not come once may stand for, in 99 of a hundred cases
LEAST_ROWS = 20.0  # independent held-out rows, below which there is no reference


class HeldOutFigure(NamedTuple):
    """A metric on held-out rows."""

    value: float
    low: float
    high: float


class HeldOutFigures(NamedTuple):
    """The references of a version.

    Attributes:
        metrics: By metric.
        deciding: Mean and limits of the loss that decides, as it is added up: squared errors, Brier scores, shortfalls.
        spread: The variance of that loss of one row, relative to its squared mean.
        effect: How many held-out rows are worth one independent row.
    """

    metrics: Mapping[str, HeldOutFigure]
    deciding: HeldOutFigure | None = None
    spread: float = 0.0
    effect: float = 1.0

    def of_slice(self, found: SliceProfile) -> HeldOutFigure | None:
        """Return the deciding loss of a slice; its rows are taken to spread as all rows do."""
        if found.residual is None or found.residual_sd is None:
            return None
        value = found.residual**2 + found.residual_sd**2
        n = found.rows / self.effect
        return None if n < LEAST_ROWS else _within(value, self.spread * value * value, n)


def held_out(profile: DataProfile | None, task: MeasuredTask) -> HeldOutFigures:
    """Read the references from the residuals of a profile.

    Means of squared residuals are exact; other metrics are computed from the quantiles that the profile keeps, at most
    a thousandth of the rows apart in the tails.

    Args:
        profile: Of the version; None for a version from before.
        task: What it answers.
    """
    residual = profile.residual if profile is not None else None
    if residual is None or residual.mean is None or residual.sd is None or not math.isfinite(residual.effect):
        return HeldOutFigures({})
    n = residual.n / residual.effect
    if n < LEAST_ROWS:
        return HeldOutFigures({})
    values, weights = _distribution(residual)
    squared = residual.mean**2 + residual.sd**2
    fourth = float(weights @ values**4)
    variance = max(fourth - squared * squared, 0.0)
    deciding = _within(squared, variance, n)
    found: dict[str, HeldOutFigure] = {}
    if task is MeasuredTask.NUMBER:
        size = np.abs(values)
        deciding = _further(deciding, float(size.max()) ** 2, n)
        found["rmse"] = HeldOutFigure(*map(math.sqrt, deciding))
        found["mae"] = _further(_mean(size, weights, n), float(size.max()), n)
    elif task is MeasuredTask.EVENT:
        found["brier"] = deciding
        found["log_loss"] = _mean(-np.log(np.clip(1.0 - np.abs(values), LEAST_PROBABILITY, 1.0)), weights, n)
        right = min(max(float(weights @ (np.abs(values) < 0.5)), 0.0), 1.0)
        found["accuracy"] = _within(right, right * (1.0 - right), n)
    elif task is MeasuredTask.CLASSES:
        found["shortfall"] = deciding
        found["log_loss"] = _mean(-np.log(np.clip(1.0 - values, LEAST_PROBABILITY, 1.0)), weights, n)
    if task in (MeasuredTask.NUMBER, MeasuredTask.EVENT):
        half = Z_REFERENCE * residual.sd / math.sqrt(n)
        found["bias"] = HeldOutFigure(-residual.mean, -residual.mean - half, -residual.mean + half)
    return HeldOutFigures(found, deciding, variance / (squared * squared) if squared else 0.0, residual.effect)


def _within(value: float, variance: float, n: float) -> HeldOutFigure:
    half = Z_REFERENCE * math.sqrt(variance / n)
    return HeldOutFigure(value, max(value - half, 0.0), value + half)


def _further(figure: HeldOutFigure, largest: float, n: float) -> HeldOutFigure:
    """Raise the upper limit of a mean of unbounded losses by what held-out rows may lack.

    Losses so rare that none is expected among n rows have a chance of ln(100) / n at most. Simulated with 50 to 5,000
    held-out rows: squares of lognormal errors (sigma 1.2) exceed the limit in 1 to 2 %, without this in 11 to 39 %.
    """
    return figure._replace(high=figure.high + TAIL_ROWS / n * largest * reach(n))


def _mean(values: FloatArray, weights: FloatArray, n: float) -> HeldOutFigure:
    mean = float(weights @ values)
    return _within(mean, max(float(weights @ np.square(values)) - mean * mean, 0.0), n)


def _distribution(column: ColumnProfile) -> tuple[FloatArray, FloatArray]:
    """Return values and their shares: the points, and between two points their middle."""
    sketch = column.sketch()
    middles = (sketch.points[1:] + sketch.points[:-1]) / 2.0
    values = np.concatenate((sketch.points, middles))
    rows = np.concatenate((sketch.up_to - sketch.below, sketch.below[1:] - sketch.up_to[:-1]))
    return values, rows / column.n
