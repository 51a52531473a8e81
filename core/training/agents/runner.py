"""Running the agents of a session side by side, and comparing them when all have ended.

Each agent is a session: it has its own child process, checkpoints, run and reports, and continues where it was after
any death. So this runner keeps nothing: who trains now follows from the documents (`schedule`), and after a kill the
next engine chooses as this one would have.
"""

import logging
import threading

from core.telemetry.tracing import NO_TRACES, Traces
from core.training.agents.comparison import FinishedAgent, best_of, comparison_section
from core.training.agents.schedule import chosen
from core.training.errors import TrainingError
from core.training.final_record_file import read_final
from core.training.lane import Lane
from core.training.session import DesiredSession, Session, SessionPhase
from core.training.session_domain import domain_of
from core.training.session_recorder import SessionRecorder
from core.training.sessions import Sessions

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # how often the documents are read even when no change was announced


class AgentsRunner:
    """Runs one session with agents; on the trainer's thread, with a thread for each agent that trains."""

    def __init__(
        self,
        parent: Session,
        sessions: Sessions,
        recorder: SessionRecorder,
        *,
        wake: threading.Event,
        stopping: threading.Event,
        traces: Traces = NO_TRACES,
    ) -> None:
        """Prepare to run.

        Args:
            parent: The session, with work to do.
            sessions: Of the workspace.
            recorder: Records progress.
            wake: Set on news: a change of the desired state, the end of an agent, the engine's end.
            stopping: Set when the engine ends.
            traces: Takes the spans of epochs.
        """
        self._parent = parent
        self._agents = parent.training.agents
        self._sessions = sessions
        self._recorder = recorder
        self._wake = wake
        self._stopping = stopping
        self._traces = traces
        self._threads: dict[str, AgentThread] = {}
        self._letting_go = threading.Event()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes of the agents that train; from any thread."""
        return tuple(thread.lane for thread in tuple(self._threads.values()))

    def run(self) -> None:
        """Run until the session rests: finished, failed, paused, stopped, or left for later."""
        observed = self._parent.observed
        verb = "session.begin" if observed.started_at is None else "session.continue"
        started = observed.started_at or self._recorder.now()
        self._observe(verb, phase=SessionPhase.RUNNING, started_at=started, ended_at=None, stop_reason=None)
        try:
            while not self._step():
                self._wake.wait(LOOK_SECONDS)
                self._wake.clear()
                for thread in self._threads.values():
                    thread.lane.wake.set()
        finally:
            self._letting_go.set()
            for thread in self._threads.values():
                thread.lane.wake.set()
                thread.join()

    def may_train(self, session_id: str) -> bool:
        """Say whether an agent that trains goes on; called by its own thread, between two epochs."""
        if self._stopping.is_set() or self._letting_go.is_set():
            return False
        return session_id in self._chosen(self._sessions.children(self._parent))

    def _step(self) -> bool:
        """Start the agents that may train; return whether the session rests."""
        self._forget_ended_threads()
        parent = self._parent = self._recorder.look(self._parent)
        children = self._sessions.children(parent)
        for child in children:
            if child.session_id not in self._threads:
                self._recorder.settle(child)
        if parent.desired is DesiredSession.RUNNING and not self._stopping.is_set():
            for session_id in self._chosen(children):
                if session_id not in self._threads and len(self._threads) < self._agents.at_once:
                    self._start(session_id)
        elif self._threads and parent.observed.phase is not SessionPhase.STOPPING:
            self._observe("session.stopping", phase=SessionPhase.STOPPING)
        for child in children:
            if child.session_id not in self._threads and child.wants_work and child.observed.phase.is_at_work:
                self._recorder.suspended(child)  # an engine that died left it so
        return not self._threads and self._end(self._sessions.children(parent))

    def _end(self, children: list[Session]) -> bool:
        """Bring the session to rest while no agent trains."""
        parent = self._parent
        if parent.desired is DesiredSession.STOPPED:
            self._recorder.stopped(parent)
        elif parent.desired is DesiredSession.PAUSED:
            self._recorder.paused(parent)
        elif all(child.has_ended for child in children):
            try:
                self._compare(children)
            except Exception as error:  # a disk that is full, or a bug: a new request compares again
                log.exception("%s: its agents cannot be compared", parent.session_id)
                self._recorder.give_up(parent, error, n_attempts=1)
        elif self._stopping.is_set() or not any(child.wants_work for child in children):
            self._recorder.suspended(parent)  # for the next engine, or until its paused agents are resumed
        else:
            return False
        return True

    def _compare(self, children: list[Session]) -> None:
        """Register the best model of each name, and end the session."""
        finished, missing = self._finished(children)
        n = len(children)
        if not finished:
            why = f"none of its {n} agents has finished: {'; '.join(missing)}"
            self._recorder.compared(
                self._parent,
                SessionPhase.FAILED,
                reason=why,
                registered={},
                failure=why,
                stop_reason="failed",
                gave_up_at=self._parent.desired_revision,
            )
            return
        reason = f"{len(finished)} of {n} agents finished" if missing else f"all {n} agents finished"
        self._observe("session.end", reason=reason, phase=SessionPhase.STOPPING, stop_reason=reason)
        best = best_of(finished)
        registered: dict[str, tuple[str, ...]] = {}
        for agent in finished:
            names = {model.name for model in agent.final.models if best[agent.name_of(model)] is agent}
            if names:
                registered[agent.session.session_id] = self._register(agent, names)
        panel = domain_of(self._parent.training).test_panels[0]
        self._recorder.compared(
            self._parent,
            SessionPhase.FINISHED,
            reason=reason,
            registered=registered,
            stop_reason=reason,
            sections=(comparison_section(finished, best, registered, test_panel=panel),),
            warnings=tuple(missing),
        )

    def _register(self, agent: FinishedAgent, names: set[str]) -> tuple[str, ...]:
        session = agent.session
        if (last := self._recorder.files.read_epoch(session, agent.final.epoch)) is None:
            raise TrainingError(f"{session.session_id} has no report of epoch {agent.final.epoch}, its last.")
        return self._recorder.register(session, agent.final, last, only=names)

    def _finished(self, children: list[Session]) -> tuple[list[FinishedAgent], list[str]]:
        """Return the agents with models, and of each other agent why it has none."""
        finished, missing = [], []
        for child in children:
            name = child.agent.name if child.agent is not None else child.session_id
            if child.observed.phase is not SessionPhase.FINISHED:
                why = f": {child.observed.failure}" if child.observed.phase is SessionPhase.FAILED else ""
                missing.append(f"the agent {name} ({child.session_id}) is {child.observed.phase}{why}")
            elif (final := read_final(self._recorder.files.checkpoints_of(child))) is None:
                missing.append(f"the models of the agent {name} ({child.session_id}) are missing or damaged")
            else:
                finished.append(FinishedAgent(child, final))
        return finished, missing

    def _chosen(self, children: list[Session]) -> tuple[str, ...]:
        block = self._agents
        running = tuple(self._threads)
        return chosen(children, running, at_once=block.at_once, slice_seconds=block.slice_seconds)

    def _start(self, session_id: str) -> None:
        lane = Lane(self._recorder.another(), wake=threading.Event(), traces=self._traces)
        thread = self._threads[session_id] = AgentThread(self._sessions.get(session_id), lane, self)
        log.info("%s: the agent %s trains", self._parent.session_id, session_id)
        thread.start()

    def _forget_ended_threads(self) -> None:
        for session_id in [each for each, thread in self._threads.items() if not thread.is_alive()]:
            thread = self._threads.pop(session_id)
            if thread.error is not None:
                raise thread.error

    def _observe(self, verb: str, *, reason: str = "", **observed: object) -> None:
        self._parent = self._recorder.led(self._parent, verb, reason=reason, **observed)

    def news(self) -> None:
        """Look again soon; called by the thread of an agent that ends."""
        self._wake.set()


class AgentThread(threading.Thread):
    """Trains one agent until it rests or makes room; its child lives as long as this thread."""

    def __init__(self, session: Session, lane: Lane, runner: AgentsRunner) -> None:
        super().__init__(name=f"agent-{session.session_id}", daemon=True)
        self.lane = lane
        self.error: BaseException | None = None
        """What ended it, where that was none of the agent's own failures."""
        self._session = session
        self._runner = runner

    def is_set(self) -> bool:
        """Whether the agent is to leave the rest for later."""
        return not self._runner.may_train(self._session.session_id)

    def run(self) -> None:
        """Train."""
        try:
            self.lane.drive(self._session, halt=self)
        except BaseException as error:  # such as a full disk: the trainer meets it, as with a session without agents
            self.error = error
        finally:
            self.lane.stop_child()
            self._runner.news()
