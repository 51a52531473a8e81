"""Documents of monitoring as an engine writes them, for tests of every face."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from core.monitoring.documents import (
    DriftBudget,
    DriftPage,
    DriftPart,
    EstimatePart,
    HealthChange,
    HealthReason,
    HealthState,
    ModelMonitoring,
    MonitoredColumn,
    MonitoredMetric,
    PerformancePart,
    TrafficPart,
    VersionHealth,
    VersionMonitoring,
)
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import DriftType, DriftVerdict, PerformanceVerdict
from core.state import Workspace

LOOKED_AT = datetime(2026, 11, 27, 7, 30, tzinfo=UTC)
SECTOR = MonitoredColumn(
    name="sector",
    type=DriftType.FEATURE,
    verdict=DriftVerdict.ALARM,
    reason="Energy 12% -> 31% of the rows",
    evidence=1.3,
    psi=0.42,
    importance=0.31,
    changed_at=LOOKED_AT - timedelta(minutes=18),
    slice="region = EU",
)
SIZE = MonitoredColumn(
    name="size", type=DriftType.FEATURE, verdict=DriftVerdict.STABLE, reason="no move that would matter", psi=0.01
)
ENERGY = HealthReason(
    source="drift", state=HealthState.DEGRADED, text="sector: Energy 12% -> 31% of the rows", weight=3.79
)


def health(state: HealthState, *reasons: HealthReason, missing: tuple[str, ...] = ()) -> VersionHealth:
    """Return a health that has lasted for ten minutes, after an hour of being well."""
    since = LOOKED_AT - timedelta(minutes=10)
    changes = (
        HealthChange(at=since - timedelta(hours=1), state=HealthState.HEALTHY),
        HealthChange(at=since, state=state),
    )
    return VersionHealth(state=state, since=since, reasons=reasons, missing=missing, changes=changes)


def a_version(number: str = "1.0.0", **known: Any) -> VersionMonitoring:
    """Return a live version whose data have drifted, and which does as well as before."""
    mae = MonitoredMetric(
        metric="mae", value=9.9, low=9.1, high=10.8, n=412, reference=9.8, verdict=PerformanceVerdict.HOLDS
    )
    fields: Mapping[str, Any] = {
        "role": "stable",
        "health": health(HealthState.DEGRADED, ENERGY),
        "traffic": TrafficPart(as_of=LOOKED_AT, minutes=15, n_requests=900, n_failed=3, p95_ms=8.0, usual_p95_ms=7.5),
        "drift": DriftPart(
            as_of=LOOKED_AT,
            verdict=DriftVerdict.ALARM,
            n_rows=5000,
            since=LOOKED_AT - timedelta(hours=5),
            columns=(SECTOR, SIZE),
            false_alarm_days=30,
        ),
        "performance": PerformancePart(
            as_of=LOOKED_AT, verdict=PerformanceVerdict.HOLDS, n_outcomes=412, awaited_share=0.4, metrics=(mae,)
        ),
        "estimate": EstimatePart(
            as_of=LOOKED_AT,
            method="density ratios",
            n_rows=5000,
            metrics=(MonitoredMetric(metric="mae", value=10.4, low=9.4, high=11.5),),
            blind_to="a changed relation between features and outcome",
        ),
    }
    return VersionMonitoring(version=number, **{**fields, **known})


def monitored(workspace: Workspace, *models: str, **known: Any) -> None:
    """Store the monitoring of each model, as an engine would."""
    page = DriftPage(at=LOOKED_AT - timedelta(minutes=12), model="spread", version="1.0.0")
    MonitoringStore(workspace).write_budget(
        DriftBudget(acceptable=3.0, fired=(page,), spent=1, left=2.0, updated_at=LOOKED_AT)
    )
    version = a_version(**known)
    MonitoringStore(workspace).write(
        ModelMonitoring(model=model, versions=(version,), updated_at=LOOKED_AT) for model in models
    )
