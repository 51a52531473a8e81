"""A model with a label: several learners side by side, of which the best predicts.

Each panel takes the same steps. The candidates predict it before they learn from it; that decides which leads, how much
weight each row gets, and the offset for the trees on the linear core, all out of sample. Then they learn.
For the first panel the predictions come from cross-validation that keeps groups together.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import AnyArray, BoolArray, FloatArray
from core.models.algorithms import SUPERVISED
from core.models.anatomy import Anatomy, AnswerCurve
from core.models.errors import EmptyPanelError, NoSuchMemberError, NotFittedError, NotReweighableError
from core.models.interface import Attainment, Model, PanelLike, table_of, truth_of
from core.models.known_truth import (
    number_attainment,
    number_metrics,
    probability_attainment,
    probability_metrics,
    truth_rows,
)
from core.models.learners.algorithms import BOOSTING, LINEAR, ON_LINEAR, STAND_IN, algorithms_for
from core.models.learners.boosting import OffsetLearner
from core.models.learners.combination import WeightedMean
from core.models.learners.feature_space import Design, FeatureSpace
from core.models.learners.learner import ContinuingLearner, Files, LearningTask
from core.models.learners.lightgbm_library import lightgbm_problem, stand_in_warning
from core.models.learners.linear import LinearLearner
from core.models.learners.members import EnsembleLearner
from core.models.learners.samples import Matrices, Sample, group_folds
from core.models.parameters import FEATURES, ParameterValueError, names_in, require_usable
from core.models.persistence.archive import pack_arrays, read_model, unpack_arrays, write_model
from core.models.persistence.restoring import restoring
from core.models.reweighing import Reweighing
from core.models.robust import huber_weight, robust_scale
from core.models.scoring.fields import Field
from core.models.scoring.scorer import RowScorer
from core.models.scoring.supervised import SupervisedScorer
from core.models.selection import CandidateComparison

N_FOLDS = 3
HOLD_OUT_FROM_ROWS = 20_000  # from here on one group in five is enough evidence
SCALE_MEMORY = 0.8
PILOT_ROUNDS = 2

Scores = dict[str, FloatArray]


class SupervisedModel(Model):
    """A model with a label. A new model is a subclass that names its design, its label and its target.

    Attributes:
        keys: Columns that identify rows, the group first: errors within a group are correlated, so a group is trained
            on or held out as a whole.
        groups: The domain's word for its groups, for reports.
        synonyms: The domain's names of parameters, mapped to the learners' names.
    """

    design: Design  # of the class; a model that reads fewer columns has its own
    link: ClassVar[LearningTask]
    keys: ClassVar[tuple[str, ...]]
    groups: ClassVar[str] = "groups"
    synonyms: ClassVar[Mapping[str, str]] = {}
    withheld: ClassVar[frozenset[str]] = frozenset()  # columns that leak its target: no member of its stack reads them
    truth_column: ClassVar[str] = (
        ""  # of the panel's truth: the expected label on the learning scale, or the probability
    )
    robust: ClassVar[bool] = False  # whether rows far from the prediction get less weight
    tuned: ClassVar[Mapping[str, Any]] = {}  # defaults that suit this model better than the algorithm's own
    algorithms = SUPERVISED

    def __init__(self, algorithm: str = "auto", parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(algorithm, parameters)
        problem = lightgbm_problem() if algorithm == "auto" else None
        self.candidates = algorithms_for(algorithm, has_lightgbm=problem is None)
        self._warnings: tuple[str, ...] = () if problem is None else (stand_in_warning(problem, STAND_IN),)
        self.check_parameters(algorithm, self.parameters)
        if FEATURES in self.parameters:
            self.design = type(self).design.only(names_in(str(self.parameters[FEATURES])))
        for kind in self.candidates.values():
            kind.require()
        self.space: FeatureSpace | None = None
        self.learners: dict[str, ContinuingLearner] = {}
        self.comparison = CandidateComparison(tuple(self.candidates))
        self.retired: dict[str, dict[str, Any]] = {}  # last standing of dropped candidates
        self.scale = 0.0  # robust standard deviation of the leader's residuals; regression only

    @classmethod
    @override
    def check_parameters(cls, algorithm: str, parameters: Mapping[str, Any]) -> None:
        # A parameter for LightGBM is not an error where another learner replaces it.
        spelled = {learners_name: own_name for own_name, learners_name in cls.synonyms.items()}
        kinds = {**algorithms_for(algorithm, has_lightgbm=False), **algorithms_for(algorithm)}.values()
        known = {spelled.get(key, key): value for kind in kinds for key, value in kind.defaults.items()}
        require_usable(algorithm, {key: value for key, value in parameters.items() if key != FEATURES}, known)
        if FEATURES in parameters:
            cls._require_features(algorithm, parameters[FEATURES])

    @classmethod
    def _require_features(cls, algorithm: str, value: object) -> None:
        """Refuse columns that the design does not read, and none at all.

        Raises:
            ParameterValueError: It is not a list of columns with commas.
        """
        design = cls.design
        known = dict.fromkeys(source for name in design.columns for source in design.derived.sources(name))
        names = names_in(value) if isinstance(value, str) else ()
        if not names or not set(names) <= set(known) or not design.only(names).columns:
            expected = f"columns with commas, of {', '.join(known)}"
            raise ParameterValueError(algorithm, FEATURES, value, expected)

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Select the rows for training and evaluation; all by default."""
        return table

    def target(self, rows: pd.DataFrame) -> FloatArray:
        """Read the label of rows on the learning scale; the label itself by default."""
        return rows[self.label].to_numpy(dtype=np.float64)

    def answer(self, score: FloatArray) -> FloatArray:
        """Turn scores on the learning scale into the values of `predict`; log odds become probabilities."""
        return score if self.link == "regression" else 1.0 / (1.0 + np.exp(-score))

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        rows, truth = self.rows(table_of(panel)), truth_of(panel)
        best = None if truth is None or not self.truth_column else self._best(rows, truth)
        measure = number_metrics if self.link == "regression" else probability_metrics
        return measure(self.target(rows), self.score(rows), best)

    @override
    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment | None:
        if not self.truth_column:
            return None
        rows = self.rows(panel.frame)
        best, group = self._best(rows, truth_of(panel)), rows[self.keys[0]].to_numpy()
        measure = number_attainment if self.link == "regression" else probability_attainment
        return measure(self.target(rows), self.score(rows), best, group)

    @override
    def expected_answers(self, panel: PanelLike, rows: pd.DataFrame) -> AnyArray | None:
        truth = truth_of(panel)
        if truth is None or not self.truth_column:
            return None
        best = self._best(rows, truth)
        return self.answer(best) if self.link == "regression" else best

    def _best(self, rows: pd.DataFrame, truth: pd.DataFrame | None) -> FloatArray:
        return truth_rows(truth, rows)[self.truth_column].to_numpy(dtype=np.float64)

    unit: ClassVar[str] = ""  # of the answer
    scale_name: ClassVar[str] = ""  # the learning scale in words; by default log odds, or the label
    curve: ClassVar[AnswerCurve] = ""  # how `answer` turns scores of a regression into answers; empty: it does not
    sinh_unit: ClassVar[float] = 1.0

    @override
    def anatomy(self) -> Anatomy | None:
        if self.space is None:
            raise NotFittedError(self.name)
        sources = (self.design.derived.sources(name) for name in self.space.tree_columns)
        usual = "log odds" if self.link == "classification" else self.label
        return Anatomy(
            columns=tuple(" x ".join(columns) for columns in sources),
            matrices=self.matrices,
            learner=self.learners[self.shipping],
            space=self.space,
            scale=self.scale_name or usual,
            to_answer=self.answer,
            classes=("0", "1") if self.link == "classification" else (),
            curve="logistic" if self.link == "classification" else self.curve,
            sinh_unit=self.sinh_unit,
        )

    @classmethod
    def field(cls, name: str, levels: tuple[str, ...] | None) -> Field:
        """Describe a column of the table as a request field; a domain adds units and limits.

        Args:
            name: The column.
            levels: Its known levels; None for a number.
        """
        return Field(name=name, kind="float" if levels is None else "category", nullable=True, categories=levels or ())

    @override
    def row_scorer(self) -> RowScorer:
        if self.space is None:
            raise NotFittedError(self.name)
        shipping = self.learners[self.shipping]
        return SupervisedScorer(self.space, shipping, self.answer, field=self.field, unit=self.unit)

    def compared_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Select the rows on which this model is compared with others: those that are judged, and have a label."""
        rows = self.rows(self.judged_rows(table))
        return rows[rows[self.label].notna()]

    @property
    @override
    def warnings(self) -> tuple[str, ...]:
        return self._warnings

    @property
    def shipping(self) -> str:
        """The candidate that predicts."""
        return self.comparison.leader

    @override
    def update(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        rows = self._labelled(table_of(panel))
        if self.space is None:
            self.space = FeatureSpace.learn(self.design, rows, model=self.name)
        group = pd.factorize(rows[self.keys[0]])[0].astype(np.int64)
        sample = Sample(self.matrices(rows), self.target(rows), np.ones(len(rows)), group)
        if self.learners:
            self._go_on(sample, seed=seed)
        elif len(sample) >= HOLD_OUT_FROM_ROWS:
            later = group_folds(group, 5, seed=seed)[0]
            self._start(sample.take(~later), seed=seed, n_folds=0)
            self._go_on(sample.take(later), seed=seed)
        else:
            self._start(sample, seed=seed, n_folds=N_FOLDS)
        self.n_updates += 1
        self.n_rows += len(rows)

    @override
    def reweigh(self, frame: pd.DataFrame) -> Reweighing:
        learner = self.learners.get(self.shipping)
        if not isinstance(learner, EnsembleLearner) or not isinstance(learner.combination, WeightedMean):
            raise NotReweighableError(self.name)
        rows, before = self.compared_rows(frame), learner.combination.weights.tolist()
        followed = learner.combination.follow(learner.member_scores(self.matrices(rows)), self.target(rows))
        return Reweighing(tuple(learner.members), tuple(before), followed)

    @override
    def member_names(self) -> tuple[str, ...]:
        learner = self.learners.get(self.shipping)
        return tuple(learner.members) if isinstance(learner, EnsembleLearner) else ()

    @override
    def member(self, name: str) -> Model:
        learner = self.learners.get(self.shipping)
        if not isinstance(learner, EnsembleLearner) or name not in learner.members:
            raise NoSuchMemberError(self.name, name, self.member_names())
        assert self.space is not None
        model = type(self)(name, {key: value for key, value in self.parameters.items() if key == FEATURES})
        model.n_updates, model.n_rows, model.scale = self.n_updates, self.n_rows, self.scale
        model.space = FeatureSpace(model.design, self.space.statistics)
        model.learners = model._new_learners(0.0)
        state, arrays, files = learner.members[name].dump()
        model.learners[name].restore(state, arrays, dict(files))
        return model

    @override
    def predict(self, frame: pd.DataFrame) -> FloatArray:
        return self.answer(self.score(frame))

    def score(self, frame: pd.DataFrame) -> FloatArray:
        """Predict on the learning scale."""
        if not self.learners:
            raise NotFittedError(self.name)
        return self.learners[self.shipping].score(self.matrices(frame))

    @override
    def feature_importance(self) -> dict[str, float]:
        if not self.learners:
            raise NotFittedError(self.name)
        return self.learners[self.shipping].importance()

    @override
    def report(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "algorithm": self.algorithm,
            "ships": self.shipping,
            "why": self._why(),
            "judged_on": f"{self.groups} of each new panel, before training on it; earlier panels fade",
            "candidates": [*(self.comparison.standing() if self.comparison.n_rows else ()), *self.retired.values()],
            "continues_by": {
                name: kind.continues_by.format(groups=self.groups) for name, kind in self.candidates.items()
            },
            "n_updates": self.n_updates,
            "n_rows": self.n_rows,
            **(self.learners[self.shipping].account() if self.learners else {}),
            **self._noted_warnings,
        }

    @override
    def save(self, folder: Path) -> list[Path]:
        header, files = self.dump()
        return write_model(folder, header, files)

    @classmethod
    @override
    def load(cls, folder: Path) -> Self:
        return cls.restore(*read_model(folder))

    def dump(self) -> tuple[dict[str, Any], Files]:
        """Write the model as a header of plain JSON values and a set of files."""
        if self.space is None:
            raise NotFittedError(self.name)
        states: dict[str, Any] = {}
        arrays: dict[str, AnyArray] = {}
        files: Files = {}
        for name, learner in self.learners.items():
            states[name], own_arrays, own_files = learner.dump()
            arrays |= {f"{name}.{key}": array for key, array in own_arrays.items()}
            files |= {f"{name}.{key}": content for key, content in own_files.items()}
        header = {
            "model": self.name,
            "algorithm": self.algorithm,
            "parameters": self.parameters,
            "n_updates": self.n_updates,
            "n_rows": self.n_rows,
            "scale": self.scale,
            "space": self.space.statistics,
            "contest": self.comparison.dump(),  # its name in stored models
            "learners": states,
            "retired": self.retired,
            **self._noted_warnings,
        }
        return header, {"arrays.npz": pack_arrays(arrays), **files}

    @classmethod
    def restore(cls, header: Mapping[str, Any], files: Files) -> Self:
        """Restore a model from what `dump` wrote.

        Raises:
            ArtifactError: It is of another model, or a part of it is missing or of the wrong kind.
        """
        with restoring(cls.name, header):
            return cls._restore(header, files)

    @classmethod
    def _restore(cls, header: Mapping[str, Any], files: Files) -> Self:
        model = cls(header["algorithm"], header["parameters"])
        # It continues with its original candidates, whatever is installed on this machine.
        model.candidates = algorithms_for(model.algorithm, has_lightgbm=STAND_IN not in header["learners"])
        model._warnings = tuple(map(str, header.get("warnings", ())))
        model.n_updates, model.n_rows = int(header["n_updates"]), int(header["n_rows"])
        model.scale = float(header["scale"])
        model.space = FeatureSpace(model.design, header["space"])
        model.comparison = CandidateComparison.restore(header["contest"])
        arrays = unpack_arrays(files["arrays.npz"], name="arrays.npz")
        model.retired = dict(header["retired"])
        for name, kind in model.candidates.items():
            if name in model.retired:
                continue
            learner = model.learners[name] = kind(model.space, cls.link, model._parameters)
            learner.restore(
                header["learners"][name],
                {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")},
                # Taken out, so that a learner that has read a large file can let go of it.
                {key.removeprefix(f"{name}."): files.pop(key) for key in list(files) if key.startswith(f"{name}.")},
            )
        model._link_offset(model.learners)
        return model

    def _labelled(self, table: pd.DataFrame) -> pd.DataFrame:
        self.design.derived.require(table, (self.label, *self.keys), model=self.name)
        rows = self.rows(table)
        if not len(rows := rows[rows[self.label].notna()]):
            raise EmptyPanelError(self.name, self.label)
        return rows

    def matrices(self, rows: pd.DataFrame) -> Matrices:
        """Build what the learners read."""
        assert self.space is not None
        return Matrices(self.space.linear(rows), self.space.trees(rows))

    @property
    def _noted_warnings(self) -> dict[str, list[str]]:
        return {"warnings": list(self._warnings)} if self._warnings else {}

    @property
    def _parameters(self) -> dict[str, Any]:
        return {**self.tuned, **{self.synonyms.get(name, name): value for name, value in self.parameters.items()}}

    def _new_learners(self, strength: float) -> dict[str, ContinuingLearner]:
        assert self.space is not None
        learners = {name: kind(self.space, self.link, self._parameters) for name, kind in self.candidates.items()}
        if isinstance(linear := learners.get(LINEAR), LinearLearner):
            linear.strength = strength
        self._link_offset(learners)
        return learners

    def _strength(self, sample: Sample, *, seed: int) -> float:
        assert self.space is not None
        if LINEAR not in self.candidates:
            return 0.0
        linear = LinearLearner(self.space, self.link, self._parameters)
        return linear.strength or linear.choose_strength(sample, seed=seed)

    @staticmethod
    def _link_offset(learners: dict[str, ContinuingLearner]) -> None:
        above, below = learners.get(ON_LINEAR), learners.get(LINEAR)
        if isinstance(above, OffsetLearner) and isinstance(below, LinearLearner):
            above.linear = below

    def _start(self, sample: Sample, *, seed: int, n_folds: int) -> None:
        """Learn from the first panel."""
        if self.robust:
            sample = self._pilot(sample, seed=seed)
        # A single number, so choosing it on all folds together causes no bias, and saves most of the time.
        strength = self._strength(sample, seed=seed)
        if all(kind.cross_validates for kind in self.candidates.values()):
            n_folds = (
                0  # an ensemble deals its own folds; a cross-validation around them would cost N_FOLDS times as much
            )
        folds = group_folds(sample.group, n_folds, seed=seed) if n_folds else []
        if len(folds) > 1:
            scores = self._cross_validate(sample, folds, strength, seed=seed)
            sample = self._judge(sample, scores)
        self.learners = self._new_learners(strength)
        self._learn(self.learners, sample, seed=seed)

    def _go_on(self, sample: Sample, *, seed: int) -> None:
        """Learn from a further panel."""
        scores = {name: learner.preview(sample.matrices) for name, learner in self.learners.items()}
        judged = self._judge(sample, scores)
        self._learn(self.learners, judged, seed=seed)

    def _judge(self, sample: Sample, scores: Scores) -> Sample:
        """Decide from out-of-sample predictions which candidate leads, the row weights, and the trees' offset."""
        if self.robust:
            misses = sample.target - scores[self.shipping]
            fresh = robust_scale(misses)
            self.scale = SCALE_MEMORY * self.scale + (1 - SCALE_MEMORY) * fresh if self.n_updates else fresh
            sample = replace(sample, weight=huber_weight(misses, self.scale))
        losses = {name: self.row_losses(sample.target, score) for name, score in scores.items()}
        self.comparison.judge(losses, sample.weight, sample.group)
        self._retire()
        return replace(sample, offset=scores.get(LINEAR))

    def _retire(self) -> None:
        """Drop plain boosting once it is far behind; trees on the linear core gain with every panel, and stay."""
        if (
            BOOSTING in self.learners
            and 0 < self.learners[BOOSTING].parameters["retire_after"] <= self.n_updates
            and self.comparison.hopeless(BOOSTING)
        ):
            self.retired[BOOSTING] = {**self.comparison.retire(BOOSTING), "retired_after_panels": self.n_updates}
            del self.learners[BOOSTING]

    def _cross_validate(self, sample: Sample, folds: list[BoolArray], strength: float, *, seed: int) -> Scores:
        scores = {name: np.zeros(len(sample)) for name in self.candidates}
        of_fold = [self._new_learners(strength) for _ in folds]
        for name, answers in scores.items():
            for fold, learners in zip(folds, of_fold, strict=True):
                learners[name].learn(sample.take(~fold), seed=seed)
                answers[fold] = learners[name].score(sample.matrices.take(fold))
            if name == LINEAR:
                sample = replace(sample, offset=answers)
        return scores

    @staticmethod
    def _learn(learners: dict[str, ContinuingLearner], sample: Sample, *, seed: int) -> None:
        for learner in learners.values():
            learner.learn(sample, seed=seed)

    def _pilot(self, sample: Sample, *, seed: int) -> Sample:
        """Weight the rows of a panel without predictions, by fitting a linear model twice."""
        assert self.space is not None
        for _ in range(PILOT_ROUNDS):
            pilot = LinearLearner(self.space, self.link, {"strength": 3.0})
            pilot.learn(sample, seed=seed)
            misses = sample.target - pilot.score(sample.matrices)
            self.scale = robust_scale(misses)
            sample = replace(sample, weight=huber_weight(misses, self.scale))
        return sample

    def row_losses(self, target: FloatArray, score: FloatArray) -> FloatArray:
        """Return the loss of each row on the learning scale: squared error, or log loss of log odds."""
        if self.link == "regression":
            return np.square(target - score)
        return np.logaddexp(0.0, score) - target * score

    def _why(self) -> str:
        if not self.comparison.n_rows:
            return f"{self.shipping} ships: there is no panel yet to compare the candidates on"
        standing = {entry["candidate"]: entry for entry in self.comparison.standing()}
        shipping = standing[self.shipping]
        if len(standing) == 1:
            return f"{self.shipping} was requested; its loss on unseen {self.groups} is {shipping['loss']:.4f}"
        others = ", ".join(
            f"{name} {entry['loss']:.4f} ({entry['behind_leader']:+.4f} ± {entry['standard_error']:.4f})"
            for name, entry in standing.items()
            if name != self.shipping
        )
        loss = f"{self.shipping} has a loss of {shipping['loss']:.4f} on unseen {self.groups}"
        return f"{loss}; compared with it, {others}"
