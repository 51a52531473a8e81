"""The routing file in a running notifier: from an alert to a real receiver, also while the file is being edited."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silences
from core.engine.workers import notifier as notifier_module
from core.engine.workers.notifier import Notifier
from tests.alert_receivers import http_receiver
from tests.clocks import HandClock
from tests.waiting import until

ADA = Actor("ada", "desk", Origin.CONSOLE)
ROUTING = """\
route:
  receiver: nobody
  group_wait: 10s
  group_interval: 1m
  routes: [{{matchers: [severity=warning], receiver: desk}}]
receivers:
  - name: nobody
  - name: desk
    webhook_configs: [{{url: "{url}"}}]
"""


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def http():
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def notifier(context, workspace, clock, http):
    workspace.settings_file.write_text("alerts: {routing: alertmanager.yaml}\n")
    (workspace.root / "alertmanager.yaml").write_text(ROUTING.format(url=http.url()))
    found = Notifier(replace(context, clock=clock))
    yield found
    found.end(after_failure=False)


def step(notifier, clock, seconds=0.0):
    clock.pass_by(seconds)
    notifier.step()
    until(lambda: not notifier.outbox.pending(), "the deliveries")


def test_an_alert_and_its_end_reach_the_receiver_that_its_route_names(notifier, workspace, clock, http):
    alerts = Alerts(workspace, clock=clock)
    labels = {"session": "s-0001", "gate": "coverage"}
    alerts.fire("gate_failed", labels=labels, summary="coverage", now=clock())
    step(notifier, clock)
    assert http.requests == []
    step(notifier, clock, 10)
    alerts.clear("gate_failed", labels=labels, now=clock())
    step(notifier, clock, 60)
    assert [request.json["status"] for request in http.requests] == ["firing", "resolved"]
    assert http.requests[0].json["receiver"] == "desk"
    assert http.requests[0].json["alerts"][0]["labels"]["alertname"] == "gate_failed"


def test_a_silence_keeps_an_alert_from_its_receiver(notifier, workspace, clock, http):
    ends_at = clock() + timedelta(hours=1)
    Silences(workspace, clock=clock).add(read_matchers("alertname=gate_failed"), ADA, comment="known", ends_at=ends_at)
    Alerts(workspace, clock=clock).fire("gate_failed", labels={}, summary="coverage", now=clock())
    for _ in range(5):
        step(notifier, clock, 61)
    assert http.requests == []


def test_a_broken_file_is_an_alert_and_the_last_good_one_holds(notifier, workspace, clock, http):
    file, alerts = workspace.root / "alertmanager.yaml", Alerts(workspace, clock=clock)
    step(notifier, clock)
    file.write_text("route: {receiver: nobodyy}\n")
    step(notifier, clock)
    (alert,) = alerts.open()
    assert alert.rule == "routing_unusable"
    assert alert.summary.startswith("Routing unusable, the last good one holds: alertmanager.yaml, line 1, column")
    alerts.fire("gate_failed", labels={}, summary="coverage", now=clock())
    step(notifier, clock)
    step(notifier, clock, 11)
    assert len(http.requests) == 1
    file.write_text(ROUTING.format(url=http.url()))
    step(notifier, clock)
    assert [alert.rule for alert in alerts.open()] == ["gate_failed"]


def test_a_file_that_changes_within_a_step_keeps_no_message_from_its_receiver(
    notifier, workspace, clock, http, monkeypatch
):
    Alerts(workspace, clock=clock).fire("gate_failed", labels={}, summary="coverage", now=clock())
    step(notifier, clock)
    renamed = ROUTING.format(url=http.url()).replace("desk", "night")

    def meanwhile(*_):
        (workspace.root / "alertmanager.yaml").write_text(renamed)

    with monkeypatch.context() as patch:
        patch.setattr(notifier_module, "tell_consoles", meanwhile)
        step(notifier, clock, 11)
    step(notifier, clock)
    assert {request.json["receiver"] for request in http.requests} == {"desk", "night"}


def test_a_file_that_the_settings_name_later_is_followed_without_a_restart(workspace, context, clock, http):
    notifier = Notifier(replace(context, clock=clock))
    Alerts(workspace, clock=clock).fire("gate_failed", labels={}, summary="coverage", now=clock())
    step(notifier, clock)
    (workspace.root / "alertmanager.yaml").write_text(ROUTING.format(url=http.url()))
    workspace.settings_file.write_text("alerts: {routing: alertmanager.yaml}\n")
    step(notifier, clock, 60)
    assert len(http.requests) == 1
    notifier.end(after_failure=False)


def test_a_file_of_templates_is_read_again_when_it_changes(notifier, workspace, clock, http):
    (workspace.root / "alertmanager.yaml").write_text(
        "templates: ['*.tmpl']\n" + ROUTING.format(url=http.url()).replace("webhook_configs", "slack_configs").replace(
            f'url: "{http.url()}"', f'api_url: "{http.url()}", channel: \'{{{{ template "desk" . }}}}\''
        )
    )  # fmt: skip
    (workspace.root / "alertmanager.yaml").chmod(0o600)
    file = workspace.root / "desk.tmpl"
    file.write_text('{{ define "desk" }}#one{{ end }}')
    alerts = Alerts(workspace, clock=clock)
    alerts.fire("gate_failed", labels={}, summary="coverage", now=clock())
    step(notifier, clock)
    step(notifier, clock, 10)
    file.write_text('{{ define "desk" }}#two{{ end')
    step(notifier, clock, 1)
    (unusable,) = [alert for alert in alerts.open() if alert.rule == "routing_unusable"]
    assert "desk.tmpl, line 1, column 24" in unusable.summary
    file.write_text('{{ define "desk" }}#three{{ end }}')
    alerts.fire("gate_failed", labels={"model": "x"}, summary="coverage", now=clock())
    step(notifier, clock, 1)
    assert not [alert for alert in alerts.open() if alert.rule == "routing_unusable"]
    step(notifier, clock, 60)
    assert [request.json["channel"] for request in http.requests] == ["#one", "#three"]


def test_a_faulty_file_is_mended_by_another_one_of_templates(workspace, context, clock):
    slack = "slack_configs: [{api_url: 'https://hooks.example/x', channel: '#desk'}]"
    (workspace.root / "alertmanager.yaml").write_text(
        f"templates: ['*.tmpl']\nroute: {{receiver: desk}}\nreceivers: [{{name: desk, {slack}}}]\n"
    )
    (workspace.root / "alertmanager.yaml").chmod(0o600)
    workspace.settings_file.write_text("alerts: {routing: alertmanager.yaml}\n")
    (workspace.root / "a.tmpl").write_text('{{ define "x" }}{{ template "y" . }}{{ end }}')
    notifier, alerts = Notifier(replace(context, clock=clock)), Alerts(workspace, clock=clock)
    step(notifier, clock)
    assert [alert.rule for alert in alerts.open()] == ["routing_unusable"]
    (workspace.root / "b.tmpl").write_text('{{ define "y" }}#desk{{ end }}')
    step(notifier, clock)
    assert alerts.open() == []
    notifier.end(after_failure=False)
