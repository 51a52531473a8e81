"""The trainer: brings every session of a workspace to its desired state, one at a time, oldest first.

The agents of one session train side by side (`core.training.agents`).
"""

import threading
from typing import ClassVar

from core.state import Workspace
from core.telemetry.tracing import NO_TRACES, Traces
from core.training.agents.runner import AgentsRunner
from core.training.lane import Lane
from core.training.session import Session
from core.training.session_recorder import SessionRecorder
from core.training.sessions import DATABASE, Sessions

IDLE_SECONDS = 5.0


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
        self._lane = Lane(recorder, wake=self.wake, traces=traces)
        self._agents: AgentsRunner | None = None

    @property
    def child_pid(self) -> int | None:
        """The process id of the training child, while it runs; of several, one."""
        return next((pid for lane in self._lanes() if (pid := lane.child_pid) is not None), None)

    def step(self) -> float:
        """Run the next session until it rests; return the seconds until the next look."""
        session = self._next()
        if session is None:
            return IDLE_SECONDS
        if session.children:
            self._drive_agents(session)
        else:
            self._lane.drive(session, halt=self._stopping)
        return 0.0

    def stop(self) -> None:
        """Start no further epoch; the current epoch is completed. Called from any thread."""
        self._stopping.set()

    def end(self, *, after_failure: bool) -> None:
        """End the child."""
        self._lane.stop_child()

    def kill_child(self) -> None:
        """Kill the child in the middle of its work; for an engine that cannot wait. Called from any thread."""
        for lane in self._lanes():
            lane.kill_child()

    def _lanes(self) -> tuple[Lane, ...]:
        agents = self._agents
        return (self._lane, *(agents.lanes if agents is not None else ()))

    def _next(self) -> Session | None:
        """Settle the sessions that need no work, and return the first session that does.

        A session still at work by its document was left so by an engine that died; unless its turn comes now, it waits.
        """
        every = self._sessions.all()
        work = next(filter(self._has_work, every), None)
        for session in every:
            is_next = work is not None and work.session_id in (session.session_id, session.parent)
            if not session.wants_work:
                self._recorder.settle(session)
            elif session.observed.phase.is_at_work and not is_next:
                self._recorder.suspended(session)
        return work

    def _has_work(self, session: Session) -> bool:
        """Whether a session can be got on with; one with agents cannot while all that are left are paused."""
        if not session.wants_work or session.parent:
            return False
        agents = self._sessions.children(session)
        return not agents or any(each.wants_work for each in agents) or all(each.has_ended for each in agents)

    def _drive_agents(self, parent: Session) -> None:
        self._lane.stop_child()  # it is not needed while the agents have children of their own
        self._agents = AgentsRunner(
            parent, self._sessions, self._recorder, wake=self.wake, stopping=self._stopping, traces=self._traces
        )
        try:
            self._agents.run()
        finally:
            self._agents = None
