"""Ridge and logistic regression, fitted once, on standardised numbers and one column per level.

`linear.py` keeps learning, from the columns of a design and with a prior for each; here nothing is known
about the columns, there may be many classes, and one strength for all columns is tuned on rows held out.

Centres and scales are quantiles and values are clipped at five scales, so that one absurd cell cannot dominate.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.learners.learner import Dumped, Files, FitOnceLearner
from core.models.learners.samples import Sample
from core.models.scores import row_losses

CLIP = 5.0
MOST_LEVELS = 50  # of one category; rarer levels share the base
STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1_000.0)
MOST_ROWS = 100_000  # a straight line needs no more


class StandardisedLinearLearner(FitOnceLearner):
    """The simplest candidate."""

    name = "linear"
    is_fast = True
    defaults: ClassVar[Mapping[str, Any]] = {"strength": 0.0}  # of the shrinkage; 0 tunes it on rows held out

    @override
    def tune(self, learn: Sample, judge: Sample, *, seed: int) -> None:
        strengths = (float(self.parameters["strength"]),) if self.parameters["strength"] else STRENGTHS
        best = (np.inf, strengths[0])
        for strength in strengths:
            self.tuned = {"strength": strength}
            self.learn(learn, seed=seed)
            best = min(best, (float(row_losses(judge.target, self.answer(judge.matrices.trees)).mean()), strength))
        if best[1] != self.tuned["strength"]:
            self.tuned = {"strength": best[1]}
            self.learn(learn, seed=seed)

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        if len(sample) > MOST_ROWS:
            sample = sample.take(np.sort(np.random.default_rng(seed).permutation(len(sample))[:MOST_ROWS]))
        self._describe(sample.matrices.trees)
        design = self._design(sample.matrices.trees)
        fit = self._ridge if not self.n_classes else self._logistic
        self.weights, self.intercept = fit(design, sample.target)

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        score = self._design(matrix) @ self.weights + self.intercept
        if not self.n_classes:
            return np.asarray(score[:, 0])
        score -= score.max(axis=1, keepdims=True)
        odds = np.exp(score)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    @override
    def dump(self) -> Dumped:
        arrays: dict[str, AnyArray] = {
            "centre": self.centre,
            "scale": self.scale,
            "shown": self.shown,
            "weights": self.weights,
            "intercept": self.intercept,
        }
        return dict(self.tuned), arrays, {}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.tuned = {str(name): float(value) for name, value in state.items()}
        self.centre, self.scale, self.shown = arrays["centre"], arrays["scale"], arrays["shown"]
        self.weights, self.intercept = arrays["weights"], arrays["intercept"]
        n_numbers = self.columns.n_levels.count(0)
        if not len(self.centre) == len(self.scale) == n_numbers or len(self.weights) != 2 * n_numbers + len(self.shown):
            raise ValueError("the arrays of the linear model have different sizes")

    def _describe(self, matrix: AnyArray) -> None:
        """Learn centres and scales of the numbers, and the levels that get a column."""
        centre, scale, shown = [], [], []
        for position, n_levels in enumerate(self.columns.n_levels):
            present = matrix[:, position]
            present = present[~np.isnan(present)]
            if n_levels:
                counts = np.bincount(present.astype(np.int64), minlength=n_levels)
                order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
                shown += [(position, int(level)) for level in sorted(order[counts[order] > 0])]
            else:
                low, middle, high = np.quantile(present, (0.1587, 0.5, 0.8413)) if present.size else (0.0, 0.0, 0.0)
                centre.append(float(middle))
                scale.append(float(high - low) / 2 or (float(np.std(present)) if present.size else 0.0) or 1.0)
        self.centre, self.scale = np.array(centre), np.array(scale)
        self.shown = np.array(shown, dtype=np.int64).reshape(-1, 2)

    def _design(self, matrix: AnyArray) -> FloatArray:
        numbers = matrix[:, [position for position, n_levels in enumerate(self.columns.n_levels) if not n_levels]]
        is_empty = np.isnan(numbers)
        scaled = np.clip((numbers - self.centre) / self.scale, -CLIP, CLIP)
        scaled[is_empty] = 0.0
        levels = matrix[:, self.shown[:, 0]] == self.shown[:, 1]
        return np.concatenate((scaled, is_empty, levels), axis=1)

    def _ridge(self, design: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
        centre, mean = design.mean(axis=0), float(target.mean())
        spread = float(target.std()) or 1.0
        centred = design - centre
        normal = centred.T @ centred + self.tuned["strength"] * np.eye(design.shape[1])
        weights = np.linalg.solve(normal, centred.T @ ((target - mean) / spread)) * spread
        return weights[:, None], np.array([mean - float(centre @ weights)])

    def _logistic(self, design: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
        from sklearn.linear_model import LogisticRegression

        fit = LogisticRegression(C=1.0 / self.tuned["strength"], max_iter=500).fit(design, target.astype(np.int64))
        if self.n_classes == 2:  # one row of weights serves both classes
            return np.stack((0.0 * fit.coef_[0], fit.coef_[0]), axis=1), np.array([0.0, fit.intercept_[0]])
        return np.asarray(fit.coef_.T), np.asarray(fit.intercept_)
