"""Ridge and logistic regression, fitted once, on standardised numbers and one column per level.

`linear.py` keeps learning, from the columns of a design and with a prior for each; here nothing is known
about the columns, there may be many classes, and rows held out choose one strength for all columns and the form of the
numbers (`number_forms.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, BoolArray, FloatArray
from core.models.errors import NotContinuableError, NothingGainedError
from core.models.learners.learner import Dumped, Files, FitOnceLearner
from core.models.learners.number_forms import FORMS, Form, NumberDesign
from core.models.learners.ridge import Sums, moved_weights, softmax
from core.models.learners.samples import JudgingFold, Sample, one_held_out
from core.models.scores import row_losses

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1_000.0)
ROWS_TO_CHOOSE = 20_000  # for the strength and the form; more would choose alike
MOST_ROWS = 300_000  # of a logistic regression, which holds its design in memory
MOST_WEIGHTS = 100  # columns times classes of a table for which more forms than plain numbers compete
CHUNK = 65_536  # rows whose design is in memory at a time
MOST_FOR_NEWTON = 300  # weights
OLD_CLIP = 5.0  # of models saved before the forms


class StandardisedLinearLearner(FitOnceLearner):
    """The simplest candidate that reads columns."""

    name = "linear"
    is_fast = True
    # Zero: the strength of the shrinkage is chosen on rows held out.
    defaults: ClassVar[Mapping[str, Any]] = {"strength": 0.0}
    design: NumberDesign
    weights: FloatArray  # shape (columns, 1) or (columns, n_classes)
    intercept: FloatArray

    @override
    def tune(self, rows: Sample, folds: Sequence[JudgingFold], *, seed: int) -> list[FloatArray]:
        strengths = (float(self.parameters["strength"]),) if self.parameters["strength"] else STRENGTHS
        n_weights = len(self.columns.n_levels) * max(self.n_classes, 1)
        forms = FORMS if n_weights <= MOST_WEIGHTS else FORMS[:1]
        judged: list[AnyArray] = []
        losses: dict[tuple[Form, float], list[FloatArray]] = {}
        for fold in _disjoint(folds):
            learn = rows.take(_some(fold.learn, ROWS_TO_CHOOSE, seed=seed))
            judged.append(_some(fold.judge, ROWS_TO_CHOOSE, seed=seed))
            judge = rows.take(judged[-1])
            for form in forms:
                for strength, answer in self._path(learn, judge, form, strengths):
                    losses.setdefault((form, strength), []).append(row_losses(judge.target, answer))
        settings, positions = list(losses), np.concatenate(judged)
        by_row = np.array([np.concatenate(losses[key]) for key in settings])

        def settle(counts: BoolArray) -> None:
            form, strength = settings[int(np.argmin(by_row[:, counts if counts.any() else ~counts].mean(axis=1)))]
            self.tuned = {"strength": strength, "numbers": form}

        answers = []
        for fold in reversed(folds):
            settle(~np.isin(positions, fold.judge))
            self.learn(rows.take(fold.learn), seed=seed)
            answers.append(self.answer(rows.matrices.trees[fold.judge]))
        settle(np.ones(len(positions), dtype=np.bool_))
        return answers[::-1]

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        form, strength = self.tuned["numbers"], float(self.tuned["strength"])
        if self.n_classes:
            sample = sample.take(_some(np.arange(len(sample)), MOST_ROWS, seed=seed))
        matrix = sample.matrices.trees
        self.design = NumberDesign(tuple(self.columns.n_levels), form).learn(matrix)
        if self.n_classes:
            fit = self._logistic()
            self.weights, self.intercept = fit(self.design.matrix(matrix), sample.target, strength)
            return
        sums = Sums()
        for first in range(0, len(sample), CHUNK):
            part = slice(first, first + CHUNK)
            sums.add(self.design.matrix(matrix[part]), sample.target[part])
        ((_, weights, intercept),) = sums.solve((strength,))
        self.weights, self.intercept = weights[:, None], np.array([intercept])

    @override
    def why_not_continued(self) -> str | None:
        lacking = np.flatnonzero(~np.isfinite(self.intercept))
        return f"{len(lacking)} of its classes had no row to learn from" if len(lacking) else None

    @override
    def learn_on(self, rows: Sample, *, seed: int) -> None:
        """Move the weights from where they are: the farther, the more the new rows say so.

        The design stays, with its centres, scales and levels. The penalty is on the distance from the present weights
        instead of on their size, which makes them the mean of the prior; rows held out choose its strength.
        """
        if (why := self.why_not_continued()) is not None:
            raise NotContinuableError(why)
        rows = rows.take(_some(np.arange(len(rows)), MOST_ROWS, seed=seed))
        if (parts := one_held_out(rows, seed=seed)) is None:
            raise NothingGainedError(self.name, len(rows))
        learned, judged = parts
        asked = self.design.matrix(judged.matrices.trees)
        stays = row_losses(judged.target, self._answered(asked, self.weights, self.intercept)).mean()
        losses = [
            row_losses(judged.target, self._answered(asked, *self._moved(learned, strength))).mean()
            for strength in STRENGTHS
        ]
        if min(losses) >= stays:
            raise NothingGainedError(self.name, len(rows))
        self.weights, self.intercept = self._moved(rows, STRENGTHS[int(np.argmin(losses))])

    def _moved(self, sample: Sample, strength: float) -> tuple[FloatArray, FloatArray]:
        """Return weights and intercepts that new rows have moved."""
        design = self.design.matrix(sample.matrices.trees)
        if self.n_classes:
            return moved_weights(design, sample.target.astype(np.int64), self.weights, self.intercept, strength)
        sums = Sums()
        sums.add(design, sample.target - self._answered(design, self.weights, self.intercept))
        ((_, weights, intercept),) = sums.solve((strength,))
        return self.weights + weights[:, None], self.intercept + intercept

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        parts = [self._answer(matrix[first : first + CHUNK]) for first in range(0, len(matrix), CHUNK)]
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def _answer(self, matrix: AnyArray) -> FloatArray:
        return self._answered(self.design.matrix(matrix), self.weights, self.intercept)

    def _answered(self, design: FloatArray, weights: FloatArray, intercept: FloatArray) -> FloatArray:
        score = design @ weights + intercept
        return softmax(score) if self.n_classes else np.asarray(score[:, 0])

    @override
    def shares(self) -> FloatArray | None:
        size = np.abs(self.weights).max(axis=1)
        summed = np.bincount(self.design.sources, weights=size, minlength=len(self.columns.n_levels))
        return np.asarray(summed, dtype=np.float64)

    @override
    def dump(self) -> Dumped:
        design = self.design
        arrays: dict[str, AnyArray] = {
            "centre": design.centre,
            "scale": design.scale,
            "limits": design.limits,
            "knots": design.knots,
            "gaps": design.gaps,
            "shown": design.shown,
            "weights": self.weights,
            "intercept": self.intercept,
        }
        return dict(self.tuned), arrays, {}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.tuned = {"strength": float(state["strength"]), "numbers": str(state.get("numbers", "plain"))}
        n_numbers = self.columns.n_levels.count(0)
        old = {
            "limits": np.tile([-OLD_CLIP, OLD_CLIP], (n_numbers, 1)),
            "knots": np.zeros((n_numbers, 0)),
            "gaps": np.ones(n_numbers, dtype=np.bool_),
        }
        known = arrays if "numbers" in state else {**old, **arrays}
        self.design = NumberDesign.restored(
            tuple(self.columns.n_levels), self.tuned["numbers"], {name: known[name] for name in NumberDesign.ARRAYS}
        )
        self.weights, self.intercept = arrays["weights"], arrays["intercept"]
        if len(self.weights) != len(self.design.sources):
            raise ValueError("the arrays of the linear model have different sizes")

    def _path(
        self, learn: Sample, judge: Sample, form: Form, strengths: Sequence[float]
    ) -> Iterator[tuple[float, FloatArray]]:
        """Fit each strength, and answer the judged rows."""
        design = NumberDesign(tuple(self.columns.n_levels), form).learn(learn.matrices.trees)
        learned, asked = design.matrix(learn.matrices.trees), design.matrix(judge.matrices.trees)
        if self.n_classes:
            fit = self._logistic()
            for strength in sorted(strengths, reverse=True):  # each fit starts where the last, simpler one ended
                weights, intercept = fit(learned, learn.target, strength)
                yield strength, softmax(asked @ weights + intercept)
            return
        sums = Sums()
        sums.add(learned, learn.target)
        for strength, coefficients, constant in sums.solve(strengths):
            yield strength, asked @ coefficients + constant

    def _logistic(self) -> "_Logistic":
        return _Logistic(self.n_classes)


class _Logistic:
    """Logistic regression; each further fit starts at the last."""

    def __init__(self, n_classes: int) -> None:
        from sklearn.linear_model import LogisticRegression

        self._n_classes = n_classes
        self._model = LogisticRegression(max_iter=500, warm_start=True)

    def __call__(self, design: FloatArray, target: FloatArray, strength: float) -> tuple[FloatArray, FloatArray]:
        """Return weights, shape (columns, n_classes), and intercepts."""
        # Newton's steps solve a system of all weights, so they suit few of them.
        solver = "newton-cholesky" if design.shape[1] * self._n_classes <= MOST_FOR_NEWTON else "lbfgs"
        fit = self._model.set_params(C=1.0 / strength, solver=solver).fit(design, target.astype(np.int64))
        weights, intercept = np.zeros((design.shape[1], self._n_classes)), np.full(self._n_classes, -np.inf)
        if len(fit.classes_) == 2:  # one row of weights serves both classes
            weights[:, fit.classes_[1]] = fit.coef_[0]
            intercept[fit.classes_] = (0.0, fit.intercept_[0])
        else:
            weights[:, fit.classes_], intercept[fit.classes_] = fit.coef_.T, fit.intercept_
        return weights, intercept


def _disjoint(folds: Sequence[JudgingFold]) -> Sequence[JudgingFold]:
    """Return the first folds that judge no row twice: the repeats of a cross-validation would choose alike."""
    n_judged, largest = 0, max(int(fold.judge.max()) for fold in folds) + 1
    seen = np.zeros(largest, dtype=np.bool_)
    for fold in folds:
        if seen[fold.judge].any():
            break
        seen[fold.judge] = True
        n_judged += 1
    return folds[: max(n_judged, 1)]


def _some(rows: AnyArray, most: int, *, seed: int) -> AnyArray:
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).permutation(rows)[:most])
