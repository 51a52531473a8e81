"""Where a session's progress is written: its document, its run, telemetry, alerts and reports.

The order within an epoch is report, metrics, document, alerts: whoever sees the epoch in the document finds everything
else in place. All of it may be written again after a crash, with the same content.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor
from core.alerts import Alerts
from core.clock import Clock, utc_now
from core.governance import Evidence
from core.settings import unavailable_features
from core.state import Workspace
from core.telemetry import TelemetryReader, TelemetryWriter
from core.tracking import Run, Runs, RunStatus
from core.training.calls import Calls
from core.training.convergence import EpochScore, Judgement, best_epoch
from core.training.durable import write_file
from core.training.errors import LearningError
from core.training.eta import RECENT_EPOCHS, remaining_seconds
from core.training.records import EpochRecord, FinalRecord
from core.training.registration import register_models
from core.training.reports import (
    dashboard_metrics,
    epoch_report,
    final_report,
    final_report_json,
    final_report_markdown,
    system_health_report,
)
from core.training.session import Desired, Phase, Session
from core.training.sessions import Sessions
from core.training.wire import EpochDone, Prepared

log = logging.getLogger(__name__)

CHECKPOINTS = ".checkpoints"  # below artifacts/, where no model can have this name
HEALTH_SERIES = (
    "resource.cpu_percent",
    "resource.memory_percent",
    "resource.disk_percent",
    "process.engine.rss_bytes",
    "process.trainer.cpu_percent",
    "process.trainer.rss_bytes",
)


class Books:
    """Writes down, as the engine, what became of sessions."""

    def __init__(
        self, workspace: Workspace, telemetry: TelemetryWriter, alerts: Alerts, *, actor: Actor, clock: Clock = utc_now
    ) -> None:
        """Open the books.

        Args:
            workspace: Whose.
            telemetry: Takes the metrics of epochs.
            alerts: The engine's one instance.
            actor: The engine.
            clock: The time.
        """
        self._workspace = workspace
        self._telemetry = telemetry
        self._actor = actor
        self._clock = clock
        self._sessions = Sessions(workspace, clock=clock)
        self._runs = Runs(workspace, telemetry=telemetry, clock=clock)
        self._alerts = alerts
        self._calls = Calls(alerts, clock)

    def checkpoints_of(self, session: Session) -> Path:
        """Name the folder of a session's checkpoints."""
        return self._workspace.artifacts_dir / CHECKPOINTS / session.session_id

    def look(self, session: Session) -> Session:
        """Return the session as it stands now."""
        return self._sessions.get(session.session_id)

    def show_intent(self, session: Session) -> Session:
        """Say at once whether the epoch at work will be the last for now, as people's wishes change."""
        session = self.look(session)
        phase = Phase.RUNNING if session.desired is Desired.RUNNING else Phase.STOPPING
        return session if session.observed.phase is phase else self._observe(session, f"session.{phase}", phase=phase)

    def begin(self, session: Session) -> Session:
        """Open a session, or open it again: its run is tracked, and what it cannot do is said."""
        now = self._clock()
        announcements = unavailable_features(session.training)
        for sentence in announcements:
            log.warning("%s: %s", session.session_id, sentence)
        return self._observe(
            session,
            "session.begin" if session.run_id is None else "session.continue",
            run_id=self._run_of(session).run_id,
            phase=Phase.PREPARING,
            started_at=session.observed.started_at or now,
            last_progress_at=now,
            announcements=announcements,
            ended_at=None,
            stop_reason=None,
        )

    def taken_up(self, session: Session, prepared: Prepared) -> Session:
        """Record where a session goes on, with what its checkpoint knows and a crash kept from the books."""
        for problem in prepared.damaged:
            log.error("%s: %s", session.session_id, problem)
            self._calls.checkpoint_damaged(session, problem)
        self._restore_metrics(session)
        record = prepared.record
        if record is None:
            return self._observe(
                session, "session.running", phase=Phase.RUNNING, epoch=0, epoch_started_at=self._clock()
            )
        log.info("%s goes on after epoch %d", session.session_id, record.epoch)
        if record.epoch > session.observed.epoch:
            done = EpochDone(
                record=record,
                checkpoint=prepared.checkpoint or "",
                checkpoint_sha256=prepared.checkpoint_sha256 or "",
                stage_seconds={},
            )
            return self.epoch_done(session, done, prepared.history, [])
        return self._observe(
            session, "session.running", phase=Phase.RUNNING, epoch=record.epoch, epoch_started_at=self._clock()
        )

    def epoch_done(
        self, session: Session, done: EpochDone, history: Sequence[EpochScore], durations: Sequence[float]
    ) -> Session:
        """Record an epoch.

        Args:
            session: The session.
            done: What the child reports.
            history: The scores of all epochs, this one included.
            durations: Seconds of the epochs timed by this engine, this one last; empty for an epoch that an engine
                before this one has seen through.
        """
        now, record = self._clock(), done.record
        write_file(self._epoch_report_file(session, record.epoch), epoch_report(record))
        timings = {f"stage.{stage}_seconds": seconds for stage, seconds in done.stage_seconds.items()}
        if durations:
            timings["epoch.seconds"] = durations[-1]
        self._log_metrics(session, record, timings)
        best = best_epoch(history)
        checkpoint = Path(done.checkpoint).relative_to(self._workspace.root).as_posix()
        session = self._observe(
            session,
            "epoch.complete" if record.learned else "epoch.reject",
            reason=record.refusal,
            evidence=(Evidence(f"{checkpoint}/checkpoint.json", done.checkpoint_sha256),),
            phase=Phase.RUNNING if session.desired is Desired.RUNNING else Phase.STOPPING,
            epoch=record.epoch,
            score=record.score,
            best_epoch=best,
            best_score=history[best - 1].score if best else None,
            gates=record.gates,
            quality_score=record.quality_score,
            metrics=record.metrics,
            epoch_started_at=now,
            last_progress_at=now,
            trained_seconds=session.observed.trained_seconds + (durations[-1] if durations else 0.0),
            eta_seconds=remaining_seconds(durations, session.observed.n_epochs - record.epoch),
            n_rejected_epochs=sum(1 for entry in history if entry.score is None),
            checkpoint=checkpoint,
            checkpoint_sha256=done.checkpoint_sha256,
        )
        self._calls.epoch_done(session, record)
        self._write_dashboard(session, history, durations)
        return session

    def failed_attempt(self, session: Session, error: Exception, *, attempt: int) -> Session:
        """Record an attempt that came to nothing and will be repeated."""
        epoch = session.observed.epoch + 1
        log.warning("%s: attempt %d at epoch %d failed: %s", session.session_id, attempt, epoch, _full(error))
        self._calls.epoch_failed(session, error)
        return self._observe(
            session,
            "epoch.fail",
            reason=str(error),
            phase=Phase.PREPARING,
            failure=str(error),
            n_failed_epochs=session.observed.n_failed_epochs + 1,
        )

    def give_up(self, session: Session, error: Exception, *, n_attempts: int) -> Session:
        """Record that a session has failed; its checkpoint stays, and asking for it anew goes on from there."""
        log.error("%s failed after %d attempts: %s", session.session_id, n_attempts, _full(error))
        self._calls.epoch_failed(session, error)
        return self._at_rest(
            session,
            "session.fail",
            run_status=RunStatus.FAILED,
            reason=str(error),
            phase=Phase.FAILED,
            failure=str(error),
            gave_up_at=self.look(session).desired_revision,
            n_failed_epochs=session.observed.n_failed_epochs + 1,
            stop_reason=f"failed after {n_attempts} attempts",
        )

    def winding_up(self, session: Session, judgement: Judgement) -> Session:
        """Record that the session is ending by itself: what follows is the refit and the test."""
        return self._observe(
            session,
            "session.end",
            reason=f"{judgement.end}: {judgement.reason}",
            phase=Phase.STOPPING,
            stop_reason=str(judgement.end),
            eta_seconds=0.0,
        )

    def finish(
        self,
        session: Session,
        final: FinalRecord,
        history: Sequence[EpochScore],
        last: EpochRecord,
        judgement: Judgement,
        durations: Sequence[float],
    ) -> Session:
        """Register what the session has made, and write its reports."""
        assert judgement.end is not None
        report = final_report(
            session.settings,
            history,
            last,
            final,
            end=judgement.end,
            explanation=judgement.reason,
            announcements=session.observed.announcements,
        )
        folder = self._reports_of(session)
        report_sha256 = write_file(folder / "final_report.json", final_report_json(report))
        write_file(folder / "final_report.md", final_report_markdown(report, final, last.gates))
        registered = register_models(
            self._workspace, session, final, last, folder=self.checkpoints_of(session), actor=self._actor
        )
        session = self._at_rest(
            session,
            "session.finish",
            run_status=RunStatus.FINISHED,
            reason=f"{judgement.end}: {judgement.reason}",
            evidence=(Evidence(self._relative(folder / "final_report.json"), report_sha256),),
            phase=Phase.FINISHED,
            registered=registered,
            eta_seconds=None,
        )
        self._write_dashboard(session, history, durations)
        return session

    def stopped(self, session: Session) -> Session:
        """Record that a person has stopped the session; its checkpoint stays."""
        why = f"stopped by {session.desired_by}" + (f": {session.reason}" if session.reason else "")
        return self._at_rest(
            session, "session.stopped", run_status=RunStatus.STOPPED, reason=why, phase=Phase.STOPPED, stop_reason=why
        )

    def paused(self, session: Session) -> Session:
        """Record that a session waits for people to resume it."""
        self._telemetry.flush()
        return self._observe(session, "session.paused", phase=Phase.PAUSED, eta_seconds=None)

    def suspended(self, session: Session) -> Session:
        """Record that a session waits for the next engine."""
        self._telemetry.flush()
        return self._observe(session, "session.suspended", phase=Phase.QUEUED, eta_seconds=None)

    def _run_of(self, session: Session) -> Run:
        """Return the run of a session: its own, one that a crash kept from being noted, or a new one."""
        known = [run for run in self._runs.all() if run.session_id == session.session_id]
        if not known:
            return self._runs.start(
                name=session.name,
                actor=self._actor,
                session_id=session.session_id,
                parameters=session.settings,
            )
        run = known[-1]
        return self._runs.reopen(run.run_id, actor=self._actor) if run.is_over else run

    def _log_metrics(self, session: Session, record: EpochRecord, timings: dict[str, float]) -> None:
        assert session.run_id is not None
        metrics = {**record.metrics, "quality.score": record.quality_score, **timings}
        if record.score is not None:
            metrics["score"] = record.score
        self._runs.log_metrics(session.run_id, record.epoch, metrics)

    def _restore_metrics(self, session: Session) -> None:
        """Write again the metrics that a killed engine had not committed yet; the epochs' reports have them."""
        assert session.run_id is not None
        history = TelemetryReader(self._workspace.telemetry_file).epochs(session.run_id)
        committed = {epoch for epoch, _ in history.get("quality.score", ())}
        for number in range(1, session.observed.epoch + 1):
            file = self._epoch_report_file(session, number)
            if number not in committed and file.is_file():
                self._log_metrics(session, msgspec.json.decode(file.read_bytes(), type=EpochRecord), {})

    def _at_rest(
        self,
        session: Session,
        verb: str,
        *,
        run_status: RunStatus,
        reason: str,
        evidence: tuple[Evidence, ...] = (),
        **observed: Any,
    ) -> Session:
        if session.run_id is not None and not self._runs.get(session.run_id).is_over:
            self._runs.finish(session.run_id, run_status, actor=self._actor, reason=reason)
        self._telemetry.flush()  # before the document says so: whoever waits for the end then reads all of it
        session = self._observe(
            session, verb, reason=reason, evidence=evidence, ended_at=self._clock(), eta_seconds=None, **observed
        )
        self._write_health(session)
        return session

    def _observe(
        self,
        session: Session,
        verb: str,
        *,
        run_id: str | None = None,
        reason: str = "",
        evidence: tuple[Evidence, ...] = (),
        **observed: Any,
    ) -> Session:
        return self._sessions.observe(
            session.session_id, verb, actor=self._actor, reason=reason, evidence=evidence, run_id=run_id, **observed
        )

    def _write_dashboard(self, session: Session, history: Sequence[EpochScore], durations: Sequence[float]) -> None:
        file = self._reports_of(session) / "dashboard_metrics.json"
        write_file(file, dashboard_metrics(session, history, durations[-RECENT_EPOCHS:]))

    def _write_health(self, session: Session) -> None:
        reader = TelemetryReader(self._workspace.telemetry_file)
        start, end = session.observed.started_at or session.created_at, self._clock()
        resources = {series: reader.samples(series, start, end) for series in HEALTH_SERIES}
        report = system_health_report(session, resources, len(self._alerts.open()))
        write_file(self._reports_of(session) / "system_health_report.json", report)

    def _reports_of(self, session: Session) -> Path:
        return self._workspace.reports_dir / session.session_id

    def _epoch_report_file(self, session: Session, epoch: int) -> Path:
        return self._reports_of(session) / "epochs" / f"epoch_{epoch:04d}.json"

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._workspace.root).as_posix()


def _full(error: Exception) -> str:
    """Spell an error for the log, with what the child knows of it."""
    details = error.details if isinstance(error, LearningError) else ""
    return f"{error}\n{details}" if details else str(error)
