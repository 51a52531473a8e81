"""The tracked run of a session: one run, however many engines work on it."""

import math
from collections.abc import Iterable
from pathlib import Path

from core.actor import Actor
from core.clock import Clock
from core.state import Workspace
from core.telemetry import TelemetryReader, TelemetryWriter
from core.tracking import Run, Runs, RunStatus
from core.tracking.experiments import experiment_tags
from core.training.records import EpochRecord
from core.training.session import Session
from core.training.session_files import SessionFiles
from core.training.tuning.records import SessionTrial
from core.training.tuning.trial_runs import TrialRuns

EVERY_EPOCH = "quality.score"  # the metric that every epoch has
SKIPPED_EPOCH = "epoch.skipped"  # marks an epoch that taught nothing, whose other metrics are those of the epoch before

_TEXTS = {"kind": "text model"}


class RunRecord:
    """Opens, fills and closes the runs of sessions."""

    def __init__(
        self, workspace: Workspace, telemetry: TelemetryWriter, files: SessionFiles, *, actor: Actor, clock: Clock
    ) -> None:
        self._workspace = workspace
        self._telemetry = telemetry
        self._runs = Runs(workspace, telemetry=telemetry, clock=clock)
        self._files = files
        self._actor = actor

    def open(self, session: Session) -> Run:
        """Return the run of a session: the recorded run, a run that a crash left unrecorded, or a new one."""
        known = [run for run in self._runs.all() if run.session_id == session.session_id]
        if not known:
            algorithms = (model.algorithm for model in session.training.models.values())
            return self._runs.start(
                name=session.name,
                actor=self._actor,
                session_id=session.session_id,
                parameters=session.settings if session.text is None else session.text.parameters,
                tags=(_TEXTS if session.text is not None else {}) | experiment_tags(session.experiment, algorithms),
            )
        run = known[-1]
        return self._runs.reopen(run.run_id, actor=self._actor) if run.is_over else run

    def log_judgement(self, session: Session, metrics: dict[str, float]) -> None:
        """Add the figures of a model of language, judged after its last epoch, unless the run is closed."""
        assert session.run_id is not None
        if not self._runs.get(session.run_id).is_over:
            self._runs.log_metrics(session.run_id, session.observed.epoch, metrics)

    def log(self, session: Session, record: EpochRecord, timings: dict[str, float]) -> None:
        """Add the metrics of an epoch to the history."""
        assert session.run_id is not None
        gaps = dict.fromkeys(record.unmeasured, math.nan)
        metrics = {**record.metrics, **gaps, EVERY_EPOCH: record.quality_score, **timings}
        if record.score is not None:
            metrics["score"] = record.score
        if not record.learned:
            metrics[SKIPPED_EPOCH] = 1.0
        self._runs.log_metrics(session.run_id, record.epoch, metrics)

    def log_trials(self, session: Session, trials: Iterable[SessionTrial]) -> None:
        """Record trials of the search of parameters as children of the session's run."""
        TrialRuns(self._runs, actor=self._actor).record(session, trials)

    def warn(self, session: Session, warnings: Iterable[str]) -> None:
        """Tag the run with the warnings about how it was trained."""
        assert session.run_id is not None
        self._runs.set_tags(session.run_id, {"warning": " ".join(warnings)}, actor=self._actor)

    def restore(self, session: Session) -> None:
        """Add the metrics that a killed engine had not committed yet, from the reports of the epochs."""
        assert session.run_id is not None
        reader = TelemetryReader(self._workspace.telemetry_file)
        try:
            missing = reader.of_epochs.missing(session.run_id, EVERY_EPOCH, session.observed.epoch)
        finally:
            reader.close()
        for epoch in missing:
            if (record := self._files.read_epoch(session, epoch)) is not None:
                self.log(session, record, {})

    def close(self, session: Session, status: RunStatus, *, reason: str) -> None:
        """Commit the metrics and close the run, unless that was done before a crash."""
        if session.run_id is not None and not self._runs.get(session.run_id).is_over:
            self._runs.finish(session.run_id, status, actor=self._actor, reason=reason)
        self._telemetry.flush()

    def note(self, session: Session, *, chosen: Iterable[str], data: dict[str, str], files: Iterable[Path]) -> None:
        """Record the shipped algorithms and the hashes of a run's data and files, unless the run is closed."""
        assert session.run_id is not None
        if not self._runs.get(session.run_id).is_over:
            self._runs.set_tags(session.run_id, experiment_tags(session.experiment, chosen), actor=self._actor)
            self._runs.set_data_hashes(session.run_id, data, actor=self._actor)
            self._runs.log_artifact(session.run_id, *files, actor=self._actor)
