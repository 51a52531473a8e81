"""Writing what rules return as series: recorded ones, and `ALERTS` and `ALERTS_FOR_STATE` as a Prometheus does."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from core.alerts.evaluation.recorded import NAME
from core.alerts.evaluation.rule_state import ActiveAlert
from core.clock import Clock
from core.promql import VectorSample
from core.telemetry.metrics import MetricWriter

JOB = "bondx-rules"


class RuleSeriesWriter:
    """A writer for each group, so that each ends its own series."""

    def __init__(self, file: Path, clock: Clock, retention_days: float) -> None:
        """Prepare; a group that has nothing to write opens no file."""
        self._file, self._clock, self._retention_days = file, clock, retention_days
        self._writers: dict[str, MetricWriter] = {}
        self._is_empty: dict[str, bool] = {}

    def record(
        self, group: str, at: datetime, samples: Sequence[VectorSample], alerts: Sequence[tuple[str, ActiveAlert]]
    ) -> None:
        """Write the results of one group at an instant.

        Raises:
            TelemetryError: They cannot be written now.
        """
        if not samples and not alerts and self._is_empty.get(group, True):
            return
        from prometheus_client.core import Metric

        family = Metric("rules", "", "unknown")
        for sample in samples:
            labels = dict(sample.labels)
            family.add_sample(labels.pop(NAME), labels, sample.value)
        for rule, alert in alerts:
            labels = {**dict(alert.labels), "alertname": rule}
            state = "firing" if alert.is_firing else "pending"
            family.add_sample("ALERTS", {**labels, "alertstate": state}, 1.0)
            family.add_sample("ALERTS_FOR_STATE", labels, alert.active_at_ms / 1000)
        self._is_empty[group] = not family.samples
        self._writer(group).record(at, [family])

    def close(self) -> None:
        """Close the stores."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, group: str) -> MetricWriter:
        if (writer := self._writers.get(group)) is None:
            writer = self._writers[group] = MetricWriter(
                self._file,
                self._clock,
                job=JOB,
                instance=group,
                adds_labels=False,
                retention_days=self._retention_days,
            )
        return writer
