"""Escalation in a running notifier: without and with a routing file, to a real receiver, and its alerts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.history import history_of
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silences
from core.engine.workers.notifier import Notifier
from tests.alert_receivers import http_receiver
from tests.clocks import HandClock
from tests.waiting import until

ADA = Actor("ada", "desk", Origin.CONSOLE)
SETTINGS = """\
alerts:
  {routing}
  channels: {{desk: ["console:"], night: ["console:"]}}
  escalation:
    - severity: warning
      steps:
        - {{after_minutes: 5, oncall: desk}}
        - {{after_minutes: 15, receivers: [{last}]}}
  oncall:
    desk: {{people: [desk, night], starts_on: "2026-03-01"}}
"""


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def notifier_of(context, workspace, clock):
    """Return a notifier with escalation; each call is a new one, as after a restart."""

    def notifier_of(routing="routing: null", last="night", settings=SETTINGS):
        workspace.settings_file.write_text(settings.format(routing=routing, last=last))
        return Notifier(replace(context, clock=clock))

    return notifier_of


def step(notifier, clock, minutes=0.0):
    clock.pass_by(60 * minutes)
    notifier.step()
    until(lambda: not notifier.outbox.pending(), "the deliveries")


def told(notifier):
    return [(each.receiver, each.reason, each.status) for each in notifier.outbox.all()]


def fire(workspace, clock):
    return Alerts(workspace, clock=clock).fire("gate_failed", labels={}, summary="coverage", now=clock())


def test_steps_are_told_without_a_routing_file_across_restarts(notifier_of, workspace, clock):
    alert = fire(workspace, clock)
    for minutes in (0, 5, 0, 5, 5, 5):
        notifier = notifier_of()
        step(notifier, clock, minutes)
        notifier.end(after_failure=False)
    assert told(notifier) == [("desk", "escalation", "firing"), ("night", "escalation", "firing")]
    Alerts(workspace, clock=clock).clear("gate_failed", labels={}, now=clock())
    step(notifier, clock)
    assert told(notifier)[2:] == [("desk", "resolved", "resolved"), ("night", "resolved", "resolved")]
    history = [entry.text for entry in history_of(workspace, Alerts(workspace).get(alert.fingerprint))]
    assert "escalation, firing: delivered" in history
    assert "resolved: delivered" in history


def test_acknowledging_stops_the_steps(notifier_of, workspace, clock):
    notifier, alert = notifier_of(), fire(workspace, clock)
    step(notifier, clock, 5)
    Alerts(workspace, clock=clock).acknowledge(alert.fingerprint, ADA)
    step(notifier, clock, 60)
    assert told(notifier) == [("desk", "escalation", "firing"), ("desk", "acknowledged", "acknowledged")]


def test_a_silenced_alert_is_told_when_the_silence_ends(notifier_of, workspace, clock):
    fire(workspace, clock)
    ends_at = clock() + timedelta(minutes=30)
    Silences(workspace, clock=clock).add(read_matchers("alertname=gate_failed"), ADA, comment="known", ends_at=ends_at)
    notifier = notifier_of()
    step(notifier, clock, 29)
    assert told(notifier) == []
    (warning,) = [alert for alert in Alerts(workspace).open() if alert.rule == "silence_ending"]
    assert warning.summary.endswith("hides 1 firing alert: gate_failed")
    step(notifier, clock, 1)
    assert [receiver for receiver, *_ in told(notifier)] == ["desk", "night"]
    assert [alert.rule for alert in Alerts(workspace).open()] == ["gate_failed"]


def test_steps_are_told_beside_a_routing_file(notifier_of, workspace, clock):
    with http_receiver() as http:
        (workspace.root / "am.yaml").write_text(
            f"route: {{receiver: web, group_wait: 1s}}\nreceivers:\n"
            f'  - {{name: web, webhook_configs: [{{url: "{http.url()}"}}]}}\n'
        )
        notifier = notifier_of("routing: am.yaml", last="web")
        fire(workspace, clock)
        step(notifier, clock)
        step(notifier, clock, 1)
        step(notifier, clock, 14)
        assert told(notifier) == [
            ("web", "first", "firing"),
            ("desk", "escalation", "firing"),
            ("web", "escalation", "firing"),
        ]
        assert len(http.requests) == 2
        notifier.end(after_failure=False)


ROUTED = """\
alerts:
  routing: am.yaml
  channels: {{desk: ["console:"], night: ["console:"]}}
  escalation:
    - steps:
        - {{after_minutes: 0, oncall: desk}}
        - {{after_minutes: 15, receivers: [desk]}}
  oncall:
    desk: {{people: [desk, night], starts_on: "2026-03-01"}}
"""


@pytest.mark.parametrize("group_wait", ["0s", "20s"])
def test_who_is_told_by_a_route_hears_nothing_twice_of_a_step_in_the_same_minute(
    notifier_of, workspace, clock, group_wait
):
    (workspace.root / "am.yaml").write_text(
        f"route: {{receiver: desk, group_wait: {group_wait}, group_interval: 1s}}\nreceivers: [{{name: desk}}]\n"
    )
    fire(workspace, clock)
    for minutes in (0, 0.25, 0.25, 0, 14, 0.5):
        notifier = notifier_of(settings=ROUTED)
        step(notifier, clock, minutes)
        notifier.end(after_failure=False)
    assert told(notifier) == [("desk", "first", "firing"), ("desk", "escalation", "firing")]


def test_a_step_is_told_if_its_route_tells_nothing_in_that_minute(notifier_of, workspace, clock):
    (workspace.root / "am.yaml").write_text(
        "route: {receiver: night, routes: [{receiver: desk, mute_time_intervals: [always], group_wait: 0s}]}\n"
        "receivers: [{name: desk}, {name: night}]\ntime_intervals: [{name: always, time_intervals: [{}]}]\n"
    )
    fire(workspace, clock)
    notifier = notifier_of(settings=ROUTED)
    step(notifier, clock)
    assert told(notifier) == [("desk", "escalation", "firing")]
    notifier.end(after_failure=False)


def test_a_slower_route_tells_its_group_once_after_the_step_and_ends_it(notifier_of, workspace, clock):
    (workspace.root / "am.yaml").write_text("route: {receiver: desk, group_wait: 30m}\nreceivers: [{name: desk}]\n")
    fire(workspace, clock)
    notifier = notifier_of(settings=ROUTED)
    for minutes in (0, 15, 15, 5, 5):
        step(notifier, clock, minutes)
    assert told(notifier) == [("desk", reason, "firing") for reason in ("escalation", "escalation", "first")]
    Alerts(workspace, clock=clock).clear("gate_failed", labels={}, now=clock())
    for minutes in (0, 5, 5):
        step(notifier, clock, minutes)
    assert {(reason, status) for _, reason, status in told(notifier)[3:]} == {("resolved", "resolved")}
    notifier.end(after_failure=False)


def test_a_step_to_nobody_is_an_alert_until_the_receiver_exists(notifier_of, workspace, clock):
    notifier = notifier_of(last="nihgt")
    step(notifier, clock)
    (alert,) = Alerts(workspace).open()
    assert alert.rule == "routing_unusable"
    assert "there is no receiver 'nihgt' (a step after 15 minutes)" in alert.summary
    notifier_of(last="night")
    step(notifier, clock, 1)
    assert Alerts(workspace).open() == []
    notifier.end(after_failure=False)
