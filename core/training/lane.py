"""A lane: a thread's way to run sessions one after another, with a child process of its own for the computing."""

import logging
import threading

from core.installed_packages import installed_packages
from core.telemetry.tracing import NO_TRACES, Traces
from core.training.agents.agent import Agent
from core.training.agents.cgroup import AgentGroup, delegated_group
from core.training.child_process import ChildProcess
from core.training.session import Session
from core.training.session_recorder import SessionRecorder
from core.training.session_runner import Halt, SessionRunner

log = logging.getLogger(__name__)


class Lane:
    """Runs sessions on the thread that calls it; `kill_child` and `child_pid` may be called from any thread."""

    def __init__(self, recorder: SessionRecorder, *, wake: threading.Event, traces: Traces = NO_TRACES) -> None:
        """Prepare a lane; the first session starts its child.

        Args:
            recorder: Records progress; of this lane alone.
            wake: Set when something may have changed.
            traces: Takes the spans of epochs.
        """
        self.wake = wake
        self._recorder = recorder
        self._traces = traces
        self._child: ChildProcess | None = None
        self._group: AgentGroup | None = None
        self._limits: tuple[int, int, float, float, bool] = (0, 0, 1.0, 0.0, False)
        self._packages = installed_packages()

    @property
    def child_pid(self) -> int | None:
        """The process id of the training child, while it runs."""
        child = self._child
        return child.pid if child is not None else None

    def kill_child(self) -> None:
        """Kill the child in the middle of its work."""
        if (child := self._child) is not None:
            child.kill()

    def drive(self, session: Session, *, halt: Halt) -> None:
        """Run a session until it rests, or until it is to leave the rest for later.

        Args:
            session: The session, with work to do.
            halt: Says, between two epochs, whether it is to leave the rest for later.
        """
        if (packages := installed_packages()) != self._packages:
            self.stop_child()  # it knows only the packages of its start
            self._packages = packages
        runner = SessionRunner(
            session,
            self._recorder,
            wake=self.wake,
            stopping=halt,
            start_child=self._start_child,
            stop_child=self.stop_child,
            traces=self._traces,
        )
        try:
            runner.run()
        except Exception as error:
            # a bug of ours: the session fails with it, and the engine continues with the next
            log.exception("%s cannot continue", session.session_id)
            self.stop_child()
            self._recorder.give_up(session, error, n_attempts=1)

    def stop_child(self) -> None:
        """End the child, so that the next one starts clean."""
        child, self._child = self._child, None
        if child is not None:
            child.close()
        group, self._group = self._group, None
        if group is not None:
            group.remove()

    def _start_child(self, session: Session) -> ChildProcess:
        """Return the child, after starting one if none runs or its limits are another session's."""
        agent = session.agent or Agent(name="")
        # what torch sets for a whole process is not for other learners: a model of language has a child of its own
        memory_limit_mb, is_text = session.training.trainer.memory_limit_mb, session.text is not None
        limits = (memory_limit_mb, agent.niceness, agent.weight, agent.cpu_limit, is_text)
        if self._child is not None and limits != self._limits:
            self.stop_child()
        if self._child is None:
            self._limits = limits
            self._child = ChildProcess(self.wake, memory_limit_mb=memory_limit_mb, niceness=agent.niceness)
            log.info("training child %d started", self._child.pid)
            if session.agent is not None and (parent := delegated_group()) is not None:
                self._group = AgentGroup.below(parent, session.session_id, session.agent)
            if agent.cpu_limit and self._group is None:
                log.warning(
                    "%s trains without its cpu_limit of %g: the engine can make no cgroup for it (docs/agents.md)",
                    session.session_id,
                    agent.cpu_limit,
                )
            if self._group is not None:
                self._group.add(self._child.pid)
        return self._child
