"""Ensembles of methods that learn once, for tables: voting, blending and stacking of numbers or two classes.

`tune` settles the members and their combination, and answers each fold by an ensemble that was settled, combination
and all, on that fold's other rows: inside each fold the members predict their rows out of fold again. So the rows that
judge an ensemble have chosen neither its weights nor the complexity of its members.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.executors.in_force import executor
from core.executors.packing import PlainValue
from core.executors.work import Work
from core.models.learners.algorithms import fit_once
from core.models.learners.combination import Combination, MetaLearner, Votes, WeightedMean
from core.models.learners.learner import (
    LEAST_CHANCE,
    Dumped,
    Files,
    FitOnceLearner,
    LearningTask,
    MatrixColumns,
    learn_on_together,
)
from core.models.learners.makers import SentMatrixColumns, sent_sample, taken_sample
from core.models.learners.members import COMBINATION, HARD, WEIGHTED
from core.models.learners.samples import JudgingFold, Sample, group_folds, judges_later
from core.models.parameters import names_in

DEFAULT_MEMBERS = "linear, lightgbm"
N_FOLDS = 5


class TableEnsemble(FitOnceLearner):
    """Methods that learn from the same rows, and a combination of their answers.

    Attributes:
        members: By algorithm.
        combination: Makes one score of theirs.
    """

    members: dict[str, FitOnceLearner]
    combination: Combination

    def __init__(self, space: MatrixColumns, task: LearningTask, parameters: Mapping[str, Any], **more: Any) -> None:
        super().__init__(space, task, parameters, **more)
        self._more = more
        kinds = {name: fit_once(name) for name in names_in(self.parameters["members"])}
        self.members = {name: kind(space, task, self.given, **more) for name, kind in kinds.items()}
        self.combination = self.combine()
        self.is_fast = all(member.is_fast for member in self.members.values())

    @abstractmethod
    def combine(self) -> Combination:
        """Make a combination of the members that has learned nothing."""

    def inner_folds(self, sample: Sample, *, seed: int) -> list[JudgingFold]:
        """Deal rows to folds of whole groups, on whose answers the combination learns."""
        masks = group_folds(sample.group, int(self.parameters.get("folds", N_FOLDS)), seed=seed)
        return [JudgingFold(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in masks if not mask.all()]

    @override
    def tune(self, rows: Sample, folds: Sequence[JudgingFold], *, seed: int) -> list[FloatArray]:
        if len(folds) == 1:
            answers = [self.answers_of_fold(rows, folds, 0, seed=seed)]
        else:
            answers = executor().map(self._work_on(rows, folds, seed=seed), list(range(len(folds))))
            self._settle(rows, folds, seed=seed)
        self.learn(rows.take(folds[0].learn), seed=seed)
        return answers

    def answers_of_fold(self, rows: Sample, folds: Sequence[JudgingFold], k: int, *, seed: int) -> FloatArray:
        """Settle and learn on the rows of a fold; answer the rows that it judges.

        Args:
            rows: The rows that the folds select from.
            folds: All of them.
            k: Which one.
            seed: The random seed.
        """
        learned = rows.take(folds[k].learn)
        # Earlier windows only, where the folds are windows in time; what is settled must not know what came later.
        inner = _within(folds[:k], folds[k]) if judges_later(folds) else self.inner_folds(learned, seed=seed)
        self._settle(learned, inner, seed=seed)
        self.learn(learned, seed=seed)
        return self.answer(rows.matrices.trees[folds[k].judge])

    def _work_on(self, rows: Sample, folds: Sequence[JudgingFold], *, seed: int) -> Work[int, FloatArray]:
        """Return the folds as work: each is answered by an ensemble of its own."""
        untrained = {"task": self.task, "parameters": self.given, "more": self._more}
        return Work(
            title="folds of the ensemble",
            here=lambda k: type(self)(self.columns, self.task, self.given, **self._more).answers_of_fold(
                rows, folds, k, seed=seed
            ),
            there=EnsembleFolds,
            shared=lambda: {
                **untrained,
                "algorithm": self.name,
                "columns": {name: getattr(self.columns, name) for name in SentMatrixColumns.__slots__},
                "sample": sent_sample(rows),
                "folds": [tuple(fold) for fold in folds],
                "seed": seed,
            },
        )

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        for member in self.members.values():
            member.learn(sample, seed=seed)

    @override
    def why_not_continued(self) -> str | None:
        return next(filter(None, (member.why_not_continued() for member in self.members.values())), None)

    @override
    def learn_on(self, rows: Sample, *, seed: int) -> None:
        """Let each member learn on; their combination stays."""
        learn_on_together(self.name, self.members.values(), rows, seed=seed)
        self._tell()

    def member_scores(self, matrix: AnyArray) -> FloatArray:
        """Return the members' scores, shape (n, members)."""
        return np.column_stack([_scores(member.answer(matrix)) for member in self.members.values()])

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        score = self.combination.score(self.member_scores(matrix))
        if self.task == "regression":
            return score
        chance = 1.0 / (1.0 + np.exp(-score))
        return np.column_stack((1.0 - chance, chance))

    @override
    def shares(self) -> FloatArray | None:
        parts = [member.shares() for member in self.members.values()]
        if any(part is None for part in parts):
            return None
        of_member = [part / (float(part.sum()) or 1.0) for part in parts if part is not None]
        return np.asarray(
            np.sum([w * part for w, part in zip(self.combination.shares, of_member, strict=True)], axis=0)
        )

    def account(self) -> dict[str, Any]:
        """Return the members with their weights and shares; plain JSON values."""
        weights = self.combination.weights
        told = [None] * len(self.members) if weights is None else weights.tolist()
        return {
            "strategy": self.name,
            "members": [
                {"member": name, "weight": weight, "share": float(share)}
                for name, weight, share in zip(self.members, told, self.combination.shares, strict=True)
            ],
            **self.combination.account(),
        }

    @override
    def dump(self) -> Dumped:
        state: dict[str, Any] = {}
        arrays: dict[str, AnyArray] = {}
        files: Files = {}
        parts: dict[str, FitOnceLearner | Combination] = {**self.members, COMBINATION: self.combination}
        for name, part in parts.items():
            state[name], own_arrays, own_files = part.dump()
            arrays |= {f"{name}.{key}": array for key, array in own_arrays.items()}
            files |= {f"{name}.{key}": content for key, content in own_files.items()}
        return state, arrays, files

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        parts: dict[str, FitOnceLearner | Combination] = {**self.members, COMBINATION: self.combination}
        for name, part in parts.items():
            part.restore(
                state[name],
                {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")},
                {key.removeprefix(f"{name}."): content for key, content in files.items() if key.startswith(f"{name}.")},
            )
        self._tell()

    def _settle(self, rows: Sample, folds: Sequence[JudgingFold], *, seed: int) -> None:
        """Settle the members on folds, and the combination on their answers to the judged rows."""
        self.combination = self.combine()
        if not folds:
            folds = self.inner_folds(rows, seed=seed)  # the first window: its own past settles the members alone
            for member in self.members.values():
                member.tune(rows, folds, seed=seed)
            self._tell()
            return
        answers = [member.tune(rows, folds, seed=seed) for member in self.members.values()]
        scores = [np.concatenate([_scores(of_fold) for of_fold in of_member]) for of_member in answers]
        judged = rows.take(np.concatenate([fold.judge for fold in folds]))
        self.combination.learn(np.column_stack(scores), judged, seed=seed)
        self._tell()

    def _tell(self) -> None:
        self.tuned = {
            f"{name}.{key}": value for name, each in self.members.items() for key, value in each.tuned.items()
        }


class TableVoting(TableEnsemble):
    """Members that vote: softly, by majority, or with weights that answers to rows held out settle."""

    name = "voting"
    defaults: ClassVar[Mapping[str, Any]] = {
        "members": DEFAULT_MEMBERS,
        "voting": "soft",
        "folds": 5,
        "diversity": 0.0,
        "weight_bounds": "",
    }

    @override
    def combine(self) -> Combination:
        if self.parameters["voting"] == WEIGHTED:
            return WeightedMean.of(tuple(self.members), self.task, self.parameters)
        return Votes(tuple(self.members), self.task, is_hard=self.parameters["voting"] == HARD)


class TableBlending(TableEnsemble):
    """A weighted mean whose weights one hold-out of the training rows settles."""

    name = "blending"
    defaults: ClassVar[Mapping[str, Any]] = {"members": DEFAULT_MEMBERS, "diversity": 0.0, "weight_bounds": ""}

    @override
    def combine(self) -> Combination:
        return WeightedMean.of(tuple(self.members), self.task, self.parameters)

    @override
    def inner_folds(self, sample: Sample, *, seed: int) -> list[JudgingFold]:
        return super().inner_folds(sample, seed=seed)[:1]


class TableStacking(TableEnsemble):
    """A meta-learner on the out-of-fold answers of the members."""

    name = "stacking"
    defaults: ClassVar[Mapping[str, Any]] = {"members": DEFAULT_MEMBERS, "folds": 5, "meta_learner": "linear"}

    @override
    def combine(self) -> Combination:
        return MetaLearner(tuple(self.members), self.task, kind=str(self.parameters["meta_learner"]))


class EnsembleFolds:
    """The folds of an ensemble on a worker."""

    def __init__(self, shared: PlainValue) -> None:
        kind = fit_once(shared["algorithm"])
        assert issubclass(kind, TableEnsemble)
        columns = SentMatrixColumns(**shared["columns"])
        self._made = partial(kind, columns, shared["task"], shared["parameters"], **shared["more"])
        self._sample = taken_sample(shared["sample"])
        self._folds = [JudgingFold(*fold) for fold in shared["folds"]]
        self._seed = int(shared["seed"])

    def do(self, task: PlainValue) -> PlainValue:
        """Answer the rows that a fold judges."""
        return self._made().answers_of_fold(self._sample, self._folds, task, seed=self._seed)


def _scores(answer: FloatArray) -> FloatArray:
    """Return answers on the scale of the link: numbers, or the log odds of the second class."""
    if answer.ndim == 1:
        return answer
    chance = np.clip(answer[:, 1], LEAST_CHANCE, 1.0 - LEAST_CHANCE)
    return np.asarray(np.log(chance / (1.0 - chance)))


def _within(folds: Sequence[JudgingFold], outer: JudgingFold) -> list[JudgingFold]:
    """Renumber folds among the rows that another fold learns from."""
    return [
        JudgingFold(np.flatnonzero(np.isin(outer.learn, fold.learn)), np.flatnonzero(np.isin(outer.learn, fold.judge)))
        for fold in folds
    ]
