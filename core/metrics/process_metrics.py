"""The metrics that every Prometheus client has of its process: measured here, shown with the sums of all."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.samples import Sample


class ProcessMetrics:
    """The metrics of this process and its garbage collection."""

    def __init__(self) -> None:
        self._collectors = (ProcessCollector(registry=None), GCCollector(CollectorRegistry()))

    def values(self) -> dict[str, float]:
        """Measure this process."""
        return {_key(sample): sample.value for metric in self._metrics() for sample in metric.samples}

    def families(self, values: Mapping[str, float]) -> Iterable[Metric]:
        """Return the metrics with other values, such as the sums of all processes."""
        for metric in self._metrics():
            found = Metric(metric.name, metric.documentation, metric.type)
            for sample in metric.samples:
                found.add_sample(sample.name, sample.labels, values.get(_key(sample), sample.value))
            yield found

    def _metrics(self) -> Iterable[Metric]:
        for collector in self._collectors:
            yield from collector.collect()


def _key(sample: Sample) -> str:
    return " ".join((sample.name, *sample.labels.values()))
