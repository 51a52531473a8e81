"""Ensembles as learners: several algorithms on the same rows, and one answer.

From the first panel the combination learns scores that the members give out of fold; from each further panel, the
scores that they give before they learn from it. So it never sees how a member answers its own training rows.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.executors.in_force import executor
from core.executors.packing import PlainValue
from core.executors.work import Work
from core.models.ensembles.out_of_fold import out_of_fold
from core.models.learners.combination import Combination, MetaLearner, Votes, WeightedMean
from core.models.learners.learner import ContinuingLearner, Dumped, Files, LearningColumns, LearningTask
from core.models.learners.linear import shares
from core.models.learners.makers import Maker, TaughtMember, sent_sample
from core.models.learners.samples import Matrices, Sample, group_folds
from core.models.parameters import names_in

SOFT, HARD, WEIGHTED = "soft", "hard", "weighted"
COMBINATION = "combination"


class EnsembleLearner(ContinuingLearner):
    """Members that learn from the same rows, and a combination of their scores.

    Attributes:
        members: By algorithm; each is trained on all rows.
        combination: Makes one score of theirs.
    """

    continues_by = "each member as usual; the combination learns their scores of new {groups} before they train on them"
    cross_validates = True
    default_members: ClassVar[str] = "lightgbm, random_forest, linear"

    def __init__(self, space: LearningColumns, task: LearningTask, parameters: Mapping[str, Any]) -> None:
        super().__init__(space, task, parameters)
        self.makers = {name: Maker(name, space, task, parameters) for name in names_in(self.parameters["members"])}
        self.members: dict[str, ContinuingLearner] = {}
        self.combination = self.combine(tuple(self.makers))
        self._previewed: tuple[Matrices, FloatArray] | None = None  # of the panel to learn from next

    @abstractmethod
    def combine(self, names: tuple[str, ...]) -> Combination:
        """Make the combination of the members named."""

    @abstractmethod
    def begin(self, sample: Sample, *, seed: int) -> None:
        """Train new members on the first rows, and the combination on scores that are out of sample."""

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        if self.members:
            known = self._previewed is not None and self._previewed[0] is sample.matrices
            scores = self._previewed[1] if known and self._previewed else self._preview(sample.matrices)
            self.combination.learn(scores, sample, seed=seed)
            self._teach(sample, seed=seed)
        else:
            self.begin(sample, seed=seed)
        self._previewed = None

    @override
    def score(self, matrices: Matrices) -> FloatArray:
        return self.combination.score(self.member_scores(matrices))

    @override
    def preview(self, matrices: Matrices) -> FloatArray:
        scores = self._preview(matrices)
        self._previewed = (matrices, scores)
        return self.combination.score(scores)

    def member_scores(self, matrices: Matrices) -> FloatArray:
        """Return the members' scores, shape (n, members)."""
        return np.column_stack([member.score(matrices) for member in self.members.values()])

    @override
    def importance(self) -> dict[str, float]:
        members = zip(self.members.values(), self.combination.shares.tolist(), strict=True)
        parts = [(member.importance(), share) for member, share in members]
        names = [(name,) for part, _ in parts for name in part]
        return shares(tuple(names), np.array([own * share for part, share in parts for own in part.values()]))

    @override
    def account(self) -> dict[str, Any]:
        weights = self.combination.weights
        told = [None] * len(self.makers) if weights is None else weights.tolist()
        return {
            "ensemble": {
                "strategy": self.strategy,
                "members": [
                    {"member": name, "weight": weight, "share": float(share)}
                    for name, weight, share in zip(self.makers, told, self.combination.shares, strict=True)
                ],
                **self.combination.account(),
            }
        }

    @property
    @abstractmethod
    def strategy(self) -> str:
        """How the members are combined, in a word."""

    @override
    def dump(self) -> Dumped:
        state: dict[str, Any] = {}
        arrays: dict[str, AnyArray] = {}
        files: Files = {}
        parts: dict[str, ContinuingLearner | Combination] = {**self.members, COMBINATION: self.combination}
        for name, part in parts.items():
            state[name], own_arrays, own_files = part.dump()
            arrays |= {f"{name}.{key}": array for key, array in own_arrays.items()}
            files |= {f"{name}.{key}": content for key, content in own_files.items()}
        return state, arrays, files

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        self.members = {name: make() for name, make in self.makers.items()}
        parts: dict[str, ContinuingLearner | Combination] = {**self.members, COMBINATION: self.combination}
        for name, part in parts.items():
            part.restore(
                state[name],
                {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")},
                {key.removeprefix(f"{name}."): files.pop(key) for key in list(files) if key.startswith(f"{name}.")},
            )

    def _preview(self, matrices: Matrices) -> FloatArray:
        return np.column_stack([member.preview(matrices) for member in self.members.values()])

    def _start_members(self, sample: Sample, *, seed: int) -> None:
        self.members = {name: make() for name, make in self.makers.items()}
        self._teach(sample, seed=seed, continues=False)

    def _teach(self, sample: Sample, *, seed: int, continues: bool = True) -> None:
        """Let every member learn: one task of the executor in force for each."""

        def here(name: str) -> ContinuingLearner:
            self.members[name].learn(sample, seed=seed)
            return self.members[name]

        def sent(name: str) -> PlainValue:
            return {"maker": self.makers[name].sent(), "state": self.members[name].dump() if continues else None}

        def taken(name: str, answer: PlainValue) -> ContinuingLearner:
            member, (state, arrays, files) = self.makers[name](), answer
            member.restore(state, arrays, dict(files))
            return member

        work: Work[str, ContinuingLearner] = Work(
            title="members",
            here=here,
            there=TaughtMember,
            shared=lambda: {"sample": sent_sample(sample), "seed": seed},
            sent=sent,
            taken=taken,
        )
        self.members = dict(zip(self.members, executor().map(work, list(self.members)), strict=True))

    def _learn_out_of_fold(self, sample: Sample, *, seed: int) -> None:
        scores, folds = out_of_fold(self.makers, sample, int(self.parameters["folds"]), seed=seed)
        if folds:
            self.combination.learn(scores, sample, seed=seed)


class VotingLearner(EnsembleLearner):
    """Members that vote: softly, by majority, or with weights that out-of-fold scores settle."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "members": EnsembleLearner.default_members,
        "voting": SOFT,
        "folds": 5,
        "diversity": 0.0,
        "weight_bounds": "",
    }

    @override
    def combine(self, names: tuple[str, ...]) -> Combination:
        if self.parameters["voting"] == WEIGHTED:
            return WeightedMean.of(names, self.task, self.parameters)
        return Votes(names, self.task, is_hard=self.parameters["voting"] == HARD)

    @override
    def begin(self, sample: Sample, *, seed: int) -> None:
        if isinstance(self.combination, WeightedMean):
            self._learn_out_of_fold(sample, seed=seed)
        self._start_members(sample, seed=seed)

    @property
    @override
    def strategy(self) -> str:
        return f"{self.parameters['voting']} voting"


class BlendingLearner(EnsembleLearner):
    """A weighted mean whose weights rows held out settle; then the members learn from these rows, too."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "members": EnsembleLearner.default_members,
        "held_share": 0.2,
        "diversity": 0.0,
        "weight_bounds": "",
    }

    @override
    def combine(self, names: tuple[str, ...]) -> Combination:
        return WeightedMean.of(names, self.task, self.parameters)

    @override
    def begin(self, sample: Sample, *, seed: int) -> None:
        n_parts = round(1.0 / float(self.parameters["held_share"]))
        folds = group_folds(sample.group, n_parts, seed=seed)
        if len(folds) > 1:
            held = folds[0]
            self._start_members(sample.take(~held), seed=seed)
            judged = sample.take(held)
            self.combination.learn(self.member_scores(judged.matrices), judged, seed=seed)
        # Afresh on all rows: a member that continued would count the rows held out otherwise than the others.
        self._start_members(sample, seed=seed)

    @property
    @override
    def strategy(self) -> str:
        return "blending"


class StackingLearner(EnsembleLearner):
    """A meta-learner on the out-of-fold scores of the members."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "members": EnsembleLearner.default_members,
        "folds": 5,
        "meta_learner": "linear",
    }

    @override
    def combine(self, names: tuple[str, ...]) -> Combination:
        return MetaLearner(names, self.task, kind=str(self.parameters["meta_learner"]))

    @override
    def begin(self, sample: Sample, *, seed: int) -> None:
        self._learn_out_of_fold(sample, seed=seed)
        self._start_members(sample, seed=seed)

    @property
    @override
    def strategy(self) -> str:
        return "stacking"
