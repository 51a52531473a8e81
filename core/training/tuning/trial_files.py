"""The files of a search, in the folder of the session's checkpoints: a document for each trial as it ends.

They are durable before the next trial begins, so that a killed search loses only the trials that were under way.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from core.files import make_folder, write_file
from core.json_documents import decode_json
from core.models.tuning.trial import Trial
from core.plain_files import read_file
from core.training.tuning.outcome import TuningOutcome
from core.training.tuning.records import SelectionRecord, SessionTrial

FOLDER = "tuning"
OUTCOME = "outcome.json"
STOPPED = "stopped.json"
FEATURES_FILE = "columns.json"
_TRIAL = re.compile(r"trial_(\d+)\.json")

S = TypeVar("S", bound=msgspec.Struct)


class _Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """Why a search ended early; its trials are those that are on disk."""

    why: str


class TrialFiles:
    """The trials of one session, by model.

    Args:
        folder: Of its checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER

    def keep(self, model: str, trial: Trial) -> None:
        """Write a trial that has ended."""
        self._write(self.folder / model / f"trial_{trial.number:04d}.json", trial)

    def trials(self, model: str) -> list[Trial]:
        """Return the trials of a model, by number; a damaged document counts as a trial that has not ended."""
        folder = self.folder / model
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        found = (_read(file, Trial) for file in files if _TRIAL.fullmatch(file.name))
        return sorted((trial for trial in found if trial is not None), key=lambda trial: trial.number)

    def all(self, models: Iterable[str]) -> tuple[SessionTrial, ...]:
        """Return the trials of some models, in their order."""
        return tuple(SessionTrial(model=model, trial=trial) for model in models for trial in self.trials(model))

    def models(self) -> list[str]:
        """Name the models that have trials."""
        return sorted(each.name for each in self.folder.iterdir() if each.is_dir()) if self.folder.is_dir() else []

    def keep_selection(self, record: SelectionRecord) -> None:
        """Write the columns chosen for a model."""
        self._write(self.folder / record.model / FEATURES_FILE, record)

    def selection(self, model: str) -> SelectionRecord | None:
        """Return the columns chosen for a model; None before the choice."""
        return _read(self.folder / model / FEATURES_FILE, SelectionRecord)

    def stop(self, why: str) -> None:
        """Record that the search ends with the trials it has."""
        self._write(self.folder / STOPPED, _Stopped(why=why))

    def stopped(self) -> str:
        """Return why the search ended early; empty if it did not."""
        found = _read(self.folder / STOPPED, _Stopped)
        return "" if found is None else found.why

    def conclude(self, outcome: TuningOutcome) -> None:
        """Write the verdicts."""
        self._write(self.folder / OUTCOME, outcome)

    def outcome(self) -> TuningOutcome | None:
        """Return the verdicts; None before the end of the search."""
        return _read(self.folder / OUTCOME, TuningOutcome)

    @staticmethod
    def _write(file: Path, document: msgspec.Struct) -> None:
        make_folder(file.parent)
        content = msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2)
        write_file(file, content + b"\n")


def _read(file: Path, kind: type[S]) -> S | None:
    try:
        return decode_json(read_file(file), kind)
    except (OSError, msgspec.DecodeError):
        return None
