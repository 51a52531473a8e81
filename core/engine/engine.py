"""The engine: the one process that works on a workspace, and its threads.

- **trainer** carries out sessions, with a child process for the crunching;
- **sampler** measures machine and processes once a second, and judges the alert rules that rest on it;
- **rollouts** judges candidates while there are any, and takes the next step of each;
- **recorder** writes down what the documents say, so that a console can scrub back through it;
- **runs** puts on record which runs of other processes have fallen silent;
- **watcher** notices what consoles and commands have written, and wakes the trainer and the rollouts.

A thread that fails says so in the log and by an alert and begins again; none dies in silence.
"""

import functools
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack

from core.actor import Actor
from core.alerts import Alerts
from core.backoff import BackOff
from core.clock import Clock, utc_now
from core.engine.journal import open_log
from core.engine.rollout_loop import RolloutLoop
from core.engine.sampling import Sampling
from core.governance import AuditLog
from core.governance.audit import audited
from core.maintenance.startup_recovery import recover, settle_runs
from core.rollout.rollouts import DATABASE as ROLLOUTS
from core.settings import Settings, load_settings
from core.state import ChangeWatch, Lease, Workspace
from core.state.lease import Mode
from core.telemetry import TelemetryWriter
from core.training.session_recorder import SessionRecorder
from core.training.sessions import DATABASE
from core.training.trainer import Trainer
from core.training.training_alerts import TrainingAlerts
from core.view.past.recorder import record_past

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0
RESTART = BackOff(first_seconds=1.0, most_seconds=60.0)  # of a thread that failed


class Engine:
    """Holds a workspace's lease and works for it, until it is stopped."""

    def __init__(self, workspace: Workspace, *, mode: Mode, actor: Actor, clock: Clock = utc_now) -> None:
        """Prepare an engine; nothing happens before `start`.

        Args:
            workspace: Where to work.
            mode: Headless, or embedded in a console.
            actor: The person for whom it runs.
            clock: The time.
        """
        self._workspace = workspace
        self._mode: Mode = mode
        self._person = actor
        self._clock = clock
        self._actor = Actor.engine()
        self._wake = threading.Event()  # news for the trainer
        self._stopping = threading.Event()  # no further epoch
        self._trained = threading.Event()  # the trainer has ended; the others may, too
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._held = ExitStack()  # what `stop` gives back, the lease last
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Become the workspace's engine and begin to work.

        Raises:
            LeaseHeldError: Another engine works here; the message says whose.
            CoreError: The workspace or its settings cannot be used.
        """
        with self._lock:
            if self._threads:
                raise RuntimeError("an engine starts once")
            settings = load_settings(self._workspace.settings_file)
            with ExitStack() as undo:
                undo.enter_context(Lease.acquire(self._workspace, self._person, self._mode, clock=self._clock))
                undo.callback(open_log(self._workspace))
                self._record("engine.acquire")
                recover(self._workspace, actor=self._actor)
                telemetry = undo.enter_context(
                    TelemetryWriter(self._workspace.telemetry_file, retention=settings.telemetry, clock=self._clock)
                )
                self._work(settings, telemetry)
                self._held = undo.pop_all()
            log.info("engine started: %s, %s for %s", self._workspace.root, self._mode, self._person)

    def _work(self, settings: Settings, telemetry: TelemetryWriter) -> None:
        """Begin the threads."""
        workspace, clock = self._workspace, self._clock
        alerts = Alerts(workspace, settings=settings.alerts, clock=clock)
        books = SessionRecorder(workspace, telemetry, alerts, actor=self._actor, clock=clock)
        self._calls = TrainingAlerts(alerts, clock)
        self._trainer = Trainer(workspace, books, wake=self._wake, stopping=self._stopping)
        sampling = Sampling(workspace, telemetry, alerts, child_pid=lambda: self._trainer.child_pid, clock=clock)
        self._begin("trainer", self._trainer.run, until=self._stopping)
        self._begin("sampler", lambda: sampling.run(until=self._trained), until=self._trained)
        self._driving = RolloutLoop(workspace, alerts, actor=self._actor, clock=clock)
        self._begin("rollouts", lambda: self._driving.run(until=self._trained), until=self._trained)
        past = functools.partial(
            record_past, workspace, hours=settings.telemetry.past_hours, clock=clock, until=self._trained
        )
        self._begin("recorder", past, until=self._trained)
        self._begin("watcher", self._watch, until=self._trained)
        settle = functools.partial(settle_runs, workspace, actor=self._actor, until=self._trained)
        self._begin("runs", settle, until=self._trained)

    def stop(self, timeout_seconds: float | None = None) -> None:
        """Stop working: the epoch at work ends, its checkpoint stays, the lease is given back. Safe to repeat.

        Args:
            timeout_seconds: How long the epoch may take; then it is given up, and the next engine does it again. None
                waits for its end.
        """
        if not self._threads:
            return
        log.info("engine stopping")
        self._stopping.set()
        self._wake.set()
        trainer, *others = self._threads
        trainer.join(timeout_seconds)
        if trainer.is_alive():
            log.warning("the epoch at work is given up")
            self._trainer.kill_child()
            trainer.join()
        with self._lock:  # not held above: who waits patiently must not keep out who cannot wait
            if not self._stopped.is_set():
                self._trained.set()
                self._driving.wake()
                for thread in others:
                    thread.join()
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
            self._record("engine.release")
            AuditLog(self._workspace, clock=self._clock).sign()
            log.info("engine stopped")
        finally:
            self._held.close()
            self._stopped.set()

    def _record(self, verb: str) -> None:
        with audited(self._workspace, DATABASE, actor=self._person, clock=self._clock) as change:
            change.record(verb, "engine", after={"mode": self._mode})

    def _watch(self) -> None:
        watch = ChangeWatch(self._workspace)
        self._wake.set()  # what was written before this watch began is no change to it
        self._driving.wake()
        while not self._trained.is_set():
            changed = watch.wait(WATCH_SECONDS, self._trained)
            if DATABASE in changed:
                self._wake.set()
            if ROLLOUTS in changed:
                self._driving.wake()

    def _begin(self, name: str, body: Callable[[], None], *, until: threading.Event) -> None:
        thread = threading.Thread(
            target=keep_going,
            args=(name, body),
            kwargs={"until": until, "report": self._calls.thread_failed},
            name=f"engine-{name}",
            daemon=True,  # a process that has to go at once must not wait for an epoch
        )
        self._threads.append(thread)
        thread.start()


def keep_going(
    name: str, body: Callable[[], None], *, until: threading.Event, report: Callable[[str, Exception], None]
) -> None:
    """Run the body of a thread, and again after a pause when it fails, until it returns.

    Args:
        name: Of the thread.
        body: Returns only when `until` is set.
        until: Ends the pauses, and the trying.
        report: Tells people that it failed.
    """
    n_failures = 0
    while True:
        try:
            body()
            return
        except Exception as error:
            n_failures += 1
            pause = RESTART.wait_seconds(n_failures)
            log.exception("the %s failed; it begins again in %.0f s", name, pause)
            try:
                report(name, error)
            except Exception:  # what failed may be the very disk that the alert would be written to
                log.exception("the failure of the %s could not be reported", name)
        if until.wait(pause):
            return
