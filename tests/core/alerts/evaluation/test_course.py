"""The values of an alert's expression over its threshold, around its firing."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from prometheus_client.core import GaugeMetricFamily

from core.alerts import Alerts
from core.alerts.evaluation.course import course_of, expression_of
from core.alerts.evidence import evidence_of
from core.clock import utc_now
from core.telemetry.metrics import MetricWriter


@pytest.fixture
def fired(workspace):
    """An alert whose model's series were recorded from 20 minutes before it fired until now."""
    now = utc_now()
    writer = MetricWriter(workspace.metrics_file, job="bondx-engine", instance="host")
    for minute in range(-20, 11):
        family = GaugeMetricFamily("bondx_drift_psi", "", labels=("model", "feature"))
        family.add_metric(["spread", "duration"], 0.1 + (0.3 if minute >= 0 else 0.0))
        family.add_metric(["other", "duration"], 9.0)
        writer.record(now + timedelta(minutes=minute - 10), [family])
    alert = Alerts(workspace).fire("drift_found", labels={"model": "spread"}, summary="moved", now=now)
    return replace(alert, first_at=now - timedelta(minutes=10), expr="bondx_drift_psi > 0.25"), now


def test_the_course_has_the_values_of_the_alert_alone_and_its_threshold(workspace, fired):
    alert, now = fired
    course = course_of(workspace, alert, now)
    values, threshold = course.series
    assert not values.is_threshold
    assert sorted({value for _, value in values.points}) == [pytest.approx(0.1), pytest.approx(0.4)]
    assert threshold.is_threshold
    assert {value for _, value in threshold.points} == {0.25}
    before = [value for at, value in values.points if at < alert.first_at.timestamp() - 60]
    assert before
    assert set(before) == {0.1}


def test_the_left_of_a_logical_operator_is_what_is_compared(workspace, fired):
    alert, now = fired
    course = course_of(workspace, replace(alert, expr="(bondx_drift_psi > 0.25) and on () vector(1)"), now)
    assert [each.is_threshold for each in course.series] == [False, True]


def test_a_built_in_rule_has_the_expression_of_its_ready_made_twin_or_none(workspace, fired):
    alert, now = fired
    assert "bondx_" in expression_of(replace(alert, expr=""))
    assert expression_of(replace(alert, expr="", rule="hash_mismatch")) == ""
    assert course_of(workspace, replace(alert, expr="", rule="hash_mismatch"), now) is None


def test_what_cannot_be_read_says_so_and_takes_nothing_from_the_rest(workspace, fired):
    alert, now = fired
    evidence = evidence_of(workspace, replace(alert, expr="rate(up)"), now)
    assert evidence.course is None
    assert evidence.course_problem
    assert evidence.notifications_problem == ""
    unrecorded = evidence_of(workspace, replace(alert, expr="nothing > 1"), now)
    assert unrecorded.course.series == ()
