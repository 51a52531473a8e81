"""Trees by LightGBM: the common part, and the learner that grows as many as rows held out call for."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.errors import RefusedError
from core.models.errors import ArtifactError
from core.models.learners.learner import Dumped, Files, LearningTask, MatrixColumns, TreesLearner
from core.models.learners.lightgbm_library import load_lightgbm
from core.models.learners.samples import Sample

if TYPE_CHECKING:
    import lightgbm as lgb

PATIENCE = 30
TREES = "trees.txt"
IMPORTED = "imported_lightgbm"

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
        **more: Any,
    ) -> "lgb.Booster":
        """Grow trees; they replace the present trees only through `read`.

        Args:
            rows: The result of `rows`.
            n_trees: The maximum number of trees.
            seed: The random seed.
            objective: LightGBM's name of the objective, or first and second derivatives.
            judged_on: Rows held out, which decide when to stop.
            more: Further parameters.
        """
        judged = None if judged_on is None else self._judged(rows, *judged_on)
        grown: lgb.Booster = self._lgb.train(
            {**self._training(seed), **more, "objective": objective},
            rows,
            num_boost_round=n_trees,
            valid_sets=None if judged is None else [judged],
            callbacks=None if judged is None else [self._lgb.early_stopping(PATIENCE, verbose=False)],
        )
        return grown

    def read(self, text: str) -> None:
        """Replace the trees by those of a text.

        Raises:
            ValueError: LightGBM cannot read it.
        """
        try:
            self.booster = self._lgb.Booster(model_str=text)
        except self._lgb.basic.LightGBMError as error:
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

    def _training(self, seed: int) -> dict[str, Any]:
        return {
            **self._binning(),
            **{key: self._parameters[key] for key in _OWN},
            "min_data_per_group": 20,
            "cat_l2": 10.0,
            "seed": seed % (2**31 - 1),
            "deterministic": True,
            "force_row_wise": True,
        }


class LightGbmLearner(TreesLearner):
    """Gradient-boosted trees, as many as rows held out call for."""

    name = "lightgbm"
    is_fast = True
    defaults: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 0.06,
        "num_leaves": 15,
        "min_data_in_leaf": 15,
        "lambda_l2": 1.0,
        "feature_fraction": 0.7,
        "max_bin": 255,
        "max_trees": 2_000,  # far more than most tables call for; rows held out decide when to stop
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
    def tune(self, learn: Sample, judge: Sample, *, seed: int) -> None:
        rows = self.trees.rows(learn.matrices.trees, learn.target)
        judged_on = (judge.matrices.trees, judge.target)
        n_trees = int(self.parameters["max_trees"])
        grown = self.trees.grow(rows, n_trees, seed=seed, judged_on=judged_on, **self._objective())
        self.tuned = {"n_trees": float(max(grown.best_iteration, 1))}
        self.trees.read(grown.model_to_string(num_iteration=int(self.tuned["n_trees"])))

    @override
    def fit(self, matrix: AnyArray, target: FloatArray, weight: FloatArray | None, *, seed: int) -> None:
        rows = self.trees.rows(matrix, target)
        if weight is not None:
            rows.set_weight(weight)
        n_trees = int(self.tuned["n_trees"])
        self.trees.read(self.trees.grow(rows, n_trees, seed=seed, **self._objective()).model_to_string())

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        answers = np.asarray(self.booster.predict(matrix, num_threads=1), dtype=np.float64)
        return np.stack((1.0 - answers, answers), axis=1) if self.n_classes == 2 and answers.ndim == 1 else answers

    @override
    def gains(self) -> FloatArray:
        return self.trees.gains()

    @override
    def dump(self) -> Dumped:
        return dict(self.tuned), {}, {TREES: self.booster.model_to_string().encode()}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.tuned = {str(name): float(value) for name, value in state.items()}
        try:
            self.trees.read(files[TREES].decode())
        except ValueError as error:
            raise ArtifactError(f"{TREES} is damaged: {error}") from error
        if (n_read := self.booster.num_feature()) != (n_columns := len(self.columns.tree_columns)):
            raise ArtifactError(f"{TREES} reads {n_read} columns instead of {n_columns}")

    def _objective(self) -> dict[str, Any]:
        if self.n_classes > 2:
            return {"objective": "multiclass", "num_class": self.n_classes}
        return {"objective": "binary" if self.n_classes else "regression"}


class ImportedTreesLearner(LightGbmLearner):
    """Imported trees: they predict, and cannot be trained."""

    name = IMPORTED
    defaults: ClassVar[Mapping[str, Any]] = {}

    @override
    def tune(self, learn: Sample, judge: Sample, *, seed: int) -> None:
        self.learn(learn, seed=seed)

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        raise RefusedError("Imported trees cannot be trained here. Train a new model: bondx-mlops train.")
