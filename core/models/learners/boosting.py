"""LightGBM that keeps learning: a few trees per panel up to a cap, and leaves that average over all panels.

Plain boosting starts from the mean; on a linear offset it learns the residual of the linear core, while the core itself
keeps learning. The cost per panel is constant: at the cap no tree is added, but every leaf keeps learning.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray, IntArray
from core.models.learners.learner import (
    ContinuingLearner,
    Dumped,
    Files,
    LearningColumns,
    LearningTask,
    ScoreParts,
)
from core.models.learners.leaves import gradients, relearn
from core.models.learners.lightgbm_library import load_lightgbm
from core.models.learners.lightgbm_trees import TREES, LightGbmTrees
from core.models.learners.linear import LinearLearner, shares
from core.models.learners.samples import Matrices, Sample
from core.models.persistence.tree_text import TreeShape, append_trees, checked_text, read_trees

if TYPE_CHECKING:
    import lightgbm as lgb

CHUNK = 16_384  # rows per batch of leaf look-ups
ROWS_FOR_BINS = 20_000
SLOWEST = 1e-3  # the least share of the learning rate that later trees keep


class BoostedLearner(ContinuingLearner):
    """Gradient-boosted trees with continued learning, from the mean of the first panel.

    Attributes:
        base: Score before the first tree.
        evidence: Per tree, the evidence behind each leaf's value.
        reach: Standard deviation of the trees' part of the score on the last panel, and of the part below them.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 0.08,
        "num_leaves": 15,
        "max_depth": 0,  # no limit
        "min_data_in_leaf": 15,
        "lambda_l2": 1.0,
        "feature_fraction": 0.5,
        "max_bin": 63,
        "first_trees": 80,
        "trees_per_epoch": 20,
        "max_trees": 240,
        "keep_evidence": 0.97,
        "rate_decay": 1.0,  # the learning rate of the trees of one panel, as a share of that of the panel before
        "retire_after": 3,  # panels from which on it is dropped once it is far behind; 0: never
    }
    continues_by = "more trees on fresh rows up to a cap, and leaf values averaged over all panels"

    def __init__(self, space: LearningColumns, task: LearningTask, parameters: Mapping[str, Any]) -> None:
        super().__init__(space, task, parameters)
        self.trees = LightGbmTrees(space, self.parameters, bin_construct_sample_cnt=ROWS_FOR_BINS)
        self.base = 0.0
        self.shapes: list[TreeShape] = []
        self.values: list[FloatArray] = []
        self.evidence: list[FloatArray] = []
        self.reach = (0.0, 0.0)
        self._leaves: tuple[Matrices, IntArray] | None = None  # of the panel to learn from next

    @classmethod
    @override
    def require(cls) -> None:
        load_lightgbm()

    @property
    def booster(self) -> "lgb.Booster | None":
        """The trees; None before training."""
        return self.trees.booster

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        start = self.start(sample)
        score = start.copy()
        if self.booster is not None:
            self._relearn(sample, score)
        self._grow(sample, score, seed=seed)
        self.reach = (float(np.std(score - start)), float(np.std(start)))
        self._leaves = None

    @override
    def score(self, matrices: Matrices) -> FloatArray:
        below = self.below(matrices)
        if self.booster is None:
            return below
        trees = self.booster.predict(matrices.trees, raw_score=True, num_threads=1)
        return below + np.asarray(trees, dtype=np.float64)

    @override
    def parts(self) -> ScoreParts:
        return ScoreParts(self.base, booster=self.booster)

    @override
    def preview(self, matrices: Matrices) -> FloatArray:
        score = self.below(matrices)
        leaves = self._leaf_of_row(matrices)
        self._leaves = (matrices, leaves)
        for values, leaf in zip(self.values, leaves, strict=True):
            score += values[leaf]
        return score

    @override
    def importance(self) -> dict[str, float]:
        if self.booster is None:
            return {}
        return shares(tuple((name,) for name in self.space.tree_columns), self.trees.gains())

    @override
    def dump(self) -> Dumped:
        text = self.booster.model_to_string() if self.booster else ""
        flat = np.concatenate(self.evidence) if self.evidence else np.empty(0)
        return {"base": self.base, "reach": list(self.reach)}, {"evidence": flat}, {TREES: text.encode()}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.base = float(state["base"])
        self.reach = (float(state["reach"][0]), float(state["reach"][1]))
        if text := files[TREES].decode():
            self._take(checked_text(text, n_features=len(self.space.tree_columns)))
        ends = np.cumsum([len(values) for values in self.values])
        if len(arrays["evidence"]) != (ends[-1] if len(ends) else 0):
            raise ValueError("trees and evidence are of different sizes")
        self.evidence = [part.copy() for part in np.split(arrays["evidence"], ends[:-1])] if len(ends) else []

    def below(self, matrices: Matrices) -> FloatArray:
        """Score before the first tree."""
        return np.full(len(matrices), self.base)

    def start(self, sample: Sample) -> FloatArray:
        """Score before the first tree, of rows to learn from next."""
        if self.booster is None:
            mean = float(np.average(sample.target, weights=sample.weight))
            if self.task == "classification":
                mean = float(np.clip(mean, 0.01, 0.99))
                mean = float(np.log(mean / (1.0 - mean)))
            self.base = mean
        return self.below(sample.matrices)

    @property
    def directions(self) -> list[int]:
        """Per column of the tree matrix: 1 where the trees may only rise."""
        return self.space.directions

    def rates(self, n_trees: int) -> FloatArray:
        """Return the learning rate of each of the first trees, shape (n_trees,): it falls from panel to panel."""
        first, more = (max(1, int(self.parameters[name])) for name in ("first_trees", "trees_per_epoch"))
        panel = np.maximum((np.arange(n_trees) - first) // more + 1, 0)
        share = np.maximum(self.parameters["rate_decay"] ** panel, SLOWEST)
        return np.asarray(self.parameters["learning_rate"] * share)

    def _leaf_of_row(self, matrices: Matrices, first_tree: int = 0) -> IntArray:
        """Look up the leaf of each row in each tree from `first_tree` on, shape (n_trees, n)."""
        n_trees = len(self.values) - first_tree
        out = np.empty((n_trees, len(matrices)), dtype=np.int64)
        if self.booster is not None and n_trees:
            for begin in range(0, len(matrices), CHUNK):
                rows = slice(begin, begin + CHUNK)
                leaves = self.booster.predict(
                    matrices.trees[rows], pred_leaf=True, num_threads=1, start_iteration=first_tree
                )
                out[:, rows] = np.asarray(leaves).reshape(-1, n_trees).T
        return out

    def _relearn(self, sample: Sample, score: FloatArray) -> None:
        assert self.booster is not None
        known = self._leaves is not None and self._leaves[0] is sample.matrices
        leaves = self._leaves[1] if self._leaves and known else self._leaf_of_row(sample.matrices)
        before = [values.copy() for values in self.values]
        relearn(
            task=self.task,
            leaf_of_row=leaves,
            shapes=self.shapes,
            values=self.values,
            evidence=self.evidence,
            target=sample.target,
            weight=sample.weight,
            score=score,
            rates=self.rates(len(self.values)),
            keep=self.parameters["keep_evidence"],
            rising=np.array(self.directions, dtype=np.int64),
        )
        for tree, (was, now) in enumerate(zip(before, self.values, strict=True)):
            for leaf in np.flatnonzero(was != now).tolist():
                self.booster.set_leaf_output(tree, leaf, float(now[leaf]))

    def _grow(self, sample: Sample, score: FloatArray, *, seed: int) -> None:
        """Add trees, and add their answers to `score`."""
        n_before = len(self.values)
        n_more = int(self.parameters["trees_per_epoch" if n_before else "first_trees"])
        n_more = min(n_more, int(self.parameters["max_trees"]) - n_before)
        if n_more <= 0 or len(sample.target) < 2 * int(self.parameters["min_data_in_leaf"]):
            return  # LightGBM fails where no column can be split
        target, weight, task = sample.target, sample.weight, self.task

        def loss(trees_score: FloatArray, _: "lgb.Dataset") -> tuple[FloatArray, FloatArray]:
            gradient, hessian = gradients(task, target, trees_score)
            return weight * gradient, weight * hessian

        rows = self.trees.rows(sample.matrices.trees, target, score=score)
        rates = self.rates(n_before + n_more)[n_before:].tolist()
        grown = self.trees.grow(
            rows,
            n_more,
            seed=seed,
            objective=loss,
            rates=rates if self.parameters["rate_decay"] != 1 else None,
            monotone_constraints=self.directions,
            min_sum_hessian_in_leaf=1e-3,
            max_cat_threshold=8,
        ).model_to_string()
        # Through the text, so that continuing in memory and continuing from a file are identical.
        self._take(append_trees(self.booster.model_to_string(), grown) if self.booster else grown)
        for values, leaf in zip(self.values[n_before:], self._leaf_of_row(sample.matrices, n_before), strict=True):
            _, hessian = gradients(task, target, score)
            seen = np.bincount(leaf, weights=weight * hessian, minlength=len(values))
            self.evidence.append(seen + self.parameters["lambda_l2"])
            score += values[leaf]

    def _take(self, text: str) -> None:
        self.shapes, self.values = read_trees(text, n_features=len(self.space.tree_columns))
        self.trees.read(text)


class OffsetLearner(BoostedLearner):
    """Trees on the linear offset: they only add what the linear core cannot express, so their prior is stronger.

    Attributes:
        linear: The learner below the trees. It is trained separately, before the trees.
    """

    defaults: ClassVar[Mapping[str, Any]] = {**BoostedLearner.defaults, "lambda_l2": 40.0, "first_trees": 40}
    continues_by = f"the linear core as usual; on top of it {BoostedLearner.continues_by}"
    linear: LinearLearner

    @override
    def below(self, matrices: Matrices) -> FloatArray:
        return self.linear.score(matrices)

    @override
    def parts(self) -> ScoreParts:
        return replace(self.linear.parts(), booster=self.booster)

    @override
    def start(self, sample: Sample) -> FloatArray:
        # In sample the linear core looks too good, and would leave the trees too little to learn.
        return self.below(sample.matrices) if sample.offset is None else sample.offset

    @property
    @override
    def directions(self) -> list[int]:
        # The residual of the linear core need not rise with the rating, even where the whole prediction does.
        return [0] * len(self.space.tree_columns)

    @override
    def importance(self) -> dict[str, float]:
        trees, linear = self.reach
        parts = ((super().importance(), trees), (self.linear.importance(), linear))
        names = [(name,) for part, _ in parts for name in part]
        effects = [share * reach for part, reach in parts for share in part.values()]
        return shares(tuple(names), np.array(effects))
