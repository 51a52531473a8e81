"""Continuing learning for fit-once methods: a bounded, uniform sample of the groups seen so far, and a new fit on it.

Every group ever seen has the same chance of being in the reservoir, whichever panel it came from, so the fit never
drifts to the latest draw; its size is bounded, so the cost per panel is constant once it is full.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.learners.ensembles import (
    GradientBoostingLearner,
    HistGradientBoostingLearner,
    RandomForestLearner,
    XGBoostLearner,
)
from core.models.learners.learner import (
    ContinuingLearner,
    Dumped,
    Files,
    LearningColumns,
    LearningTask,
    TreesLearner,
)
from core.models.learners.linear import shares
from core.models.learners.samples import Matrices, Sample

RESERVOIR_PANELS = 3  # rows kept, in multiples of the first panel's size
MAX_RESERVOIR_ROWS = 100_000


class ReservoirLearner(ContinuingLearner):
    """Refits a method on a bounded sample of all groups seen.

    Attributes:
        kind: The method.
        fitted: The learner that answers; fitted to the rows held.
    """

    continues_by = f"a new fit on a uniform sample of the {{groups}} seen, at most {RESERVOIR_PANELS} panels of rows"
    kind: ClassVar[type[TreesLearner]]

    def __init__(self, space: LearningColumns, task: LearningTask, parameters: Mapping[str, Any]) -> None:
        super().__init__(space, task, parameters)
        self.fitted = self.kind(space, task, parameters, defaults=self.defaults)
        self.capacity = 0
        self.ticket = np.empty(0)  # each group drew a key on arrival; the groups with the lowest keys stay
        self.rows: Sample | None = None

    @classmethod
    @override
    def require(cls) -> None:
        cls.kind.require()

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        if not self.capacity:
            self.capacity = min(MAX_RESERVOIR_ROWS, RESERVOIR_PANELS * len(sample))
        ticket = np.random.default_rng(seed).random(int(sample.group.max()) + 1)[sample.group]
        matrices, target, weight = sample.matrices, sample.target, sample.weight
        if self.rows is not None:
            held = self.rows
            trees = np.concatenate((held.matrices.trees, matrices.trees))
            matrices = Matrices.of(trees)
            target, weight = np.concatenate((held.target, target)), np.concatenate((held.weight, weight))
            ticket = np.concatenate((self.ticket, ticket))
        else:
            matrices = Matrices.of(matrices.trees)
        keep = np.sort(np.argsort(ticket, kind="stable")[: self.capacity])
        self.ticket = ticket[keep]
        self.rows = Sample(matrices.take(keep), target[keep], weight[keep], np.zeros(len(keep), dtype=np.int64))
        self.fitted.fit(self.rows.matrices.trees, self.rows.target, self.rows.weight, seed=seed)

    @override
    def score(self, matrices: Matrices) -> FloatArray:
        return self.fitted.score(matrices.trees)

    @override
    def importance(self) -> dict[str, float]:
        return shares(tuple((name,) for name in self.space.tree_columns), self.fitted.gains())

    @override
    def dump(self) -> Dumped:
        assert self.rows is not None
        arrays: dict[str, AnyArray] = {
            "ticket": self.ticket,
            "trees": self.rows.matrices.trees,
            "target": self.rows.target,
            "weight": self.rows.weight,
        }
        return {"capacity": self.capacity}, arrays, self.fitted.dump()[2]

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.capacity = int(state["capacity"])
        self.ticket = arrays["ticket"]
        trees = arrays["trees"]
        group = np.zeros(len(trees), dtype=np.int64)
        self.rows = Sample(Matrices.of(trees), arrays["target"], arrays["weight"], group)
        self.fitted.restore({}, {}, files)


class RandomForestReservoir(ReservoirLearner):
    """Bagged trees."""

    kind = RandomForestLearner
    defaults = kind.defaults


class GradientBoostingReservoir(ReservoirLearner):
    """Scikit-learn's exact gradient boosting."""

    kind = GradientBoostingLearner
    defaults = kind.defaults


class HistGradientBoostingReservoir(ReservoirLearner):
    """Scikit-learn's histogram gradient boosting."""

    kind = HistGradientBoostingLearner
    defaults = {"max_iter": 120, "max_leaf_nodes": 15, "learning_rate": 0.08, "l2_regularization": 1.0, "max_bins": 63}


class XGBoostReservoir(ReservoirLearner):
    """XGBoost, from the optional extra."""

    kind = XGBoostLearner
    defaults = kind.defaults
