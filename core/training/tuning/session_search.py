"""The search of a session: trials scored on folds of a draw that nothing else uses, a batch at a time.

Every model learns from the rows of the other folds in one step, as for the refit at the end of a session. Folds are
made of whole groups, as the draws of epochs are split.
"""

import logging
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path

import msgspec
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.domains.catalogue import create
from core.executors.in_force import executor
from core.executors.work import Work
from core.models.interface import PanelLike
from core.models.parameters import FEATURES
from core.models.supervised import SupervisedModel
from core.models.tuning.ranges import ParameterValue, ParameterValues
from core.models.tuning.search import BATCH, Search, SearchPlan, scored
from core.models.tuning.trial import Trial, TrialState, best_of
from core.progress import begins
from core.quality import assess
from core.seeds import derive_seed
from core.settings import TrainingSettings
from core.training.panels import Draw, SessionPanels
from core.training.tuning.feature_choice import chosen, judged
from core.training.tuning.outcome import TuningOutcome
from core.training.tuning.plan import PlannedSearch, TuningPlan
from core.training.tuning.records import SelectionRecord, SessionTrial, TuningProgress, TuningRecord, TuningStanding
from core.training.tuning.trial_files import TrialFiles
from core.training.tuning.trial_scores import SessionTrials, TrialScores
from core.training.tuning.verdict import compared, uncompared
from core.training.tuning.words import with_features

log = logging.getLogger(__name__)


class SessionSearch:
    """The searches of one session; each step runs a batch of one model, and the last step gives the verdicts.

    Args:
        settings: The session's settings.
        plan: What is searched.
        panels: Draws the rows of the search, and those of the verdicts.
        folder: Of the session's checkpoints.
    """

    def __init__(self, settings: TrainingSettings, plan: TuningPlan, panels: SessionPanels, folder: Path) -> None:
        self._settings = settings
        self._plan = plan
        self._panels = panels
        self._scores = TrialScores(settings, panels)
        self.files = TrialFiles(folder)
        self._trials = {each.model: self.files.trials(each.model) for each in plan.searches}

    @property
    def outcome(self) -> TuningOutcome | None:
        """The verdicts; None before the end. A session without a search has none to wait for."""
        has_work = self._plan.searches or self._plan.selections
        return self.files.outcome() if has_work else TuningOutcome(records=())

    def progress(self) -> TuningProgress:
        """Return where the search stands, with all trials."""
        if not (self._plan.searches or self._plan.selections):
            return TuningProgress(is_done=True)
        return self._told(self.files.all(self._trials), self.outcome)

    def step(self, stop: str = "") -> TuningProgress:
        """Run the next batch, of the model with the fewest trials; or give the verdicts, if no batch is left.

        Args:
            stop: Why the search is to end with the trials it has.
        """
        if (outcome := self.outcome) is not None:
            return self._told((), outcome)
        if stop and not self.files.stopped():
            self.files.stop(stop)
        if not self._faults and (planned := self._to_select()) is not None:
            self.files.keep_selection(self._selected(planned))
            return self._told((), None)
        left = [each for each in self._plan.searches if not self._is_done(each)]
        if left and not self.files.stopped() and not self._faults:
            next_one = min(left, key=lambda each: len(self._whole_batches(each.model)))
            return self._told(tuple(self._run_batch(next_one)), None)
        records = tuple(self._judged(each) for each in self._plan.searches)
        selections = self._selections()
        draws = [self._scores.draw]
        draws += [self._fresh_for_columns] if any(record.n_rows for record in selections) else []
        draws += [self._fresh] if any(record.n_rows for record in records) else []
        outcome = TuningOutcome(
            records=records,
            stopped=self.files.stopped(),
            draws=tuple(draw.record for draw in draws),
            selections=selections,
        )
        self.files.conclude(outcome)
        return self._told((), outcome)

    def _run_batch(self, planned: PlannedSearch) -> list[SessionTrial]:
        name, before = planned.model, self._whole_batches(planned.model)
        known = self._trials[name][len(before) :]
        under_way = f"trials {len(before)} to {len(before) + BATCH - 1} of {name}"
        begins(under_way)

        def keep(trial: Trial) -> None:
            self.files.keep(name, trial)
            begins(under_way)

        def evaluate(parameters: ParameterValues, fold: int) -> float:
            return self._scores.loss(name, planned.algorithm, parameters, fold)

        work: Work[tuple[ParameterValues, int], float | str] = Work(
            title=f"folds of {under_way}",
            here=lambda task: scored(evaluate, *task),
            there=SessionTrials,
            shared=lambda: self._scores.sent(name, planned.algorithm),
        )
        with threadpool_limits(1):
            found = self._searches[name].run_batch(
                before,
                partial(executor().map, work),
                fold_rows=[len(judged.frame) for _, judged in self._scores.parts],
                keep=keep,
                known=known,
            )
        self._trials[name] = [*before, *found]
        return [SessionTrial(model=name, trial=trial) for trial in found]

    def fitted(
        self, planned: PlannedSearch, parameters: Mapping[str, ParameterValue], panel: PanelLike
    ) -> SupervisedModel:
        """Train a model with parameters."""
        return self._scores.fitted(planned.model, planned.algorithm, parameters, panel)

    def _to_select(self) -> PlannedSearch | None:
        """Return the next model whose columns are to be chosen."""
        return next((each for each in self._plan.selections if self.files.selection(each.model) is None), None)

    def _selections(self) -> tuple[SelectionRecord, ...]:
        found = (self.files.selection(each.model) for each in self._plan.selections)
        return tuple(record for record in found if record is not None)

    def _selected(self, planned: PlannedSearch) -> SelectionRecord:
        """Choose the columns of a model, and compare it with the model on all columns."""
        begins(f"the columns of {planned.model}")
        seed, domain = derive_seed(self._settings.random_seed, f"columns {planned.model}"), self._panels.domain
        with threadpool_limits(1):
            untrained = create(planned.model, algorithm=planned.algorithm, settings=planned.given, domain=domain)
            assert isinstance(untrained, SupervisedModel)
            record = chosen(self._settings, untrained, self._scores.draw.panel, seed=seed)
            if not record.columns:
                return record
            if record.n_kept == record.n_columns:
                return msgspec.structs.replace(record, why="all columns stay: each says more than its shadows")
            begins(f"the verdict on the columns of {planned.model}")
            narrow = {**planned.given, FEATURES: ", ".join(record.features)}
            pair = [self.fitted(planned, own, self._scores.draw.panel) for own in (planned.given, narrow)]
        return judged(record, pair[0], pair[1], self._fresh_for_columns.panel, groups=domain.groups, seed=seed)

    def _given(self, planned: PlannedSearch) -> dict[str, ParameterValue]:
        """Return the recipe that a search starts from: the settings', with the columns that were chosen."""
        return with_features(planned.given, self.files.selection(planned.model) if self._plan.selections else None)

    def _judged(self, planned: PlannedSearch) -> TuningRecord:
        trials = self._trials[planned.model]
        record = self._record(planned, trials)
        best = best_of(trials)
        if self._faults:
            return uncompared(record, f"the rows of the search failed {', '.join(self._faults)}: nothing was searched")
        if best is None or best.number == 0:
            return uncompared(record, _why_none(trials, best))
        begins(f"the verdict on the parameters of {planned.model}")
        with threadpool_limits(1):
            given, tuned = (
                self.fitted(planned, own, self._scores.draw.panel) for own in (record.given, best.parameters)
            )
        seed = derive_seed(self._settings.random_seed, "tuning interval")
        return compared(record, given, tuned, self._fresh.panel, groups=self._panels.domain.groups, seed=seed)

    def _record(self, planned: PlannedSearch, trials: list[Trial]) -> TuningRecord:
        best, first = best_of(trials), next(iter(trials), None)
        return TuningRecord(
            model=planned.model,
            algorithm=planned.algorithm,
            method=self._settings.advanced.tuning_method,
            n_trials=len(trials),
            n_pruned=sum(trial.state is TrialState.PRUNED for trial in trials),
            n_failed=sum(trial.state is TrialState.FAILED for trial in trials),
            n_folds=len(self._scores.parts),
            n_search_rows=len(self._scores.draw.panel.frame),
            given=self._given(planned),
            given_loss=None if first is None else first.loss,
            best=None if best is None else best.parameters,
            best_loss=None if best is None else best.loss,
        )

    def _told(self, trials: tuple[SessionTrial, ...], outcome: TuningOutcome | None) -> TuningProgress:
        records = {} if outcome is None else {record.model: record for record in outcome.records}
        return TuningProgress(
            standings=tuple(self._standing(each, records.get(each.model)) for each in self._plan.searches),
            trials=trials,
            is_done=outcome is not None,
            stopped=self.files.stopped(),
            records=tuple(records.values()),
            selections=self._selections(),
        )

    def _standing(self, planned: PlannedSearch, record: TuningRecord | None) -> TuningStanding:
        trials = self._trials[planned.model]
        best, first = best_of(trials), next(iter(trials), None)
        return TuningStanding(
            model=planned.model,
            n_trials=len(trials),
            n_planned=self._searches[planned.model].n_trials,
            n_pruned=sum(trial.state is TrialState.PRUNED for trial in trials),
            given_loss=None if first is None or first.number else first.loss,
            best_trial=None if best is None else best.number,
            best_loss=None if best is None else best.loss,
            best={} if best is None else best.parameters,
            ships=None if record is None else record.ships,
            why="" if record is None else record.why,
        )

    def _is_done(self, planned: PlannedSearch) -> bool:
        return self._searches[planned.model].is_done(self._whole_batches(planned.model))

    def _whole_batches(self, model: str) -> list[Trial]:
        """Return the trials of the batches that have ended: numbered without a gap up to the end of a batch."""
        trials, search = self._trials[model], self._searches[model]
        n = next((k for k, trial in enumerate(trials) if trial.number != k), len(trials))
        return trials[:n] if search.is_done(trials[:n]) else trials[: n // BATCH * BATCH]

    @cached_property
    def _searches(self) -> dict[str, Search]:
        advanced, seed = self._settings.advanced, self._settings.random_seed
        return {
            each.model: Search(
                SearchPlan(
                    method=advanced.tuning_method,
                    ranges=each.ranges,
                    given=self._given(each),
                    n_trials=self._settings.tuning.trials,
                    prunes=self._settings.tuning.prune,
                    seed=derive_seed(seed, f"search {each.model}"),
                )
            )
            for each in self._plan.searches
        }

    @cached_property
    def _fresh(self) -> Draw:
        begins("the draw of the verdicts")
        return self._panels.tuning_verdict()

    @cached_property
    def _fresh_for_columns(self) -> Draw:
        begins("the draw of the verdicts on columns")
        return self._panels.selection_verdict()

    @cached_property
    def _faults(self) -> list[str]:
        """Name the gates that forbid a search on its draw, as they forbid an epoch."""
        if not self._scores.parts:
            return [f"the split: it has a single one of {self._panels.domain.groups}"]
        begins("the gates of the search")
        gates = assess(
            self._scores.draw.panel.frame, self._panels.domain.checks, self._settings.quality_gates, source="the search"
        ).gates
        return [gate.name for gate in gates if gate.blocks]


def _why_none(trials: list[Trial], best: Trial | None) -> str:
    if not trials:
        return "the search was stopped before its first trial"
    if best is None:
        return f"none of {len(trials)} trials could be scored: {trials[0].why or 'no loss is a finite number'}"
    return f"none of {len(trials) - 1} trials has a lower loss than the recipe of the settings"
