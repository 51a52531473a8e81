"""From the probability that a model answers to the share of events behind it, by a smooth curve instead of bins."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from core.arrays import FloatArray
from core.monitoring.estimation.penalised_fits import N_STEPS, chances, fit_chances, log_odds

KNOTS = (0.05, 0.35, 0.65, 0.95)  # Harrell, Regression Modeling Strategies, 2015, section 2.4.6
PENALTY = 1.0
LEAST_PENALTY = 0.01  # of the constant: rows without an event must have a solution


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """The form of the curve: the model's own log odds, and a natural cubic spline that corrects them.

    Attributes:
        knots: Of the spline; empty for a straight line.
        middle: Of each column of the spline.
        spread: Of each column.
    """

    knots: tuple[float, ...]
    middle: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, answers: FloatArray) -> Self:
        """Place the knots at the quantiles of held-out probabilities."""
        odds = log_odds(answers)
        knots = np.unique(np.quantile(odds, KNOTS))
        placed = tuple(map(float, knots)) if len(knots) > 2 and len(np.unique(odds)) > len(knots) else ()
        columns = _spline(odds, placed)
        spread = columns.std(axis=0)
        return cls(placed, columns.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def columns(self, answers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the log odds, shape (n,), and the columns of their correction, shape (n, k)."""
        odds = log_odds(answers)
        return odds, np.column_stack([np.ones(len(odds)), (_spline(odds, self.knots) - self.middle) / self.spread])

    @property
    def penalty(self) -> FloatArray:
        """The penalty of each column: a correction must be earned."""
        return np.array([LEAST_PENALTY, *([PENALTY] * len(self.middle))])


def fit_correction(
    curve: CalibrationCurve,
    odds: FloatArray,
    columns: FloatArray,
    happened: FloatArray,
    weight: FloatArray,
    *,
    start: FloatArray | None = None,
    n_steps: int = N_STEPS,
) -> FloatArray:
    """Fit the correction of the log odds.

    Source:
        Cox, "Two Further Applications of a Model for Binary Regression", Biometrika 45, 1958, with a spline.

    >>> answers = np.full(100, 0.2)
    >>> curve = CalibrationCurve.of(answers)
    >>> odds, columns = curve.columns(answers)
    >>> found = fit_correction(curve, odds, columns, np.arange(100) % 2.0, np.ones(100))
    >>> round(float(calibrated(odds, columns, found)[0]), 2)
    0.5
    """
    return fit_chances(columns, happened, weight, penalty=curve.penalty, offset=odds, start=start, n_steps=n_steps)


def calibrated(odds: FloatArray, columns: FloatArray, correction: FloatArray) -> FloatArray:
    """Return the corrected probabilities, shape (n,)."""
    return chances(odds + columns @ correction)


def _spline(values: FloatArray, knots: tuple[float, ...]) -> FloatArray:
    """Return a natural cubic spline: linear beyond the outer knots."""
    if not knots:
        return values[:, None]
    last = knots[-1]

    def cubed(knot: float) -> FloatArray:
        return np.asarray((np.maximum(values - knot, 0.0) ** 3 - np.maximum(values - last, 0.0) ** 3) / (last - knot))

    bends = [(cubed(knot) - cubed(knots[-2])) / (last - knots[0]) for knot in knots[:-2]]
    return np.column_stack([values, *bends])
