"""Measure the machine once a second, store the sample, and evaluate the alert rules on it."""

import threading
import time
from typing import ClassVar

from typing_extensions import override

from core.alerts import AlertSubject
from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.monitoring import ResourceSampler, write_sample
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from core.training.training_alerts import TrainingAlerts

PERIOD_SECONDS = 1.0
AT_WORK = (SessionPhase.PREPARING, SessionPhase.RUNNING, SessionPhase.STOPPING)


class Sampler(Worker):
    """Measures the machine and our processes."""

    name: ClassVar[str] = "sampler"

    def __init__(self, context: EngineContext) -> None:
        """Prepare to sample."""
        self.wake = threading.Event()
        self._context = context
        self._sampler = ResourceSampler(context.workspace)
        self._sessions = Sessions(context.workspace)
        self._calls = TrainingAlerts(context.alerts, context.clock)
        self._due = time.monotonic()

    @override
    def step(self) -> float:
        self.take()
        self._due = max(self._due + PERIOD_SECONDS, time.monotonic())  # missed seconds are not sampled later
        return max(self._due - time.monotonic(), 0.0)

    def take(self) -> None:
        """Take one sample, and check whether a session stalls."""
        self._sampler.follow("trainer", self._context.trainer.child_pid)
        sample = self._sampler.sample(self._context.clock())
        write_sample(sample, self._context.telemetry)
        self._context.alerts.judge(AlertSubject.MACHINE, sample, labels={}, now=sample.at)
        at_work = (each for each in self._sessions.all() if each.observed.phase in AT_WORK)
        self._calls.watch_progress([each for each in at_work if not each.children])  # it is the agents that progress
