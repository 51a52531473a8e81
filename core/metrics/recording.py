"""Record what a process measures into the store of series, at the interval of the settings."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from core.clock import Clock
from core.settings.current import CurrentSettings
from core.settings.otlp import OtlpSettings
from core.state import Workspace
from core.telemetry.errors import TelemetryError
from core.telemetry.metrics import MetricWriter
from core.telemetry.schema import place_of

if TYPE_CHECKING:
    from core.metrics.otlp.exporter import OtlpExporter

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How soon a shorter interval takes effect."""


class MetricRecording:
    """The scrapes of one process. What the store refuses is lost and logged; the next scrape is stored if it can be."""

    def __init__(
        self, workspace: Workspace, settings: CurrentSettings, clock: Clock, *, job: str, instance: str
    ) -> None:
        """Prepare; the folder of the workspace is remembered, as another one may take its name.

        Args:
            workspace: The workspace.
            settings: The interval and the retention.
            clock: The time of the scrapes.
            job: The label of all series, as in a Prometheus.
            instance: Likewise.
        """
        self._workspace, self._settings, self._clock = workspace, settings, clock
        self._folder = place_of(workspace.root)
        self._writer = MetricWriter(workspace.metrics_file, clock, job=job, instance=instance)
        self._process = {"service.name": job, "service.instance.id": instance}
        self._began_at = clock().timestamp()
        self._exporter: OtlpExporter | None = None
        self._recorded_at: float | None = None
        self._failure: str | None = None

    def record_if_due(self, measure: Callable[[], Iterable[Metric]]) -> float:
        """Record if the interval has passed.

        Args:
            measure: Returns the series; called only if they are recorded.
        Returns:
            How many seconds to wait before the next call.
        """
        settings = self._settings.read()
        interval = settings.alerts.evaluation_interval_seconds
        now = time.monotonic()
        if self._recorded_at is None or now - self._recorded_at >= interval:
            # Missed scrapes are not made up for; a scrape that came a little late does not move those after it.
            is_on_time = self._recorded_at is not None and now - self._recorded_at < 2 * interval
            self._recorded_at = (self._recorded_at or now) + interval if is_on_time else now
            self._writer.retention_days = settings.telemetry.metrics.days
            self._record(measure(), settings.telemetry.otlp)
        return min(max(self._recorded_at + interval - time.monotonic(), 0.0), LOOK_SECONDS)

    def end(self, *, ends_series: bool = True) -> None:
        """End the series of this process, and close the store: what has stopped measures nothing.

        Args:
            ends_series: Whether the series end; not if another process goes on with them.
        """
        if ends_series and self._recorded_at is not None:
            self._record(())
        self._writer.close()
        if self._exporter is not None:
            self._exporter.close()

    def _exported(self, families: Iterable[Metric], wanted: OtlpSettings | None) -> Iterable[Metric]:
        """Hand what was measured to the collector of the settings, too, if its interval has passed."""
        if self._exporter is not None and self._exporter.settings != wanted:
            self._exporter.close()
            self._exporter = None
        if wanted is None:
            return families
        if self._exporter is None:
            # Imported here: whoever has no collector never pays for it.
            from core.metrics.otlp.exporter import OtlpExporter

            self._exporter = OtlpExporter(wanted, self._process, self._began_at)
        if not self._exporter.is_due():
            return families
        measured = list(families)
        self._exporter.offer(measured, self._clock().timestamp())
        return measured

    def _record(self, families: Iterable[Metric], otlp: OtlpSettings | None = None) -> None:
        if place_of(self._workspace.root) != self._folder:
            return  # the workspace is gone, and no store brings it back
        try:
            self._writer.record(self._clock(), self._exported(families, otlp))
            self._writer.keep_up()
        except TelemetryError as error:
            if str(error) != self._failure:
                log.warning("series are not recorded: %s", error)
            self._failure = str(error)
        else:
            self._failure = None
