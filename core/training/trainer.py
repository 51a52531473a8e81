"""The trainer: brings every session of a workspace to where people want it, one at a time, oldest first."""

import logging
import threading
from pathlib import Path

from core.state import Workspace
from core.training.child_process import ChildProcess
from core.training.session import Desired, Phase, Session
from core.training.session_recorder import SessionRecorder
from core.training.session_runner import SessionRunner
from core.training.sessions import Sessions

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
_SETTLED_FOR_PAUSE = (Phase.PAUSED, Phase.FINISHED, Phase.FAILED)


class Trainer:
    """The loop that a thread of the engine runs, and the child it keeps for the crunching."""

    def __init__(
        self, workspace: Workspace, books: SessionRecorder, *, wake: threading.Event, stopping: threading.Event
    ) -> None:
        """Prepare the trainer; `run` does the work.

        Args:
            workspace: Whose sessions.
            books: Where progress is recorded.
            wake: Set by others when something may have changed.
            stopping: Set when the engine ends: the epoch at work is still finished.
        """
        self._workspace = workspace
        self._sessions = Sessions(workspace)
        self._books = books
        self._wake = wake
        self._stopping = stopping
        self._child: ChildProcess | None = None
        self._child_limit_mb = 0

    @property
    def child_pid(self) -> int | None:
        """The process id of the training child, while there is one."""
        child = self._child
        return child.pid if child is not None else None

    def run(self) -> None:
        """Work until the engine ends."""
        try:
            while not self._stopping.is_set():
                session = self._next()
                if session is None:
                    self._wake.wait(IDLE_SECONDS)
                    self._wake.clear()
                    continue
                self._drive(session)
        finally:
            self._stop_child()

    def kill_child(self) -> None:
        """End the child in the middle of what it does; for an engine that cannot wait. From any thread."""
        if (child := self._child) is not None:
            child.kill()

    def _next(self) -> Session | None:
        """Settle what needs no work, and return the first session that does."""
        work = None
        for session in self._sessions.all():
            if session.wants_work:
                work = work or session
            elif session.desired is Desired.PAUSED and session.observed.phase not in _SETTLED_FOR_PAUSE:
                self._books.paused(session)
            elif session.desired is Desired.STOPPED and not session.observed.phase.is_at_rest:
                self._books.stopped(session)
        return work

    def _drive(self, session: Session) -> None:
        drive = SessionRunner(
            session,
            self._books,
            wake=self._wake,
            stopping=self._stopping,
            start_child=self._start_child,
            stop_child=self._stop_child,
        )
        try:
            drive.run()
        except Exception as error:
            # a mistake of ours: the session fails with it, the engine goes on with the next
            log.exception("%s cannot go on", session.session_id)
            self._stop_child()
            self._books.give_up(session, error, n_attempts=1)

    def _start_child(self, session: Session) -> ChildProcess:
        """Return the child, after starting one where there is none or its limit of memory is another session's."""
        limit_mb = session.training.trainer.memory_limit_mb
        if self._child is not None and limit_mb != self._child_limit_mb:
            self._stop_child()
        if self._child is None:
            log_file: Path = self._workspace.logs_dir / "trainer.log"
            self._child = ChildProcess(log_file, self._wake, memory_limit_mb=limit_mb)
            self._child_limit_mb = limit_mb
            log.info("training child %d started", self._child.pid)
        return self._child

    def _stop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()
