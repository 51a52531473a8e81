"""The model of a table: it chooses its method on rows held out, then learns from all of them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from typing_extensions import override

from core.arrays import AnyArray, BoolArray, FloatArray
from core.domains.own_file import CrossValidated
from core.domains.table.models.algorithms import ALGORITHMS, algorithms_for
from core.domains.table.models.choice import CONSTANT, Choice
from core.domains.table.models.comparison import compare
from core.domains.table.models.compiled import TableScorer
from core.domains.table.models.encoding import Encoding
from core.domains.table.models.folds import N_FOLDS, JudgingFolds, cross_validates, folds_of, is_small, seed_of
from core.domains.table.models.held_out import HeldOut
from core.domains.table.models.importance import permutation_importance
from core.domains.table.models.single_feature import single_feature_leak
from core.errors import UsageError
from core.models import scores
from core.models.algorithms import ENSEMBLES
from core.models.anatomy import FOREST_SCALE, Anatomy
from core.models.errors import NoSuchMemberError, NotFittedError, NotReweighableError
from core.models.estimated_attainment import EstimatedAttainment, estimate_attainment
from core.models.interface import Model, PanelLike, table_of
from core.models.learners.algorithms import fit_once
from core.models.learners.blend import BlendLearner
from core.models.learners.combination import WeightedMean
from core.models.learners.constant import constant_answer
from core.models.learners.isolation_forest import IsolationForestLearner
from core.models.learners.learner import FitOnceLearner, LearningTask
from core.models.learners.lightgbm_library import lightgbm_problem, stand_in_warning
from core.models.learners.samples import JudgingFold, Matrices, Sample
from core.models.learners.table_ensemble import TableEnsemble
from core.models.outcomes import Outcomes
from core.models.persistence.archive import pack_arrays, read_model, unpack_arrays, write_model
from core.models.persistence.restoring import restoring
from core.models.reweighing import Reweighing
from core.models.scores import row_losses
from core.models.scoring.scorer import RowScorer
from core.models.slices import metrics_by_slice
from core.tables.held_rows import groups_of, units_of
from core.tables.signature import SIGNATURE_NAME, ColumnKind, TableSignature, Task
from core.tables.task import class_codes

NAME = "table"
ARRAYS = "arrays.npz"
UNSCALED = (0.0, 1.0)
MOST_TARGET = 1e40  # intervals need the sixth power of an error

_LEARNING: dict[Task, LearningTask] = {
    Task.REGRESSION: "regression",
    Task.CLASSIFICATION: "classification",
    Task.ANOMALY: "detection",
}


class TableModel(Model):
    """Regression, classification or detection on the columns of a signature.

    Attributes:
        signature: Its inputs and outputs; None until set by `described`.
        learner: The method that ships; None before training.
        constant: The constant prediction: the mean, or the share of each class; NaN if unknown.
        scale: Centre and spread of a number to predict: learners learn it standardised.
    """

    name = NAME
    task = "any"
    label = ""
    algorithms = ALGORITHMS

    def __init__(self, algorithm: str = "auto", parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(algorithm, parameters)
        self.signature: TableSignature | None = None
        self.learner: FitOnceLearner | None = None
        self.constant = np.empty(0)
        self.scale = UNSCALED
        self._held_out: HeldOut | None = None
        self._n_learned = 0
        self._account: dict[str, Any] = {}
        self._importance: dict[str, float] = {}
        self._warnings: tuple[str, ...] = ()

    @classmethod
    def described(
        cls, signature: TableSignature, *, algorithm: str = "auto", parameters: Mapping[str, Any] | None = None
    ) -> Self:
        """Make an untrained model of tables with a signature.

        Raises:
            UnknownAlgorithmError: The method cannot do the signature's task.
            UnknownParameterError: No candidate takes a parameter of this name.
            LightGbmUnavailableError: LightGBM was requested, and cannot be loaded.
        """
        model = cls(algorithm, parameters)
        model.signature = signature
        model._candidates()
        return model

    @property
    @override
    def warnings(self) -> tuple[str, ...]:
        return self._warnings

    @override
    def fit(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        signature = self.signature
        type(self).__init__(self, self.algorithm, self.parameters)
        self.signature = signature
        self.update(panel, seed=seed)

    @override
    def update(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        """Train on a table: choose the method on rows held out, then train on all rows. A trained model learns on.

        The seed decides on large tables only; see `dealing_seed`.

        Raises:
            NotContinuableError: It is already trained, and its method cannot learn on from new rows.
            NothingGainedError: It is already trained, and its method gains nothing from the new rows.
            UsageError: The rows cannot be split for training and choice, or have a class that is new to it.
        """
        signature = self._described()
        frame = table_of(panel)
        if self.learner is not None:
            self._learn_on(frame, seed=seed)
            return
        target = self.target_of(frame)
        rows = self._rows(frame, target)
        seed = self.dealing_seed(frame, seed)
        folds = folds_of(frame, signature, target, seed=seed)
        self._candidates()
        with threadpool_limits(1):  # sums in another order differ in their last digits
            self.learner = self._choose(rows, folds, seed=seed)
            self.learner.learn(rows, seed=seed)
        self.n_updates, self.n_rows = 1, len(rows)

    @override
    def why_not_continued(self) -> str | None:
        return self._learned().why_not_continued()

    def _learn_on(self, frame: pd.DataFrame, *, seed: int) -> None:
        """Let the method learn on from new rows; it keeps the columns, their levels, and the scale of the target."""
        learner, signature, target = self._learned(), self._described(), self.target_of(frame)
        if signature.task is Task.REGRESSION:
            target = (target - self.scale[0]) / self.scale[1]
        rows = Sample(Matrices.of(self.matrix(frame)), target, np.ones(len(frame)), groups_of(frame, signature))
        with threadpool_limits(1):
            learner.learn_on(rows, seed=seed)
        whole = JudgingFold(np.arange(len(rows)), np.arange(len(rows)))
        self._importance = permutation_importance(learner, rows, [whole], signature.names, seed=seed)
        self.n_updates, self.n_rows = self.n_updates + 1, self.n_rows + len(rows)

    def refit(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        """Train the chosen method on other rows, usually more; the choice and the settled parameters stand."""
        learner, frame = self._learned(), table_of(panel)
        rows = self._rows(frame, self.target_of(frame))
        with threadpool_limits(1):
            learner.learn(rows, seed=seed)
        self.n_rows = len(rows)

    @override
    def reweigh(self, frame: pd.DataFrame) -> Reweighing:
        learner = self._learned()
        if not isinstance(learner, TableEnsemble) or not isinstance(learner.combination, WeightedMean):
            raise NotReweighableError(self._described().target or self.name)
        before, target = learner.combination.weights.tolist(), self.target_of(frame)
        if self._described().task is Task.REGRESSION:
            target = (target - self.scale[0]) / self.scale[1]
        followed = learner.combination.follow(learner.member_scores(self.matrix(frame)), target)
        self._account = {**self._account, "ensemble": {**self._account.get("ensemble", {}), **learner.account()}}
        return Reweighing(tuple(learner.members), tuple(before), followed)

    @override
    def member_names(self) -> tuple[str, ...]:
        return tuple(self.learner.members) if isinstance(self.learner, TableEnsemble) else ()

    @override
    def member(self, name: str) -> Model:
        learner = self._learned()
        if not isinstance(learner, TableEnsemble) or name not in learner.members:
            raise NoSuchMemberError(self.name, name, self.member_names())
        inside = learner.members[name]
        model = TableModel.described(self._described(), algorithm=name if name in ALGORITHMS else "auto")
        taken = model.learner_of(type(inside))
        state, arrays, files = inside.dump()
        taken.restore(state, arrays, dict(files))
        shares = taken.shares()
        names = self._described().names
        told = {} if shares is None else dict(zip(names, (shares / (float(shares.sum()) or 1.0)).tolist(), strict=True))
        why = f"{name} is a member of {learner.name}, taken out as it is"
        model.adopt(
            taken,
            self.n_rows,
            account={"why": why, "candidates": []},
            importance=dict(sorted(told.items(), key=lambda entry: -entry[1])),
        )
        model.constant, model.scale = self.constant, self.scale
        return model

    def adopt(
        self, learner: FitOnceLearner, n_rows: int, *, account: Mapping[str, Any], importance: Mapping[str, float]
    ) -> None:
        """Use a learner that was trained where the rows are; `scaled` has learned the constant and the scale.

        Args:
            learner: A learner that fits the signature.
            n_rows: How many rows it learned from.
            account: The entries of its report, including `why`.
            importance: Share of each column.
        """
        self.learner, self.n_updates, self.n_rows = learner, 1, n_rows
        self._account, self._importance = dict(account), dict(importance)

    def take(self, learner: FitOnceLearner, *, account: Mapping[str, Any], importance: Mapping[str, float]) -> None:
        """Use a learner trained elsewhere, on unknown rows.

        Args:
            learner: A learner that fits the signature.
            account: The entries of its report, including `why`.
            importance: Share of each column.
        """
        signature = self._described()
        self.learner, self.n_updates = learner, 1
        self.constant = np.full(len(signature.classes) or (), np.nan)
        self._account, self._importance = dict(account), dict(importance)

    @override
    def predict(self, frame: pd.DataFrame) -> FloatArray:
        """Answer each row.

        Returns:
            Numbers; the probability of the second of two classes; probabilities of shape (n, n_classes) for more;
            or anomaly scores, higher for stranger rows.
        """
        return self.predict_matrix(self.matrix(frame))

    def predict_matrix(self, matrix: FloatArray) -> FloatArray:
        """Predict encoded rows, as `predict` does."""
        return _of_two(self.answer(matrix))

    def matrix(self, frame: pd.DataFrame) -> FloatArray:
        """Encode the columns of the signature for the learner, shape (n, columns)."""
        return Encoding(self._described().columns).matrix(frame)

    def answer(self, matrix: FloatArray) -> FloatArray:
        """Predict encoded rows; probabilities of all classes, shape (n, n_classes)."""
        answer = self._learned().answer(matrix)
        return self.scale[0] + self.scale[1] * answer if answer.ndim == 1 else answer

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        return self.judge(table_of(panel))

    def judge(self, frame: pd.DataFrame) -> scores.Metrics:
        """Measure the model on rows with the target, with intervals over groups, or over rows if there are no groups.

        Raises:
            UsageError: A row has no target, or a class that the model does not know.
        """
        signature = self._described()
        answer, group = self.answer(self.matrix(frame)), units_of(frame, signature)
        return self.measure(answer, self._actual(frame), group)

    def losses(self, frame: pd.DataFrame) -> tuple[FloatArray, AnyArray]:
        """Return the loss of each row with the target, and the group of each."""
        actual = self._actual(frame)
        assert actual is not None
        return row_losses(actual, self.answer(self.matrix(frame))), units_of(frame, self._described())

    def dealing_seed(self, frame: pd.DataFrame, seed: int) -> int:
        """Return the seed by which rows are dealt: of a small table one that follows from its rows, otherwise `seed`.

        A small table would be judged otherwise under another seed.
        """
        signature = self._described()
        if not is_small(len(frame), signature):
            return seed
        return seed_of(self.matrix(frame), self.target_of(frame), groups_of(frame, signature))

    def cross_validate(self, frame: pd.DataFrame, *, seed: int) -> CrossValidated | None:
        """Train on all rows of a small table, and measure the method on all of them.

        Each row is predicted by models that did not learn from it, of a method that the other rows chose. A fifth of a
        small table decides otherwise under another seed; all of its rows do not.

        Returns:
            None for tables that are large, or have times: some of their rows are to be held out.
        """
        signature = self._described()
        if not cross_validates(len(frame), signature):
            return None
        self.fit(frame, seed=seed)
        held, actual, group = self._held_out, self._actual(frame), units_of(frame, signature)
        assert held is not None
        assert actual is not None
        answers = held.answers if signature.classes else self.scale[0] + self.scale[1] * held.answers

        def measure(mask: BoolArray) -> scores.Metrics:
            repeats = [self.measure(answer[mask], actual[mask], group[mask]) for answer in answers]
            losses, without = held.losses[mask], held.constant_losses[mask]
            unseen = scores.unseen_in_losses(losses) if signature.classes else None
            return scores.mean_of(repeats) | scores.skill(losses, without, group[mask], unseen=unseen, n_folds=N_FOLDS)

        return CrossValidated(
            metrics=measure(np.ones(len(frame), dtype=np.bool_)),
            slices=metrics_by_slice(frame, signature.columns, measure),
            n_learned=self._n_learned,
            method=self._account["judged_on"],
            outcomes=Outcomes(frame, _of_two(answers[0]), actual, signature.classes),
        )

    def estimated_attainment(self, frame: pd.DataFrame, *, n_tables: int, seed: int) -> EstimatedAttainment | str:
        """Estimate which share of its gain from unlimited rows the method reaches.

        Args:
            frame: The rows that the model has learned from.
            n_tables: Tables to draw from the model's own law; 2 at least.
            seed: The random seed.
        Returns:
            The estimate; or why there is none, in a clause.
        """
        learner, signature, target = self._learned(), self._described(), self.target_of(frame)
        if signature.task is Task.ANOMALY:
            return "detection without labels has no loss"
        if signature.task is Task.REGRESSION:
            target = (target - self.scale[0]) / self.scale[1]
        rows = Sample(Matrices.of(self.matrix(frame)), target, np.ones(len(frame)), groups_of(frame, signature))
        again = self.learner_of(type(learner))
        again.restore(*learner.dump())  # the model's own learner stays as it is
        with threadpool_limits(1):
            return estimate_attainment(again, rows, n_tables=n_tables, seed=self.dealing_seed(frame, seed))

    def outcomes(self, frame: pd.DataFrame) -> Outcomes:
        """Answer rows, with or without the target, and find the truth where it is known."""
        signature = self._described()
        return Outcomes(frame, self.predict(frame), self._known(frame), signature.classes)

    def judge_slices(self, frame: pd.DataFrame) -> dict[str, scores.Metrics]:
        """Measure the model on each level of its categories with few levels."""
        signature = self._described()
        if signature.target is None:
            return {}
        answer, group, actual = self.answer(self.matrix(frame)), units_of(frame, signature), self._actual(frame)

        def measure(mask: BoolArray) -> scores.Metrics:
            assert actual is not None
            return self.measure(answer[mask], actual[mask], group[mask])

        return metrics_by_slice(frame, signature.columns, measure)

    @override
    def row_scorer(self) -> RowScorer | None:
        learner, signature = self._learned(), self._described()
        if ColumnKind.TIME in signature.kinds.values():
            return None
        return TableScorer(self.predict_matrix, signature, learner=learner, scale=self.scale)

    @override
    def anatomy(self) -> Anatomy:
        learner, signature = self._learned(), self._described()
        scale = {Task.CLASSIFICATION: "log odds", Task.ANOMALY: FOREST_SCALE}.get(signature.task, str(signature.target))
        return Anatomy(
            columns=signature.names,
            matrices=lambda frame: Matrices.of(self.matrix(frame)),
            learner=learner,
            scale=scale,
            to_answer=partial(_answer_of, task=signature.task, n_classes=len(signature.classes)),
            centre=self.scale[0],
            spread=self.scale[1],
            classes=signature.classes,
        )

    @override
    def feature_importance(self) -> dict[str, float]:
        self._learned()
        return dict(self._importance)

    @override
    def report(self) -> dict[str, Any]:
        learner, signature = self._learned(), self._described()
        return {
            "model": self.name,
            "algorithm": self.algorithm,
            "task": str(signature.task),
            "target": signature.target,
            "ships": learner.name,
            **self._account,
            "features": list(signature.names),
            "ignored": {column.name: column.reason for column in signature.ignored},
            "parameters": {**learner.parameters, **learner.tuned},
            "n_rows": self.n_rows,
        }

    @override
    def save(self, folder: Path) -> list[Path]:
        learner, signature = self._learned(), self._described()
        tuned, arrays, files = learner.dump()
        header = {
            "model": self.name,
            "algorithm": self.algorithm,
            "parameters": self.parameters,
            "n_rows": self.n_rows,
            "ships": learner.name,
            "tuned": tuned,
            "account": self._account,
            "importance": self._importance,
        }
        own = {f"learner.{key}": array for key, array in arrays.items()}
        packed = pack_arrays({**own, "constant": self.constant, "scale": np.array(self.scale)})
        return write_model(folder, header, {ARRAYS: packed, SIGNATURE_NAME: signature.to_bytes(), **files})

    @classmethod
    @override
    def load(cls, folder: Path) -> Self:
        header, files = read_model(folder)
        with restoring(cls.name, header):
            return cls._restored(header, files)

    @classmethod
    def _restored(cls, header: Mapping[str, Any], files: dict[str, bytes]) -> Self:
        signature = TableSignature.from_bytes(files[SIGNATURE_NAME])
        model = cls.described(signature, algorithm=header["algorithm"], parameters=header["parameters"])
        arrays = unpack_arrays(files[ARRAYS], name=ARRAYS)
        learner = model.learner_of(fit_once(header["ships"]))
        own = {key.removeprefix("learner."): array for key, array in arrays.items() if key.startswith("learner.")}
        learner.restore(header["tuned"], own, files)
        model.learner, model.constant = learner, arrays["constant"]
        if "scale" in arrays:  # models saved earlier predict the target itself
            centre, spread = map(float, arrays["scale"])
            model.scale = (centre, spread)
        model.n_updates, model.n_rows = 1, int(header["n_rows"])
        model._account = dict(header["account"])
        model._importance = {str(name): float(share) for name, share in header["importance"].items()}
        model._warnings = tuple(map(str, model._account.get("warnings", ())))
        return model

    def _candidates(self) -> list[type[FitOnceLearner]]:
        """Return the candidate methods, and note which replaces LightGBM where it cannot be loaded."""
        signature = self._described()
        may_use_lightgbm = self.algorithm == "auto" and signature.task is not Task.ANOMALY
        problem = lightgbm_problem() if may_use_lightgbm else None
        kinds = algorithms_for(
            signature.task,
            len(signature.classes),
            self.algorithm,
            self.parameters,
            has_lightgbm=problem is None,
        )
        self._warnings = () if problem is None else (stand_in_warning(problem, kinds[-1].name),)
        return kinds

    def _choose(self, rows: Sample, folds: JudgingFolds, *, seed: int) -> FitOnceLearner:
        names, n_classes = self._described().names, len(self._described().classes)
        first = folds.folds[0]
        learners = {kind.name: self.learner_of(kind) for kind in self._candidates()}
        if self._described().task is Task.ANOMALY:
            (ships,) = learners.values()
            ships.tune(rows, folds.folds, seed=seed)
            why = "detection without labels has only one method: the isolation forest"
            self._account = {"why": why, "candidates": []}
        else:
            learners = {CONSTANT: self.learner_of(fit_once(CONSTANT)), **learners}
            blend = BlendLearner(*self._of_learners(), n_classes=n_classes)
            ensemble = self.algorithm if self.algorithm in ENSEMBLES else None
            unit = self.scale[1] ** 2
            found = compare(learners, blend, rows, folds, unit=unit, seed=seed, ensemble=ensemble)
            ships = found.learner
            self._account = {"why": found.choice.why, "candidates": found.choice.to_json()}
            if ensemble is not None:
                self._account["ensemble"] = _told_ensemble(learners[ensemble], found.choice)
            name, told = single_feature_leak(rows.take(first.learn), rows.take(first.judge), names, n_classes=n_classes)
            self._account["single_feature_leak"] = {"column": name, "share": told}
            self._held_out = found.held_out
        if self._warnings:
            self._account["warnings"] = list(self._warnings)
        self._account["judged_on"] = folds.method
        self._n_learned = round(float(np.mean([len(fold.learn) for fold in folds.folds])))
        self._importance = permutation_importance(ships, rows, folds.folds, names, seed=seed)
        return ships

    def _rows(self, frame: pd.DataFrame, target: FloatArray) -> Sample:
        """Make the training rows, and learn the constant and the scale of the target from them."""
        target = self.scaled(target)
        groups = units_of(frame, self._described())
        return Sample(Matrices.of(self.matrix(frame)), target, np.ones(len(frame)), groups)

    def scaled(self, target: FloatArray) -> FloatArray:
        """Learn the constant and the scale of the target; return it on the scale of the learners."""
        signature = self._described()
        self.constant = constant_answer(target, len(signature.classes))
        if signature.task is Task.REGRESSION:
            self.scale = _scale_of(target)
            target = (target - self.scale[0]) / self.scale[1]
        return target

    def _of_learners(self) -> tuple[Encoding, LearningTask, dict[str, Any]]:
        signature = self._described()
        return Encoding(signature.columns), _LEARNING[signature.task], dict(self.parameters)

    def learner_of(self, kind: type[FitOnceLearner]) -> FitOnceLearner:
        """Make an untrained learner of the signature's columns."""
        return kind(*self._of_learners(), n_classes=len(self._described().classes))

    def measure(self, answer: FloatArray, actual: FloatArray | None, group: AnyArray) -> scores.Metrics:
        """Measure answers to rows, each metric with an interval over the groups of the rows."""
        signature, learner = self._described(), self._learned()
        if signature.task is Task.ANOMALY:
            assert isinstance(learner, IsolationForestLearner)
            flagged = float(np.mean(answer > learner.threshold))
            metrics = {"flagged_share": flagged, "loss": abs(flagged - float(learner.parameters["expected_share"]))}
            return metrics if actual is None else metrics | scores.ranking_metrics(actual, answer, group)
        assert actual is not None
        measure = scores.regression_metrics if answer.ndim == 1 else scores.classification_metrics
        metrics = measure(actual, answer, group)
        if np.isnan(self.constant).any():  # trained elsewhere, on unknown rows
            return metrics
        constant = np.broadcast_to(self.constant, answer.shape)
        losses, without = row_losses(actual, answer), row_losses(actual, constant)
        return metrics | scores.skill(losses, without, group, unseen=scores.unseen_mistake(actual, answer))

    def target_of(self, frame: pd.DataFrame) -> FloatArray:
        """Return the target: numbers, class positions, or zeros for anomalies (labels are for evaluation only)."""
        actual = None if self._described().task is Task.ANOMALY else self._actual(frame)
        return np.zeros(len(frame)) if actual is None else actual

    def _actual(self, frame: pd.DataFrame) -> FloatArray | None:
        signature = self._described()
        if signature.target is None or (signature.task is Task.ANOMALY and signature.target not in frame):
            return None
        values = frame[signature.target]
        if not signature.classes:
            numbers = values.to_numpy(dtype=np.float64)
            if not np.isfinite(numbers).all():
                raise UsageError(f"Some rows have no number for {signature.target}: fill it in, or remove these rows.")
            largest = float(np.abs(numbers).max(initial=0.0))
            if largest and not 1 / MOST_TARGET <= largest <= MOST_TARGET:
                raise UsageError(
                    f"{signature.target} has values up to {largest:.3g}; their errors would overflow. "
                    f"Scale it by a power of ten, to between {1 / MOST_TARGET:g} and {MOST_TARGET:g}."
                )
            return numbers
        kind = ColumnKind.CATEGORY if isinstance(values.dtype, pd.CategoricalDtype) else ColumnKind.NUMBER
        codes = class_codes(values, kind, signature.classes)
        if (codes < 0).any():
            unknown = values.iloc[int(np.argmax(codes < 0))]
            known = ", ".join(signature.classes)
            raise UsageError(
                f"{str(unknown)!r} is not a class of {signature.target} that the model knows; it knows {known}."
            )
        return codes.astype(np.float64)

    def _known(self, frame: pd.DataFrame) -> FloatArray | None:
        """Return the target where it is known, NaN elsewhere; None if it is known of no row, or there is none."""
        signature = self._described()
        if signature.target is None or signature.task is Task.ANOMALY or signature.target not in frame:
            return None
        values = frame[signature.target]
        if not signature.classes:
            return pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        kind = ColumnKind.CATEGORY if isinstance(values.dtype, pd.CategoricalDtype) else ColumnKind.NUMBER
        codes = class_codes(values, kind, signature.classes)
        return np.where(codes < 0, np.nan, codes)

    def _described(self) -> TableSignature:
        if self.signature is None:
            raise UsageError(
                "A table model needs a signature before training: make it with TableModel.described(signature)."
            )
        return self.signature

    def _learned(self) -> FitOnceLearner:
        if self.learner is None:
            raise NotFittedError(self.name)
        return self.learner


def _of_two(answer: FloatArray) -> FloatArray:
    """Return of two classes the probability of the second."""
    return answer[:, 1] if answer.ndim == 2 and answer.shape[1] == 2 else answer


def _answer_of(margin: FloatArray, *, task: Task, n_classes: int) -> FloatArray:
    """Turn margins on the scale of an explanation into answers; of several classes there is no answer from one."""
    if task is Task.ANOMALY:
        return np.asarray(np.exp2(margin))
    return np.asarray(1.0 / (1.0 + np.exp(-margin))) if n_classes == 2 else margin


def _told_ensemble(learner: FitOnceLearner, choice: Choice) -> dict[str, Any]:
    """Return an ensemble's members with their weights, and its improvement; plain JSON values."""
    assert isinstance(learner, TableEnsemble)
    assert choice.improvement is not None
    found = choice.improvement
    return {
        **learner.account(),
        "ships": choice.ships == learner.name,
        "improvement": found.value,
        "improvement_low": found.low if np.isfinite(found.low) else None,
        "improvement_high": found.high if np.isfinite(found.high) else None,
        "single_loss": found.single_loss,
        "n_groups": found.n_groups,
    }


def _scale_of(target: FloatArray) -> tuple[float, float]:
    """Return the centre and the spread by which a target is standardised, so that no unit suits a method badly."""
    return float(target.mean()), float(target.std()) or 1.0
