"""The plan of a return shows what monitoring last knew of the version that it puts live, and what stays wrong."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from core.monitoring.documents import (
    DriftPart,
    EarlierVersion,
    HealthReason,
    HealthState,
    ModelMonitoring,
    MonitoredColumn,
    VersionHealth,
    VersionMonitoring,
)
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import DriftType, DriftVerdict
from core.registry import Stage

NOW = datetime(2026, 11, 27, 7, 30, tzinfo=UTC)
FELL = HealthReason(source="performance", state=HealthState.FAILING, text="rmse is 4.3 times as high", weight=4.3)
SIZE = MonitoredColumn(name="size", type=DriftType.FEATURE, verdict=DriftVerdict.ALARM, reason="moved by +28")
LIVE = VersionMonitoring(version="1.1.0", role="stable", drift=DriftPart(as_of=NOW, verdict=DriftVerdict.STABLE))
EARLIER = EarlierVersion(
    version="1.0.0",
    live_until=NOW - timedelta(minutes=9),
    health=VersionHealth(state=HealthState.FAILING, reasons=(FELL,)),
)
WELL = replace(EARLIER, health=VersionHealth(state=HealthState.HEALTHY))


def drifted(*columns):
    return replace(LIVE, drift=DriftPart(as_of=NOW, verdict=DriftVerdict.ALARM, columns=columns))


@pytest.fixture
def known(workspace, register, promote):
    register(), register()
    promote("1.0.0", "1.1.0")

    def known(live, *earlier):
        found = ModelMonitoring(model="spread", versions=(live,), earlier=earlier, updated_at=NOW)
        MonitoringStore(workspace).write([found])

    return known


@pytest.mark.parametrize(
    ("live", "earlier", "sentences"),
    [
        pytest.param(
            LIVE,
            [EARLIER],
            ["1.0.0 was failing when it was last live, until 2026-11-27 07:21 UTC: rmse is 4.3 times as high."],
            id="worse",
        ),
        pytest.param(LIVE, [WELL], ["1.0.0 was healthy when it was last live, until 2026-11-27 07:21 UTC."], id="well"),
        pytest.param(
            LIVE,
            [replace(EARLIER, health=VersionHealth(missing=("no rows",)))],
            ["The health of 1.0.0 was not known when it was last live, until 2026-11-27 07:21 UTC: no rows."],
            id="health not known",
        ),
        pytest.param(LIVE, [], ["Monitoring knows nothing of 1.0.0: it has not been live of late."], id="not known"),
        pytest.param(
            drifted(SIZE, replace(SIZE, type=DriftType.QUALITY), replace(SIZE, name="y", type=DriftType.PREDICTION)),
            [WELL],
            [
                "1.0.0 was healthy when it was last live, until 2026-11-27 07:21 UTC.",
                "Requests have moved (size). That is no fault of a version: 1.0.0 gets the same requests, and this "
                "does not cure it.",
            ],
            id="requests that have moved",
        ),
        pytest.param(
            drifted(replace(SIZE, type=DriftType.RESIDUAL)),
            [WELL],
            ["1.0.0 was healthy when it was last live, until 2026-11-27 07:21 UTC."],
            id="errors may be the fault of the version",
        ),
    ],
)
def test_the_plan_of_a_rollback_says_how_the_version_did_and_what_stays(known, registry, live, earlier, sentences):
    known(live, *earlier)
    assert list(registry.plan_rollback("spread").monitoring) == sentences


def test_an_undo_that_puts_a_version_live_again_says_the_same(known, registry):
    known(LIVE, EARLIER)
    assert registry.plan_undo("spread").monitoring == registry.plan_rollback("spread").monitoring


def test_news_of_monitoring_make_no_plan_stale(known, registry, ana):
    known(LIVE, EARLIER)
    plan = registry.plan_rollback("spread")
    known(LIVE, WELL)
    registry.apply(plan, actor=ana)
    assert registry.get("spread", "1.0.0").stage is Stage.PRODUCTION


def test_what_cannot_be_read_hinders_no_return(known, registry, workspace):
    known(LIVE, EARLIER)
    with workspace.database("monitoring").transaction():
        workspace.database("monitoring")._storage.write_table("models", {"1": {"model": "spread", "versions": 7}})
    plan = registry.plan_rollback("spread")
    assert (plan.allowed, plan.monitoring) == (True, ())
