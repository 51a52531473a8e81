"""The end of a session: the best models learn from the validation panel too, are tested once, and are left to register.

The validation panel has done its work when the last choice has been made, and a model that also knows those issuers can
only know more. The test panels are drawn after that, looked at once, and nothing is chosen by them.
"""

import math
import shutil
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from core.errors import RefusedError
from core.models import Model, Panel
from core.settings import TrainingSettings
from core.training.checkpoint import Checkpoint, Checkpoints, to_json
from core.training.convergence import best_epoch
from core.training.crew import Crew
from core.training.durable import sha256_of, write_folder
from core.training.errors import CheckpointDamagedError
from core.training.panels import TEST_PANELS, Draw, SessionPanels
from core.training.records import DrawRecord, FinalModel, FinalRecord
from core.training.seeds import derive_seed

FOLDER = "final"
RECORD = "final.json"
REPORT = "report.json"  # beside a model's files: what the registry's diff reads
MAIN_TEST = TEST_PANELS[0]


class NothingLearnedError(RefusedError):
    """A session ended without a single draw that passed its gates."""

    def __init__(self, n_epochs: int) -> None:
        super().__init__(f"None of the {n_epochs} draws passed its quality gates, so there is no model to register.")


class Finale:
    """Makes the models that ship, once: a second time finds them."""

    def __init__(
        self, settings: TrainingSettings, panels: SessionPanels, checkpoints: Checkpoints, validation: Draw
    ) -> None:
        self._settings = settings
        self._panels = panels
        self._checkpoints = checkpoints
        self._validation = validation
        self._folder = checkpoints.folder / FOLDER

    def perform(self) -> FinalRecord:
        """Refit, test, save.

        Raises:
            NothingLearnedError: No epoch taught the models anything.
        """
        if (record := self._kept()) is not None:
            return record
        newest, _ = self._checkpoints.newest()
        history = newest.manifest.history if newest else ()
        best = best_epoch(history)
        if newest is None or best is None:
            raise NothingLearnedError(len(history))
        source = self._best(best, newest)
        crew = Crew(self._settings)
        crew.load(source.models)
        validation = Panel(self._validation.panel.bonds, self._validation.panel.truth)
        crew.learn(validation, seed=derive_seed(self._settings.random_seed, "refit"), judged_on={})
        draws, metrics = self._test(crew)
        return self._save(crew, source, newest, draws, metrics)

    def _kept(self) -> FinalRecord | None:
        """Return what an earlier attempt has left, if every file of it is what was written."""
        try:
            record = msgspec.json.decode((self._folder / RECORD).read_bytes(), type=FinalRecord)
            sound = all(
                sha256_of(self._checkpoints.folder / model.folder / name) == sha256
                for model in record.models
                for name, sha256 in model.files.items()
            )
        except (OSError, msgspec.DecodeError):
            return None
        return record if sound else None

    def _best(self, best: int, newest: Checkpoint) -> Checkpoint:
        if best == newest.epoch:
            return newest
        try:
            return self._checkpoints.read(best)
        except CheckpointDamagedError:
            return newest  # nearly as good, and whole

    def _test(self, crew: Crew) -> tuple[list[DrawRecord], dict[str, dict[str, float]]]:
        draws: list[DrawRecord] = []
        metrics: dict[str, dict[str, float]] = {name: {} for name, _ in crew.models()}
        for name in TEST_PANELS:
            draw = self._panels.test(name)
            draws.append(draw.record)
            seed = derive_seed(self._settings.random_seed, "interval", len(draws))
            panel = Panel(draw.panel.bonds, draw.panel.truth)
            for model, figures in crew.side_by_side(
                lambda model, panel=panel, seed=seed: _judge(model, panel, seed)
            ).items():
                metrics[model] |= {f"{name}.{metric}": value for metric, value in figures.items()}
        return draws, metrics

    def _save(
        self,
        crew: Crew,
        source: Checkpoint,
        newest: Checkpoint,
        draws: list[DrawRecord],
        metrics: dict[str, dict[str, float]],
    ) -> FinalRecord:
        record: FinalRecord | None = None

        def fill(folder: Path) -> None:
            nonlocal record
            made = tuple(_save_model(model, name, folder, metrics[name]) for name, model in crew.models())
            record = FinalRecord(
                epoch=newest.epoch,
                best_epoch=source.epoch,
                score=fmean(model.metrics[f"{MAIN_TEST}.attainment"] for model in made),
                draws=(source.manifest.record.draw, self._validation.record, *draws),
                models=made,
            )
            (folder / RECORD).write_bytes(to_json(record))

        shutil.rmtree(self._folder, ignore_errors=True)
        write_folder(self._folder, fill)
        assert record is not None
        return record


def _judge(model: Model, panel: Panel, seed: int) -> dict[str, float]:
    """Measure everything on one test panel, and how sure the attainment is."""
    figures = model.evaluate(panel)
    if (attainment := model.attainment(panel, seed=seed)) is not None:
        figures |= {
            "attainment": attainment.attainment,
            "attainment_low": attainment.low,
            "attainment_high": attainment.high,
            "gini_attainment": attainment.gini,
            "optimum": attainment.optimum,
            "leak": float(attainment.leak),
        }
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _save_model(model: Model, name: str, folder: Path, metrics: dict[str, float]) -> FinalModel:
    place = folder / name
    model.save(place)
    account, importance = model.report(), model.feature_importance()
    report: dict[str, Any] = {**account, "feature_importance": importance, "metrics": metrics}
    (place / REPORT).write_bytes(
        msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2) + b"\n"
    )
    files = {path.relative_to(place).as_posix(): sha256_of(path) for path in sorted(place.rglob("*")) if path.is_file()}
    return FinalModel(
        name=name,
        folder=f"{FOLDER}/{name}",
        files=files,
        chosen=str(account.get("ships", model.algorithm)),
        metrics=metrics,
        importance=importance,
        report=account,
    )
