"""The trainer: brings every session of a workspace to its desired state, one at a time, oldest first."""

import logging
import threading
from typing import ClassVar

from core.installed_packages import installed_packages
from core.state import Workspace
from core.telemetry.tracing import NO_TRACES, Traces
from core.training.child_process import ChildProcess
from core.training.session import DesiredSession, Session, SessionPhase
from core.training.session_recorder import SessionRecorder
from core.training.session_runner import SessionRunner
from core.training.sessions import DATABASE, Sessions

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
_SETTLED_FOR_PAUSE = (SessionPhase.PAUSED, SessionPhase.FINISHED, SessionPhase.FAILED)


class Trainer:
    """The worker that runs sessions, with a child process for the computing."""

    name: ClassVar[str] = "trainer"
    watches: ClassVar[frozenset[str]] = frozenset({DATABASE})

    def __init__(self, workspace: Workspace, recorder: SessionRecorder, *, traces: Traces = NO_TRACES) -> None:
        """Prepare the trainer; `step` does the work.

        Args:
            workspace: The workspace of the sessions.
            recorder: Records progress.
            traces: Takes the spans of epochs.
        """
        self.wake = threading.Event()  # set by other threads when something may have changed
        self._sessions = Sessions(workspace)
        self._recorder = recorder
        self._traces = traces
        self._stopping = threading.Event()
        self._child: ChildProcess | None = None
        self._child_limit_mb = 0
        self._packages = installed_packages()

    @property
    def child_pid(self) -> int | None:
        """The process id of the training child, while it runs."""
        child = self._child
        return child.pid if child is not None else None

    def step(self) -> float:
        """Run the next session until it rests; return the seconds until the next look."""
        session = self._next()
        if session is None:
            return IDLE_SECONDS
        self._drive(session)
        return 0.0

    def stop(self) -> None:
        """Start no further epoch; the current epoch is completed. Called from any thread."""
        self._stopping.set()

    def end(self, *, after_failure: bool) -> None:
        """End the child."""
        self._stop_child()

    def kill_child(self) -> None:
        """Kill the child in the middle of its work; for an engine that cannot wait. Called from any thread."""
        if (child := self._child) is not None:
            child.kill()

    def _next(self) -> Session | None:
        """Settle the sessions that need no work, and return the first session that does."""
        work = None
        for session in self._sessions.all():
            if session.wants_work:
                work = work or session
            elif session.desired is DesiredSession.PAUSED and session.observed.phase not in _SETTLED_FOR_PAUSE:
                self._recorder.paused(session)
            elif session.desired is DesiredSession.STOPPED and not session.observed.phase.is_at_rest:
                self._recorder.stopped(session)
        return work

    def _drive(self, session: Session) -> None:
        if (packages := installed_packages()) != self._packages:
            self._stop_child()  # it knows only the packages of its start
            self._packages = packages
        runner = SessionRunner(
            session,
            self._recorder,
            wake=self.wake,
            stopping=self._stopping,
            start_child=self._start_child,
            stop_child=self._stop_child,
            traces=self._traces,
        )
        try:
            runner.run()
        except Exception as error:
            # a bug of ours: the session fails with it, and the engine continues with the next
            log.exception("%s cannot continue", session.session_id)
            self._stop_child()
            self._recorder.give_up(session, error, n_attempts=1)

    def _start_child(self, session: Session) -> ChildProcess:
        """Return the child, after starting one if none runs or its memory limit is another session's."""
        limit_mb = session.training.trainer.memory_limit_mb
        if self._child is not None and limit_mb != self._child_limit_mb:
            self._stop_child()
        if self._child is None:
            self._child = ChildProcess(self.wake, memory_limit_mb=limit_mb)
            self._child_limit_mb = limit_mb
            log.info("training child %d started", self._child.pid)
        return self._child

    def _stop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()
