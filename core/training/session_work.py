"""One session's panels and models, and what an epoch does with them.

Every result here is a function of the settings, the epoch number and the checkpoint before it.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from core.confinement import confine
from core.executors.in_force import running_on
from core.executors.opening import executor_of
from core.explain.deny_list import DenyList
from core.json_documents import converted
from core.models import Model
from core.progress import begins
from core.quality import QualityReport, assess
from core.quality.report import with_gate
from core.seeds import derive_seed
from core.settings import TrainingSettings, cautions
from core.settings.encryption import SealedKind
from core.settings.executor import ExecutorSettings
from core.settings.sealing import sealer_around
from core.settings.training import FEW_ROWS
from core.training.checkpoint import Checkpoint, Checkpoints, prepared_after
from core.training.data_sets import DataSets
from core.training.final_fit import FinalFit
from core.training.metrics import finite
from core.training.model_set import ModelSet
from core.training.panels import Draw, SessionPanels
from core.training.records import EpochRecord, FinalRecord, refusal_of
from core.training.scores import EpochScores, merit
from core.training.session import as_document
from core.training.session_domain import checked, tuning_plan
from core.training.session_stress import SessionStress
from core.training.slicing import EpochSlices
from core.training.stopwatch import Stopwatch
from core.training.tuning.plan import with_outcome
from core.training.tuning.records import TuningProgress
from core.training.tuning.session_search import SessionSearch
from core.training.wire import (
    ChildReply,
    ChildRequest,
    EpochDone,
    Failed,
    Finish,
    Finished,
    Prepare,
    Prepared,
    RunEpoch,
    Tune,
    Tuned,
)

if TYPE_CHECKING:
    from core.training.text_work import TextSessionWork

log = logging.getLogger(__name__)

KEPT_CHECKPOINTS = 2  # the newest, and its predecessor in case the newest is damaged; the best is kept as well


class SessionWork:
    """A session resumed at its newest checkpoint."""

    def __init__(
        self,
        settings: TrainingSettings,
        folder: Path,
        *,
        data_folder: Path | None = None,
        world_seed: int | None = None,
        warm_start: Mapping[str, Model] = MappingProxyType({}),
    ) -> None:
        """Draw the validation panel, and load or create the models.

        Args:
            settings: The session's settings.
            folder: The folder of its checkpoints.
            data_folder: The folder of its data sets, if they are to be kept.
            world_seed: As for `SessionPanels`.
            warm_start: Trained models that continue to learn, by name, in place of new ones; a checkpoint comes before
                them.
        """
        document = as_document(msgspec.structs.replace(settings, executor=ExecutorSettings()))  # it changes no result
        begins("the preparation")
        settings = checked(settings)
        self._folder = folder
        self._panels = SessionPanels(settings, world_seed=world_seed)
        self._search = SessionSearch(settings, tuning_plan(settings), self._panels, folder)
        self._settings = settings = with_outcome(settings, self._search.outcome)
        self._checkpoints = Checkpoints(folder)
        self._newest, self._damaged = self._checkpoints.newest()
        self._warm_start = warm_start
        self._model_set = self._new_models()
        if self._newest is not None:
            self._model_set.load(self._newest.models)
        self._validation = self._panels.validation()
        self._slices = EpochSlices(self._panels.domain, DenyList.of(settings.explanation))
        self._stress = SessionStress(settings)
        self._data_sets = DataSets(settings, document, data_folder)
        sealer_around(folder, SealedKind.ARTIFACTS)  # what cannot be sealed is told before the work, not after it
        self._fit_seconds: dict[str, float] = {}

    def where_it_stands(self) -> Prepared:
        """Say after which epoch the session continues."""
        return msgspec.structs.replace(
            prepared_after(self._newest, self._damaged),
            warnings=(*cautions(self._settings), *self._model_set.warnings),
            tuning=self._search.progress(),
        )

    @property
    def history(self) -> EpochScores:
        """The scores of its epochs so far."""
        return self._newest.history if self._newest else EpochScores()

    @property
    def last(self) -> EpochRecord | None:
        """Its last epoch; None before the first."""
        return self._newest.manifest.record if self._newest else None

    @property
    def is_tuning(self) -> bool:
        """Whether the search of parameters has to end before an epoch may begin."""
        return self._search.outcome is None

    def tune(self, stop: str = "") -> TuningProgress:
        """Run the next batch of trials, or give the verdicts; after these the epochs begin.

        Args:
            stop: Why the search is to end with the trials it has.
        """
        progress = self._search.step(stop)
        if progress.is_done:
            self._settings = with_outcome(self._settings, self._search.outcome)
            self._model_set = self._new_models()
        return progress

    def run_epoch(self, number: int) -> EpochDone:
        """Draw, check the draw, learn, validate, and save a checkpoint.

        Raises:
            ValueError: The epoch is not the next one, or the search of parameters has not ended.
        """
        if self._search.outcome is None:
            raise ValueError(f"epoch {number} was requested, but the search of parameters is next")
        history = self.history
        if number != len(history) + 1:
            raise ValueError(f"epoch {number} was requested, but epoch {len(history) + 1} is next")
        watch, self._fit_seconds = Stopwatch(), {}
        begins("the draw")
        draw = self._panels.epoch(number)
        watch.lap("draw")
        log.debug("epoch %d: %d rows drawn in %.3f s", number, len(draw.panel.frame), watch.seconds["draw"])
        quality = assess(
            draw.calm.frame,
            self._panels.domain.checks,
            self._settings.quality_gates,
            source=f"the draw of epoch {number}",
            denied=DenyList.of(self._settings.explanation).among(map(str, draw.calm.frame.columns)),
        )
        if self._settings.dataset_size < FEW_ROWS:  # a larger draw of a known domain always has two groups
            quality = with_gate(quality, self._panels.groups_gate(draw))
        watch.lap("gates")
        log.debug("epoch %d: %d gates judged in %.3f s", number, len(quality.gates), watch.seconds["gates"])
        for gate in quality.gates:
            log.debug("epoch %d: gate %s: %s, %s", number, gate.name, gate.verdict, gate.sentence)
        record = self._learn(number, draw, quality) if quality.passed else self._refuse(number, draw, quality)
        watch.lap("learn")
        begins("the data set")
        self._data_sets.keep_epoch(number, draw)
        begins("the checkpoint")
        self._newest = self._keep(record, history.then(record.as_score))
        watch.lap("checkpoint")
        log.debug("epoch %d: checkpoint %s in %.3f s", number, self._newest.folder, watch.seconds["checkpoint"])
        return EpochDone(
            record=record,
            checkpoint=str(self._newest.folder),
            checkpoint_sha256=self._newest.sha256,
            stage_seconds=watch.seconds,
            fit_seconds=self._fit_seconds,
        )

    def finish(self) -> FinalRecord:
        """Refit the best models, test them once, and save them for registration."""
        if (tuning := self._search.outcome) is None:
            raise ValueError("the end was requested, but the search of parameters is next")
        fit = FinalFit(self._settings, self._panels, self._checkpoints, self._validation, self._data_sets, tuning)
        record = fit.perform()
        self._fit_seconds = fit.fit_seconds
        return record

    @property
    def fit_seconds(self) -> dict[str, float]:
        """What each model took to learn in the last epoch, or for the end."""
        return self._fit_seconds

    def _new_models(self) -> ModelSet:
        """Make the models that the first epoch teaches."""
        model_set = ModelSet(self._settings)
        model_set.models.update(self._warm_start)
        return model_set

    def _learn(self, number: int, draw: Draw, quality: QualityReport) -> EpochRecord:
        watch = Stopwatch()
        learned, holdout = self._panels.split(draw.panel, number)
        seed = derive_seed(self._settings.random_seed, "learn", number)
        self._fit_seconds = self._model_set.learn(learned, seed=seed)
        watch.lap("learn")
        log.debug("epoch %d: learned from %d rows in %.3f s", number, len(learned.frame), watch.seconds["learn"])
        figures, slices = self._model_set.judge_by_slice(self._validation.panel, self._slices)
        on_holdout = self._model_set.judge({"holdout": holdout})["holdout"]
        metrics = finite(figures)
        if self._stress.is_due(number):
            begins("the stress test")
            metrics |= self._stress.metrics(draw.calm.frame)
        watch.lap("judge")
        log.debug("epoch %d: %d metrics judged in %.3f s", number, len(metrics), watch.seconds["judge"])
        return EpochRecord(
            epoch=number,
            learned=True,
            draw=draw.record,
            n_learned_rows=len(learned.frame),
            n_holdout_rows=len(holdout.frame),
            gates=quality.gates,
            learned_gates=quality.gates,
            quality_score=quality.score,
            score=fmean(merit(metrics, name) for name in self._model_set.models),
            metrics=metrics,
            unmeasured=tuple(sorted(figures.keys() - metrics.keys())),
            holdout=finite(on_holdout),
            slices=slices,
        )

    def _refuse(self, number: int, draw: Draw, quality: QualityReport) -> EpochRecord:
        """Skip an epoch whose draw failed its gates: the models stay unchanged."""
        before = self.last
        return EpochRecord(
            epoch=number,
            learned=False,
            refusal=refusal_of(quality.gates),
            draw=draw.record,
            n_learned_rows=0,
            n_holdout_rows=0,
            gates=quality.gates,
            learned_gates=before.learned_gates if before else (),
            quality_score=quality.score,
            score=before.score if before else None,
            metrics=before.metrics if before else {},
            unmeasured=before.unmeasured if before else (),
            holdout={},
            slices=before.slices if before else {},
        )

    def _keep(self, record: EpochRecord, history: EpochScores) -> Checkpoint:
        kept = self._checkpoints.write(record, history, self._model_set.save)
        newest = range(record.epoch, record.epoch - KEPT_CHECKPOINTS, -1)
        self._checkpoints.keep_only({*newest, history.best_epoch or record.epoch})
        return kept


class Workbench:
    """Answers requests; between requests it holds the session it last prepared, and its executor."""

    def __init__(self) -> None:
        self._work: SessionWork | TextSessionWork | None = None
        self._held = ExitStack()

    def answer(self, request: ChildRequest) -> ChildReply:
        """Carry out a request."""
        if isinstance(request, Prepare):
            confine(Path(request.folder).parents[2])  # the workspace, which is not opened here
            self._work = None  # free one session's panels and models before loading the next session's
            self._held.close()
            settings = converted(request.settings, TrainingSettings)
            if request.text is not None:
                from core.training.text_work import TextSessionWork

                self._work = TextSessionWork(settings, request.text, Path(request.folder))
                return self._work.where_it_stands()
            chosen = executor_of(settings)
            self._held.callback(chosen.close)
            self._held.enter_context(running_on(chosen))
            self._work = SessionWork(
                settings,
                Path(request.folder),
                data_folder=Path(request.data_folder) if request.data_folder else None,
            )
            return self._work.where_it_stands()
        if self._work is None:
            return Failed(kind="error", reason="no session is prepared", details="")
        if isinstance(request, RunEpoch):
            return self._work.run_epoch(request.number)
        if not isinstance(self._work, SessionWork):
            return self._work.finish()  # a model of language has no search of parameters
        match request:
            case Tune():
                return Tuned(progress=self._work.tune(request.stop))
            case Finish():
                record = self._work.finish()
                return Finished(record=record, fit_seconds=self._work.fit_seconds)
