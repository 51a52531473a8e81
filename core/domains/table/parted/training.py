"""From the parts of a table to a tested model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.arrays import AnyArray, FloatArray, IntArray
from core.domains.own_file import FileRequest, PreparedTraining, TestedElsewhere
from core.domains.table.checks import table_checks
from core.domains.table.models.choice import CONSTANT, choose
from core.domains.table.models.folds import LARGE, at_most, folds_of, mean_losses
from core.domains.table.models.importance import permutation_importance
from core.domains.table.models.model import TableModel
from core.domains.table.models.single_feature import single_feature_leak
from core.domains.table.own_file import left_out
from core.domains.table.parted.columns import sent_rules
from core.domains.table.parted.rows import KeptPart, KeptRows, levels_shown_before, n_sampled, together
from core.domains.table.parted.survey import Survey, SurveyedPart, agreed
from core.domains.table.parted.trees import PartedTrees
from core.errors import UsageError
from core.escape import spelled_out
from core.executors.dask_cluster import DaskExecutor
from core.executors.errors import WorkError
from core.executors.packing import PlainValue
from core.executors.work import Work
from core.models.learners.algorithms import fit_once
from core.models.learners.learner import FitOnceLearner
from core.models.learners.lightgbm_library import load_lightgbm
from core.models.learners.lightgbm_trees import LightGbmLearner
from core.models.learners.samples import Matrices, Sample
from core.models.scores import row_losses
from core.tables import ReadingRules, Table, TableError, TableSignature, Task, TaskRequest, describe
from core.tables.held_rows import split_rows, units_of
from core.tables.parts import PartedTable, as_plain
from core.tables.split import Split
from core.tables.task import chosen_target, inferred_task, require_column, told_task

LEAST_ROWS = 2 * LARGE
MOST_TESTED = 1_000_000
_COPIES = 3  # of the rows of a worker: as they are read, as LightGBM puts them together, and its bins
_OF_LIBRARIES = 256 << 20


def prepare_parts(
    table: PartedTable, rules: ReadingRules, request: FileRequest, cluster: DaskExecutor
) -> PreparedTraining:
    """Read the parts of a table on a cluster, describe them, and hold out rows.

    Args:
        table: The table.
        rules: How its columns are to be read.
        request: What to train.
        cluster: Its workers read the files.
    Raises:
        TableError: The table cannot be used.
        UsageError: What is asked for cannot be done without all rows in memory, or the workers would talk in the clear.
    """
    _require_possible(request)
    cluster.require_trusted_network()
    parts, unquoted = [as_plain(part) for part in table.parts], {"unquoted": list(request.unquoted)}
    survey = agreed(
        table,
        rules,
        _done(cluster, SurveyedPart, "parts of the table to look at", sent_rules(rules) | unquoted, parts),
        unquoted=request.unquoted,
    )
    head = Table(
        replace(table.parts[0], path=table.path),
        pd.DataFrame(),
        dict(survey.rules.kinds),
        survey.left_out,
        unquoted=survey.unquoted,
    )
    target = chosen_target(head, TaskRequest(target=request.target, task=request.task))
    for name in (target, request.group, request.time):
        if name is not None:
            require_column(head, name)
    told = {
        "rules": sent_rules(survey.rules),
        "target": target,
        "group": request.group,
        "time": request.time,
        "drop": request.drop_missing_target,
        **unquoted,
    }
    kept, tasks = _kept(table, survey, told, parts, cluster)
    if len(kept.roles) < LEAST_ROWS:
        raise TableError(
            table.path,
            f"it has {len(kept.roles):,} rows, and a table of fewer than {LEAST_ROWS:,} is judged on all of them",
            "Train on it in memory: executor.tables: memory.",
        )
    wanted = TaskRequest(target=target, task=request.task, group=request.group, time=request.time, keep=request.keep)
    shown = _described_by(head, survey, kept, wanted)
    # The rows shown have more of a rare value than their share.
    task = request.task or inferred_task(replace(shown, frame=kept.roles), target)
    signature = describe(shown, replace(wanted, task=task))
    _require_memory(table, signature, len(kept.roles), cluster)
    model = TableModel.described(signature, algorithm=request.algorithm, parameters=request.parameters)
    actual = model.target_of(kept.roles)
    split = split_rows(kept.roles, signature, actual, request.test_share, seed=request.split_seed)
    trees = PartedTrees(cluster, {**told, "signature": signature.to_bytes()}, tasks, kept.n_rows)
    notes = [*told_task(replace(shown, frame=kept.roles), signature, wanted)]
    if kept.n_lost:
        notes.append(f"{kept.n_lost:,} of {sum(survey.n_rows):,} rows are left out: they have no {target}.")
    notes += [*table.notes, *survey.notes, *left_out(signature)]
    notes.append(f"The workers of the cluster read the table in {len(parts)} parts.")
    if len(kept.sample) < len(kept.roles):
        notes.append(
            f"The gates, the profile, the importances and the slices are of {len(kept.sample):,} rows drawn from "
            f"{len(kept.roles):,}."
        )
    return PreparedTraining(
        model,
        signature,
        kept.sample,
        split,
        table_checks(signature.names),
        tuple(map(spelled_out, notes)),
        PartedTraining(model, signature, kept, actual, split, trees, n_parts=len(parts)),
    )


@dataclass(frozen=True, slots=True)
class PartedTraining:
    """A training whose rows stay on the workers.

    Attributes:
        model: The model to train.
        signature: Its inputs and outputs.
        kept: What is kept of the rows.
        actual: The target of each row.
        split: The rows to learn from, and the rows held out.
        trees: Fits and scores the parts.
        n_parts: Into how many parts the table is cut.
    """

    model: TableModel
    signature: TableSignature
    kept: KeptRows
    actual: FloatArray
    split: Split
    trees: PartedTrees
    n_parts: int

    @property
    def n_rows(self) -> int:
        """How many rows the table has."""
        return len(self.actual)

    @property
    def n_in_files(self) -> int:
        """How many there are with those that are left out without a target."""
        return self.n_rows + self.kept.n_lost

    def test(self, *, seed: int) -> TestedElsewhere:
        """Choose between the constant and LightGBM, test the choice, and train it on all rows."""
        learn, held = np.flatnonzero(self.split.learn), np.flatnonzero(self.split.held)
        with threadpool_limits(1):
            learner, account, importance = self._chosen(learn, seed=seed)
        self._fit(learner, learn, seed=seed)
        tested = at_most(held, MOST_TESTED, seed=seed)
        self.model.adopt(learner, len(learn), account=account, importance=importance)
        metrics = self.model.measure(self._answers(learner, tested), self.actual[tested], self._groups(tested))
        rows = self.kept.sample[np.isin(self.kept.drawn, held)].reset_index(drop=True)
        slices, outcomes = self.model.judge_slices(rows), self.model.outcomes(rows)
        self._fit(learner, np.arange(self.n_rows), seed=seed)
        self.model.adopt(learner, self.n_rows, account=account, importance=importance)
        return TestedElsewhere(metrics, slices, outcomes, n_tested=len(tested))

    def _chosen(self, learn: IntArray, *, seed: int) -> tuple[FitOnceLearner, dict[str, Any], dict[str, float]]:
        """Let LightGBM and the constant compete on rows held out of those to learn from."""
        actual = self.actual[learn]
        target, scale = self.model.scaled(actual), self.model.scale
        found = folds_of(self.kept.roles.iloc[learn].reset_index(drop=True), self.signature, actual, seed=seed)
        folds = [fold._replace(learn=learn[fold.learn], judge=learn[fold.judge]) for fold in found.folds]
        lightgbm = cast(LightGbmLearner, self.model.learner_of(fit_once("lightgbm")))
        answers = self.trees.tune(lightgbm, folds, scale=scale, seed=seed)
        constant = self.model.learner_of(fit_once(CONSTANT))
        without = []
        for fold in found.folds:
            constant.learn(_only(target[fold.learn]), seed=seed)
            without.append(constant.answer(np.empty((len(fold.judge), 0))))
        losses, judged = {}, np.empty(0, dtype=np.int64)
        for name, own in ((CONSTANT, without), (lightgbm.name, answers)):
            by_fold = [row_losses(target[fold.judge], each) for fold, each in zip(found.folds, own, strict=True)]
            means, judged = mean_losses(found.folds, by_fold, len(learn))
            losses[name] = scale[1] ** 2 * means
        choice = choose(losses, self._groups(learn)[judged])
        ships: FitOnceLearner = constant if choice.ships == CONSTANT else lightgbm
        importance, leak = self._told_by_sample(ships, folds[0], seed=seed)
        account = {
            "why": choice.why,
            "candidates": choice.to_json(),
            "single_feature_leak": {"column": leak[0], "share": leak[1]},
            "judged_on": found.method,
            "parted": {"n_parts": self.n_parts, "n_sampled": len(self.kept.sample)},
        }
        return ships, account, importance

    def _told_by_sample(
        self, ships: FitOnceLearner, fold: Any, *, seed: int
    ) -> tuple[dict[str, float], tuple[str, float]]:
        """Measure the importances, and what a single column tells, on the rows of the sample."""
        drawn, names = self.kept.drawn, self.signature.names
        target = self.actual[drawn]
        if self.signature.task is Task.REGRESSION:
            target = (target - self.model.scale[0]) / self.model.scale[1]
        matrix = self.model.matrix(self.kept.sample)
        rows = Sample(Matrices.of(matrix), target, np.ones(len(target)), self._groups(drawn))
        of_sample = fold._replace(
            learn=np.flatnonzero(np.isin(drawn, fold.learn)), judge=np.flatnonzero(np.isin(drawn, fold.judge))
        )
        learned, judged = rows.take(of_sample.learn), rows.take(of_sample.judge)
        leak = single_feature_leak(learned, judged, names, n_classes=len(self.signature.classes))
        return permutation_importance(ships, rows, [of_sample], names, seed=seed), leak

    def _fit(self, learner: FitOnceLearner, rows: IntArray, *, seed: int) -> None:
        target = self.model.scaled(self.actual[rows])
        if isinstance(learner, LightGbmLearner):
            self.trees.fit(learner, rows, scale=self.model.scale, seed=seed)
        else:
            learner.learn(_only(target), seed=seed)

    def _answers(self, learner: FitOnceLearner, rows: IntArray) -> FloatArray:
        if isinstance(learner, LightGbmLearner):
            text = learner.dump()[2]["trees.txt"].decode()
            answer = learner.answered(self.trees.answers(text, rows, learner.booster.num_trees()))
        else:
            answer = learner.answer(np.empty((len(rows), 0)))
        return answer if self.signature.classes else self.model.scale[0] + self.model.scale[1] * answer

    def _groups(self, rows: IntArray) -> AnyArray:
        return units_of(self.kept.roles.iloc[rows], self.signature)


def _require_possible(request: FileRequest) -> None:
    """Make sure that LightGBM alone is asked for: nothing else learns without all rows in memory."""
    if request.task is Task.ANOMALY:
        what = "task anomaly"
    elif request.algorithm not in ("auto", LightGbmLearner.name):
        what = f"algorithm {request.algorithm}"
    else:
        load_lightgbm()
        return
    raise UsageError(
        f"{what} needs all rows in memory, and a table of a cluster is learned by LightGBM alone. Cure: algorithm: "
        "lightgbm, or executor.tables: memory."
    )


def _require_memory(table: PartedTable, signature: TableSignature, n_rows: int, cluster: DaskExecutor) -> None:
    workers = cluster.standing_workers()
    needed = _OF_LIBRARIES + _COPIES * 8 * n_rows * (len(signature.columns) + 1) // len(workers)
    least = min((limit for _, limit in workers if limit), default=None)
    if least is not None and needed > least:
        raise TableError(
            table.path,
            f"its {n_rows:,} rows of {len(signature.columns)} columns need {needed / 2**30:.1f} GiB on each of "
            f"{len(workers)} workers, and one may use {least / 2**30:.1f} GiB",
            "Start more workers, or give them more memory.",
        )


def _kept(
    table: PartedTable, survey: Survey, told: dict[str, Any], parts: Sequence[PlainValue], cluster: DaskExecutor
) -> tuple[KeptRows, list[PlainValue]]:
    n_total = sum(survey.n_rows)
    shared = {**told, "n_rows": n_total, "most": n_sampled(len(survey.rules.kinds))}
    firsts = np.cumsum([0, *survey.n_rows[:-1]]).tolist()
    # A row that is left out without a target shows nothing: then each part shows its own levels.
    levels = [{}] * len(parts) if told["drop"] else levels_shown_before(survey.levels)
    tasks = [
        {"part": part, "first": first, "n_rows": n, "shown": list(own.items())}
        for part, first, n, own in zip(parts, firsts, survey.n_rows, levels, strict=True)
    ]
    found = _done(cluster, KeptPart, "parts of the table to read", shared, tasks)
    kinds = [dict(part["kinds"]) for part in found]
    if strange := next((own for own in kinds if own != kinds[0]), None):
        name = next(name for name, kind in strange.items() if kind != kinds[0][name])
        raise TableError(table.path, "its times are written in several forms", "Write them alike.", column=name)
    return together(found, n_total), [{"part": part} for part in parts]


def _done(
    cluster: DaskExecutor, there: type[Any], title: str, shared: PlainValue, tasks: Sequence[PlainValue]
) -> list[PlainValue]:
    work: Work[PlainValue, PlainValue] = Work(
        title=title, here=lambda task: there(shared).do(task), there=there, shared=lambda: shared
    )
    try:
        return cluster.map(work, tasks)
    except WorkError as error:  # the fault of the table, which a worker has put into words
        raise UsageError(str(error)) from error


def _described_by(head: Table, survey: Survey, kept: KeptRows, wanted: TaskRequest) -> Table:
    """Return the rows by which the table is described, without columns that count all rows."""
    named = {wanted.target, wanted.group, wanted.time, *wanted.keep}
    is_sampled = len(kept.sample) < len(kept.roles)
    numbering = {name: why for name, why in survey.numbering.items() if is_sampled and name not in named}
    return replace(
        head,
        frame=kept.shown.drop(columns=list(numbering)),
        kinds={name: kind for name, kind in kept.kinds.items() if name not in numbering},
        forms=dict(survey.rules.forms),
        looks=survey.looks,
        doubts=survey.doubts,
        missing_words=survey.rules.missing,
        rows=kept.shown_at,
        left_out=survey.left_out | numbering,
    )


def _only(target: FloatArray) -> Sample:
    """Return rows without columns, from which the constant learns."""
    n_rows = len(target)
    return Sample(Matrices.of(np.empty((n_rows, 0))), target, np.ones(n_rows), np.arange(n_rows))
