"""Ensembles of trees by scikit-learn and XGBoost, each fitted from scratch to one matrix."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.errors import ArtifactError
from core.models.learners.learner import Dumped, Files, LearningTask, MatrixColumns, TreesLearner
from core.models.learners.samples import JudgingFold, Sample, folds_apart
from core.models.persistence.skops_files import dump_estimator, load_estimator
from core.models.persistence.tree_structure import check_xgboost
from core.models.scores import row_losses

FEW_ROWS = 16  # up to here the cost of a call outweighs that of the rows
ESTIMATOR, XGBOOST = "estimator.skops", "xgboost.json"


class SklearnLearner(TreesLearner):
    """One of scikit-learn's ensembles, saved with skops."""

    kinds: ClassVar[Mapping[LearningTask, str]]  # class names in sklearn.ensemble
    fixed: ClassVar[Mapping[str, Any]] = {}
    reads_missing: ClassVar[bool] = True
    estimator: Any

    @override
    def fit(self, matrix: AnyArray, target: FloatArray, weight: FloatArray | None, *, seed: int) -> None:
        from sklearn import ensemble

        kind = getattr(ensemble, self.kinds[self.task])
        labels = target.astype(np.int64) if self.n_classes else target
        settings = {**self.parameters, **{name: int(size) for name, size in self.tuned.items()}, **self.fixed}
        self.estimator = kind(**settings, random_state=seed % (2**32))
        self.estimator.fit(self.cells(matrix), labels, sample_weight=weight)

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        if not self.n_classes:
            return np.asarray(self.estimator.predict(self.cells(matrix)), dtype=np.float64)
        chance = np.asarray(self.estimator.predict_proba(self.cells(matrix)), dtype=np.float64)
        if chance.shape[1] == self.n_classes:
            return chance
        # Rows without a single event leave one class, predicted with certainty.
        whole = np.zeros((len(chance), self.n_classes))
        whole[:, self.estimator.classes_] = chance
        return whole

    @override
    def gains(self) -> FloatArray:
        return np.asarray(self.estimator.feature_importances_, dtype=np.float64)

    @override
    def dump(self) -> Dumped:
        return dict(self.tuned), {}, {ESTIMATOR: dump_estimator(self.estimator)}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.tuned = {str(name): float(value) for name, value in state.items()}
        self.estimator = load_estimator(
            files.pop(ESTIMATOR), expected=self.kinds[self.task], n_features=len(self.columns.tree_columns)
        )

    def cells(self, matrix: AnyArray) -> AnyArray:
        """Return a matrix as the estimator reads it."""
        return matrix if self.reads_missing else np.nan_to_num(matrix, nan=-999.0)


class RandomForestLearner(SklearnLearner):
    """Bagged trees."""

    name = "random_forest"
    kinds = {"regression": "RandomForestRegressor", "classification": "RandomForestClassifier"}
    defaults = {"n_estimators": 100, "max_depth": 14, "min_samples_leaf": 3, "max_features": 0.4}
    fixed = {"n_jobs": 1}

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        """Answer rows; of few rows by the trees themselves.

        Scikit-learn checks the rows anew for every tree, which takes longer than the tree. The sums are of the same
        numbers in the same order, so the answers are the same to the bit.
        """
        if not 0 < len(matrix) <= FEW_ROWS or (self.n_classes and len(self.estimator.classes_) != self.n_classes):
            return super().answer(matrix)
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(self.cells(matrix), dtype=np.float32)
        if np.isinf(rows).any():  # which scikit-learn refuses
            return super().answer(matrix)
        trees = [member.tree_ for member in self.estimator.estimators_]
        total = np.zeros((len(rows), self.n_classes or 1))
        for tree in trees:
            total += tree.predict(rows)
        total /= len(trees)
        return total if self.n_classes else total[:, 0]


class GradientBoostingLearner(SklearnLearner):
    """Scikit-learn's exact gradient boosting; it cannot read missing values, so they become a separate value."""

    name = "gradient_boosting"
    kinds = {"regression": "GradientBoostingRegressor", "classification": "GradientBoostingClassifier"}
    defaults = {"n_estimators": 150, "max_depth": 4, "learning_rate": 0.08, "subsample": 0.7, "max_features": 0.4}
    reads_missing = False


class HistGradientBoostingLearner(SklearnLearner):
    """Scikit-learn's histogram gradient boosting: numbers and two classes, categories by the ranks of their levels.

    A saved file must not contain the multi-class loss.
    """

    name = "hist_gradient_boosting"
    kinds = {"regression": "HistGradientBoostingRegressor", "classification": "HistGradientBoostingClassifier"}
    defaults = {
        "learning_rate": 0.08,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 15,
        "l2_regularization": 1.0,
        "max_iter": 200,
    }
    fixed = {"early_stopping": False}

    @override
    def tune(self, rows: Sample, folds: Sequence[JudgingFold], *, seed: int) -> list[FloatArray]:
        """Settle the number of trees by the mean loss over the folds."""
        self.tuned = {}
        answers, losses = [], []  # by fold, and in it by number of trees
        for fold in folds:
            self.learn(rows.take(fold.learn), seed=seed)
            staged = self._staged(rows.matrices.trees[fold.judge])
            losses.append([float(row_losses(rows.target[fold.judge], answer).mean()) for answer in staged])
            answers.append(staged)
        n_trees = _best_of(losses)
        self.tuned = {"max_iter": float(n_trees)}
        self.learn(rows.take(folds[0].learn), seed=seed)
        return [
            staged[_best_of([losses[k] for k in folds_apart(folds, fold)]) - 1]
            for fold, staged in zip(folds, answers, strict=True)
        ]

    def _staged(self, matrix: AnyArray) -> list[FloatArray]:
        """Answer with one tree, with two, and so on."""
        stages = self.estimator.staged_predict_proba if self.n_classes else self.estimator.staged_predict
        with _one_thread():
            return [np.asarray(answer, dtype=np.float32) for answer in stages(matrix)]

    @override
    def fit(self, matrix: AnyArray, target: FloatArray, weight: FloatArray | None, *, seed: int) -> None:
        with _one_thread():
            super().fit(matrix, target, weight, seed=seed)

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        with _one_thread():
            return super().answer(matrix)

    @override
    def gains(self) -> FloatArray:
        # The estimator keeps no importance, but each tree notes the gain of each of its splits.
        total = np.zeros(len(self.columns.tree_columns))
        for stage in self.estimator._predictors:
            for tree in stage:
                splits = tree.nodes[tree.nodes["is_leaf"] == 0]
                np.add.at(total, splits["feature_idx"], splits["gain"])
        return total


class XGBoostLearner(TreesLearner):
    """XGBoost, from the optional extra, saved as its own JSON."""

    name = "xgboost"
    defaults = {"n_estimators": 150, "max_leaves": 15, "eta": 0.08, "reg_lambda": 1.0, "colsample_bytree": 0.5}
    extra = "xgboost"

    def __init__(self, space: MatrixColumns, task: LearningTask, parameters: Mapping[str, Any], **more: Any) -> None:
        super().__init__(space, task, parameters, **more)
        self.library = import_module("xgboost")

    @override
    def fit(self, matrix: AnyArray, target: FloatArray, weight: FloatArray | None, *, seed: int) -> None:
        settings = {k: v for k, v in self.parameters.items() if k != "n_estimators"} | {
            "objective": "binary:logistic" if self.n_classes else "reg:squarederror",
            "tree_method": "hist",
            "grow_policy": "lossguide",
            "max_bin": 63,
            "nthread": 1,
            "seed": seed % (2**31 - 1),
        }
        rows = self.library.DMatrix(matrix, label=target, weight=weight, nthread=1)
        self.booster = self.library.train(settings, rows, num_boost_round=int(self.parameters["n_estimators"]))

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        score = self.score(matrix)
        if not self.n_classes:
            return score
        chance = 1.0 / (1.0 + np.exp(-score))
        return np.stack((1.0 - chance, chance), axis=1)

    @override
    def score(self, matrix: AnyArray) -> FloatArray:
        margin = self.booster.predict(self.library.DMatrix(matrix, nthread=1), output_margin=True)
        return np.asarray(margin, dtype=np.float64)

    @override
    def gains(self) -> FloatArray:
        by_name = self.booster.get_score(importance_type="total_gain")
        return np.array([by_name.get(f"f{k}", 0.0) for k in range(len(self.columns.tree_columns))])

    @override
    def dump(self) -> Dumped:
        return {}, {}, {XGBOOST: bytes(self.booster.save_raw(raw_format="json"))}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        try:
            check_xgboost(files[XGBOOST], n_features=len(self.columns.tree_columns))
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ArtifactError(f"{XGBOOST} is damaged: {error}") from error
        self.booster = self.library.Booster(model_file=bytearray(files[XGBOOST]))


def _best_of(losses: Sequence[Sequence[float]]) -> int:
    """Return the number of trees with the least mean loss over folds."""
    return int(np.argmin(np.mean(losses, axis=0))) + 1


@cache
def _threads() -> ThreadpoolController:
    import_module("sklearn.ensemble")  # so that its OpenMP is among the libraries
    return ThreadpoolController()  # inspects every loaded library, which is slow


def _one_thread() -> Any:
    """Limit OpenMP to one thread: two threads that wait for each other on a busy machine are a hundred times slower."""
    return _threads().limit(limits=1, user_api="openmp")
