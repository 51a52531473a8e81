"""What a metric of the catalogue is: a name, a kind, labels, a meaning, and who provides it."""

from dataclasses import dataclass
from enum import StrEnum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily


class Group(StrEnum):
    """What a metric is about."""

    PREDICTIONS = "Predictions"
    VERSIONS = "Loaded versions"
    OUTCOMES = "Outcomes and recording"
    MONITORING = "Monitoring"
    ROLLOUTS = "Rollouts"
    SESSIONS = "Training"
    MACHINE = "Machine and processes"
    WORKSPACE = "Workspace and engine"
    STRESS = "Stress tests"
    REPLICAS = "Replicas"
    ALERTING = "Alerts, silences and notifications"
    TRACES = "Traces"

    @property
    def provider(self) -> str:
        """Who answers with these metrics, and records them."""
        return "server" if self in _OF_SERVERS else "engine, server"


_OF_SERVERS = (Group.PREDICTIONS, Group.VERSIONS, Group.OUTCOMES)
_UNITS = ("seconds", "bytes", "ratio", "days")


@dataclass(frozen=True, slots=True)
class _Spec:
    """One metric."""

    name: str
    meaning: str
    group: Group
    labels: tuple[str, ...] = ()

    @property
    def shown_name(self) -> str:
        """The name that a Prometheus stores."""
        return self.name

    @property
    def stored_names(self) -> tuple[str, ...]:
        """The names of its series."""
        return (self.shown_name,)

    @property
    def stored_labels(self) -> frozenset[str]:
        """The labels of its series, beside those of the scrape: job and instance."""
        return frozenset(self.labels)

    @property
    def unit(self) -> str:
        """The unit that its name says; empty if it has none, such as a count."""
        return next((unit for unit in _UNITS if unit in self.name.split("_")), "")


class GaugeMetric(_Spec):
    """A metric that rises and falls."""

    kind = "gauge"

    def family(self, value: float | None = None) -> GaugeMetricFamily:
        """Return it without values, or with its only one."""
        return GaugeMetricFamily(self.name, self.meaning, value, None if value is not None else self.labels)


class CounterMetric(_Spec):
    """A metric that only rises; clients add `_total` to its name."""

    kind = "counter"

    @property
    def shown_name(self) -> str:
        """The name that a Prometheus stores."""
        return f"{self.name}_total"

    def family(self, value: float | None = None) -> CounterMetricFamily:
        """Return it without values, or with its only one."""
        return CounterMetricFamily(self.name, self.meaning, value, None if value is not None else self.labels)


class HistogramMetric(_Spec):
    """A metric of buckets."""

    kind = "histogram"

    @property
    def stored_names(self) -> tuple[str, ...]:
        """The names of its series."""
        return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))

    @property
    def stored_labels(self) -> frozenset[str]:
        """The labels of its series, beside those of the scrape; `le` is that of the buckets alone."""
        return frozenset((*self.labels, "le"))

    def family(self) -> HistogramMetricFamily:
        """Return it without values."""
        return HistogramMetricFamily(self.name, self.meaning, labels=self.labels)
