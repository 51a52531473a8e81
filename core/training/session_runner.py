"""Running one session from its current state until it rests, one epoch at a time.

Every step is safe to repeat: an epoch's result is a function of the settings and the checkpoint before it,
and its records replace any earlier records of it. So a dead child is replaced, a dead engine
is succeeded, and both continue from the newest checkpoint to the same bytes.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

from core.backoff import BackOff
from core.errors import CoreError
from core.telemetry.tracing import NO_TRACES, Attribute, Traces
from core.training.checkpoint import Checkpoints
from core.training.child_process import ChildProcess
from core.training.convergence import RECENT_EPOCHS, judge, judge_text
from core.training.errors import OVER_LIMIT, ChildDiedError, ChildStalledError, LearningError, out_of_memory
from core.training.records import EpochRecord
from core.training.scores import EpochScores
from core.training.session import DesiredSession, Session
from core.training.session_recorder import SessionRecorder
from core.training.tuning.stopping import stop_reason
from core.training.watchdog import Watchdog, usage_of
from core.training.wire import (
    ChildReply,
    ChildRequest,
    EpochDone,
    Failed,
    Finish,
    Finished,
    Prepare,
    Prepared,
    RunEpoch,
    Tune,
    Tuned,
)

log = logging.getLogger(__name__)

BACK_OFF = BackOff(first_seconds=0.5, most_seconds=30.0)
LOOK_SECONDS = 1.0  # how often the desired state is read even when no change was announced

R = TypeVar("R", Prepared, Tuned, EpochDone, Finished)


class Halt(Protocol):
    """Says, between two epochs, whether a session is to leave the rest for later."""

    def is_set(self) -> bool:
        """Whether it is."""


class SessionRunner:
    """Runs one session on the trainer's thread."""

    def __init__(
        self,
        session: Session,
        recorder: SessionRecorder,
        *,
        wake: threading.Event,
        stopping: Halt,
        start_child: Callable[[Session], ChildProcess],
        stop_child: Callable[[], None],
        traces: Traces = NO_TRACES,
    ) -> None:
        """Prepare to run a session.

        Args:
            session: The session, with work to do.
            recorder: Records its progress.
            wake: Set on news: from the child, a change of the desired state, the engine's end.
            stopping: Set when the engine ends, or when another session is to train in its place.
            start_child: Returns a live child, starting one if needed.
            stop_child: Ends the child, so that the next one starts clean.
            traces: Takes the spans of epochs.
        """
        self._session = session
        self._settings = session.training
        self._recorder = recorder
        self._wake = wake
        self._stopping = stopping
        self._start_child = start_child
        self._stop_child = stop_child
        self._traces = traces
        self._history = EpochScores()
        self._last: EpochRecord | None = None
        self._durations: list[float] = []
        self._is_prepared = False
        self._is_tuning = False
        self._cpu = 0.0  # processor time of children that no record has yet

    def run(self) -> None:
        """Run until the session rests: finished, failed, paused, stopped, or left to the next engine."""
        self._session = self._recorder.begin(self._session)
        n_failures = 0
        while not self._halt():
            try:
                if not self._is_prepared:
                    self._prepare()
                elif self._is_tuning:
                    self._tune()
                    n_failures = 0
                elif self._end_if_due():
                    return
                else:
                    self._run_epoch()
                    n_failures = 0
            except (CoreError, OSError) as error:
                self._is_prepared = False
                self._stop_child()
                if self._stopping.is_set():
                    continue  # the engine's own end killed the child
                n_failures += 1
                hopeless = isinstance(error, LearningError | ChildStalledError | ChildDiedError) and error.is_hopeless
                if hopeless or n_failures > self._settings.trainer.max_retries:
                    self._session = self._recorder.give_up(self._session, error, n_attempts=n_failures)
                    return
                self._session = self._recorder.failed_attempt(self._session, error, attempt=n_failures)
                self._back_off(BACK_OFF.wait_seconds(n_failures))

    def _prepare(self) -> None:
        folder = self._recorder.files.checkpoints_of(self._session)
        data_folder = self._recorder.files.data_sets_of(self._session)
        request = Prepare(
            settings=self._session.settings,
            folder=str(folder),
            data_folder=str(data_folder),
            text=self._session.text,
        )
        prepared = self._ask(request, Prepared)
        self._history, self._last = Checkpoints(folder).history_of(prepared), prepared.record
        self._is_prepared, self._is_tuning = True, not prepared.tuning.is_done
        self._session = self._recorder.taken_up(self._session, prepared, self._history)

    def _tune(self) -> None:
        """Run the next batch of trials, or let the search end where its budget or a person ends it."""
        started = time.monotonic()
        tuned = self._ask(Tune(stop=stop_reason(self._session)), Tuned)
        self._is_tuning = not tuned.progress.is_done
        seconds = time.monotonic() - started
        self._session = self._recorder.tuned(self._session, tuned.progress, seconds=seconds, cpu=self._taken_cpu())

    def _run_epoch(self) -> None:
        started, number = time.monotonic(), len(self._history) + 1
        told: Mapping[str, Attribute] = {"bondx.session": self._session.session_id, "bondx.epoch": number}
        with self._traces.span("training.epoch", told) as span:
            with self._traces.span("training.compute", {}, part_of=span) as computing:
                done = self._ask(RunEpoch(number=number), EpochDone)
                computing.tell({f"bondx.stage.{name}_seconds": took for name, took in done.stage_seconds.items()})
            self._history = self._history.then(done.record.as_score)
            self._last = done.record
            self._durations = [*self._durations[1 - RECENT_EPOCHS :], time.monotonic() - started]
            computed = time.monotonic()
            with self._traces.span("training.record", {}, part_of=span):
                self._session = self._recorder.epoch_done(
                    self._session, done, self._history, self._durations, cpu=self._taken_cpu()
                )
            span.tell({"bondx.learned": done.record.learned})
        log.debug(
            "%s: epoch %d computed in %.3f s and recorded in %.3f s",
            self._session.session_id,
            done.record.epoch,
            computed - started,
            time.monotonic() - computed,
        )

    def _end_if_due(self) -> bool:
        """Finish the session when there is a reason to end."""
        if self._last is None:
            return False
        trained_seconds = self._session.observed.trained_seconds
        text = self._session.text
        if text is not None and self._last.text is not None:
            judgement = judge_text(self._last.text, text.text_model, self._settings, trained_seconds=trained_seconds)
        else:
            judgement = judge(self._history, self._settings, trained_seconds=trained_seconds)
        if judgement.end is None:
            return False
        self._session = self._recorder.winding_up(self._session, judgement)
        finished = self._ask(Finish(), Finished)
        self._session = self._recorder.finish(
            self._session, finished, self._history, self._last, judgement, cpu=self._taken_cpu()
        )
        return True

    def _halt(self) -> bool:
        """Pause or stop between two epochs, as the desired state or the engine's end requires."""
        self._session = self._recorder.look(self._session)
        if self._session.desired is DesiredSession.STOPPED:
            self._session = self._recorder.stopped(self._session)
        elif self._session.desired is DesiredSession.PAUSED:
            self._session = self._recorder.paused(self._session)
        elif self._stopping.is_set():
            self._session = self._recorder.suspended(self._session)
        else:
            return False
        return True

    def _ask(self, request: ChildRequest, expected: type[R]) -> R:
        """Send the child a request, and watch the desired state meanwhile."""
        child = self._start_child(self._session)
        watchdog = Watchdog(self._settings.trainer.stall_seconds, look_at=partial(usage_of, child.pid))
        log.debug("%s: the child %d is asked: %s", self._session.session_id, child.pid, type(request).__name__)
        had = child.cpu_seconds
        child.ask(request)
        while (answer := child.hear()) is None:
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            part = child.part
            if (what := watchdog.look(part)) is not None and child.hear() is None:
                raise ChildStalledError(what, part[1])
            if isinstance(request, RunEpoch | Tune):
                self._session = self._recorder.show_intent(self._session)
        self._cpu += max(child.cpu_seconds - had, 0.0)
        return _checked(answer, expected, self._settings.trainer.memory_limit_mb)

    def _taken_cpu(self) -> float:
        """Return the processor time since the last record of it, in seconds."""
        taken, self._cpu = self._cpu, 0.0
        return taken

    def _back_off(self, seconds: float) -> None:
        """Wait before the next attempt, unless a person pauses or stops the session meanwhile."""
        deadline = time.monotonic() + seconds
        # The desired state is read before the first wait: what changed during the attempt has been announced already.
        while (
            self._recorder.look(self._session).desired is DesiredSession.RUNNING
            and (rest := deadline - time.monotonic()) > 0
            and not self._stopping.is_set()
        ):
            self._wake.wait(min(rest, LOOK_SECONDS))
            self._wake.clear()


def _checked(answer: ChildReply, expected: type[R], memory_limit_mb: int) -> R:
    if isinstance(answer, Failed) and answer.kind == "memory":
        kind = OVER_LIMIT if memory_limit_mb else answer.kind
        raise LearningError(f"{out_of_memory(memory_limit_mb)}: {answer.reason}", answer.details, kind=kind)
    if isinstance(answer, Failed):
        raise LearningError(answer.reason, answer.details, kind=answer.kind)
    if not isinstance(answer, expected):
        raise LearningError(f"the training child answered {type(answer).__name__}, expected {expected.__name__}")
    return answer
