"""The sampler's work, once a second: measure, write down, and judge the alert rules that rest on it."""

import threading
import time
from collections.abc import Callable

from core.alerts import Alerts
from core.clock import Clock, utc_now
from core.monitoring import ResourceSample, ResourceSampler, write_sample
from core.state import Workspace
from core.telemetry import TelemetryWriter
from core.training.session import Phase
from core.training.sessions import Sessions
from core.training.training_alerts import TrainingAlerts

PERIOD_SECONDS = 1.0
AT_WORK = (Phase.PREPARING, Phase.RUNNING, Phase.STOPPING)


class Sampling:
    """Measures the machine and our processes for as long as the engine lives."""

    def __init__(
        self,
        workspace: Workspace,
        telemetry: TelemetryWriter,
        alerts: Alerts,
        *,
        child_pid: Callable[[], int | None],
        clock: Clock = utc_now,
    ) -> None:
        """Prepare to sample.

        Args:
            workspace: Whose disk to look at, and whose sessions.
            telemetry: Where the figures go.
            alerts: The engine's one instance.
            child_pid: Tells the training child's process id, while there is one.
            clock: The time.
        """
        self._sampler = ResourceSampler(workspace)
        self._sessions = Sessions(workspace)
        self._telemetry = telemetry
        self._alerts = alerts
        self._calls = TrainingAlerts(alerts, clock)
        self._child_pid = child_pid
        self._clock = clock

    def run(self, *, until: threading.Event) -> None:
        """Take a sample a second."""
        due = time.monotonic()
        while not until.is_set():
            self.take()
            due = max(due + PERIOD_SECONDS, time.monotonic())  # seconds that were missed are not made up for
            until.wait(due - time.monotonic())

    def take(self) -> None:
        """Take one sample, and look whether any session stalls."""
        self._sampler.follow("trainer", self._child_pid())
        sample = self._sampler.sample(self._clock())
        write_sample(sample, self._telemetry)
        self._judge(sample)
        self._calls.watch_progress([each for each in self._sessions.all() if each.observed.phase in AT_WORK])

    def _judge(self, sample: ResourceSample) -> None:
        for rule, value in (
            ("cpu_high", sample.cpu_percent),
            ("memory_high", sample.memory_percent),
            ("disk_high", sample.disk_percent),
        ):
            self._alerts.observe(rule, labels={}, value=value, now=sample.at)
