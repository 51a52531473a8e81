"""The series of alerting, of the engine and of live versions, from a workspace without a server."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.delivery.outbox import ChannelTarget, Outbox
from core.alerts.evaluation.records import GROUP_TABLE, RuleGroupRecord
from core.alerts.limits import alert_limits
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silences
from core.files import write_file
from core.maintenance.system_health import WorkerActivity, WorkerState
from core.metrics.alerting_metrics import MOST_ALERTS
from core.metrics.workspace_metrics import workspace_collectors
from core.monitoring.baselines import BASELINE_METRICS, baselines
from core.monitoring.documents import MonitoredMetric, PerformancePart, VersionMonitoring
from core.settings import AlertSettings
from core.state import Lease
from core.telemetry import TelemetryWriter
from core.view.source import SnapshotSource
from tests.clocks import HandClock

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def clock():
    return HandClock(datetime.now(UTC))


@pytest.fixture
def measured(workspace, clock):
    """Return a function that measures the workspace: the values by name and labels."""

    def measure(workers=None):
        source = SnapshotSource(workspace, clock=clock, looks_at_epochs=False)
        given = None if workers is None else (lambda: workers)
        found = {}
        for collector in workspace_collectors(workspace, source.take, workers=given, clock=clock):
            CollectorRegistry().register(collector)
            for family in collector.collect():
                assert isinstance(family, Metric)
                for sample in family.samples:
                    found[sample.name, *sample.labels.values()] = sample.value
        return found

    return measure


def test_a_file_of_state_that_cannot_be_read_counts_and_one_of_settings_has_its_own_alert(workspace, measured):
    (workspace.root / "policy.yaml").write_text("promotion: {min_accuracy: 7}\n")
    assert measured()["bondx_state_problems",] == 0
    workspace.state_file("runs").write_text("{")
    workspace.state_file("sessions").write_text("{")
    assert measured()["bondx_state_problems",] >= 1


def test_a_workspace_that_cannot_be_written_is_no_damaged_file(workspace, measured, monkeypatch):
    monkeypatch.setattr("core.view.source.write_problem", lambda root: f"the disk of {root} is full")
    found = measured()
    assert (found["bondx_workspace_writable",], found["bondx_state_problems",]) == (0, 0)


def test_every_number_of_the_settings_of_alerts_is_a_limit_that_follows_the_settings(workspace, measured):
    found = measured()
    limits = {key[1]: value for key, value in found.items() if key[0] == "bondx_alert_limit"}
    assert limits == alert_limits(AlertSettings())
    assert {"cpu_percent_max", "quality_min", "stalled_hours", "disk_full_days", "accuracy_min"} <= set(limits)
    write_file(workspace.settings_file, b"alerts:\n  cpu_percent_max: 55\n")
    assert measured()["bondx_alert_limit", "cpu_percent_max"] == 55


def test_each_open_alert_is_a_series_with_what_it_is_about(workspace, measured, clock):
    labels = {"model": "spread", "version": "1.2.0"}
    alert = Alerts(workspace, clock=clock).fire("drift_found", labels=labels, summary="x", now=clock.now)
    key = ("bondx_alert", "drift_found", "warning", "firing", alert.fingerprint, "", "spread", "1.2.0", "")
    assert measured()[key] == 1
    Alerts(workspace, clock=clock).resolve(alert.fingerprint, actor=ANA)
    assert key not in measured()


def test_thousands_of_alerts_have_a_bounded_number_of_series(workspace, measured, clock, monkeypatch):
    monkeypatch.setattr("core.metrics.alerting_metrics.MOST_ALERTS", 3)
    alerts = Alerts(workspace, clock=clock)
    for n in range(4):
        alerts.fire("drift_found", labels={"model": f"m{n}"}, summary="x", now=clock.now)
    alerts.fire("model_failing", labels={"model": "worst"}, summary="x", now=clock.now)
    found = [key for key in measured() if key[0] == "bondx_alert"]
    assert MOST_ALERTS > len(found) == 3
    assert any("worst" in key for key in found)


def test_active_silences_are_counted(workspace, measured, clock):
    matchers = read_matchers("model=spread")
    Silences(workspace, clock=clock).add(matchers, ANA, comment="x", ends_at=clock.now + timedelta(hours=1))
    assert measured()["bondx_silences_active",] == 1
    clock.now += timedelta(hours=2)
    assert measured()["bondx_silences_active",] == 0


def test_rules_that_fail_are_counted(workspace, measured, clock):
    assert measured()["bondx_alert_rules_failing",] == 0
    records = workspace.database("alerts").documents(GROUP_TABLE, RuleGroupRecord, key="group")
    errors = {"a.yaml:a:One": "x", "a.yaml:a:Two": "y"}
    records.insert(RuleGroupRecord(group="a.yaml:a", evaluated_at=clock.now, seconds=0.1, errors=errors))
    assert measured()["bondx_alert_rules_failing",] == 2


def test_workers_have_ages_and_failures_while_an_engine_runs(workspace, measured, clock):
    since = clock.now - timedelta(seconds=40)
    workers = {
        "monitor": WorkerState(activity=WorkerActivity.WAITING, since=since),
        "notifier": WorkerState(activity=WorkerActivity.RESTARTING, since=since, n_failures=3, last_failure="x"),
    }
    assert not [key for key in measured(workers) if key[0].startswith("bondx_engine_worker")]
    with ExitStack() as held:
        held.enter_context(Lease.acquire(workspace, ANA, "headless"))
        found = measured(workers)
    assert found["bondx_engine_up",] == 1
    assert found["bondx_engine_worker_up", "monitor"] == 1
    assert found["bondx_engine_worker_up", "notifier"] == 0
    assert found["bondx_engine_worker_age_seconds", "monitor"] == 40
    assert found["bondx_engine_worker_failures_total", "notifier"] == 3


def test_telemetry_is_as_far_behind_as_its_newest_sample(workspace, measured, clock):
    assert ("bondx_telemetry_lag_seconds",) not in measured()
    with TelemetryWriter(workspace.telemetry_file) as telemetry:
        telemetry.add("resource.cpu_percent", clock.now - timedelta(seconds=7), 10.0)
    assert measured()["bondx_telemetry_lag_seconds",] == pytest.approx(7, abs=0.01)


def test_a_damaged_log_of_notifications_hides_no_other_series(workspace, measured):
    workspace.state_file("notifications").write_text("{")
    assert ("bondx_silences_active",) in measured()


def test_what_a_version_was_registered_with_is_its_baseline_under_the_names_of_monitoring():
    assert baselines({"mean_absolute_error": 9.0, "auc": 0.9, "loss": 0.1, "r2": float("nan")}, None) == {
        "mae": 9.0,
        "auc": 0.9,
    }
    assert baselines({"accuracy": 0.9, "accuracy_score": 0.8}, None) == {"accuracy": 0.9}


def test_references_on_held_out_rows_go_before_what_was_registered(clock):
    metrics = (
        MonitoredMetric(metric="mae", value=12.0, reference=9.5),
        MonitoredMetric(metric="mae", value=20.0, reference=15.0, slice="sector = Energy"),
    )
    watched = VersionMonitoring(
        version="1.0.0", role="stable", performance=PerformancePart(as_of=clock.now, metrics=metrics)
    )
    assert baselines({"mae": 9.0}, watched) == {"mae": 9.5}
    assert "mae" in BASELINE_METRICS


def test_notifications_are_counted_by_receiver_and_outcome(workspace, measured, clock):
    outbox = Outbox(workspace, clock=clock)
    outbox.note_success(ChannelTarget("desk", "desk/webhook 1", "webhook"))
    found = measured()
    assert found["bondx_notifications_total", "desk", "delivered"] == 1
    assert found["bondx_notifications_total", "desk", "failed"] == 0
    assert found["bondx_notifications_waiting", "desk"] == 0
