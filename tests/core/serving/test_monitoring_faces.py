"""The monitoring of live versions over HTTP and on /metrics."""

import json

import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from console.cli.main import main
from core.metrics.monitoring_metrics import MOST_COLUMNS, MonitoringMetrics
from core.monitoring.documents import HealthState, ModelMonitoring
from core.monitoring.verdicts import DriftType, DriftVerdict
from core.view.monitoring_history import MonitoringHistory
from core.view.source import SnapshotSource
from tests.monitored import SECTOR, a_version, health, monitored


def samples_of(workspace):
    registry = CollectorRegistry()
    registry.register(MonitoringMetrics(SnapshotSource(workspace).take))
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_metrics_have_the_health_of_each_live_version_and_why(workspace):
    monitored(workspace, "spread")
    found = samples_of(workspace)
    states = {key[2]: value for key, value in found.items() if key[0] == "bondx_model_health"}
    assert states == {"healthy": 0, "unknown": 0, "degraded": 1, "failing": 0}
    assert found["bondx_model_health_reason", "spread", "drift", "1.0.0"] == 3.79


def test_metrics_have_the_drift_of_each_column(workspace):
    monitored(workspace, "spread")
    found = samples_of(workspace)
    of = ("sector", "spread", "feature")
    assert found["bondx_drift_psi", *of, "1.0.0"] == 0.42
    assert found["bondx_drift_evidence_ratio", *of, "1.0.0"] == 1.3
    assert found["bondx_drift_verdict", *of, "alarm", "1.0.0"] == 1
    assert found["bondx_drift_changed_at_seconds", *of, "1.0.0"] == SECTOR.changed_at.timestamp()
    assert found["bondx_drift_rows", "spread", "1.0.0"] == 5000


def test_metrics_have_the_mean_prediction_and_the_missing_share_while_there_is_traffic(workspace):
    monitored(workspace, "spread")
    assert not {key[0] for key in samples_of(workspace)} & {"bondx_prediction_mean", "bondx_missing_values_ratio"}
    monitored(workspace, "rent", drift=replace(a_version().drift, prediction_mean=0.0, missing_share=0.25))
    found = samples_of(workspace)
    assert found["bondx_prediction_mean", "rent", "1.0.0"] == 0.0
    assert found["bondx_missing_values_ratio", "rent", "1.0.0"] == 0.25


def test_metrics_have_performance_with_and_without_outcomes(workspace):
    monitored(workspace, "spread")
    found = samples_of(workspace)
    assert found["bondx_model_performance", "mae", "spread", "outcomes", "1.0.0"] == 9.9
    assert found["bondx_model_performance_low", "mae", "spread", "estimate", "1.0.0"] == 9.4
    assert found["bondx_model_performance_high", "mae", "spread", "estimate", "1.0.0"] == 11.5


def test_a_model_of_a_thousand_columns_has_a_bounded_number_of_series(workspace):
    columns = tuple(msgspec.structs.replace(SECTOR, name=f"c{n}") for n in range(1000))
    drift = msgspec.structs.replace(a_version().drift, columns=columns)
    monitored(workspace, "spread", drift=drift)
    assert sum(key[0] == "bondx_drift_psi" for key in samples_of(workspace)) == MOST_COLUMNS


def test_a_workspace_without_a_live_version_has_no_series(workspace):
    assert samples_of(workspace) == {}


def test_drift_status_ends_with_the_budget(workspace, called):
    monitored(workspace, "spread")
    _, out, _ = called(main, "--workspace", workspace.root, "drift", "status")
    assert out.splitlines()[-1] == "drift alerts in 30 days: 1 unconfirmed, 3 acceptable: 2 left"


@pytest.fixture
def documents(served):
    """What an engine found of two models of the server's workspace."""
    worse = health(HealthState.FAILING)
    for models, known in ((("spread", "downgrade"), {}), (("downgrade",), {"health": worse})):
        monitored(served, *models, **known)
    monitored(served, "spread", "downgrade")
    yield
    monitored(served)


@pytest.mark.usefixtures("documents")
def test_the_control_api_lists_every_model(server):
    answer = server.ask("/api/v1/monitoring")
    assert answer.status == 200
    found = msgspec.convert(answer.json, list[ModelMonitoring])
    assert sorted(each.model for each in found) == ["downgrade", "spread"]


@pytest.mark.usefixtures("documents")
def test_the_control_api_returns_one_model_as_its_document(server):
    answer = server.ask("/api/v1/models/spread/monitoring")
    found = msgspec.json.decode(json.dumps(answer.json), type=ModelMonitoring)
    (column, _) = found.live.drift.columns
    assert (column.type, column.verdict) == (DriftType.FEATURE, DriftVerdict.ALARM)


@pytest.mark.usefixtures("documents")
def test_the_control_api_returns_the_history_of_a_model(server):
    answer = server.ask("/api/v1/models/spread/monitoring/history")
    assert answer.status == 200
    changes = msgspec.convert(answer.json, MonitoringHistory).changes
    assert [each.state for each in changes if each.what == "health"] == ["degraded", "healthy"]
    assert server.ask("/api/v1/models/curve/monitoring/history").status == 404


def test_the_control_api_says_that_a_model_is_not_watched(server):
    answer = server.ask("/api/v1/models/curve/monitoring")
    assert answer.status == 404
    assert "No live version of 'curve' has been looked at." in answer.json["error"]


@pytest.mark.usefixtures("documents")
def test_the_status_has_the_health_of_each_model(server):
    assert server.ask("/api/v1/status").json["health"] == {"spread": "degraded", "downgrade": "degraded"}


def test_metrics_have_the_budget_for_false_alarms(workspace):
    monitored(workspace, "spread")
    found = samples_of(workspace)
    names = ("bondx_drift_budget_alerts", "bondx_drift_budget_spent_alerts", "bondx_drift_budget_left_alerts")
    assert [found[name,] for name in names] == [3, 1, 2]


@pytest.mark.usefixtures("documents")
def test_the_control_api_has_the_budget_for_false_alarms(server):
    budget = server.ask("/api/v1/monitoring/budget").json
    assert (budget["acceptable"], budget["spent"], [page["model"] for page in budget["fired"]]) == (3, 1, ["spread"])
