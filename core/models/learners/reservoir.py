"""Learners that cannot go on by themselves: a bounded, uniform sample of the groups seen so far, and a new fit on it.

Every group ever seen has the same chance of being in the reservoir, whichever panel it came in, so the fit never
drifts to the latest draw; its size is bounded, so the cost per panel is constant once it is full.
"""

from abc import abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, Float32Array, FloatArray
from core.models.learners.feature_space import FeatureSpace
from core.models.learners.learner import Files, Learner, Task
from core.models.learners.linear import shares
from core.models.learners.samples import Matrices, Sample
from core.models.persistence.skops_files import dump_estimator, load_estimator

RESERVOIR_PANELS = 3  # rows kept, in panels of the first one's size
MAX_RESERVOIR_ROWS = 100_000


class ReservoirLearner(Learner):
    """Refit on a bounded sample of all groups seen."""

    continues_by = f"a new fit on a uniform sample of the {{groups}} seen, at most {RESERVOIR_PANELS} panels of rows"

    def __init__(self, space: FeatureSpace, task: Task, parameters: Mapping[str, Any]) -> None:
        super().__init__(space, task, parameters)
        self.capacity = 0
        self.ticket = np.empty(0)  # each group drew one when it came in; the lowest stay
        self.rows: Sample | None = None

    @abstractmethod
    def fit_rows(self, design: Float32Array, target: FloatArray, weight: FloatArray, *, seed: int) -> None:
        """Fit from nothing."""

    @abstractmethod
    def score_rows(self, design: Float32Array) -> FloatArray:
        """Answer on the scale of the link."""

    @abstractmethod
    def gains(self) -> FloatArray:
        """Importance per column of the tree matrix."""

    @abstractmethod
    def dump_fit(self) -> Files:
        """Write the fitted estimator."""

    @abstractmethod
    def restore_fit(self, files: Files) -> None:
        """Read the fitted estimator."""

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        if not self.capacity:
            self.capacity = min(MAX_RESERVOIR_ROWS, RESERVOIR_PANELS * len(sample))
        ticket = np.random.default_rng(seed).random(int(sample.group.max()) + 1)[sample.group]
        matrices, target, weight = sample.matrices, sample.target, sample.weight
        if self.rows is not None:
            held = self.rows
            trees = np.concatenate((held.matrices.trees, matrices.trees))
            matrices = Matrices(trees[:, :0], trees)
            target, weight = np.concatenate((held.target, target)), np.concatenate((held.weight, weight))
            ticket = np.concatenate((self.ticket, ticket))
        else:
            matrices = Matrices(matrices.trees[:, :0], matrices.trees)
        keep = np.sort(np.argsort(ticket, kind="stable")[: self.capacity])
        self.ticket = ticket[keep]
        self.rows = Sample(matrices.take(keep), target[keep], weight[keep], np.zeros(len(keep), dtype=np.int64))
        self.fit_rows(self.rows.matrices.trees, self.rows.target, self.rows.weight, seed=seed)

    @override
    def score(self, matrices: Matrices) -> FloatArray:
        return self.score_rows(matrices.trees)

    @override
    def importance(self) -> dict[str, float]:
        return shares(tuple((name,) for name in self.space.tree_columns), self.gains())

    @override
    def dump(self) -> tuple[dict[str, Any], dict[str, AnyArray], Files]:
        assert self.rows is not None
        arrays: dict[str, AnyArray] = {
            "ticket": self.ticket,
            "trees": self.rows.matrices.trees,
            "target": self.rows.target,
            "weight": self.rows.weight,
        }
        return {"capacity": self.capacity}, arrays, self.dump_fit()

    @classmethod
    @override
    def restore(
        cls,
        space: FeatureSpace,
        task: Task,
        parameters: Mapping[str, Any],
        state: Mapping[str, Any],
        arrays: Mapping[str, AnyArray],
        files: Files,
    ) -> Self:
        learner = cls(space, task, parameters)
        learner.capacity = int(state["capacity"])
        learner.ticket = arrays["ticket"]
        trees = arrays["trees"]
        group = np.zeros(len(trees), dtype=np.int64)
        learner.rows = Sample(Matrices(trees[:, :0], trees), arrays["target"], arrays["weight"], group)
        learner.restore_fit(files)
        return learner


class SklearnLearner(ReservoirLearner):
    """One of scikit-learn's ensembles, saved with skops."""

    kinds: ClassVar[Mapping[Task, str]]  # class names in sklearn.ensemble
    fixed: ClassVar[Mapping[str, Any]] = {}
    reads_missing: ClassVar[bool] = True

    @override
    def fit_rows(self, design: Float32Array, target: FloatArray, weight: FloatArray, *, seed: int) -> None:
        from sklearn import ensemble

        kind = getattr(ensemble, self.kinds[self.task])
        labels = target if self.task == "regression" else target.astype(np.int64)
        self.estimator = kind(**self.parameters, **self.fixed, random_state=seed % (2**32))
        self.estimator.fit(self._design(design), labels, sample_weight=weight)

    @override
    def score_rows(self, design: Float32Array) -> FloatArray:
        if self.task == "regression":
            return np.asarray(self.estimator.predict(self._design(design)), dtype=np.float64)
        # A panel without a single event leaves one class, and its certainty.
        chance = self.estimator.predict_proba(self._design(design))
        events = (
            chance[:, list(self.estimator.classes_).index(1)] if 1 in self.estimator.classes_ else np.zeros(len(chance))
        )
        events = np.clip(events, 1e-4, 1 - 1e-4)
        return np.asarray(np.log(events / (1 - events)), dtype=np.float64)

    @override
    def gains(self) -> FloatArray:
        # HistGradientBoosting keeps no importance, but each tree notes the gain of each of its splits.
        if hasattr(self.estimator, "feature_importances_"):
            return np.asarray(self.estimator.feature_importances_, dtype=np.float64)
        total = np.zeros(len(self.space.tree_columns))
        for stage in self.estimator._predictors:
            for tree in stage:
                splits = tree.nodes[tree.nodes["is_leaf"] == 0]
                np.add.at(total, splits["feature_idx"], splits["gain"])
        return total

    @override
    def dump_fit(self) -> Files:
        return {"estimator.skops": dump_estimator(self.estimator)}

    @override
    def restore_fit(self, files: Files) -> None:
        self.estimator = load_estimator(files["estimator.skops"], expected=self.kinds[self.task])

    def _design(self, design: Float32Array) -> Float32Array:
        return design if self.reads_missing else np.nan_to_num(design, nan=-999.0)


class RandomForestLearner(SklearnLearner):
    """Bagged trees."""

    kinds = {"regression": "RandomForestRegressor", "classification": "RandomForestClassifier"}
    defaults = {"n_estimators": 100, "max_depth": 14, "min_samples_leaf": 3, "max_features": 0.4}
    fixed = {"n_jobs": 1}


class GradientBoostingLearner(SklearnLearner):
    """Scikit-learn's exact gradient boosting; it cannot read missing values, which become a value of their own."""

    kinds = {"regression": "GradientBoostingRegressor", "classification": "GradientBoostingClassifier"}
    defaults = {"n_estimators": 150, "max_depth": 4, "learning_rate": 0.08, "subsample": 0.7, "max_features": 0.4}
    reads_missing = False


class HistGradientBoostingLearner(SklearnLearner):
    """Scikit-learn's histogram gradient boosting."""

    kinds = {"regression": "HistGradientBoostingRegressor", "classification": "HistGradientBoostingClassifier"}
    defaults = {"max_iter": 120, "max_leaf_nodes": 15, "learning_rate": 0.08, "l2_regularization": 1.0, "max_bins": 63}
    fixed = {"early_stopping": False}


class XGBoostLearner(ReservoirLearner):
    """XGBoost, from the optional extra, saved as its own JSON."""

    defaults = {"n_estimators": 150, "max_leaves": 15, "eta": 0.08, "reg_lambda": 1.0, "colsample_bytree": 0.5}

    extra = "xgboost"

    def __init__(self, space: FeatureSpace, task: Task, parameters: Mapping[str, Any]) -> None:
        super().__init__(space, task, parameters)
        self._xgboost = import_module("xgboost")

    @override
    def fit_rows(self, design: Float32Array, target: FloatArray, weight: FloatArray, *, seed: int) -> None:
        settings = {k: v for k, v in self.parameters.items() if k != "n_estimators"} | {
            "objective": "reg:squarederror" if self.task == "regression" else "binary:logistic",
            "tree_method": "hist",
            "grow_policy": "lossguide",
            "max_bin": 63,
            "nthread": 1,
            "seed": seed % (2**31 - 1),
        }
        rows = self._xgboost.DMatrix(design, label=target, weight=weight, nthread=1)
        self.booster = self._xgboost.train(settings, rows, num_boost_round=int(self.parameters["n_estimators"]))

    @override
    def score_rows(self, design: Float32Array) -> FloatArray:
        margin = self.booster.predict(self._xgboost.DMatrix(design, nthread=1), output_margin=True)
        return np.asarray(margin, dtype=np.float64)

    @override
    def gains(self) -> FloatArray:
        by_name = self.booster.get_score(importance_type="total_gain")
        return np.array([by_name.get(f"f{k}", 0.0) for k in range(len(self.space.tree_columns))])

    @override
    def dump_fit(self) -> Files:
        return {"xgboost.json": bytes(self.booster.save_raw(raw_format="json"))}

    @override
    def restore_fit(self, files: Files) -> None:
        self.booster = self._xgboost.Booster(model_file=bytearray(files["xgboost.json"]))
