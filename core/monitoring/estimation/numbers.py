"""The size of the errors of numbers before their outcomes are known, by a direct model of the loss.

The bias has no estimate: rows alone do not say on which side of its answer an outcome will lie.
"""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.monitoring.estimation.density_ratio import REFIT_STEPS, column_penalties, density_ratio, refit, widening
from core.monitoring.estimation.resampling import N_REPLICATES, EstimateInterval, drawn_counts, intervals, noise_effect

ANSWER_PENALTY = 1.0
COLUMN_PENALTY = 30.0
SMALLEST = 1e-3  # an error of so many medians counts as this, since a logarithm would make much of it
TINY = 1e-300
ENDS = (0.01, 0.99)  # quantiles of the held-out scales, beyond which a scale counts as one at the quantile
MAE, RMSE = "mae", "rmse"
POWERS = {MAE: 1, RMSE: 2}


@dataclass(frozen=True, slots=True)
class AnsweredNumbers:
    """Rows with the numbers that a model answered.

    Attributes:
        columns: The columns that the rows are compared by, shape (n, k).
        answer: The numbers, shape (n,).
        units: The group of each row; None if no row depends on another.
    """

    columns: FloatArray
    answer: FloatArray
    units: IntArray | None = None


@dataclass(frozen=True, slots=True)
class NumberEstimate:
    """The estimate.

    Attributes:
        figures: By name.
        absolute: The expected absolute error of each live row, shape (n,).
        effective_share: The share of the held-out rows that count among the live rows.
        is_flattened: The live rows are so far from the held-out rows that the weights are a compromise.
        share_beyond: The share of the live rows that are unlike nearly all held-out rows.
    """

    figures: dict[str, EstimateInterval]
    absolute: FloatArray
    effective_share: float
    is_flattened: bool
    share_beyond: float


class _Design:
    """The columns of the model of the loss: a bent line in the answer, and the compared columns."""

    def __init__(self, held_out: AnsweredNumbers) -> None:
        self._low, self._high = np.quantile(held_out.answer, (0.01, 0.99))
        self._middle = float(np.median(held_out.answer))
        self._spread = float(np.clip(held_out.answer, self._low, self._high).std()) or 1.0
        columns = self._raw(held_out)
        self._mean = columns.mean(axis=0)
        spread = columns.std(axis=0)
        self._size = np.where(spread > 0, spread, 1.0)
        self.penalty = np.concatenate([[0.0, ANSWER_PENALTY, ANSWER_PENALTY], np.full(len(spread) - 2, COLUMN_PENALTY)])

    def _raw(self, rows: AnsweredNumbers) -> FloatArray:
        answer = (np.clip(rows.answer, self._low, self._high) - self._middle) / self._spread
        return np.column_stack([answer, np.square(answer), rows.columns])

    def matrix(self, rows: AnsweredNumbers) -> FloatArray:
        sized = (self._raw(rows) - self._mean) / self._size
        return np.column_stack([np.ones(len(sized)), sized])


class _Scale:
    """The scale of the error of a row: a log-linear fit, which large errors do not dominate."""

    def __init__(self, miss: FloatArray, own: FloatArray, new: FloatArray, penalty: FloatArray) -> None:
        size = np.abs(miss)
        typical = float(np.median(size)) or float(size.mean()) or 1.0
        self._log = np.log(np.maximum(size / typical, SMALLEST))
        self._own, self._new, self._penalty = own, new, np.diag(penalty)

    def fit(self, weight: FloatArray) -> FloatArray:
        """Fit the coefficients of rows that count as often as given."""
        weighted = self._own * weight[:, None]
        return np.asarray(np.linalg.solve(weighted.T @ self._own + self._penalty, weighted.T @ self._log))

    def of(self, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the scales of held-out and of live rows; a live row has none that no held-out row comes near."""
        held = self._own @ coefficients
        low, high = np.quantile(held, ENDS)
        return np.exp(np.clip(held, low, high)), np.exp(np.clip(self._new @ coefficients, low, high))


def estimate_numbers(
    held_out: AnsweredNumbers,
    actual: FloatArray,
    live: AnsweredNumbers,
    *,
    seed: int,
    n_replicates: int = N_REPLICATES,
) -> NumberEstimate:
    """Estimate the mean absolute error and the root mean squared error of live rows.

    A model of the scale of errors is fitted to the held-out rows, weighted as the live rows are distributed. The loss
    of the live rows is that of the weighted held-out rows, times how much larger the scale is.

    Args:
        held_out: Rows that the model did not learn from.
        actual: Their outcomes, shape (n,).
        live: Rows whose outcomes are unknown.
        seed: Of the bootstrap.
        n_replicates: Of the bootstrap.
    Returns:
        Figures with intervals for what the outcomes of these rows will show.
    Source:
        Direct loss estimation as in NannyML (2022), with a log-linear scale instead of trees, retransformed as in Duan,
        "Smearing Estimate", JASA 78(383), 1983, and the ratio estimator of Cochran, Sampling Techniques, 1977, chapter
        6: it is right if the weights are, or the scale.
    """
    design = _Design(held_out)
    own, new = design.matrix(held_out), design.matrix(live)
    miss = actual - held_out.answer
    scale = _Scale(miss, own, new, design.penalty)
    plain = scale.fit(np.ones(len(own)))
    ratio = density_ratio(own[:, 1:], new[:, 1:], column_penalties(plain[1:]))
    losses = {name: np.abs(miss) ** power for name, power in POWERS.items()}
    held, there = scale.of(scale.fit(ratio.weight))
    rates = {name: _rate(losses[name], held**power, ratio.weight) for name, power in POWERS.items()}
    value = _roots({name: rates[name] * float(np.mean(there**power)) for name, power in POWERS.items()})
    surprise = {
        name: losses[name] / np.maximum(rates[name] * held**power, TINY) - 1.0 for name, power in POWERS.items()
    }
    spread = {name: float(np.sqrt(noise_effect(found, held_out.units))) for name, found in surprise.items()}
    rng = np.random.default_rng(seed)
    replicates = []
    for _ in range(n_replicates):
        n_held, n_live = drawn_counts(rng, len(own), held_out.units), drawn_counts(rng, len(new), live.units)
        again = refit(
            own[:, 1:], new[:, 1:], n_held, n_live, penalty=ratio.penalty, start=ratio.coefficients, n_steps=REFIT_STEPS
        )
        weight = n_held * again.weight
        luck = rng.choice(len(own), size=len(new), p=ratio.weight / ratio.weight.sum())
        held, there_now = scale.of(scale.fit(weight))
        now = {}
        for name, power in POWERS.items():
            expected = _rate(losses[name], held**power, weight) * there_now**power
            lucky = surprise[name][luck] - float(np.average(surprise[name], weights=ratio.weight))
            now[name] = max(float(n_live @ (expected * (1.0 + spread[name] * lucky))) / float(n_live.sum()), 0.0)
        then = {name: float(n_held @ loss) / float(n_held.sum()) for name, loss in losses.items()}
        replicates.append((_roots(now), _roots(then)))
    then = _roots({name: float(loss.mean()) for name, loss in losses.items()})
    found = intervals(value, then, replicates, is_size=True)
    figures = {name: each.widened(widening(ratio.share_beyond)) for name, each in found.items()}
    return NumberEstimate(figures, rates[MAE] * there, ratio.effective_share, ratio.is_flattened, ratio.share_beyond)


def _rate(loss: FloatArray, scale: FloatArray, weight: FloatArray) -> float:
    return float(weight @ loss) / max(float(weight @ scale), TINY)


def _roots(figures: dict[str, float]) -> dict[str, float]:
    return {name: float(np.sqrt(value)) if name == RMSE else value for name, value in figures.items()}
