"""The metrics of monitoring: health, drift, and how well live versions do."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.clock import Clock, utc_now
from core.metrics import catalogue
from core.monitoring.baselines import baselines
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.monitoring.documents import VersionMonitoring

MOST_MODELS = 500
MOST_COLUMNS = 100
"""Columns of each version that have series, the largest effect first: a model may read thousands."""
_STATES = ("healthy", "unknown", "degraded", "failing")


class MonitoringMetrics(Collector):
    """What the engine has found of each live version, as its document says."""

    def __init__(self, snapshot: Callable[[], Snapshot], clock: Clock = utc_now) -> None:
        self._snapshot, self._clock = snapshot, clock

    def collect(self) -> Iterable[Metric]:
        """Collect the metrics."""
        families = _Families()
        for document in self._snapshot().monitoring[:MOST_MODELS]:
            for version in document.versions:
                families.add(document.model, version)
        yield from vars(families).values()
        if (budget := self._snapshot().drift_budget) is not None:
            yield catalogue.DRIFT_BUDGET.family(budget.acceptable)
            yield catalogue.DRIFT_BUDGET_SPENT.family(budget.spent)
            yield catalogue.DRIFT_BUDGET_LEFT.family(budget.left)
        yield from self._live_versions()

    def _live_versions(self) -> Iterable[Metric]:
        """Measure the live version of each model by what was known before it went live."""
        snapshot, now = self._snapshot(), self._clock()
        watched = {document.model: document.live for document in snapshot.monitoring}
        age = catalogue.LIVE_VERSION_AGE.family()
        families = {metric: spec.family() for metric, spec in catalogue.BASELINES.items()}
        for model in snapshot.models[:MOST_MODELS]:
            number = model.standing.production
            version = snapshot.version(model.model, number) if number is not None else None
            if version is None:
                continue
            labels = (version.model, version.version)
            age.add_metric(labels, max(0.0, (now - version.created_at).total_seconds()))
            known = watched.get(model.model)
            of_version = known if known is not None and known.version == version.version else None
            for metric, value in baselines(version.metrics, of_version).items():
                families[metric].add_metric(labels, value)
        yield age
        yield from families.values()


class _Families:
    def __init__(self) -> None:
        self.health = catalogue.MODEL_HEALTH.family()
        self.reason = catalogue.MODEL_HEALTH_REASON.family()
        self.psi = catalogue.DRIFT_PSI.family()
        self.evidence = catalogue.DRIFT_EVIDENCE.family()
        self.verdict = catalogue.DRIFT_VERDICT.family()
        self.changed_at = catalogue.DRIFT_CHANGED_AT.family()
        self.rows = catalogue.DRIFT_ROWS.family()
        self.prediction_mean = catalogue.PREDICTION_MEAN.family()
        self.missing = catalogue.MISSING.family()
        self.value = catalogue.PERFORMANCE.family()
        self.low = catalogue.PERFORMANCE_LOW.family()
        self.high = catalogue.PERFORMANCE_HIGH.family()
        self.looked_at = catalogue.MONITORED_UNTIL.family()

    def add(self, model: str, version: "VersionMonitoring") -> None:
        of = (model, version.version)
        for state in _STATES:
            self.health.add_metric((*of, state), 1.0 if version.health.state == state else 0.0)
        for reason in version.health.reasons:
            self.reason.add_metric((*of, reason.source), reason.weight)
        if version.traffic is not None:
            self.looked_at.add_metric(of, version.traffic.as_of.timestamp())
        self._add_drift(of, version)
        for source, part in (("outcomes", version.performance), ("estimate", version.estimate)):
            for metric in part.metrics if part is not None else ():
                if metric.window or metric.slice or metric.value is None:
                    continue
                labels = (*of, metric.metric, source)
                self.value.add_metric(labels, metric.value)
                if metric.low is not None:
                    self.low.add_metric(labels, metric.low)
                if metric.high is not None:
                    self.high.add_metric(labels, metric.high)

    def _add_drift(self, of: tuple[str, str], version: "VersionMonitoring") -> None:
        if (drift := version.drift) is None:
            return
        self.rows.add_metric(of, drift.n_rows)
        if drift.prediction_mean is not None:
            self.prediction_mean.add_metric(of, drift.prediction_mean)
        if drift.missing_share is not None:
            self.missing.add_metric(of, drift.missing_share)
        for column in drift.columns[:MOST_COLUMNS]:
            labels = (*of, str(column.type), column.name)
            self.evidence.add_metric(labels, column.evidence)
            self.verdict.add_metric((*labels, str(column.verdict)), 1.0)
            if column.psi is not None:
                self.psi.add_metric(labels, column.psi)
            if column.changed_at is not None:
                self.changed_at.add_metric(labels, column.changed_at.timestamp())
