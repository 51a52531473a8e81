"""LightGBM that goes on learning: a few trees a panel up to a cap, and leaves that average over all panels.

Plain, it starts from the mean; on a linear offset it learns what the linear core misses, while the linear core itself
keeps learning. Its cost per panel is constant: once the cap is reached no tree is added, and every leaf still learns.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import lightgbm as lgb
import numpy as np
from typing_extensions import override

from core.models.arrays import AnyArray, FloatArray, IntArray
from core.models.feature_space import FeatureSpace
from core.models.learner import Files, Learner, Task
from core.models.leaves import gradients, read_trees, relearn
from core.models.linear import LinearLearner, shares
from core.models.samples import Matrices, Sample


class BoostedLearner(Learner):
    """Gradient-boosted trees with continued learning.

    Attributes:
        offset: The linear learner below the trees, learning on its own; None for plain boosting.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 0.08,
        "num_leaves": 15,
        "min_data_in_leaf": 15,
        "lambda_l2": 1.0,
        "feature_fraction": 0.5,
        "max_bin": 63,
        "first_trees": 80,
        "trees_per_epoch": 20,
        "max_trees": 240,
        "keep_evidence": 0.97,
    }
    continues_by = "more trees on fresh rows up to a cap, and leaf values averaged over all panels"

    def __init__(
        self, space: FeatureSpace, task: Task, parameters: Mapping[str, Any], *, offset: LinearLearner | None = None
    ) -> None:
        super().__init__(space, task, parameters)
        self.offset = offset
        self.base = 0.0
        self.booster: lgb.Booster | None = None
        self.evidence: list[FloatArray] = []

    @property
    def n_trees(self) -> int:
        """Trees grown so far."""
        return self.booster.num_trees() if self.booster else 0

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        start = self._start(sample)
        if self.booster is not None:
            start = self._relearn(sample, start)
        self._grow(sample, start, seed=seed)

    @override
    def score(self, matrices: Matrices) -> FloatArray:
        under = self.offset.score(matrices) if self.offset else np.full(len(matrices), self.base)
        return under + self._trees(matrices)

    @override
    def importance(self) -> dict[str, float]:
        if self.booster is None:
            return {}
        gain = self.booster.feature_importance(importance_type="gain").astype(np.float64)
        return shares(tuple((name,) for name in self.space.tree_columns), gain)

    @override
    def dump(self) -> tuple[dict[str, Any], dict[str, AnyArray], Files]:
        text = self.booster.model_to_string() if self.booster else ""
        sizes = np.array([len(part) for part in self.evidence], dtype=np.int64)
        flat = np.concatenate(self.evidence) if self.evidence else np.empty(0)
        return {"base": self.base}, {"evidence": flat, "n_leaves": sizes}, {"trees.txt": text.encode()}

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
        learner.base = float(state["base"])
        learner.booster = _booster(files["trees.txt"].decode())
        learner.evidence = [part.copy() for part in np.split(arrays["evidence"], np.cumsum(arrays["n_leaves"])[:-1])]
        return learner

    def _start(self, sample: Sample) -> FloatArray:
        if self.offset:
            # In sample the linear core looks better than it is, and would leave the trees too little to learn.
            return self.offset.score(sample.matrices) if sample.offset is None else sample.offset.copy()
        if self.booster is None:
            mean = float(np.average(sample.target, weights=sample.weight))
            mean = float(np.clip(mean, 0.01, 0.99)) if self.task == "classification" else mean
            self.base = mean if self.task == "regression" else float(np.log(mean / (1.0 - mean)))
        return np.full(len(sample), self.base)

    def _trees(self, matrices: Matrices) -> FloatArray:
        if self.booster is None:
            return np.zeros(len(matrices))
        return np.asarray(self.booster.predict(matrices.trees, raw_score=True, num_threads=1), dtype=np.float64)

    def _leaf_of_row(self, sample: Sample, first_tree: int) -> IntArray:
        assert self.booster is not None
        leaves = self.booster.predict(sample.matrices.trees, pred_leaf=True, num_threads=1, start_iteration=first_tree)
        return np.ascontiguousarray(np.asarray(leaves).reshape(len(sample), -1).T.astype(np.int64))

    def _relearn(self, sample: Sample, start: FloatArray) -> FloatArray:
        assert self.booster is not None
        shapes, values = read_trees(self.booster.model_to_string())
        before = [part.copy() for part in values]
        relearn(
            task=self.task,
            leaf_of_row=self._leaf_of_row(sample, 0),
            shapes=shapes,
            values=values,
            evidence=self.evidence,
            target=sample.target,
            weight=sample.weight,
            score=start,
            learning_rate=self.parameters["learning_rate"],
            keep=self.parameters["keep_evidence"],
            rising=self._rising,
        )
        for tree, (was, now) in enumerate(zip(before, values, strict=True)):
            for leaf in np.flatnonzero(was != now).tolist():
                self.booster.set_leaf_output(tree, leaf, float(now[leaf]))
        return start

    def _grow(self, sample: Sample, start: FloatArray, *, seed: int) -> None:
        n_more = self.parameters["first_trees" if self.booster is None else "trees_per_epoch"]
        n_more = min(int(n_more), int(self.parameters["max_trees"]) - self.n_trees)
        if n_more <= 0:
            return
        n_before = self.n_trees
        # LightGBM starts a continued fit from the old trees' own score, which knows nothing of the offset.
        shift = start - self._trees(sample.matrices)
        target, weight, task = sample.target, sample.weight, self.task

        def loss(trees_score: FloatArray, _: lgb.Dataset) -> tuple[FloatArray, FloatArray]:
            gradient, hessian = gradients(task, target, trees_score + shift)
            return weight * gradient, weight * hessian

        rows = lgb.Dataset(
            sample.matrices.trees,
            label=target,
            feature_name=list(self.space.tree_columns),
            categorical_feature=self.space.category_positions,
            params={"max_bin": self.parameters["max_bin"], "min_data_in_bin": 3, "verbosity": -1, "num_threads": 1},
            free_raw_data=False,
        )
        grown = lgb.train(self._lightgbm_parameters(loss, seed), rows, num_boost_round=n_more, init_model=self.booster)
        # Through the text and back, so that going on in memory and going on from a file are the same thing.
        self.booster = _booster(grown.model_to_string())
        self._start_evidence(sample, start, n_before)

    def _start_evidence(self, sample: Sample, start: FloatArray, n_before: int) -> None:
        """Note how much stands behind each leaf of the new trees: the rows they were grown on, and their shrinkage."""
        assert self.booster is not None
        shapes, values = read_trees(self.booster.model_to_string())
        score = start.copy()
        for leaves, leaf_values in zip(self._leaf_of_row(sample, n_before), values[n_before:], strict=True):
            _, hessian = gradients(self.task, sample.target, score)
            seen = np.bincount(leaves, weights=sample.weight * hessian, minlength=len(leaf_values))
            self.evidence.append(seen + self.parameters["lambda_l2"])
            score += leaf_values[leaves]

    @property
    def _rising(self) -> IntArray:
        # A residual need not rise with the rating even when the whole prediction does.
        directions = [0] * len(self.space.tree_columns) if self.offset else self.space.directions
        return np.array(directions, dtype=np.int64)

    def _lightgbm_parameters(self, loss: Any, seed: int) -> dict[str, Any]:
        own = ("learning_rate", "num_leaves", "min_data_in_leaf", "lambda_l2", "feature_fraction", "max_bin")
        return {
            **{key: self.parameters[key] for key in own},
            "objective": loss,
            "monotone_constraints": self._rising.tolist(),
            "min_sum_hessian_in_leaf": 1e-3,
            "min_data_per_group": 20,
            "cat_l2": 10.0,
            "max_cat_threshold": 8,
            "seed": seed % (2**31 - 1),
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }


class OffsetLearner(BoostedLearner):
    """Trees on the linear offset: they only add what the linear core cannot say, so they start out more doubtful."""

    defaults: ClassVar[Mapping[str, Any]] = {
        **BoostedLearner.defaults,
        "lambda_l2": 40.0,
        "first_trees": 40,
    }
    continues_by = f"the linear core below as ever; on top {BoostedLearner.continues_by}"


def _booster(text: str) -> lgb.Booster:
    return lgb.Booster(model_str=text)
