"""What is said about an alert that a person resolves is what then happens, for every kind of alert."""

from types import SimpleNamespace

import pytest

from core.actor import Actor, Origin
from core.alerts import Alert, Alerts, AlertState, Severity, fingerprint_of
from core.alerts.evaluation.rule_alerts import RuleAlerts
from core.alerts.external import ExternalAlerts, ReceivedAlert
from core.alerts.returning import Returning, returning_of
from tests.clocks import HandClock

ADA = Actor("ada", "desk", Origin.CONSOLE)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def alerts(workspace, clock):
    return Alerts(workspace, clock=clock)


def of_rule_file(workspace, clock):
    rule_alerts = RuleAlerts(workspace, clock)

    def seen():
        rule_alerts.hold(
            Alert(
                fingerprint=fingerprint_of("SlowReplies", {}),
                rule="SlowReplies",
                severity=Severity.WARNING,
                state=AlertState.FIRING,
                summary="slow",
                first_at=clock(),
                last_at=clock(),
                source="rules:a.yaml:g",
                expr="up == 0",
            )
        )

    return SimpleNamespace(seen=seen, ended=lambda: rule_alerts.end(fingerprint_of("SlowReplies", {}), clock(), ""))


def of_condition(workspace, clock):
    alerts = Alerts(workspace, clock=clock)

    def observed(value):
        alerts.observe("disk_high", labels={}, value=value, now=clock(), is_last=True)

    return SimpleNamespace(seen=lambda: observed(99), ended=lambda: observed(1))


def from_elsewhere(workspace, clock):
    external = ExternalAlerts(workspace, clock)
    sender, labels = Actor("prometheus", "", Origin.API), {"alertname": "Down"}

    def sent(**times):
        external.receive([ReceivedAlert(labels=labels, **times)], sender)

    return SimpleNamespace(seen=sent, ended=lambda: sent(ends_at=clock()))


def of_event(workspace, clock):
    alerts = Alerts(workspace, clock=clock)
    labels = {"gate": "coverage"}
    return SimpleNamespace(
        seen=lambda: alerts.fire("gate_failed", labels=labels, summary="coverage", now=clock()),
        ended=lambda: alerts.clear("gate_failed", labels=labels, now=clock()),
    )


KINDS = [
    pytest.param(of_condition, Returning.AFTER_ITS_END, id="condition"),
    pytest.param(of_rule_file, Returning.AFTER_ITS_END, id="rule file"),
    pytest.param(from_elsewhere, Returning.AFTER_ITS_SENDER, id="elsewhere"),
    pytest.param(of_event, Returning.NEXT_TIME, id="event"),
]


@pytest.mark.parametrize(("kind", "returning"), KINDS)
def test_an_alert_returns_when_it_is_said_to(kind, returning, workspace, clock, alerts):
    cause = kind(workspace, clock)
    cause.seen()
    [alert] = alerts.open()
    assert returning_of(alert) is returning

    alerts.resolve(alert.fingerprint, ADA)
    clock.pass_by(120)
    cause.seen()
    assert alerts.get(alert.fingerprint).state.is_open is not returning.outlasts

    cause.ended()
    clock.pass_by(120)
    cause.seen()
    assert alerts.get(alert.fingerprint).state is AlertState.FIRING
