"""Recording the progress of a session: its document, its run, its files, and its alerts.

The order within an epoch is report, metrics, document, alerts: a reader who sees the epoch in the document finds all
the rest in place. Every record may be written again after a crash, with the same content.
"""

import logging
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from core.actor import Actor
from core.alerts import Alerts
from core.clock import Clock, utc_now
from core.explain.deny_list import DenyList
from core.governance import Evidence
from core.state import Workspace
from core.telemetry import TelemetryReader, TelemetryWriter
from core.tracking import RunStatus
from core.tracking.divergence import is_loss
from core.training.convergence import RECENT_EPOCHS, Judgement, remaining_seconds
from core.training.criteria import criteria, text_criteria
from core.training.criterion import Criterion
from core.training.errors import LearningError
from core.training.final_stress_file import keep_final_stress
from core.training.later_denied import epoch_as_shown, session_without_denied
from core.training.records import EpochRecord, FinalRecord
from core.training.registration import register_models, register_text
from core.training.run_record import RunRecord
from core.training.scores import EpochScores
from core.training.session import DesiredSession, Session, SessionPhase
from core.training.session_domain import not_done
from core.training.session_files import SessionFiles
from core.training.sessions import Sessions
from core.training.training_alerts import TrainingAlerts
from core.training.tuning.records import TuningProgress
from core.training.wire import EpochDone, Finished, Prepared

log = logging.getLogger(__name__)

DASHBOARD_SECONDS = 5.0
"""The least time between two writes of the dashboard's file while epochs end; at rest it is always written."""

FIT_TIME = "fit_time"
"""The metric of a model's training seconds in an epoch, under scikit-learn's name for it."""

HEALTH_SERIES = (
    "resource.cpu_percent",
    "resource.memory_percent",
    "resource.disk_percent",
    "process.engine.rss_bytes",
    "process.trainer.cpu_percent",
    "process.trainer.rss_bytes",
)


class _Dashboard(NamedTuple):
    """What the dashboard of the newest session shows besides its document."""

    session_id: str = ""
    history: EpochScores = EpochScores()
    durations: Sequence[float] = ()
    fit_seconds: Mapping[str, float] = {}  # of the last epoch, by model
    final_fit_seconds: Mapping[str, float] = {}


class SessionRecorder:
    """Writes sessions for the engine. Every method returns the updated session."""

    def __init__(
        self, workspace: Workspace, telemetry: TelemetryWriter, alerts: Alerts, *, actor: Actor, clock: Clock = utc_now
    ) -> None:
        """Open the stores of a session's records.

        Args:
            workspace: The workspace.
            telemetry: Takes the metrics of epochs.
            alerts: The engine's only instance.
            actor: The engine.
            clock: Returns the time.
        """
        self._workspace = workspace
        self._telemetry = telemetry
        self._alerts = alerts
        self._actor = actor
        self._clock = clock
        self._sessions = Sessions(workspace, clock=clock)
        self._calls = TrainingAlerts(alerts, clock)
        self.files = SessionFiles(workspace)
        """The files of the sessions."""
        self._dashboard = _Dashboard()
        self._dashboard_at: datetime | None = None
        self._runs = RunRecord(workspace, telemetry, self.files, actor=actor, clock=clock)

    def another(self) -> "SessionRecorder":
        """Return a recorder on the same stores, for a thread of its own."""
        return SessionRecorder(self._workspace, self._telemetry, self._alerts, actor=self._actor, clock=self._clock)

    def now(self) -> datetime:
        """Return the time."""
        return self._clock()

    def look(self, session: Session) -> Session:
        """Return the current session."""
        return self._sessions.get(session.session_id)

    def show_intent(self, session: Session) -> Session:
        """Show immediately whether the current epoch is the last for now, as the desired state changes."""
        session = self.look(session)
        phase = SessionPhase.RUNNING if session.desired is DesiredSession.RUNNING else SessionPhase.STOPPING
        return session if session.observed.phase is phase else self._observe(session, f"session.{phase}", phase=phase)

    def begin(self, session: Session) -> Session:
        """Open or reopen a session: track its run, and log the settings this release does not support."""
        now = self._clock()
        announcements = not_done(session.training) if session.text is None else ()
        for sentence in announcements:
            log.warning("%s: %s", session.session_id, sentence)
        return self._observe(
            session,
            "session.begin" if session.run_id is None else "session.continue",
            run_id=self._runs.open(session).run_id,
            phase=SessionPhase.PREPARING,
            started_at=session.observed.started_at or now,
            last_progress_at=now,
            eta_seconds=None,
            announcements=announcements,
            warnings=(),
            ended_at=None,
            stop_reason=None,
        )

    def taken_up(self, session: Session, prepared: Prepared, history: EpochScores) -> Session:
        """Record where a session continues, adding epochs in its checkpoint that a crash left unrecorded.

        Args:
            session: The session.
            prepared: What the child reports.
            history: The scores of all epochs up to its checkpoint.
        """
        for problem in prepared.damaged:
            log.error("%s: %s", session.session_id, problem)
            self._calls.checkpoint_damaged(session, problem)
        if prepared.warnings:
            session = self._warned(session, prepared.warnings)
        if prepared.n_epochs is not None and prepared.n_epochs != session.observed.n_epochs:
            session = self._observe(session, "session.prepared", n_epochs=prepared.n_epochs)
        self._runs.restore(session)
        session = self._with_trials(session, prepared.tuning, "session.tuning_resumed")
        record = prepared.record
        if record is not None and record.epoch > session.observed.epoch:
            done = EpochDone(
                record=record,
                checkpoint=prepared.checkpoint or "",
                checkpoint_sha256=prepared.checkpoint_sha256 or "",
                stage_seconds={},
            )
            return self.epoch_done(session, done, history, [])
        epoch = record.epoch if record is not None else 0
        log.info("%s continues after epoch %d", session.session_id, epoch)
        return self._observe(
            session, "session.running", phase=SessionPhase.RUNNING, epoch=epoch, epoch_started_at=self._clock()
        )

    def epoch_done(
        self,
        session: Session,
        done: EpochDone,
        history: EpochScores,
        durations: Sequence[float],
        *,
        cpu: float = 0.0,
    ) -> Session:
        """Record an epoch.

        Args:
            session: The session.
            done: What the child reports.
            history: The scores of all epochs, this one included.
            durations: Seconds of the newest epochs timed by this engine, this one last; empty for an epoch that an
                earlier engine completed.
            cpu: Processor seconds of its child since the last record.
        """
        now, record = self._clock(), done.record
        told = record if record.learned else epoch_as_shown(record, DenyList.in_force_or_all(self._workspace.root))
        timings = {f"stage.{stage}_seconds": seconds for stage, seconds in done.stage_seconds.items()}
        timings |= {f"{model}.{FIT_TIME}": seconds for model, seconds in done.fit_seconds.items()}
        timings |= done.rates
        if durations:
            timings["epoch.seconds"] = durations[-1]
        self.files.write_epoch(session, record)
        self._runs.log(session, record, timings)
        best = history.best_epoch
        checkpoint = self.files.relative(Path(done.checkpoint))
        session = self._observe(
            session,
            "epoch.complete" if record.learned else "epoch.reject",
            reason=told.refusal,
            evidence=(Evidence(f"{checkpoint}/checkpoint.json", done.checkpoint_sha256),),
            phase=SessionPhase.RUNNING if session.desired is DesiredSession.RUNNING else SessionPhase.STOPPING,
            epoch=record.epoch,
            score=record.score,
            best_epoch=best,
            best_score=history[best - 1].score if best else None,
            gates=tuple(replace(gate, offending=()) if gate.passed else gate for gate in record.gates),
            quality_score=record.quality_score,
            metrics=record.metrics | done.rates,
            samples=record.text.samples if record.text is not None else (),
            diverged=tuple(filter(is_loss, record.unmeasured)),
            epoch_started_at=now,
            last_progress_at=now,
            epoch_seconds=durations[-1] if durations else session.observed.epoch_seconds,
            trained_seconds=session.observed.trained_seconds + (durations[-1] if durations else 0.0),
            cpu_seconds=session.observed.cpu_seconds + cpu,
            is_failing=False,
            eta_seconds=remaining_seconds(durations, session.observed.n_epochs - record.epoch),
            n_rejected_epochs=history.n_skipped,
            criteria=self._criteria(session, record, history),
            checkpoint=checkpoint,
            checkpoint_sha256=done.checkpoint_sha256,
        )
        self._calls.epoch_done(session, told)
        is_another = self._dashboard.session_id != session.session_id
        self._dashboard = _Dashboard(session.session_id, history, durations[-RECENT_EPOCHS:], done.fit_seconds)
        since = None if is_another or self._dashboard_at is None else (now - self._dashboard_at).total_seconds()
        if since is None or not 0 <= since < DASHBOARD_SECONDS:
            self._write_dashboard(session)
        return session

    def tuned(self, session: Session, progress: TuningProgress, *, seconds: float, cpu: float = 0.0) -> Session:
        """Record a batch of trials, or the verdicts of the search of parameters.

        Args:
            session: The session.
            progress: What the child reports.
            seconds: How long it took.
            cpu: Processor seconds of its child since the last record.
        """
        verb = "session.tuned" if progress.is_done else "session.tuning"
        return self._with_trials(session, progress, verb, seconds=seconds, cpu=cpu, is_failing=False)

    def failed_attempt(self, session: Session, error: Exception, *, attempt: int) -> Session:
        """Record a failed attempt that will be retried."""
        epoch = session.observed.epoch + 1
        log.warning("%s: attempt %d at epoch %d failed: %s", session.session_id, attempt, epoch, _full(error))
        self._calls.epoch_failed(session, error)
        return self._observe(
            session,
            "epoch.fail",
            reason=str(error),
            phase=SessionPhase.PREPARING,
            failure=str(error),
            is_failing=True,
            failed_epoch=epoch,
            n_failed_epochs=session.observed.n_failed_epochs + 1,
        )

    def give_up(self, session: Session, error: Exception, *, n_attempts: int) -> Session:
        """Record that a session has failed; its checkpoint stays, and a new request continues from there."""
        log.error("%s failed after %d attempts: %s", session.session_id, n_attempts, _full(error))
        self._calls.epoch_failed(session, error)
        session = self.look(session)
        return self._at_rest(
            session,
            "session.fail",
            RunStatus.FAILED,
            reason=str(error),
            phase=SessionPhase.FAILED,
            failure=str(error),
            is_failing=True,
            failed_epoch=session.observed.epoch + 1,
            gave_up_at=session.desired_revision,
            n_failed_epochs=session.observed.n_failed_epochs + 1,
            stop_reason=f"failed after {n_attempts} attempts" if n_attempts > 1 else "failed",
        )

    def _warned(self, session: Session, warnings: tuple[str, ...]) -> Session:
        """Record where training on this machine differs from what the settings suggest."""
        for sentence in warnings:
            log.warning("%s: %s", session.session_id, sentence)
        self._runs.warn(session, warnings)
        return self._observe(session, "session.warn", reason=" ".join(warnings), warnings=warnings)

    def winding_up(self, session: Session, judgement: Judgement) -> Session:
        """Record that the session is ending automatically; the refit and the test follow."""
        return self._observe(
            session,
            "session.end",
            reason=f"{judgement.end}: {judgement.reason}",
            phase=SessionPhase.STOPPING,
            stop_reason=str(judgement.end),
        )

    def finish(
        self,
        session: Session,
        finished: Finished,
        history: EpochScores,
        last: EpochRecord,
        judgement: Judgement,
        *,
        cpu: float = 0.0,
    ) -> Session:
        """Register the session's models, and write its reports; the models of an agent wait for their comparison."""
        final, facts = finished.record, finished.text
        judged: dict[str, Any] = {}
        if facts is not None:
            evidence = self.files.write_text_final(session, final, facts, history, judgement)
            folder = self.files.checkpoints_of(session) / final.models[0].folder
            version = register_text(self._workspace, session, facts, folder=folder, actor=self._actor)
            registered: tuple[str, ...] = (version,)
            self._runs.log_judgement(session, facts.metrics)
            judged["gates"] = facts.gates
        else:
            evidence = self.files.write_final(session, final, history, last, judgement)
            registered = () if session.parent else self.register(session, final, last)
        manifests = [self._workspace.artifacts_dir / key / "MANIFEST.json" for key in registered]
        self._runs.note(
            session,
            chosen=[model.chosen for model in final.models],
            data={draw.purpose: draw.sha256 for draw in final.draws},
            files=[self._workspace.root / evidence.path, *manifests],
        )
        fit_seconds = self._dashboard.fit_seconds if self._dashboard.session_id == session.session_id else {}
        self._dashboard = _Dashboard(session.session_id, history, (), fit_seconds, finished.fit_seconds)
        return self._at_rest(
            session,
            "session.finish",
            RunStatus.FINISHED,
            reason=f"{judgement.end}: {judgement.reason}",
            evidence=(evidence,),
            phase=SessionPhase.FINISHED,
            is_failing=False,
            registered=registered,
            sections=final.sections,
            cpu_seconds=session.observed.cpu_seconds + cpu,
            **judged,
        )

    def register(
        self, session: Session, final: FinalRecord, last: EpochRecord, *, only: Container[str] | None = None
    ) -> tuple[str, ...]:
        """Register models of a session, as often as it is asked; return the versions, "spread/1.2.0" each.

        Args:
            session: The session.
            final: Its models.
            last: Its last epoch.
            only: The models to register; by default all.
        """
        folder = self.files.checkpoints_of(session)
        registered = register_models(self._workspace, session, final, last, folder=folder, actor=self._actor, only=only)
        final_folder = (folder / final.models[0].folder).parent
        keep_final_stress(self._workspace, session.session_id, final_folder, registered, self._actor, self._clock)
        return registered

    def led(self, parent: Session, verb: str, *, reason: str = "", **observed: Any) -> Session:
        """Record what the agents of a session have come to.

        Args:
            parent: The session.
            verb: What happened, as the audit log calls it.
            reason: Why.
            observed: Fields of `ObservedSession` with their new values.
        """
        return self._observe(parent, verb, reason=reason, **observed)

    def compared(
        self,
        parent: Session,
        phase: SessionPhase,
        *,
        reason: str,
        registered: Mapping[str, tuple[str, ...]],
        **observed: Any,
    ) -> Session:
        """Record the end of a session with agents.

        Args:
            parent: The session.
            phase: How it ended.
            reason: Why.
            registered: The versions registered of each agent, by the id of its session.
            observed: Fields of `ObservedSession` with their new values.
        """
        for session_id, versions in registered.items():
            self._sessions.observe(session_id, "session.registered", actor=self._actor, registered=versions)
        status = RunStatus.FINISHED if phase is SessionPhase.FINISHED else RunStatus.FAILED
        every = tuple(version for versions in registered.values() for version in versions)
        totals = ("epoch", "best_score", "trained_seconds", "cpu_seconds")
        observed |= {name: getattr(parent.observed, name) for name in totals}  # for readers of this document alone
        self._calls.compared(parent)
        return self._at_rest(
            parent,
            "session.finish" if phase is SessionPhase.FINISHED else "session.fail",
            status,
            reason=reason,
            phase=phase,
            registered=every,
            **observed,
        )

    def stopped(self, session: Session) -> Session:
        """Record that a person has stopped the session; its checkpoint stays."""
        why = f"stopped by {session.desired_by}" + (f": {session.reason}" if session.reason else "")
        return self._at_rest(
            session, "session.stopped", RunStatus.STOPPED, reason=why, phase=SessionPhase.STOPPED, stop_reason=why
        )

    def settle(self, session: Session) -> None:
        """Record the rest that was asked of a session which nothing trains now."""
        phase = session.observed.phase
        if session.desired is DesiredSession.STOPPED and not phase.is_at_rest:
            self.stopped(session)
        elif session.desired is DesiredSession.PAUSED and not (phase.is_at_rest or phase is SessionPhase.PAUSED):
            self.paused(session)

    def paused(self, session: Session) -> Session:
        """Record that a session is paused until a person resumes it."""
        return self._waiting(session, "session.paused", SessionPhase.PAUSED)

    def suspended(self, session: Session) -> Session:
        """Record that a session waits for its turn, or for the next engine."""
        return self._waiting(session, "session.suspended", SessionPhase.QUEUED, stop_reason=None)

    @staticmethod
    def _criteria(session: Session, record: EpochRecord, history: EpochScores) -> tuple[Criterion, ...]:
        """Say where the criteria stand that end a session."""
        if session.text is None or record.text is None:
            return criteria(history, session.training)
        return text_criteria(record.epoch, record.text, session.text.text_model)

    def _with_trials(
        self,
        session: Session,
        progress: TuningProgress,
        verb: str,
        *,
        seconds: float = 0.0,
        cpu: float = 0.0,
        **observed: Any,
    ) -> Session:
        """Record trials as runs, and where the search stands, unless the session searches nothing."""
        if not (progress.standings or progress.selections):
            return session
        self._runs.log_trials(session, progress.trials)
        return self._observe(
            session,
            verb,
            reason=" ".join(f"{record.model}: {record.why}." for record in progress.records),
            phase=SessionPhase.RUNNING if session.desired is DesiredSession.RUNNING else SessionPhase.STOPPING,
            tuning=replace(progress, trials=(), records=()),
            tuning_seconds=session.observed.tuning_seconds + seconds,
            cpu_seconds=session.observed.cpu_seconds + cpu,
            last_progress_at=self._clock(),
            **observed,
        )

    def _waiting(self, session: Session, verb: str, phase: SessionPhase, **observed: Any) -> Session:
        self._telemetry.flush()
        self._judge_last_draw(session)
        session = self._observe(session, verb, phase=phase, eta_seconds=None, **observed)
        self._write_dashboard(session)
        return session

    def _judge_last_draw(self, session: Session) -> None:
        if any(gate.blocks for gate in session.observed.gates):
            session = session_without_denied(session, DenyList.in_force_or_all(self._workspace.root))
        self._calls.rests(session)

    def _at_rest(
        self,
        session: Session,
        verb: str,
        status: RunStatus,
        *,
        reason: str,
        evidence: tuple[Evidence, ...] = (),
        **observed: Any,
    ) -> Session:
        """Close a session; the document comes last, so that a reader waiting for it finds all the rest in place."""
        observed |= {"ended_at": self._clock(), "eta_seconds": None}
        ended = replace(session, observed=replace(session.observed, **observed), updated_at=observed["ended_at"])
        self._runs.close(session, status, reason=reason)
        self._judge_last_draw(session)
        self._write_health(ended)
        self._write_dashboard(ended)
        return self._observe(session, verb, reason=reason, evidence=evidence, **observed)

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

    def _write_dashboard(self, session: Session) -> None:
        """Write the newest state of a session that had an epoch here."""
        shown = self._dashboard
        if shown.session_id == session.session_id:
            self._dashboard_at = self._clock()
            times = {"fit_time": shown.fit_seconds, "final_fit_time": shown.final_fit_seconds}
            self.files.write_dashboard(session, shown.history, shown.durations, times)

    def _write_health(self, session: Session) -> None:
        reader = TelemetryReader(self._workspace.telemetry_file)
        start, end = session.observed.started_at or session.created_at, self._clock()
        resources = {series: reader.samples(series, start, end) for series in HEALTH_SERIES}
        self.files.write_health(session, resources, len(self._alerts.open()))


def _full(error: Exception) -> str:
    """Format an error for the log, with the child's details."""
    details = error.details if isinstance(error, LearningError) else ""
    return f"{error}\n{details}" if details else str(error)
