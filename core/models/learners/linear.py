"""The linear core: it remembers all rows ever seen, at a constant cost.

Ridge regression needs only the weighted sums of products of its columns, so learning from a panel adds to
them: after 100 panels the coefficients equal, up to rounding, those of one fit to all rows. Logistic regression has no
such sums; there the posterior after one panel (mode and curvature) is the prior of the next.

Each column has its own prior standard deviation from the design; one strength for all of them is chosen on the first
panel by cross-validation that keeps groups together, and its influence fades as rows come in.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from typing_extensions import override

from core.arrays import AnyArray, Float32Array, FloatArray
from core.models.learners.learner import (
    ContinuingLearner,
    Dumped,
    Files,
    LearningColumns,
    LearningTask,
    ScoreParts,
)
from core.models.learners.samples import Matrices, Sample, group_folds

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
N_FOLDS = 4
MAX_ROWS_TO_CHOOSE = 4000
ROWS_FOR_DEVIATIONS = 2000
CHUNK = 8192  # rows per batch of conversion to double precision
MAX_NEWTON_STEPS = 12


class LinearLearner(ContinuingLearner):
    """Ridge or logistic regression with exact or assumed-density continued learning.

    Attributes:
        coefficients: Intercept first, shape (n_linear + 1,).
        precision: Regression: sums of products. Classification: posterior precision. Shape (p, p).
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "strength": 0.0,  # 0: chosen by cross-validation
        "group_correlation": 0.2,  # correlation of the residuals of two rows of one group; regression only
    }
    continues_by = "exact sums of products (ridge) or the last posterior as the next prior (logistic)"

    def __init__(self, space: LearningColumns, task: LearningTask, parameters: Mapping[str, Any]) -> None:
        super().__init__(space, task, parameters)
        width = space.n_linear + 1
        self.strength = float(self.parameters["strength"])
        self.coefficients: FloatArray = np.zeros(width)
        self.precision: FloatArray = np.zeros((width, width))
        self.moment: FloatArray = np.zeros(width)  # regression only
        self.deviations: FloatArray = np.zeros(width)  # of the last panel's columns, for importance
        self._is_fresh = True
        self._root: FloatArray | None = None  # of the posterior covariance, once somebody asks for doubt

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        design = sample.matrices.linear
        if self._is_fresh and not self.strength:
            self.strength = self.choose_strength(sample, seed=seed)
        if self.task == "regression":
            gram, moment = _products(sample, self.parameters["group_correlation"])
            self.precision = _mirrored(self.precision + gram)
            self.moment += moment
            self.coefficients = self._solve_ridge(self.precision, self.moment, self.strength)
        else:
            if self._is_fresh:
                self.coefficients[0] = _log_odds(sample)
                self.precision = self._prior(self.strength)
            self.coefficients, precision = _newton(
                design, sample.target, sample.weight, self.coefficients, self.precision
            )
            self.precision = _mirrored(precision)
        some = design[:: max(1, len(design) // ROWS_FOR_DEVIATIONS)]
        self.deviations = np.concatenate(([0.0], some.std(axis=0, dtype=np.float64)))
        self._is_fresh = False
        self._root = None

    @override
    def parts(self) -> ScoreParts:
        return ScoreParts(float(self.coefficients[0]), self.coefficients[1:])

    @override
    def score(self, matrices: Matrices) -> FloatArray:
        return _linear(matrices.linear, self.coefficients)

    def doubt(self, design: Float32Array) -> FloatArray:
        """Return the variance of each prediction that comes from the coefficients, per variance of a residual.

        It is x' P⁻¹ x with the posterior precision P: large where few rows like this one were learned.

        Args:
            design: Shape (n, n_linear).
        Source:
            Bayesian linear regression; Bishop, Pattern Recognition and Machine Learning, 2006, section 3.3.2.
        """
        if self._root is None:
            precision = self.precision + self._prior(self.strength)
            lower = cholesky(precision, lower=True)
            self._root = np.ascontiguousarray(solve_triangular(lower, np.eye(len(precision)), lower=True).T)
        out = np.empty(len(design))
        for start in range(0, len(design), CHUNK):
            rows = slice(start, start + CHUNK)
            out[rows] = np.square(_with_intercept(design[rows]) @ self._root).sum(axis=1)
        return out

    @override
    def importance(self) -> dict[str, float]:
        effect = np.abs(self.coefficients * self.deviations)[1:]
        return shares(self.space.linear_sources, effect)

    @override
    def dump(self) -> Dumped:
        upper = np.triu_indices(len(self.coefficients))
        arrays = {
            "coefficients": self.coefficients,
            "precision": self.precision[upper],
            "moment": self.moment,
            "deviations": self.deviations,
        }
        return {"strength": self.strength}, arrays, {}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.strength = float(state["strength"])
        self.coefficients = arrays["coefficients"]
        self.precision[np.triu_indices(len(self.coefficients))] = arrays["precision"]
        self.precision = _mirrored(self.precision)
        self.moment = arrays["moment"]
        self.deviations = arrays["deviations"]
        self._is_fresh = False
        self._root = None

    def _prior(self, strength: float) -> FloatArray:
        return np.diag(np.concatenate(([1e-6], strength / self.space.prior_sd**2)))

    def _solve_ridge(self, gram: FloatArray, moment: FloatArray, strength: float) -> FloatArray:
        return np.asarray(cho_solve(cho_factor(gram + self._prior(strength)), moment))

    def choose_strength(self, sample: Sample, *, seed: int) -> float:
        """Try each strength on groups held out; the least loss wins. A few hundred groups are enough."""
        if len(sample) > MAX_ROWS_TO_CHOOSE:
            n_parts = -(-len(sample) // MAX_ROWS_TO_CHOOSE)
            sample = sample.take(group_folds(sample.group, n_parts, seed=seed + 1)[0])
        held_out = group_folds(sample.group, N_FOLDS, seed=seed)
        if len(held_out) < 2:
            return STRENGTHS[-1]
        losses = np.zeros(len(STRENGTHS))
        design = sample.matrices.linear
        if self.task == "regression":
            parts = [_products(sample.take(fold), self.parameters["group_correlation"]) for fold in held_out]
            gram = sum((part[0] for part in parts), start=np.zeros_like(self.precision))
            moment = sum((part[1] for part in parts), start=np.zeros_like(self.moment))
            for fold, part in zip(held_out, parts, strict=True):
                for k, strength in enumerate(STRENGTHS):
                    fitted = self._solve_ridge(gram - part[0], moment - part[1], strength)
                    misses = sample.target[fold] - _linear(design[fold], fitted)
                    losses[k] += np.sum(sample.weight[fold] * misses**2)
        else:
            for fold in held_out:
                rest = sample.take(~fold)
                fitted = np.zeros_like(self.coefficients)
                fitted[0] = _log_odds(rest)
                for k in reversed(
                    range(len(STRENGTHS))
                ):  # from the strongest prior on, each start is near its solution
                    fitted, _ = _newton(
                        rest.matrices.linear,
                        rest.target,
                        rest.weight,
                        fitted,
                        self._prior(STRENGTHS[k]),
                        around_zero=True,
                    )
                    odds = _linear(design[fold], fitted)
                    losses[k] += np.sum(np.logaddexp(0.0, odds) - sample.target[fold] * odds)
        return STRENGTHS[int(np.argmin(losses))]


def shares(names: tuple[tuple[str, ...], ...], effects: FloatArray) -> dict[str, float]:
    """Sum effects by the columns of the table behind them; an effect of two columns counts half for each."""
    total: dict[str, float] = {}
    for columns, effect in zip(names, effects.tolist(), strict=True):
        for column in columns:
            total[column] = total.get(column, 0.0) + effect / len(columns)
    whole = sum(total.values()) or 1.0
    return {name: value / whole for name, value in sorted(total.items(), key=lambda item: (-item[1], item[0]))}


def _mirrored(matrix: FloatArray) -> FloatArray:
    """Copy the upper triangle to the lower: products round differently on the two sides, and only one side is saved."""
    return np.triu(matrix) + np.triu(matrix, 1).T


def _linear(design: Float32Array, coefficients: FloatArray) -> FloatArray:
    out = np.empty(len(design))
    for start in range(0, len(design), CHUNK):
        rows = slice(start, start + CHUNK)
        out[rows] = design[rows].astype(np.float64) @ coefficients[1:] + coefficients[0]
    return out


def _with_intercept(rows: Float32Array) -> FloatArray:
    out = np.empty((len(rows), rows.shape[1] + 1))
    out[:, 0] = 1.0
    out[:, 1:] = rows
    return out


def _products(sample: Sample, correlation: float) -> tuple[FloatArray, FloatArray]:
    """Sums of products of all columns, including the intercept, and with the target, as in generalised least squares.

    Rows of one group have similar errors, so ten of them tell less than ten groups. With one correlation for every pair
    of rows of a group, the inverse covariance is the identity less a multiple of the all-ones matrix, so it is
    enough to subtract the products of the groups' sums.

    Args:
        sample: Rows with weights; a row of weight w counts as one with 1/w of the variance.
        correlation: Of the residuals of two rows of one group, 0 to below 1.
    Returns:
        Shapes (p, p) and (p,), for p columns with the intercept.
    Source:
        Random-effects estimator: Fuller and Battese, Journal of Econometrics 2, 1974.
    """
    design, width = sample.matrices.linear, sample.matrices.linear.shape[1] + 1
    root = np.sqrt(sample.weight)
    gram, moment = np.zeros((width, width)), np.zeros(width)
    _, group, size = np.unique(sample.group, return_inverse=True, return_counts=True)
    by_group, target_by_group = np.zeros((len(size), width)), np.zeros(len(size))
    order = np.argsort(group, kind="stable")
    for start in range(0, len(design), CHUNK):
        rows = order[start : start + CHUNK]
        block = _with_intercept(design[rows]) * root[rows, None]
        target = sample.target[rows] * root[rows]
        gram += block.T @ block
        moment += block.T @ target
        first = np.flatnonzero(np.diff(group[rows], prepend=-1))
        by_group[group[rows[first]]] += np.add.reduceat(block, first)
        target_by_group[group[rows[first]]] += np.add.reduceat(target, first)
    shared = by_group.T * (correlation / (1.0 + (size - 1) * correlation))
    alone = 1.0 - correlation
    return (gram - shared @ by_group) / alone, (moment - shared @ target_by_group) / alone


def _log_odds(sample: Sample) -> float:
    # Half an event and half a non-event are added: a small panel may have none.
    events = float(np.sum(sample.weight * sample.target)) + 0.5
    return float(np.log(events / (float(np.sum(sample.weight)) + 1.0 - events)))


def _newton(
    design: Float32Array,
    target: FloatArray,
    weight: FloatArray,
    start: FloatArray,
    prior: FloatArray,
    *,
    around_zero: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Find the mode of a logistic likelihood times a normal prior, and the precision there.

    Args:
        design: Shape (n, p - 1).
        target: 0 or 1, shape (n,).
        weight: Shape (n,).
        start: The starting point, shape (p,); also the mean of the prior unless `around_zero`.
        prior: The precision of the prior, shape (p, p).
        around_zero: The prior's mean is zero, except for the intercept.
    Returns:
        Mode, shape (p,), and precision, shape (p, p).
    """
    mean = np.concatenate((start[:1], np.zeros(len(start) - 1))) if around_zero else start
    current = start.copy()
    precision = prior
    for _ in range(MAX_NEWTON_STEPS):
        gradient = prior @ (mean - current)
        precision = prior.copy()
        for first in range(0, len(design), CHUNK):
            rows = slice(first, first + CHUNK)
            block = _with_intercept(design[rows])
            probability = 1.0 / (1.0 + np.exp(-(block @ current)))
            gradient += block.T @ (weight[rows] * (target[rows] - probability))
            precision += block.T @ (block * (weight[rows] * probability * (1.0 - probability))[:, None])
        step = cho_solve(cho_factor(precision), gradient)
        # A step of more than a few log odds means the curvature at the start is unreliable; take a partial step.
        current = current + step * min(1.0, 2.0 / (float(np.max(np.abs(step))) + 1e-12))
        if float(np.max(np.abs(step))) < 1e-4:
            break
    return current, precision
