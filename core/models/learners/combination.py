"""How an ensemble makes one score of the scores of its members: votes, a weighted mean, or a meta-learner.

Scores are on the scale of the link: numbers, or log odds. A combination learns only from scores of rows that the
members had not learned from.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.ensembles.online_weights import FollowedWeights, follow
from core.models.ensembles.weights import MemberErrors, Weighting, optimise_weights
from core.models.learners.algorithms import continuing
from core.models.learners.learner import LEAST_CHANCE, ContinuingLearner, Dumped, Files, LearningTask
from core.models.learners.samples import Matrices, Sample
from core.models.parameters import bounds_in
from core.models.selection import FADE

TOGETHER_SD = 10.0  # prior size of the slope of the members' mean: hardly any prior
APART_SD = 0.5  # of a member's deviation from it: equal weights are the start


class Combination(ABC):
    """Combines members.

    Args:
        members: Their names.
        task: What they predict: numbers, or an event.
    """

    def __init__(self, members: Sequence[str], task: LearningTask) -> None:
        self.members = tuple(members)
        self.task = task

    @abstractmethod
    def learn(self, scores: FloatArray, sample: Sample, *, seed: int) -> None:
        """Learn from rows that no member has learned from.

        Args:
            scores: Of the members, shape (n, members).
            sample: The rows.
            seed: The random seed.
        """

    @abstractmethod
    def score(self, scores: FloatArray) -> FloatArray:
        """Combine scores of shape (n, members) into scores of shape (n,)."""

    @property
    def weights(self) -> FloatArray | None:
        """The weight of each member; None if the combination is not a weighted mean."""
        return None

    @property
    @abstractmethod
    def shares(self) -> FloatArray:
        """How much each member contributes, shape (members,); they sum to 1."""

    @abstractmethod
    def dump(self) -> Dumped:
        """Write the state."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        """Restore what `dump` wrote."""

    def account(self) -> dict[str, Any]:
        """Return what the report says besides weights and shares."""
        return {}

    @property
    def _equal(self) -> FloatArray:
        return np.full(len(self.members), 1.0 / len(self.members))


class Votes(Combination):
    """Every member has one vote.

    A soft vote is the mean: of numbers, or of probabilities. A hard vote decides by the middle member: the median of
    numbers; of an event the share of members that find it likelier than not, with half a vote added to either side,
    since a share of 0 or 1 would be certain of what three members think.

    Source:
        Kittler, Hatef, Duin and Matas, On combining classifiers, IEEE TPAMI 20 (1998): mean, median and majority rules.
        Krichevsky and Trofimov, IEEE Transactions on Information Theory 27 (1981): the half vote.
    """

    def __init__(self, members: Sequence[str], task: LearningTask, *, is_hard: bool = False) -> None:
        super().__init__(members, task)
        self.is_hard = is_hard

    @override
    def learn(self, scores: FloatArray, sample: Sample, *, seed: int) -> None:
        """Do nothing: every vote counts the same."""

    @override
    def dump(self) -> Dumped:
        return {}, {}, {}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        """Do nothing: there is no state."""

    @override
    def score(self, scores: FloatArray) -> FloatArray:
        if not self.is_hard:
            return _mean(scores, self._equal, self.task)
        if self.task == "regression":
            return np.asarray(np.median(scores, axis=1))
        n_for = (scores > 0).sum(axis=1) + 0.5
        return np.asarray(np.log(n_for / (len(self.members) + 1.0 - n_for)))

    @property
    @override
    def weights(self) -> FloatArray | None:
        return None if self.is_hard else self._equal

    @property
    @override
    def shares(self) -> FloatArray:
        return self._equal


class WeightedMean(Combination):
    """The mean of numbers or probabilities with the weights of `optimise_weights`, which follow further rows.

    The weights depend on sums over rows of products of the members' errors. Sums of earlier panels fade, since the
    members have learned since: after n panels a row of the first counts 0.9ⁿ.
    """

    def __init__(
        self,
        members: Sequence[str],
        task: LearningTask,
        *,
        diversity: float = 0.0,
        bounds: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    ) -> None:
        super().__init__(members, task)
        self.diversity = diversity
        self.bounds = dict(bounds)
        self.low, self.high = np.array([self.bounds.get(name, (0.0, 1.0)) for name in self.members]).T
        self.errors = MemberErrors.none(len(self.members))
        self.weighting = self._settle()
        self.trained: FloatArray | None = None  # the weights before they followed outcomes; None if they never did

    @classmethod
    def of(cls, members: Sequence[str], task: LearningTask, parameters: Mapping[str, Any]) -> "WeightedMean":
        """Make one by the parameters of an ensemble."""
        bounds = bounds_in(str(parameters["weight_bounds"]))
        return cls(members, task, diversity=float(parameters["diversity"]), bounds=bounds)

    @override
    def learn(self, scores: FloatArray, sample: Sample, *, seed: int) -> None:
        answers = scores if self.task == "regression" else _chance(scores)
        further = MemberErrors.of(sample.target[:, None] - answers, sample.weight)
        self.errors = self.errors.then(further, keep=FADE)
        self.weighting, self.trained = self._settle(), None

    def follow(self, scores: FloatArray, target: FloatArray) -> FollowedWeights:
        """Let the weights follow outcomes, from the trained ones on.

        Args:
            scores: Of the members, shape (n, members), of rows that none of them learned from.
            target: What came of the rows, in their order, shape (n,).
        """
        start = self.weighting.weights if self.trained is None else self.trained
        answers = scores if self.task == "regression" else _chance(scores)
        losses = self.errors.losses
        unit = math.sqrt(float(start @ losses @ start))
        if not unit:  # nothing settled the weights
            unit = math.sqrt(float(np.mean(np.square(target - answers @ start)))) or 1.0
        found = follow(answers, target, start, unit=unit, bounds=(self.low, self.high) if self.bounds else None)
        self.trained, self.weighting = start, self._weighting(found.weights)
        return found

    @override
    def score(self, scores: FloatArray) -> FloatArray:
        return _mean(scores, self.weighting.weights, self.task)

    @property
    @override
    def weights(self) -> FloatArray:
        return self.weighting.weights

    @property
    @override
    def shares(self) -> FloatArray:
        return self.weighting.weights

    @override
    def dump(self) -> Dumped:
        arrays = {"products": self.errors.products, "sums": self.errors.sums, "weights": self.weighting.weights}
        if self.trained is not None:
            arrays["trained"] = self.trained
        return {"n_rows": self.errors.n_rows}, arrays, {}

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        n_members = len(self.members)
        weights = np.asarray(arrays["weights"], dtype=np.float64)
        if arrays["products"].shape != (n_members, n_members) or arrays["sums"].shape != weights.shape != (n_members,):
            raise ValueError("the weights are of another number of members")
        if not (np.isfinite(weights).all() and abs(float(weights.sum()) - 1.0) < 1e-6):
            raise ValueError("the weights do not sum to 1")
        self.errors = MemberErrors(arrays["products"], arrays["sums"], float(state["n_rows"]))
        # The weights as they were saved: another release of SciPy may find other last digits.
        self.weighting = self._weighting(weights)
        if "trained" in arrays:
            self.trained = np.asarray(arrays["trained"], dtype=np.float64)
            if self.trained.shape != weights.shape or not np.isfinite(self.trained).all():
                raise ValueError("the trained weights are of another number of members")

    @override
    def account(self) -> dict[str, Any]:
        told = {"weight_bounds": self.bounds} if self.bounds else {}
        return {"diversity": self.diversity, "error_correlation": self.weighting.correlation, **told}

    def _weighting(self, weights: FloatArray) -> Weighting:
        losses, correlations = self.errors.losses, self.errors.correlations
        return Weighting(
            weights,
            float(weights @ losses @ weights),
            float(weights @ correlations @ weights),
            float(np.min(np.diag(losses))),
        )

    def _settle(self) -> Weighting:
        return optimise_weights(self.errors, diversity=self.diversity, low=self.low.tolist(), high=self.high.tolist())


@dataclass(frozen=True, slots=True)
class MemberColumns:
    """The scores of members as the columns of a learner.

    The linear columns are the mean of the members, and each member's deviation from it: the prior of a linear
    meta-learner then shrinks it towards equal weights instead of towards nothing. Trees read the scores.
    """

    members: tuple[str, ...]

    @property
    def n_linear(self) -> int:
        """Columns of the linear matrix."""
        return 1 + len(self.members)

    @property
    def prior_sd(self) -> FloatArray:
        """The prior size of each linear column's effect."""
        return np.array([TOGETHER_SD, *[APART_SD] * len(self.members)])

    @property
    def linear_sources(self) -> tuple[tuple[str, ...], ...]:
        """The members behind each linear column."""
        return (self.members, *((name,) for name in self.members))

    @property
    def tree_columns(self) -> tuple[str, ...]:
        """Columns of the tree matrix."""
        return self.members

    @property
    def category_positions(self) -> list[int]:
        """No score is a category."""
        return []

    @property
    def n_levels(self) -> tuple[int, ...]:
        """No score has levels."""
        return (0,) * len(self.members)

    @property
    def directions(self) -> list[int]:
        """An ensemble's answer may only rise with a member's."""
        return [1] * len(self.members)

    def matrices(self, scores: FloatArray) -> Matrices:
        """Build both matrices from scores of shape (n, members)."""
        together = scores.mean(axis=1, keepdims=True)
        linear = np.hstack((together, scores - together))
        return Matrices(linear.astype(np.float32), scores.astype(np.float32))


class MetaLearner(Combination):
    """A learner of the target from the members' scores.

    Args:
        members: Their names.
        task: What they predict.
        kind: The algorithm of the meta-learner: "linear", or one that grows trees; these are few and shallow here,
            since there is little left to learn.
    """

    def __init__(self, members: Sequence[str], task: LearningTask, *, kind: str = "linear") -> None:
        super().__init__(members, task)
        self.kind = kind
        self.columns = MemberColumns(self.members)
        self.learner: ContinuingLearner | None = None

    @override
    def learn(self, scores: FloatArray, sample: Sample, *, seed: int) -> None:
        if self.learner is None:
            self.learner = self._new()
        matrices = self.columns.matrices(scores)
        self.learner.learn(Sample(matrices, sample.target, sample.weight, sample.group), seed=seed)

    @override
    def score(self, scores: FloatArray) -> FloatArray:
        if self.learner is None:  # a first panel of a single group leaves nothing to learn from
            return _mean(scores, self._equal, self.task)
        return self.learner.score(self.columns.matrices(scores))

    @property
    @override
    def weights(self) -> FloatArray | None:
        """The slope of a linear meta-learner in each member; they need not sum to 1."""
        if self.learner is None:
            return self._equal
        if (parts := self.learner.parts()) is None or parts.coefficients is None or parts.booster is not None:
            return None
        apart = parts.coefficients[1:]
        return np.asarray(parts.coefficients[0] / len(self.members) + apart - apart.mean())

    @property
    @override
    def shares(self) -> FloatArray:
        if self.learner is None:
            return self._equal
        if (weights := self.weights) is not None:
            found = np.abs(weights)
        else:
            importance = self.learner.importance()
            found = np.array([importance.get(name, 0.0) for name in self.members])
        total = float(found.sum())
        return found / total if total > 0 else self._equal

    @override
    def dump(self) -> Dumped:
        if self.learner is None:
            return {"learner": None}, {}, {}
        state, arrays, files = self.learner.dump()
        return {"learner": state}, arrays, files

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        if (own := state["learner"]) is not None:
            self.learner = self._new()
            self.learner.restore(own, arrays, files)

    @override
    def account(self) -> dict[str, Any]:
        return {"meta_learner": self.kind}

    def _new(self) -> ContinuingLearner:
        return continuing(self.kind)(self.columns, self.task, META_PARAMETERS.get(self.kind, {}))


# Members have done most of the work, and there are as many columns as members: small trees, and slow ones.
META_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "lightgbm": {"first_trees": 60, "num_leaves": 4, "learning_rate": 0.05, "feature_fraction": 1.0},
    "gradient_boosting": {"n_estimators": 60, "max_depth": 2, "learning_rate": 0.05, "max_features": 1.0},
    "hist_gradient_boosting": {"max_iter": 60, "max_leaf_nodes": 4, "learning_rate": 0.05},
    "xgboost": {"n_estimators": 60, "max_leaves": 4, "eta": 0.05, "colsample_bytree": 1.0},
    "random_forest": {"n_estimators": 60, "max_depth": 4, "min_samples_leaf": 20, "max_features": 1.0},
}


def _mean(scores: FloatArray, weights: FloatArray, task: LearningTask) -> FloatArray:
    if task == "regression":
        return np.asarray(_sum(scores, weights))
    chance = np.clip(_sum(_chance(scores), weights), LEAST_CHANCE, 1.0 - LEAST_CHANCE)
    return np.asarray(np.log(chance / (1.0 - chance)))


def _sum(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Sum member by member: a matrix product may round one row otherwise than the same row among many."""
    total = weights[0] * values[:, 0]
    for position in range(1, len(weights)):
        total = total + weights[position] * values[:, position]
    return np.asarray(total)


def _chance(scores: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(scores, -30.0, 30.0))))
