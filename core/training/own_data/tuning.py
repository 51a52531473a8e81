"""The search of parameters for a model of a user's own file.

A file has no fresh rows, so the search is nested: on each outer fold the whole search is run on the other rows, and the
fold compares what it finds with the recipe of the settings. The rows of the test are in no fold. Folds are whole
groups, or later rows judged by earlier ones, as the signature says.

Source:
    Varma and Simon, Bias in error estimation when using cross-validation for model selection, BMC Bioinformatics
    7 (2006).
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core import intervals
from core.arrays import AnyArray, FloatArray
from core.domains.own_file import PreparedTraining, TrainableModel
from core.errors import UsageError
from core.executors.in_force import executor
from core.executors.packing import PlainValue
from core.executors.work import Work
from core.files import digest, write_file
from core.json_documents import converted
from core.models.algorithms import ENSEMBLES, MODEL_STACKING
from core.models.ensembles.improvement import Improvement, improvement
from core.models.errors import UnknownParameterError
from core.models.learners.samples import JudgingFold, group_folds
from core.models.tuning.bayesian import require_optuna
from core.models.tuning.ranges import ParameterValue, ParameterValues, SearchRange, ValueList
from core.models.tuning.search import Search, SearchPlan, scored
from core.models.tuning.trial import Trial, TrialState, best_of
from core.models.tuning.usual import USUAL
from core.plain_files import read_file
from core.progress import begins
from core.seeds import derive_seed
from core.settings import ModelSettings, TrainingSettings
from core.tables import Table, read_table
from core.tables.held_rows import groups_of
from core.tables.signature import TableSignature, Task
from core.training.own_data.preparation import prepare
from core.training.own_data.request import TrainRequest, as_said
from core.training.session import as_document
from core.training.tuning.plan import SWITCH, ranges_in
from core.training.tuning.records import TuningRecord

N_OUTER = 3
ALL_ROWS = "all rows"
"""The search that settles the parameters; the others are named after their outer folds."""
_STARTS = 0.4  # share of the rows, by time, before the first window that is judged

KeepTrial = Callable[[str, Trial], None]
"""Is called with each trial as it ends, and the name of its search."""


@dataclass(frozen=True, slots=True)
class FileTuning:
    """The result.

    Attributes:
        own: The algorithm and the parameters to train with.
        record: The search and its verdict; None without a search.
        notes: What was left out, a sentence each.
    """

    own: ModelSettings
    record: TuningRecord | None = None
    notes: tuple[str, ...] = ()


class FileSearch:
    """The nested search for one model.

    Args:
        settings: The settings of training.
        table: The file.
        request: Which model to train.
        own: The recipe of the settings.
        prepared: The table, prepared for that recipe.
        keep: Takes each trial.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        table: Table,
        request: TrainRequest,
        own: ModelSettings,
        prepared: PreparedTraining,
        *,
        keep: KeepTrial = lambda *_: None,
    ) -> None:
        self._settings = settings
        self._table = table
        self._request = request
        self._model = request.model
        self._own = own
        self._keep = keep
        self._signature = prepared.signature
        self._rows = prepared.frame[prepared.split.learn].reset_index(drop=True)
        self._seed = derive_seed(settings.random_seed, f"search {request.model}")
        self._stopped = ""
        self._parts: dict[str, list[tuple[pd.DataFrame, pd.DataFrame]]] = {}

    def find(self) -> FileTuning:
        """Search, compare, and choose the recipe to train with.

        Raises:
            UsageError: A range is invalid, or the method needs Optuna, which is not installed.
        """
        if (left_out := self._left_out()) is not None:
            return FileTuning(self._own, notes=(left_out,))
        if self._settings.advanced.tuning_method == "bayesian":
            require_optuna()
        named = ranges_in(self._settings)
        ranges = self._taken(named or USUAL.get(self._own.algorithm, {}), is_named=bool(named))
        if not ranges:
            note = f"{SWITCH} is on, but {self._own.algorithm} takes no parameter of the ranges."
            return FileTuning(self._own, notes=(note,))
        with threadpool_limits(1):
            return self._found(ranges)

    def _found(self, ranges: Mapping[str, SearchRange]) -> FileTuning:
        outer = self._outer
        if len(outer) < 2:
            return FileTuning(self._own, notes=(f"{SWITCH} is on, but the table has too few groups to search on.",))
        pairs = []
        for number, fold in enumerate(outer, start=1):
            rest, judged = self._rows.iloc[fold.learn], self._rows.iloc[fold.judge]
            best = best_of(self._search(ranges, outer_fold(number)))
            begins(f"{outer_fold(number)} of the search")
            given = self._losses(dict(self._own.parameters), rest, judged)
            tuned = given if best is None or best.number == 0 else self._losses(best.parameters, rest, judged)
            pairs.append((given[0], tuned[0], given[1]))
        # Groups are numbered within a fold; none is in two folds, unless the folds are windows in time.
        group = np.concatenate([k * len(self._rows) + group for k, (_, _, group) in enumerate(pairs)])
        before, after = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
        n_folds = None if self._signature.time is not None else len(outer)
        found = improvement(before, after, group, seed=derive_seed(self._seed, "interval"), n_folds=n_folds)
        trials = self._search(ranges, ALL_ROWS)
        best = best_of(trials)
        record = self._record(trials, best, found, after, group)
        if not record.ships or best is None:
            return FileTuning(self._own, record)
        return FileTuning(_with(self._own, best.parameters), record)

    def score(self, name: str, parameters: Mapping[str, ParameterValue], fold: int) -> float:
        """Return the mean loss on an inner fold.

        Args:
            name: Of the search: an outer fold, or all rows.
            parameters: Of the trial.
            fold: The inner fold.
        """
        return float(self._losses(parameters, *self._inner(name)[fold])[0].mean())

    def _search(self, ranges: Mapping[str, SearchRange], name: str) -> list[Trial]:
        """Run one whole search; with a limit of time it takes its share of what is left of it."""
        tuning = self._settings.tuning
        plan = SearchPlan(
            method=self._settings.advanced.tuning_method,
            ranges=ranges,
            given=self._own.parameters,
            n_trials=tuning.trials,
            prunes=tuning.prune,
            seed=derive_seed(self._seed, name),
        )
        search, trials = Search(plan), list[Trial]()
        began = time.monotonic()
        limit = 60.0 * tuning.minutes / (N_OUTER + 1)
        while not search.is_done(trials):
            title = f"trials {len(trials)} and following on {name}"
            begins(title)
            trials += search.run_batch(
                trials,
                partial(executor().map, self._work(name, title)),
                fold_rows=[len(judged) for _, judged in self._inner(name)],
                keep=lambda trial: self._keep(name, trial),
            )
            if limit and time.monotonic() - began >= limit:
                self._stopped = f" (stopped: the time limit of {tuning.minutes:g} minutes is used)"
                break
        return trials

    def _work(self, name: str, title: str) -> Work[tuple[ParameterValues, int], float | str]:
        """Return the scoring of trials as work for an executor."""
        return Work(
            title=f"folds of {title}",
            here=lambda task: scored(partial(self.score, name), *task),
            there=FileTrials,
            shared=self._sent,
            sent=lambda task: (name, *task),
        )

    def _sent(self) -> PlainValue:
        """Return what a worker needs to make this search again: the file, whole, and what was said of it."""
        content = read_file(self._table.source.path)
        if digest(content) != self._table.source.sha256:
            raise UsageError(f"{self._request.data} has changed since it was read. Train again.")
        return {
            "file": content,
            "name": self._table.source.path.name,
            "model": self._request.model,
            "target": self._request.target,
            "said": self._request.recorded(),
            "settings": as_document(self._settings),
            "algorithm": self._own.algorithm,
            "parameters": dict(self._own.parameters),
        }

    @cached_property
    def _outer(self) -> list[JudgingFold]:
        return folds_of(self._rows, self._signature, N_OUTER, seed=derive_seed(self._seed, "outer"))

    def _inner(self, name: str) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """Return the rows to learn from and the rows to judge, for each inner fold of a search."""
        if name not in self._parts:
            number = next((k for k in range(len(self._outer)) if name == outer_fold(k + 1)), None)
            rows = self._rows if number is None else self._rows.iloc[self._outer[number].learn]
            seed = derive_seed(derive_seed(self._seed, name), "folds")
            folds = folds_of(rows, self._signature, self._settings.tuning.folds, seed=seed)
            # One search after another: the rows of the last one are not needed again.
            self._parts = {name: [(rows.iloc[fold.learn], rows.iloc[fold.judge]) for fold in folds]}
        return self._parts[name]

    def _losses(
        self, parameters: Mapping[str, ParameterValue], learned: pd.DataFrame, judged: pd.DataFrame
    ) -> tuple[FloatArray, AnyArray]:
        model: TrainableModel = self._prepared(_with(self._own, parameters)).model
        model.fit(learned.reset_index(drop=True), seed=derive_seed(self._seed, "fit"))
        return model.losses(judged.reset_index(drop=True))

    def _prepared(self, own: ModelSettings) -> PreparedTraining:
        return prepare(self._table, self._request, own, random_seed=self._settings.random_seed)

    def _record(
        self, trials: Sequence[Trial], best: Trial | None, found: Improvement, after: FloatArray, group: AnyArray
    ) -> TuningRecord:
        is_new = best is not None and best.number > 0
        interval = intervals.mean_interval(after, group, reference=found.single_loss)
        return TuningRecord(
            model=self._model,
            algorithm=self._own.algorithm,
            method=self._settings.advanced.tuning_method,
            n_trials=len(trials),
            n_pruned=sum(trial.state is TrialState.PRUNED for trial in trials),
            n_failed=sum(trial.state is TrialState.FAILED for trial in trials),
            n_folds=self._settings.tuning.folds,
            n_search_rows=len(self._rows),
            given=dict(self._own.parameters),
            given_loss=trials[0].loss if trials else None,
            best=None if best is None else best.parameters,
            best_loss=None if best is None else best.loss,
            fresh_loss=float(after.mean()),
            fresh_low=None if interval is None else interval.low,
            fresh_high=None if interval is None else interval.high,
            fresh_given_loss=found.single_loss,
            improvement=found.value,
            low=found.low if np.isfinite(found.low) else None,
            high=found.high if np.isfinite(found.high) else None,
            n_rows=found.n_rows,
            n_groups=found.n_groups,
            ships=found.is_shown and is_new,
            why=self._why(found, is_new) + self._stopped,
        )

    def _why(self, found: Improvement, is_new: bool) -> str:
        interval = f"{found.value:+.4g} ({found.low:+.4g} to {found.high:+.4g})"
        told = f"{interval} over {found.n_rows} rows of {N_OUTER} outer folds"
        if not found.is_shown:
            return f"the settings' recipe stays: a search does not surely lower the loss: {told}"
        if not is_new:
            return "the settings' recipe stays: no trial on all rows has a lower loss"
        return f"the tuned parameters are used: a search lowers the loss, by {told}"

    def _left_out(self) -> str | None:
        if self._signature.task is Task.ANOMALY:
            return f"{SWITCH} is on, but a detector has no loss on rows held out: it is trained as given."
        if self._own.algorithm in (*ENSEMBLES, MODEL_STACKING):
            return f"{SWITCH} is on, but the parameters of an ensemble are used as given."
        return None

    def _taken(self, ranges: Mapping[str, SearchRange], *, is_named: bool) -> dict[str, SearchRange]:
        """Return the ranges of the parameters that the algorithm takes and the settings leave open."""
        found: dict[str, SearchRange] = {}
        for name, each in ranges.items():
            if not is_named and name in self._own.parameters:
                continue
            ends = each.values if isinstance(each, ValueList) else (each.at(0.0), each.at(1.0))
            try:
                for value in ends:
                    self._prepared(ModelSettings(algorithm=self._own.algorithm, parameters={name: value}))
            except UnknownParameterError:
                continue
            found[name] = each
        return found


class FileTrials:
    """The trials of a file's search on a worker, which reads the file again from its bytes."""

    def __init__(self, shared: PlainValue) -> None:
        settings = converted(shared["settings"], TrainingSettings)
        own = ModelSettings(algorithm=shared["algorithm"], parameters=shared["parameters"])
        with tempfile.TemporaryDirectory(prefix="bondx-worker-") as place:
            file = Path(place) / shared["name"]
            write_file(file, shared["file"], durable=False)
            request = as_said(shared["said"], TrainRequest(shared["model"], file, target=shared["target"]))
            table = read_table(file, rules=request.rules)
        prepared = prepare(table, request, own, random_seed=settings.random_seed)
        self._search = FileSearch(settings, table, request, own, prepared)

    def do(self, task: PlainValue) -> PlainValue:
        """Score parameters on an inner fold of a search."""
        name, parameters, fold = task
        return scored(partial(self._search.score, name), parameters, fold)


def outer_fold(number: int) -> str:
    """Name the search on the rows outside of an outer fold."""
    return f"outer fold {number}"


def folds_of(rows: pd.DataFrame, signature: TableSignature, n_folds: int, *, seed: int) -> list[JudgingFold]:
    """Deal rows into folds: windows in time that earlier rows predict, else whole groups, else rows at random.

    Args:
        rows: The rows.
        signature: Names the group and the time.
        n_folds: How many; fewer where there are fewer groups or instants.
        seed: Of the deal.
    Returns:
        With a group and a time, the rows of a fold are later than those learned from, and of other groups.
    """
    group = np.asarray(groups_of(rows, signature), dtype=np.int64)
    masks = group_folds(group, n_folds, seed=seed)
    if signature.time is None:
        return [JudgingFold(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in masks]
    instant = np.unique(rows[signature.time].to_numpy(), return_inverse=True)[1]
    rank = np.searchsorted(np.sort(instant), instant, side="left") / len(instant)
    edges = [*np.linspace(_STARTS, 1.0, n_folds + 1)[:-1].tolist(), np.inf]
    found = []
    for k in range(n_folds):
        late = (rank >= edges[k]) & (rank < edges[k + 1])
        early = rank < edges[k]
        if signature.group is not None:
            mask = masks[k % len(masks)]
            late, early = late & mask, early & ~mask
        if late.any() and early.any():
            found.append(JudgingFold(np.flatnonzero(early), np.flatnonzero(late)))
    return found


def _with(own: ModelSettings, parameters: Mapping[str, ParameterValue]) -> ModelSettings:
    return ModelSettings(algorithm=own.algorithm, parameters=dict(parameters))
