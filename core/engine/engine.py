"""The engine: the only process that works on a workspace, with one thread for each worker."""

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack

from core.actor import Actor
from core.alerts import Alerts
from core.allocator import limit_arenas, return_large_blocks
from core.clock import Clock, utc_now
from core.engine.context import EngineContext
from core.engine.guard import LeaseGuard
from core.engine.journal import open_log
from core.engine.worker import Worker, WorkerThread
from core.engine.worker_states import WorkerStates
from core.engine.workers import WORKERS
from core.engine.workers.change_notice import ChangeNotice
from core.engine.workers.recorder import JOB
from core.errors import CoreError
from core.governance import AuditLog
from core.governance.audit import audited
from core.maintenance.startup_recovery import recover
from core.settings import PolicySource, Settings, require_policy, settings_in_force
from core.settings.current import CurrentSettings
from core.settings.followed import require_no_replica
from core.settings.in_force import named_config
from core.state import Lease, Workspace
from core.state.lease import BEAT_SECONDS, Mode, require_room
from core.telemetry import TelemetryWriter
from core.telemetry.tracing import NO_TRACES, Traces
from core.training.session_recorder import SessionRecorder
from core.training.sessions import DATABASE
from core.training.trainer import Trainer
from core.training.training_alerts import TrainingAlerts

log = logging.getLogger(__name__)


class Engine:
    """Holds the lease of a workspace and works on it until it is stopped."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        mode: Mode,
        actor: Actor,
        clock: Clock = utc_now,
        on_loss: Callable[[str], None] | None = None,
        metrics_listen: str | None = None,
    ) -> None:
        """Prepare an engine; nothing happens before `start`.

        Args:
            workspace: The workspace.
            mode: Headless, or embedded in a console.
            actor: The person for whom it runs.
            clock: The time.
            on_loss: Called with a sentence, from a thread, after the engine has ended because its workspace was lost.
            metrics_listen: Where it answers /health and /metrics, instead of `telemetry.metrics.listen`.
        """
        self._workspace = workspace
        self._mode: Mode = mode
        self._person = actor
        self._clock = clock
        self._actor = Actor.engine()
        self._on_loss = on_loss
        self._metrics_listen = metrics_listen
        self.loss: str | None = None
        """Why the engine ended without being asked, if it did."""
        self._stop_seconds = 0.0
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._held = ExitStack()  # released by `stop`, the lease last
        self._threads: list[WorkerThread] = []  # the trainer's first
        self._traces = NO_TRACES

    def start(self) -> None:
        """Acquire the lease and start to work.

        Raises:
            LeaseHeldError: Another engine holds the lease; the message names it.
            RefusedError: The workspace is a replica.
            CoreError: The workspace, its settings or its policy cannot be used.
        """
        with self._lock:
            if self._threads:
                raise RuntimeError("an engine can start only once")
            self._workspace.require_own_folders()
            require_no_replica(self._workspace.root)
            require_room(self._workspace)
            limit_arenas()
            return_large_blocks()
            settings = settings_in_force(self._workspace.root)
            require_policy(self._workspace.root)
            with ExitStack() as undo:
                lease = undo.enter_context(
                    Lease.acquire(
                        self._workspace, self._person, self._mode, clock=self._clock, beat_seconds=BEAT_SECONDS
                    )
                )
                undo.callback(self._begin_to_beat(lease))  # first: recovery may take long
                undo.callback(open_log(self._workspace, settings.logging))
                self._record("engine.acquire")
                recover(self._workspace, actor=self._actor)
                telemetry = undo.enter_context(
                    TelemetryWriter(self._workspace.telemetry_file, retention=settings.telemetry, clock=self._clock)
                )
                self._stop_seconds = settings.trainer.stop_seconds
                self._work(settings, telemetry)
                self._held = undo.pop_all()
            log.info("engine started: %s, %s for %s", self._workspace.root, self._mode, self._person)
            if environment := PolicySource(self._workspace.root).environment:
                log.info("the policy is of the environment %s (BONDX_ENV)", environment)
            if (config := named_config()) is not None:
                log.info("the settings of %s lie over %s (--config)", config, self._workspace.settings_file)

    def _begin_to_beat(self, lease: Lease) -> Callable[[], None]:
        """Start the guard; return the function that ends it."""
        guard = WorkerThread(LeaseGuard(self._workspace, lease, lost=self._lose), report=lambda *_: None)
        guard.start()

        def end() -> None:
            guard.stop()
            guard.join()

        return end

    def _lose(self, reason: str) -> None:
        """End without a workspace; called by the guard, whose own thread must end, too."""
        self.loss = f"The engine has ended: {reason}. What it had acknowledged is in the workspace that it had."
        log.error("%s", self.loss)
        threading.Thread(target=self._abandon, name="engine-loss", daemon=True).start()

    def _abandon(self) -> None:
        with self._lock:  # until `start` is done
            pass
        try:
            self.stop(0)
        except (CoreError, OSError):
            log.exception("the engine could not end in order")
        if self._on_loss is not None:
            self._on_loss(self.loss or "")

    def _work(self, settings: Settings, telemetry: TelemetryWriter) -> None:
        """Start a thread for every worker."""
        workspace, clock = self._workspace, self._clock
        current = CurrentSettings(workspace.root, settings)
        alerts = Alerts(workspace, current=current, clock=clock)
        described = {"service.name": JOB, "service.instance.id": socket.gethostname()}
        self._traces = Traces(current, described)
        self._trainer = Trainer(
            workspace,
            SessionRecorder(workspace, telemetry, alerts, actor=self._actor, clock=clock),
            traces=self._traces,
        )
        context = EngineContext(
            workspace=workspace,
            settings=settings,
            current=current,
            telemetry=telemetry,
            alerts=alerts,
            trainer=self._trainer,
            actor=self._actor,
            clock=clock,
            metrics_listen=self._metrics_listen,
            workers=WorkerStates(clock),
            traces=self._traces,
        )
        workers: list[Worker] = [self._trainer, *(worker(context) for worker in WORKERS)]
        workers.append(ChangeNotice(workspace, workers))
        told = TrainingAlerts(alerts, clock)
        threads = [
            WorkerThread(worker, report=told.thread_failed, recovered=told.thread_recovered, states=context.workers)
            for worker in workers
        ]
        for thread in threads:
            thread.start()
        self._threads = threads

    def stop(self, timeout_seconds: float | None = None) -> None:
        """Stop: finish the current epoch, keep its checkpoint, and release the lease. Safe to repeat.

        Args:
            timeout_seconds: How long the epoch may take; then it is abandoned, and the next engine repeats it. By
                default `trainer.stop_seconds` of the settings.
        """
        if not self._threads:
            return
        log.info("engine stopping")
        trainer, *others = self._threads  # the other workers record its last epoch
        trainer.stop()
        trainer.join(self._stop_seconds if timeout_seconds is None else timeout_seconds)
        if trainer.is_alive():
            log.warning("the current epoch is abandoned; the next engine repeats it")
            self._trainer.kill_child()
            trainer.join()
        with self._lock:  # not held above: a patient caller must not block a caller with a time limit
            if not self._stopped.is_set():
                for thread in others:
                    thread.stop()
                for thread in others:
                    thread.join()
                self._traces.close()
                self._leave()

    @property
    def child_pid(self) -> int | None:
        """The process id of the training child, while there is one."""
        return self._trainer.child_pid if self._threads else None

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the engine has stopped; return whether it has."""
        return self._stopped.wait(timeout_seconds)

    def _leave(self) -> None:
        try:
            if self.loss is None:
                self._record("engine.release")
                AuditLog(self._workspace, clock=self._clock).sign()
            log.info("engine stopped")
        finally:
            self._held.close()
            self._stopped.set()

    def _record(self, verb: str) -> None:
        with audited(self._workspace, DATABASE, actor=self._person, clock=self._clock) as change:
            change.record(verb, "engine", after={"mode": self._mode})
