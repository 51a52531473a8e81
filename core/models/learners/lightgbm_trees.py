"""Trees by LightGBM: the common part, and the learner that grows as many as rows held out call for."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.errors import RefusedError
from core.models.errors import ArtifactError, NotContinuableError, NothingGainedError
from core.models.learners.learner import Dumped, Files, LearningTask, MatrixColumns, TreesLearner
from core.models.learners.lightgbm_library import load_lightgbm
from core.models.learners.samples import JudgingFold, Sample, folds_apart, judges_later, one_held_out
from core.models.learners.tree_shapes import Shape, most_trees, shapes_for, side_by_side
from core.models.persistence.tree_text import UnsupportedTreesError, checked_text
from core.models.scores import row_losses

if TYPE_CHECKING:
    import lightgbm as lgb

PATIENCE = 30
MOST_CONTINUED = 5_000  # trees of each class of a model that learns on: each adds to the time of an answer
TREES = "trees.txt"
IMPORTED = "imported_lightgbm"
_REFUSED_MEMORY = "std::bad_alloc"  # the whole message of C++ that got no memory

_THREADS = re.compile(r"\[num_threads: \d+\]")
_OWN = ("learning_rate", "num_leaves", "min_data_in_leaf", "lambda_l2", "feature_fraction")


class LightGbmTrees:
    """The trees behind a learner.

    Args:
        space: The columns they split on.
        parameters: The learner's.
        binning: Binning parameters beyond the fixed parameters.

    Attributes:
        booster: None before the first tree.
    """

    def __init__(self, space: MatrixColumns, parameters: Mapping[str, Any], **binning: Any) -> None:
        self._lgb = load_lightgbm()
        self._space = space
        self._parameters = parameters
        self._binning_more = binning
        self.booster: lgb.Booster | None = None

    def rows(self, matrix: AnyArray, target: FloatArray, *, score: FloatArray | None = None) -> "lgb.Dataset":
        """Bin training rows.

        Args:
            matrix: Shape (n, columns).
            target: Shape (n,).
            score: The score of the rows before the first new tree, shape (n,).
        """
        binned: lgb.Dataset = self._lgb.Dataset(
            matrix,
            label=target,
            init_score=score,
            feature_name=list(self._space.tree_columns),
            categorical_feature=self._space.category_positions,
            params=self._binning(),
        )
        return binned

    def grow(
        self,
        rows: "lgb.Dataset",
        n_trees: int,
        *,
        seed: int,
        objective: str | Callable[..., Any],
        judged_on: tuple[AnyArray, FloatArray] | None = None,
        curve: list[float] | None = None,
        start: "lgb.Booster | None" = None,
        rates: Sequence[float] | None = None,
        **more: Any,
    ) -> "lgb.Booster":
        """Grow trees; they replace the present trees only through `read`.

        Args:
            rows: The result of `rows`.
            n_trees: The maximum number of trees.
            seed: The random seed.
            objective: LightGBM's name of the objective, or first and second derivatives.
            judged_on: Rows held out, which decide when to stop.
            curve: Receives the loss on these rows after each tree.
            start: Trees to continue from; they are part of what is returned.
            rates: The learning rate of each tree, if they differ.
            more: Further parameters.
        """
        judged = None if judged_on is None else self._judged(rows, *judged_on)
        history: dict[str, dict[str, list[float]]] = {}
        stops = [self._lgb.early_stopping(PATIENCE, verbose=False), self._lgb.record_evaluation(history)]
        callbacks = [] if judged is None else stops
        if rates is not None:
            callbacks.append(self._lgb.reset_parameter(learning_rate=list(rates)))
        grown: lgb.Booster = self._lgb.train(
            {**self.training(seed), **more, "objective": objective},
            rows,
            num_boost_round=n_trees,
            init_model=start,
            valid_sets=None if judged is None else [judged],
            callbacks=callbacks,
        )
        if curve is not None:
            curve += next(iter(next(iter(history.values())).values()))
        return grown

    def read(self, text: str) -> None:
        """Replace the trees by those of a text.

        Raises:
            ValueError: LightGBM cannot read it.
        """
        try:
            self.booster = self._lgb.Booster(model_str=text)
        except self._lgb.basic.LightGBMError as error:
            if str(error) == _REFUSED_MEMORY:
                raise MemoryError from error
            raise ValueError(f"LightGBM cannot read the trees: {error}") from error

    def gains(self) -> FloatArray:
        """Return the gain of each column over all splits, shape (columns,)."""
        assert self.booster is not None
        return np.asarray(self.booster.feature_importance(importance_type="gain"), dtype=np.float64)

    def _judged(self, rows: "lgb.Dataset", matrix: AnyArray, target: FloatArray) -> "lgb.Dataset":
        judged: lgb.Dataset = self._lgb.Dataset(matrix, label=target, reference=rows, params=self._binning())
        return judged

    def _binning(self) -> dict[str, Any]:
        return {"max_bin": self._parameters["max_bin"], "num_threads": 1, "verbosity": -1, **self._binning_more}

    def training(self, seed: int) -> dict[str, Any]:
        """Return LightGBM's parameters of a training; a size of trees replaces those that are zero."""
        return {
            **self._binning(),
            **{key: self._parameters[key] for key in _OWN},
            **({"max_depth": depth} if (depth := int(self._parameters.get("max_depth", 0))) else {}),
            "min_data_per_group": 20,
            "cat_l2": 10.0,
            "seed": seed % (2**31 - 1),
            "deterministic": True,
            "force_row_wise": True,
        }


class LightGbmLearner(TreesLearner):
    """Gradient-boosted trees; rows held out settle their number and their size."""

    name = "lightgbm"
    is_fast = True
    defaults: ClassVar[Mapping[str, Any]] = {
        # Zero: settled on rows held out, or by the size of the table.
        "learning_rate": 0.0,
        "num_leaves": 0,
        "min_data_in_leaf": 0,
        "feature_fraction": 0.0,
        "bagging_fraction": 0.8,
        "lambda_l2": 1.0,
        "max_bin": 255,
        "max_trees": 0,
        "max_depth": 0,
    }

    def __init__(self, space: MatrixColumns, task: LearningTask, parameters: Mapping[str, Any], **more: Any) -> None:
        super().__init__(space, task, parameters, **more)
        self.trees = LightGbmTrees(space, self.parameters, feature_pre_filter=False)

    @classmethod
    @override
    def require(cls) -> None:
        load_lightgbm()

    @property
    def booster(self) -> "lgb.Booster":
        """The trees; only after training."""
        assert self.trees.booster is not None
        return self.trees.booster

    @property
    @override
    def row_booster(self) -> "lgb.Booster | None":
        return self.booster if self.n_classes <= 2 else None

    @override
    def tune(self, rows: Sample, folds: Sequence[JudgingFold], *, seed: int) -> list[FloatArray]:
        """Settle the number of trees, and their size, by the mean loss over the folds."""
        n_learned = int(np.mean([len(fold.learn) for fold in folds]))
        in_time = judges_later(folds)
        size = n_learned, len(self.columns.tree_columns), self.parameters
        shapes = shapes_for(*size, n_classes=self.n_classes, in_time=in_time)
        most = most_trees(*size, n_classes=self.n_classes)

        def grow(task: tuple[Shape, JudgingFold]) -> tuple["lgb.Booster", list[float]]:
            shape, fold = task
            data = self.trees.rows(rows.matrices.trees[fold.learn], rows.target[fold.learn])
            judged_on = (rows.matrices.trees[fold.judge], rows.target[fold.judge])
            curve: list[float] = []
            more = {**shape.parameters(n_learned), **self.objective()}
            return self.trees.grow(data, most, seed=seed, judged_on=judged_on, curve=curve, **more), curve

        grown = side_by_side(grow, [(shape, fold) for shape in shapes for fold in folds], n_rows=n_learned)
        by_shape = [grown[k * len(folds) : (k + 1) * len(folds)] for k in range(len(shapes))]
        curves = [[curve for _, curve in found] for found in by_shape]
        best, n_trees = settled_size(curves, in_time=in_time)
        self.tuned = {"n_trees": n_trees, "settled_on": n_learned, **shapes[best]._asdict()}
        self.keep(by_shape[best][0][0].model_to_string(num_iteration=n_trees))
        answers = []
        for k, fold in enumerate(folds):
            others = folds_apart(folds, fold)
            own, n_own = settled_size([[of_shape[other] for other in others] for of_shape in curves], in_time=in_time)
            answer = by_shape[own][k][0].predict(rows.matrices.trees[fold.judge], num_threads=1, num_iteration=n_own)
            answers.append(self.answered(answer))
        return answers

    @override
    def fit(self, matrix: AnyArray, target: FloatArray, weight: FloatArray | None, *, seed: int) -> None:
        rows = self.trees.rows(matrix, target)
        if weight is not None:
            rows.set_weight(weight)
        more = {**self.settled_shape.parameters(len(target)), **self.objective()}
        self.keep(self.trees.grow(rows, self.n_trees(len(target)), seed=seed, **more).model_to_string())

    @property
    def settled_shape(self) -> Shape:
        """The size of the trees that was settled."""
        return Shape(*(self.tuned[name] for name in Shape._fields))

    def n_trees(self, n_rows: int) -> int:
        """Return how many trees are grown on rows.

        More rows bear more trees before they fit noise; how many more lies between none and in proportion.
        """
        n_trees: int = round(self.tuned["n_trees"] * np.sqrt(max(n_rows / self.tuned["settled_on"], 1.0)))
        return n_trees

    @override
    def why_not_continued(self) -> str | None:
        if lacking := [name for name in Shape._fields if name not in self.tuned]:
            return f"the size of its trees is not recorded ({', '.join(lacking)})"
        if self.booster.current_iteration() >= MOST_CONTINUED:
            return f"it has {self.booster.current_iteration():,} trees, and grows no more than {MOST_CONTINUED:,}"
        return None

    @override
    def learn_on(self, rows: Sample, *, seed: int) -> None:
        """Grow further trees of the settled size on the new rows, as many as rows held out of them call for."""
        if (why := self.why_not_continued()) is not None:
            raise NotContinuableError(why)
        if (parts := one_held_out(rows, seed=seed)) is None:
            raise NothingGainedError(self.name, len(rows))
        learned, judged = parts
        before = self.booster
        most = most_trees(len(rows), len(self.columns.tree_columns), self.parameters, n_classes=self.n_classes)
        most = min(most, MOST_CONTINUED - before.current_iteration())

        def grow(sample: Sample, n_trees: int, **how: Any) -> "lgb.Booster":
            more = {**self.settled_shape.parameters(len(sample)), **self.objective()}
            binned = self.trees.rows(sample.matrices.trees, sample.target)
            return self.trees.grow(binned, n_trees, seed=seed, start=before, **how, **more)

        curve: list[float] = []
        tried = grow(learned, most, judged_on=(judged.matrices.trees, judged.target), curve=curve)
        n_more = int(np.argmin(curve)) + 1
        n_all = before.current_iteration() + n_more
        after = self.answered(tried.predict(judged.matrices.trees, num_threads=1, num_iteration=n_all))
        if (
            row_losses(judged.target, after).mean()
            >= row_losses(judged.target, self.answer(judged.matrices.trees)).mean()
        ):
            raise NothingGainedError(self.name, len(rows))
        self.keep(grow(rows, n_more).model_to_string())
        self.tuned = {**self.tuned, "n_continued": int(self.tuned.get("n_continued", 0)) + n_more}

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        return self.answered(self.booster.predict(matrix, num_threads=1))

    def answered(self, predicted: Any) -> FloatArray:
        """Return the learner's answers from what its trees predict."""
        answers = np.asarray(predicted, dtype=np.float64)
        return np.stack((1.0 - answers, answers), axis=1) if self.n_classes == 2 and answers.ndim == 1 else answers

    @override
    def gains(self) -> FloatArray:
        return self.trees.gains()

    @override
    def dump(self) -> Dumped:
        return dict(self.tuned), {}, {TREES: self.booster.model_to_string().encode()}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.tuned = {str(name): value for name, value in state.items()}
        n_columns, n_scores = len(self.columns.tree_columns), self.n_classes if self.n_classes > 2 else 1
        try:
            self.trees.read(checked_text(files[TREES].decode(), n_features=n_columns, n_scores=n_scores))
        except UnsupportedTreesError as error:
            raise ArtifactError(f"{TREES} is not supported: {error}") from error
        except (KeyError, IndexError, ValueError, OverflowError) as error:
            raise ArtifactError(f"{TREES} is damaged: {error}") from error

    def keep(self, text: str) -> None:
        """Replace the trees by those of a text that LightGBM has written."""
        # The number of threads is no part of a model; the text would note it.
        self.trees.read(_THREADS.sub("[num_threads: 1]", text))

    def objective(self) -> dict[str, Any]:
        """Return LightGBM's parameters for the task."""
        if self.n_classes > 2:
            return {"objective": "multiclass", "num_class": self.n_classes}
        return {"objective": "binary" if self.n_classes else "regression"}


class ImportedTreesLearner(LightGbmLearner):
    """Imported trees: they predict, and cannot be trained."""

    name = IMPORTED
    defaults: ClassVar[Mapping[str, Any]] = {}

    @override
    def tune(self, rows: Sample, folds: Sequence[JudgingFold], *, seed: int) -> list[FloatArray]:
        return [self.learn(rows, seed=seed)]

    @override
    def why_not_continued(self) -> str:
        return "its trees were imported, and cannot be trained here"

    @override
    def learn(self, sample: Sample, *, seed: int) -> NoReturn:
        raise RefusedError("Imported trees cannot be trained here. Train a new model: bondx-mlops train.")


def settled_size(curves: Sequence[Sequence[Sequence[float]]], *, in_time: bool) -> tuple[int, int]:
    """Return which size has the least mean loss over folds, and with how many trees.

    Args:
        curves: By size and fold, the mean loss after each number of trees.
        in_time: Whether the folds are windows in time. Seasons differ in how many trees they call for, and the mean
            curve would follow the one with the largest losses, or the one that stops last; so the number is the
            geometric mean of theirs.
    """
    means = [_mean_curve(of_size) for of_size in curves]
    best = int(np.argmin([mean.min() for mean in means]))
    if in_time:
        return best, round(float(np.exp(np.mean([np.log(np.argmin(curve) + 1.0) for curve in curves[best]]))))
    return best, int(np.argmin(means[best])) + 1


def _mean_curve(curves: Sequence[Sequence[float]]) -> FloatArray:
    """Average loss curves; one that stopped early keeps its last loss."""
    longest = max(map(len, curves))
    padded = [[*curve, *[curve[-1]] * (longest - len(curve))] for curve in curves]
    return np.asarray(np.mean(padded, axis=0))
