"""LightGBM: as many trees as rows held out call for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.domains.table.models.learner import Files, Rows, TableLearner
from core.models.errors import ArtifactError
from core.models.learners.lightgbm_library import load_lightgbm

if TYPE_CHECKING:
    import lightgbm as lgb

PATIENCE = 30
TREES = "trees.txt"


class LightGbmTableLearner(TableLearner):
    """Gradient-boosted trees."""

    name = "lightgbm"
    is_fast = True
    defaults: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 0.06,
        "num_leaves": 15,
        "min_data_in_leaf": 15,
        "lambda_l2": 1.0,
        "feature_fraction": 0.7,
        "max_bin": 255,
        "max_trees": 2_000,  # far beyond what most tables call for; rows held out say when to stop
    }
    booster: "lgb.Booster"

    def __init__(self, n_levels: tuple[int, ...], n_classes: int, parameters: Mapping[str, Any]) -> None:
        super().__init__(n_levels, n_classes, parameters)
        self._lgb = load_lightgbm()

    @override
    def tune(self, learn: Rows, judge: Rows, *, seed: int) -> None:
        data = self._dataset(learn)
        judged = self._lgb.Dataset(judge.matrix, label=judge.target, reference=data, params=self._binning())
        booster = self._lgb.train(
            self._training(seed),
            data,
            num_boost_round=int(self.parameters["max_trees"]),
            valid_sets=[judged],
            callbacks=[self._lgb.early_stopping(PATIENCE, verbose=False)],
        )
        self.tuned = {"n_trees": float(max(booster.best_iteration, 1))}
        self._take(booster.model_to_string(num_iteration=int(self.tuned["n_trees"])))

    @override
    def learn(self, rows: Rows, *, seed: int) -> None:
        booster = self._lgb.train(self._training(seed), self._dataset(rows), num_boost_round=int(self.tuned["n_trees"]))
        self._take(booster.model_to_string())

    @override
    def answer(self, matrix: FloatArray) -> FloatArray:
        answers = np.asarray(self.booster.predict(matrix, num_threads=1), dtype=np.float64)
        return np.stack((1.0 - answers, answers), axis=1) if self.n_classes == 2 and answers.ndim == 1 else answers

    @override
    def dump(self) -> tuple[dict[str, AnyArray], Files]:
        return {}, {TREES: self.booster.model_to_string().encode()}

    @override
    def restore(self, arrays: Mapping[str, AnyArray], files: Files) -> None:
        try:
            self._take(files[TREES].decode())
        except self._lgb.basic.LightGBMError as error:
            raise ArtifactError(f"{TREES} is damaged: {error}") from error
        if self.booster.num_feature() != len(self.n_levels):
            raise ArtifactError(f"{TREES} reads {self.booster.num_feature()} columns instead of {len(self.n_levels)}")

    def _take(self, text: str) -> None:
        self.booster = self._lgb.Booster(model_str=text)

    def _dataset(self, rows: Rows) -> "lgb.Dataset":
        # Names of users' columns may hold what LightGBM's text format cannot; positions never do.
        categories = [position for position, n_levels in enumerate(self.n_levels) if n_levels]
        names = [f"column_{position}" for position in range(len(self.n_levels))]
        data: lgb.Dataset = self._lgb.Dataset(
            rows.matrix, label=rows.target, feature_name=names, categorical_feature=categories, params=self._binning()
        )
        return data

    def _binning(self) -> dict[str, Any]:
        return {"max_bin": self.parameters["max_bin"], "num_threads": 1, "verbosity": -1, "feature_pre_filter": False}

    def _training(self, seed: int) -> dict[str, Any]:
        own = ("learning_rate", "num_leaves", "min_data_in_leaf", "lambda_l2", "feature_fraction")
        objective = {0: "regression", 2: "binary"}.get(self.n_classes, "multiclass")
        return {
            **self._binning(),
            **{key: self.parameters[key] for key in own},
            **({"num_class": self.n_classes} if self.n_classes > 2 else {}),
            "objective": objective,
            "min_data_per_group": 20,
            "cat_l2": 10.0,
            "seed": seed % (2**31 - 1),
            "deterministic": True,
            "force_row_wise": True,
        }
