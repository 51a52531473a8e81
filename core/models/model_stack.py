"""A stack of models of different targets: a meta-learner learns one target from what all of them answer.

The members of an ordinary ensemble learn one target in several ways. The members here are whole models, each of its own
target: the answer of one may carry what another cannot see. The meta-learner is fitted to answers out of fold, with
whole groups in each fold, so a member has seen neither the row nor its group. A column that leaks the target of the
stack is withheld from all its members, since a leak through a member is still a leak.

Source:
    Wolpert, Stacked generalization, Neural Networks 5 (1992).
    Breiman and Friedman, Predicting multivariate responses in multiple linear regression, JRSS B 59 (1997): the
    predictions of other responses as predictors of one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import BoolArray, FloatArray
from core.models.algorithms import AUTO, MODEL_STACKING, require_extra
from core.models.anatomy import Anatomy, MemberAnatomy
from core.models.ensembles.out_of_fold import side_by_side
from core.models.errors import NoSuchMemberError, NotFittedError, TooFewGroupsError
from core.models.interface import Model, PanelLike, table_of
from core.models.learners.algorithms import continuing
from core.models.learners.combination import META_PARAMETERS, MemberColumns
from core.models.learners.learner import ContinuingLearner, Files
from core.models.learners.linear import LinearLearner, shares
from core.models.learners.samples import Matrices, Sample, group_folds
from core.models.parameters import FEATURES, ParameterValueError, names_in, require_usable
from core.models.persistence.archive import pack_arrays, unpack_arrays
from core.models.robust import huber_weight, robust_scale
from core.models.scoring.model_stack import StackScorer
from core.models.selection import CandidateComparison
from core.models.supervised import SupervisedModel

OWN_SD = 10.0  # prior size of the slope of a member of the same target: hardly any prior
OTHER_SD = 0.1  # of another member: that it adds nothing is the start
META = "meta"
MEMBERS_KEY = "members"

ColumnReader = Callable[[str], FloatArray]
"""Returns a column of numbers of the rows, by its name."""


@dataclass(frozen=True, slots=True)
class StackColumns(MemberColumns):
    """The answers of the members as the columns of a meta-learner.

    Attributes:
        members: Their names.
        own: The member of the same target; None where each member counts alike.
    """

    own: str | None

    @property
    @override
    def n_linear(self) -> int:
        """Columns of the linear matrix."""
        return len(self.members)

    @property
    @override
    def prior_sd(self) -> FloatArray:
        """The prior size of each slope."""
        return np.array([OWN_SD if self.own in (None, name) else OTHER_SD for name in self.members])

    @property
    @override
    def linear_sources(self) -> tuple[tuple[str, ...], ...]:
        """The member behind each column."""
        return tuple((name,) for name in self.members)

    @property
    @override
    def directions(self) -> list[int]:
        """The stack's answer may only rise with that of the member of the same target, or, without one, with each."""
        return [int(self.own in (None, name)) for name in self.members]

    @override
    def matrices(self, scores: FloatArray) -> Matrices:
        """Build both matrices from answers of shape (n, members)."""
        cells = scores.astype(np.float32)
        return Matrices(cells, cells)


class ModelStack(SupervisedModel):
    """The part of a stack that no domain changes; a stack of a domain names its members, and is a model of its target.

    Attributes:
        bases: The trained members by name.
        meta: The meta-learner; None before the first panel.
    """

    base_models: ClassVar[Mapping[str, type[SupervisedModel]]]
    adds_scores: ClassVar[bool] = True  # whether `inputs` are the scores, so that a linear meta-learner adds them
    input_columns: ClassVar[tuple[str, ...]] = ()  # columns of numbers that `inputs` reads beside the members' answers

    def __init__(self, algorithm: str = MODEL_STACKING, parameters: Mapping[str, Any] | None = None) -> None:
        Model.__init__(self, algorithm, parameters)  # candidates are the business of its members
        self.check_parameters(algorithm, self.parameters)
        self._settings: dict[str, Any] = {**self.defaults(), **self.parameters}
        self._warnings = ()
        self.candidates = {}
        self.space = None
        self.learners = {}
        self.retired = {}
        self.scale = 0.0
        self.comparison = CandidateComparison((algorithm,))
        self.bases: dict[str, SupervisedModel] = {}
        self.meta: ContinuingLearner | None = None

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the parameters with their defaults."""
        members = ", ".join(cls.base_models)
        return {MEMBERS_KEY: members, "folds": 5, "meta_learner": "linear", "member_algorithm": AUTO}

    @classmethod
    @override
    def check_parameters(cls, algorithm: str, parameters: Mapping[str, Any]) -> None:
        rest = {key: value for key, value in parameters.items() if key != MEMBERS_KEY}
        require_usable(algorithm, rest, cls.defaults())
        for key in ("meta_learner", "member_algorithm"):
            require_extra(str(parameters.get(key, cls.defaults()[key])))
        if MEMBERS_KEY in parameters:
            value = parameters[MEMBERS_KEY]
            names = names_in(value) if isinstance(value, str) else ()
            lacks_own = cls.name in cls.base_models and cls.name not in names
            if len(set(names)) < max(len(names), 2) or not set(names) <= set(cls.base_models) or lacks_own:
                own = f", {cls.name} among them" if cls.name in cls.base_models else ""
                expected = f"two or more different models with commas{own}, of {', '.join(cls.base_models)}"
                raise ParameterValueError(algorithm, MEMBERS_KEY, value, expected)

    @classmethod
    def columns_of_members(cls) -> tuple[str, ...]:
        """Return the columns of the table that the members read, once each."""
        of_members = (readable_columns(kind) for kind in cls.base_models.values())
        read = dict.fromkeys(name for columns in of_members for name in columns if name not in cls.withheld)
        return (*read, *(name for name in cls.input_columns if name not in read))

    def inputs(self, scores: Mapping[str, FloatArray], column: ColumnReader) -> FloatArray:
        """Make what the meta-learner reads of the members' scores; the scores themselves by default.

        Args:
            scores: Of each member on its learning scale, shape (n,).
            column: Reads one of `input_columns`.
        Returns:
            Shape (n, members).
        """
        return np.column_stack(list(scores.values()))

    @cached_property
    def columns(self) -> StackColumns:
        """What the meta-learner reads."""
        names = names_in(str(self._settings[MEMBERS_KEY]))
        return StackColumns(names, self.name if self.name in names else None)

    @property
    @override
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for member in self._new_bases().values() for note in member.warnings))

    @override
    def update(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        table = table_of(panel)
        rows = self._labelled(table)
        group = pd.factorize(rows[self.keys[0]])[0].astype(np.int64)
        target, weight = self.target(rows), np.ones(len(rows))
        scores = self.member_scores(rows) if self.bases else self._out_of_fold(table, rows, seed=seed)
        own = scores.get(self.name)
        if self.robust and own is not None:
            self.scale = robust_scale(target - own)
            weight = huber_weight(target - own, self.scale)
        matrices = self.columns.matrices(self.inputs(scores, _reader(rows)))
        if self.meta is None:
            self.meta = self._new_meta()
        else:  # judged before it learns from these rows
            losses = self.row_losses(target, self.meta.score(matrices))
            self.comparison.judge({self.algorithm: losses}, weight, group)
        self.meta.learn(Sample(matrices, target, weight, group), seed=seed)
        self.bases = self.bases or self._new_bases()
        side_by_side(lambda member: member.update(panel, seed=seed), list(self.bases.values()))
        self.n_updates += 1
        self.n_rows += len(rows)

    @override
    def score(self, frame: pd.DataFrame) -> FloatArray:
        return self._combined(self.member_scores(frame), _reader(frame))

    def member_scores(self, frame: pd.DataFrame) -> dict[str, FloatArray]:
        """Score rows with each member, on its own learning scale.

        Raises:
            NotFittedError: It has learned nothing yet.
        """
        if not self.bases:
            raise NotFittedError(self.name)
        return {name: member.score(frame) for name, member in self.bases.items()}

    @override
    def member_names(self) -> tuple[str, ...]:
        return (self.name,) if self.name in self.bases else ()

    @override
    def member(self, name: str) -> Model:
        if name not in self.member_names():
            others = [each for each in self.bases if each != self.name]
            raise NoSuchMemberError(self.name, name, self.member_names(), others=others)
        return type(self.bases[name]).restore(*self.bases[name].dump())

    @override
    def anatomy(self) -> Anatomy | None:
        if self.meta is None:
            raise NotFittedError(self.name)
        members = {name: member.anatomy() for name, member in self.bases.items()}
        if not (self.adds_scores and isinstance(self.meta, LinearLearner)):
            return None
        usual = "log odds" if self.link == "classification" else self.label
        return Anatomy(
            columns=(),
            matrices=lambda frame: Matrices.of(np.empty((len(frame), 0))),  # each member builds its own
            learner=self.meta,
            scale=self.scale_name or usual,
            to_answer=self.answer,
            classes=("0", "1") if self.link == "classification" else (),
            members=tuple(
                MemberAnatomy(name, anatomy, weight)
                for (name, anatomy), weight in zip(members.items(), self.meta.coefficients[1:].tolist(), strict=True)
                if anatomy is not None
            ),
            constant=float(self.meta.coefficients[0]),
            curve="logistic" if self.link == "classification" else self.curve,
            sinh_unit=self.sinh_unit,
        )

    @override
    def row_scorer(self) -> StackScorer:
        if not self.bases:
            raise NotFittedError(self.name)
        return StackScorer(
            self.bases, lambda scores, column: self.answer(self._combined(scores, column)), self.field, self.unit
        )

    @override
    def feature_importance(self) -> dict[str, float]:
        parts = [(self.bases[name].feature_importance(), share) for name, share in self.member_shares().items()]
        names = tuple((name,) for part, _ in parts for name in part)
        return shares(names, np.array([own * share for part, share in parts for own in part.values()]))

    def member_shares(self) -> dict[str, float]:
        """Return how much each member moves the answer; they sum to 1.

        Raises:
            NotFittedError: It has learned nothing yet.
        """
        if self.meta is None:
            raise NotFittedError(self.name)
        found = self.meta.importance()
        return {name: found.get(name, 0.0) for name in self.columns.members}

    @override
    def report(self) -> dict[str, Any]:
        account = {**super().report(), "judged_on": f"{self.groups} of each new panel, before training on it"}
        if self.meta is None:
            return account
        slopes = self.meta.coefficients[1:].tolist() if isinstance(self.meta, LinearLearner) else None
        account["ensemble"] = {
            "strategy": "model stacking",
            "members": [
                {"member": name, "weight": None if slopes is None else slopes[k], "share": share}
                for k, (name, share) in enumerate(self.member_shares().items())
            ],
            "meta_learner": self._settings["meta_learner"],
        }
        account["members"] = {name: member.report() for name, member in self.bases.items()}
        return account

    @override
    def dump(self) -> tuple[dict[str, Any], Files]:
        if self.meta is None:
            raise NotFittedError(self.name)
        state, arrays, meta_files = self.meta.dump()
        files: Files = {f"{META}.{name}": content for name, content in meta_files.items()}
        files[f"{META}.arrays.npz"] = pack_arrays(arrays)
        headers = {}
        for name, member in self.bases.items():
            headers[name], own = member.dump()
            files |= {f"{name}.{file}": content for file, content in own.items()}
        header = {
            "model": self.name,
            "algorithm": self.algorithm,
            "parameters": self.parameters,
            "n_updates": self.n_updates,
            "n_rows": self.n_rows,
            "scale": self.scale,
            "contest": self.comparison.dump(),
            META: state,
            MEMBERS_KEY: headers,
        }
        return header, files

    @classmethod
    @override
    def _restore(cls, header: Mapping[str, Any], files: Files) -> Self:
        model = cls(header["algorithm"], header["parameters"])
        model.n_updates, model.n_rows = int(header["n_updates"]), int(header["n_rows"])
        model.scale = float(header["scale"])
        model.comparison = CandidateComparison.restore(header["contest"])
        meta = _part(files, META)
        arrays = unpack_arrays(meta.pop("arrays.npz"), name=f"{META}.arrays.npz")
        model.meta = model._new_meta()
        model.meta.restore(header[META], arrays, meta)
        model.bases = {
            name: cls.base_models[name].restore(header[MEMBERS_KEY][name], _part(files, name))
            for name in model.columns.members
        }
        return model

    def _combined(self, scores: Mapping[str, FloatArray], column: ColumnReader) -> FloatArray:
        if self.meta is None:
            raise NotFittedError(self.name)
        return self.meta.score(self.columns.matrices(self.inputs(scores, column)))

    def _new_meta(self) -> ContinuingLearner:
        kind = str(self._settings["meta_learner"])
        return continuing(kind)(self.columns, self.link, META_PARAMETERS.get(kind, {}))

    def _new_bases(self) -> dict[str, SupervisedModel]:
        algorithm = str(self._settings["member_algorithm"])
        return {name: self._new_base(self.base_models[name], algorithm) for name in self.columns.members}

    def _new_base(self, kind: type[SupervisedModel], algorithm: str) -> SupervisedModel:
        read = readable_columns(kind)
        left = tuple(name for name in read if name not in self.withheld)
        return kind(algorithm, {} if left == read else {FEATURES: ", ".join(left)})

    def _out_of_fold(self, table: pd.DataFrame, rows: pd.DataFrame, *, seed: int) -> dict[str, FloatArray]:
        """Score rows by members that learned only from other folds' groups.

        Raises:
            TooFewGroupsError: There is one group.
        """
        key = self.keys[0]
        code, names = pd.factorize(table[key])
        folds = group_folds(code.astype(np.int64), int(self._settings["folds"]), seed=seed)
        if len(folds) < 2:
            raise TooFewGroupsError(self.name, self.algorithm, self.groups)
        of_row = names.get_indexer(pd.Index(rows[key]))
        fold_of_group = np.zeros(len(names), dtype=np.int64)
        for number, fold in enumerate(folds):
            fold_of_group[code[fold]] = number

        def answers(task: tuple[str, int]) -> FloatArray:
            name, number = task
            member = self._new_bases()[name]
            member.update(table[~folds[number]].reset_index(drop=True), seed=seed)
            return member.score(rows[judged[number]])

        judged: list[BoolArray] = [fold_of_group[of_row] == number for number in range(len(folds))]
        tasks = [
            (name, number) for name in self.columns.members for number in range(len(folds)) if judged[number].any()
        ]
        scores = {name: np.zeros(len(rows)) for name in self.columns.members}
        for (name, number), found in zip(tasks, side_by_side(answers, tasks), strict=True):
            scores[name][judged[number]] = found
        return scores


def readable_columns(kind: type[SupervisedModel]) -> tuple[str, ...]:
    """Return the columns of the table that a model reads, once each."""
    design = kind.design
    return tuple(dict.fromkeys(source for name in design.columns for source in design.derived.sources(name)))


def _reader(frame: pd.DataFrame) -> ColumnReader:
    def column(name: str) -> FloatArray:
        return frame[name].to_numpy(dtype=np.float64)

    return column


def _part(files: Files, name: str) -> Files:
    """Take the files of a part out, so that a learner that has read a large file can let go of it."""
    return {key.removeprefix(f"{name}."): files.pop(key) for key in list(files) if key.startswith(f"{name}.")}
