"""The end of a session: a last choice, a final update, one test, and models to register.

There are two ways to a model that ships. *Continued* is the best checkpoint: it has seen every draw in turn, but
could keep only a digest of each. *Refit* starts afresh on as many draws together as fit a budget, hold-outs included.
Each model takes the way that scores better on the validation panel, and then learns from that panel too, whose job is
done. The test panels are drawn after that and used once; no choice depends on them.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from core.domains.domain import VALIDATION
from core.errors import RefusedError
from core.explain.conformal import CONFORMAL_NAME
from core.explain.deny_list import DenyList
from core.explain.stored import EXPLANATION_NAME, StoredExplanation
from core.files import sha256_of, write_file, write_folder
from core.models import Model
from core.models.outcomes import Outcomes, outcomes_of
from core.monitoring.data_profile import PROFILE_NAME, ColumnProfile, figures_of
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows
from core.monitoring.profiling import kinds_of, profile_columns, profile_of, time_of
from core.seeds import derive_seed
from core.settings import TrainingSettings
from core.settings.explanation import ExplanationSettings
from core.settings.held_out import HeldOutSettings
from core.stress.model_figures import StressedTraining
from core.training.checkpoint import Checkpoint, Checkpoints, to_json
from core.training.data_lineage import epoch_name
from core.training.data_sets import DataSets
from core.training.ensemble_fit import (
    WAY,
    TriedEnsembles,
    as_shipped,
    figures_of_comparison,
    sections_of,
    try_ensembles,
)
from core.training.errors import CheckpointDamagedError
from core.training.explaining import conformal_of, explanation_of_training
from core.training.final_record_file import FINAL_FOLDER, FINAL_RECORD, read_final
from core.training.final_stress_file import STRESS_FILE
from core.training.metrics import finite, plain
from core.training.model_set import ModelSet
from core.training.panels import ENSEMBLE_ROWS, Draw, SessionPanels
from core.training.records import DrawRecord, EnsembleRecord, FinalModel, FinalRecord
from core.training.scores import EpochScores, merit
from core.training.session_domain import ensembles_of
from core.training.session_model_stress import final_stress, stress_sections
from core.training.slicing import Slices, slicings_of
from core.training.stressed_training import REFIT, stressed_training, training_section
from core.training.tuning.outcome import TuningOutcome
from core.training.tuning.sections import selection_sections, tuning_sections

log = logging.getLogger(__name__)

PROFILE = "data_profile"  # of the draws that the models were fitted to, in the report
REPORT = "report.json"  # beside a model's files: read by the registry's diff


class NothingLearnedError(RefusedError):
    """The session ended, and no draw had passed its gates."""

    def __init__(self, n_epochs: int) -> None:
        super().__init__(f"None of the {n_epochs} draws passed its quality gates, so there is no model to register.")


class FinalFit:
    """Makes the models that ship, once; a second call finds them."""

    def __init__(
        self,
        settings: TrainingSettings,
        panels: SessionPanels,
        checkpoints: Checkpoints,
        validation: Draw,
        data_sets: DataSets,
        tuning: TuningOutcome,
    ) -> None:
        self._settings = settings
        self._panels = panels
        self._checkpoints = checkpoints
        self._validation = validation
        self._data_sets = data_sets
        self._tuning = tuning
        self._folder = checkpoints.folder / FINAL_FOLDER
        self.fit_seconds: dict[str, float] = {}
        """What each model took to train for the end; empty where `perform` found the models."""

    def perform(self) -> FinalRecord:
        """Refit, test, save.

        Raises:
            NothingLearnedError: Every epoch was skipped.
        """
        if (record := read_final(self._checkpoints.folder)) is not None:
            return record
        newest, _ = self._checkpoints.newest()
        history = newest.history if newest else EpochScores()
        best = history.best_epoch
        if newest is None or best is None:
            raise NothingLearnedError(len(history))
        source = self._best(best, newest)
        pool = self._panels.pooled([entry.score is not None for entry in history])
        ways = {"continued": ModelSet(self._settings), "refit": ModelSet(self._settings)}
        ways["continued"].load(source.models)
        self._time(ways["refit"].learn(pool.panel, seed=derive_seed(self._settings.random_seed, REFIT)))
        trained = stressed_training(self._settings, ways["refit"].models, pool, self._panels)
        merits, choice = self._choose(ways)
        tried = self._try_ensembles(history, ways, choice)
        if tried.winners:
            ways[WAY] = ModelSet.of(self._settings, tried.winners)
            merits[WAY] = self._merits(ways[WAY])
            choice |= dict.fromkeys(tried.winners, WAY)
        for way, model_set in ways.items():  # copies, since models may depend on one another
            names = [name for name in choice if choice[name] == way and model_set.models[name].continues]
            taking = model_set.only(names)  # a model that starts again would forget the draws for the validation panel
            seed = derive_seed(self._settings.random_seed, "last lesson")  # part of the seed, so it stays
            self._time(taking.learn(self._validation.panel, seed=seed))
        model_set = ModelSet.of(self._settings, {name: ways[way].models[name] for name, way in choice.items()})
        draws, metrics, slices, outcomes = self._test(model_set)
        if self._data_sets.keeps_final:  # before the record: once that is there, they are there
            self._data_sets.keep(epoch_name(newest.epoch), self._panels.epoch(newest.epoch))
            self._data_sets.keep(VALIDATION, self._validation)
        for name, figures in metrics.items():
            figures.update({f"{VALIDATION}.{way}": merits[way][name] for way in ways if name in merits[way]})
            figures.update(figures_of_comparison(tried.records, name))
        compared = () if tried.draw is None else (tried.draw.record,)
        panels = (*self._tuning.draws, pool.record, self._validation.record, *compared, *draws)
        group = self._panels.domain.group_column
        kinds = kinds_of(pool.calm.frame)
        columns = profile_columns(pool.calm.frame, kinds, group, time_of(kinds))
        learned = columns
        if pool.without_stress is not None:
            learned = profile_columns(pool.panel.frame, kinds, group, time_of(kinds))
        made = _Made(
            model_set=model_set,
            choice=choice,
            metrics=metrics,
            slices=slices,
            slicings=slicings_of(self._validation.panel.frame, self._panels.domain),
            draws=panels,
            columns=columns,
            learned_columns=learned,
            trained=trained,
            group=group,
            outcomes=outcomes,
            held_out=self._settings.held_out,
            explanation=self._settings.explanation,
            ensembles=tried.records,
            tuning=self._tuning,
        )
        return self._save(made, source, newest)

    def _time(self, seconds: Mapping[str, float]) -> None:
        for name, took in seconds.items():
            self.fit_seconds[name] = self.fit_seconds.get(name, 0.0) + took

    def _choose(self, ways: Mapping[str, ModelSet]) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
        """Score each way on the validation panel; return each model's scores, and the way it takes."""
        merits = {way: self._merits(model_set) for way, model_set in ways.items()}
        return merits, {name: max(ways, key=lambda way: merits[way][name]) for name in self._settings.models}

    def _merits(self, model_set: ModelSet) -> dict[str, float]:
        figures = finite(model_set.judge({VALIDATION: self._validation.panel})[VALIDATION])
        return {name: merit(figures, name) for name in model_set.models}

    def _try_ensembles(
        self, history: EpochScores, ways: Mapping[str, ModelSet], choice: Mapping[str, str]
    ) -> TriedEnsembles:
        """Train what the settings plan, before any model learns from the validation panel."""
        plan = ensembles_of(self._settings)
        if not plan.ensembles:
            return TriedEnsembles({}, (), None)
        pool = self._panels.pooled([entry.score is not None for entry in history], most=ENSEMBLE_ROWS)
        singles = {name: ways[way].models[name] for name, way in choice.items()}
        return try_ensembles(self._settings, plan, singles, pool, self._validation, self._panels)

    def _best(self, best: int, newest: Checkpoint) -> Checkpoint:
        if best == newest.epoch:
            return newest
        try:
            return self._checkpoints.read(best)
        except CheckpointDamagedError:
            return newest  # nearly as good, and whole

    def _test(
        self, model_set: ModelSet
    ) -> tuple[list[DrawRecord], dict[str, dict[str, float]], dict[str, Slices], dict[str, Outcomes]]:
        slices: dict[str, Slices] = {}
        outcomes: dict[str, Outcomes] = {}
        draws: list[DrawRecord] = []
        metrics: dict[str, dict[str, float]] = {name: {} for name in model_set.models}
        for number, name in enumerate(self._panels.domain.test_panels):
            draw = self._panels.test(name)
            draws.append(draw.record)
            self._data_sets.keep(name, draw)
            slices = slices or model_set.slices(draw.panel)
            outcomes = outcomes or _outcomes(model_set, draw.panel.frame)
            seed = derive_seed(self._settings.random_seed, "interval", number)
            for model, figures in model_set.test(draw.panel, seed=seed).items():
                metrics[model] |= {f"{name}.{metric}": value for metric, value in figures.items()}
        return draws, metrics, slices, outcomes

    def _save(self, made: "_Made", source: Checkpoint, newest: Checkpoint) -> FinalRecord:
        record: FinalRecord | None = None

        def fill(folder: Path) -> None:
            nonlocal record
            models = tuple(
                _save_model(model, name, folder, made, domain=self._settings.domain)
                for name, model in made.model_set.models.items()
            )
            stress = final_stress(
                self._settings,
                made.model_set.models,
                made.learned_columns.values(),
                self._panels,
                self._validation.panel.frame,
                trained=made.trained,
            )
            if stress is not None:
                write_file(folder / STRESS_FILE, msgspec.json.encode(stress), durable=False)
            ensembles = tuple(as_shipped(each, made.model_set.models[each.model]) for each in made.ensembles)
            record = FinalRecord(
                epoch=newest.epoch,
                best_epoch=source.epoch,
                score=fmean(merit(model.metrics, self._panels.domain.test_panels[0]) for model in models),
                draws=made.draws,
                models=models,
                sections=(
                    *selection_sections(made.tuning.selections),
                    *tuning_sections(made.tuning.records, self._panels.domain.groups),
                    *sections_of(ensembles, self._panels.domain.groups),
                    *self._panels.report_sections(),
                    *stress_sections(stress),
                    *map(training_section, made.trained),
                ),
                ensembles=ensembles,
                tuning=made.tuning.records,
                selections=made.tuning.selections,
                columns=_columns(made),
            )
            write_file(folder / FINAL_RECORD, to_json(record), durable=False)

        write_folder(self._folder, fill)
        assert record is not None
        return record


@dataclass(frozen=True, slots=True)
class _Made:
    """The result to save."""

    model_set: ModelSet
    choice: dict[str, str]
    metrics: dict[str, dict[str, float]]
    slices: dict[str, Slices]
    slicings: dict[str, str]  # the column that each is made of
    draws: tuple[DrawRecord, ...]
    columns: dict[str, ColumnProfile]  # of the draws, without a shock: live traffic is compared with it
    learned_columns: dict[str, ColumnProfile]  # of the draws that the models were fitted to, stressed rows among them
    trained: tuple[StressedTraining, ...]
    group: str | None
    outcomes: dict[str, Outcomes]
    held_out: HeldOutSettings
    explanation: ExplanationSettings
    ensembles: tuple[EnsembleRecord, ...]
    tuning: TuningOutcome


def _columns(made: "_Made") -> tuple[str, ...]:
    """Name the columns of the data, those made of them, and those that were chosen from."""
    models, selections = made.model_set.models.values(), made.tuning.selections
    return tuple(
        dict.fromkeys(
            (
                *made.columns,
                *made.learned_columns,
                *(name for model in models for name in model.feature_importance()),
                *(record.name for selection in selections for record in selection.columns),
            )
        )
    )


def _outcomes(model_set: ModelSet, frame: pd.DataFrame) -> dict[str, Outcomes]:
    """Answer the rows of the main test panel."""
    found = {}
    for name, model in model_set.models.items():
        try:
            found[name] = outcomes_of(model, frame)
        except Exception:  # a plug-in may answer in another shape: its profile then has no answers
            log.warning("no answers of %s for its profile", name, exc_info=True)
    return found


def _save_model(model: Model, name: str, folder: Path, made: "_Made", *, domain: str) -> FinalModel:
    metrics, slices = made.metrics[name], made.slices.get(name, {})
    place = folder / name
    model.save(place)
    account = plain(model.report(), name, "report", domain=domain)
    importance = plain(model.feature_importance(), name, "feature_importance", domain=domain)
    if compared := [as_shipped(each, model) for each in made.ensembles if each.model == name]:
        account["ensemble_comparison"] = msgspec.to_builtins(compared[0])
    if found := [record for record in made.tuning.records if record.model == name]:
        account["tuning"] = msgspec.to_builtins(found[0])
    if choices := [record for record in made.tuning.selections if record.model == name]:
        account["columns"] = msgspec.to_builtins(choices[0])
    report: dict[str, Any] = {**account, "feature_importance": importance, "metrics": metrics, "slices": slices}
    denied = DenyList.of(made.explanation)
    report["slices"] = denied.with_slicings(made.slicings).visible_slices(slices)
    report["sliced_by"] = made.slicings
    report[PROFILE] = figures_of(made.columns.values(), masks=denied.hides_values)
    content = msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2)
    write_file(place / REPORT, content + b"\n", durable=False)
    features = tuple(column for column in importance if column != made.group)
    target = model.label if isinstance(getattr(model, "label", None), str) else None
    time = time_of({column.name: column.kind for column in made.columns.values()})
    profile = profile_of(
        made.columns, features=features, target=target, group=made.group, held_out=made.outcomes.get(name), time=time
    )
    write_file(place / PROFILE_NAME, profile.to_bytes(), durable=False)
    if (outcomes := made.outcomes.get(name)) is not None:
        judged = outcomes.rows[outcomes.rows.index.isin(model.judged_rows(outcomes.rows).index)]
        explained = explanation_of_training(model, judged, made.explanation, group=made.group)
        if explained is not None:
            write_file(place / EXPLANATION_NAME, StoredExplanation(report=explained).to_bytes(), durable=False)
    held_out = _held_out(model, made.outcomes.get(name), importance, made)
    if held_out is not None:
        write_file(place / HELD_OUT_NAME, held_out.to_bytes(), durable=False)
    if (conformal := conformal_of(held_out)) is not None:
        write_file(place / CONFORMAL_NAME, conformal.to_bytes(), durable=False)
    files = {path.relative_to(place).as_posix(): sha256_of(path) for path in sorted(place.rglob("*")) if path.is_file()}
    return FinalModel(
        name=name,
        folder=f"{FINAL_FOLDER}/{name}",
        files=files,
        chosen=str(account.get("ships", model.algorithm)),
        way=made.choice[name],
        metrics=metrics,
        importance=denied.shares(importance),
        slices=denied.with_slicings(made.slicings).visible_slices(slices),
        report=account,
    )


def _held_out(
    model: Model, outcomes: Outcomes | None, importance: Mapping[str, float], made: _Made
) -> HeldOutRows | None:
    """Choose the rows that a version keeps: of those that its metrics judge, with the columns of its requests."""
    if outcomes is None or not made.held_out.rows:
        return None
    judged = np.flatnonzero(outcomes.rows.index.isin(model.judged_rows(outcomes.rows).index))
    actual = None if outcomes.actual is None else outcomes.actual[judged]
    own = replace(outcomes, rows=outcomes.rows.iloc[judged], answer=outcomes.answer[judged], actual=actual)
    asked = (field.name for field in scorer.fields) if (scorer := model.row_scorer()) is not None else ()
    read = model.columns_read(list(map(str, own.rows)))
    return HeldOutRows.of(
        model,
        own,
        tuple(dict.fromkeys((*importance, *asked, *read))),
        group=made.group,
        most=made.held_out.rows,
        masked=made.held_out.masked,
    )
