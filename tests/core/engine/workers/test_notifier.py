"""The notifier: from an alert to the consoles and to the receivers, and the alert on a channel that is dead."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.delivery.acknowledgements import acknowledgements
from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.channels.console_line import announcements_of
from core.alerts.delivery.outbox import Outbox, OutgoingMessage
from core.alerts.delivery.wording import headline
from core.alerts.external import ExternalAlerts, ReceivedAlert
from core.engine.workers.notifier import Notifier
from tests.alert_receivers import http_receiver
from tests.clocks import HandClock
from tests.core.alerts.delivery.told import Block, Named, Routing, Told, a_message, receivers_of
from tests.waiting import until

ADA = Actor("ada", "desk", Origin.CONSOLE)
GATE = {"session": "s-0001", "gate": "coverage"}


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def notifier(context, clock):
    found = Notifier(replace(context, clock=clock))
    yield found
    found.end(after_failure=False)


def fire(workspace, clock, labels=GATE):
    return Alerts(workspace, clock=clock).fire("gate_failed", labels=labels, summary="coverage", now=clock())


def lines(workspace):
    return [line.text for line in announcements_of(workspace).all()]


def test_each_firing_is_one_line_in_the_consoles_also_after_a_restart(notifier, workspace, context, clock):
    alert = fire(workspace, clock)
    for each in (notifier, notifier, Notifier(replace(context, clock=clock))):
        each.step()
    assert lines(workspace) == ["warning gate_failed: coverage"]
    Alerts(workspace, clock=clock).clear("gate_failed", labels=GATE, now=clock())
    notifier.step()
    fire(workspace, clock)
    notifier.step()
    assert len(lines(workspace)) == 2
    assert alert.n_fired == 1


def test_many_alerts_at_once_are_one_line(notifier, workspace, clock):
    for n in range(10):
        fire(workspace, clock, {"gate": str(n)})
    notifier.step()
    (line,) = lines(workspace)
    assert line.endswith("and 9 more alerts")


def test_an_acknowledged_alert_is_no_line(notifier, workspace, clock):
    alert = fire(workspace, clock)
    Alerts(workspace, clock=clock).acknowledge(alert.fingerprint, Actor.engine())
    notifier.step()
    assert lines(workspace) == []


def test_an_alert_that_fires_and_ends_before_anybody_looks_is_one_line(notifier, workspace, context, clock):
    fire(workspace, clock)
    Alerts(workspace, clock=clock).clear("gate_failed", labels=GATE, now=clock())
    for each in (notifier, notifier, Notifier(replace(context, clock=clock))):
        each.step()
    assert lines(workspace) == ["warning gate_failed: coverage (ended already)"]


def test_what_ended_long_before_the_first_engine_is_no_line(notifier, workspace, clock):
    fire(workspace, clock)
    Alerts(workspace, clock=clock).clear("gate_failed", labels=GATE, now=clock())
    clock.pass_by(3600)
    notifier.step()
    assert lines(workspace) == []


def test_a_snoozed_alert_is_no_line(notifier, workspace, clock):
    alert = fire(workspace, clock)
    Alerts(workspace, clock=clock).snooze(alert.fingerprint, Actor.engine(), until=clock.now + timedelta(hours=1))
    notifier.step()
    assert lines(workspace) == []


class TestAlertmanagers:
    def test_it_gets_what_fires_each_minute_and_what_ended_at_once(self, workspace, clock, context):
        with http_receiver() as http:
            workspace.settings_file.write_text(f"alerts:\n  alertmanagers: ['{http.url()}']\n")
            notifier = Notifier(replace(context, clock=clock))
            fire(workspace, clock)
            notifier.step()
            until(lambda: len(http.requests) == 1, "the alert")
            (alert,) = http.requests[0].json
            assert http.requests[0].path == "/api/v2/alerts"
            assert alert["labels"] == {"alertname": "gate_failed", "severity": "warning", **GATE}
            assert (alert["startsAt"], alert["endsAt"]) == (
                "2026-03-02T09:00:00.000000Z",
                "2026-03-02T09:04:00.000000Z",
            )
            until(notifier.outbox.health, "its health")
            notifier.step()
            clock.pass_by(61)
            until(lambda: notifier.step() and len(http.requests) == 2, "the repetition")
            Alerts(workspace, clock=clock).clear("gate_failed", labels=GATE, now=clock())
            until(lambda: notifier.step() and len(http.requests) == 3, "the end")
            assert http.requests[2].json[0]["endsAt"] == "2026-03-02T09:01:01.000000Z"

    def test_alerts_that_another_server_sent_are_not_posted_on(self, workspace, clock, context):
        with http_receiver() as http:
            workspace.settings_file.write_text(f"alerts:\n  alertmanagers: ['{http.url()}']\n")
            notifier = Notifier(replace(context, clock=clock))
            elsewhere, host_down = ExternalAlerts(workspace, clock), {"alertname": "HostDown"}
            elsewhere.receive([ReceivedAlert(labels=host_down)], Actor.engine())
            fire(workspace, clock)
            notifier.step()
            until(lambda: len(http.requests) == 1, "the alerts")
            elsewhere.receive([ReceivedAlert(labels=host_down, ends_at=clock.now)], Actor.engine())
            until(notifier.outbox.health, "its health")
            clock.pass_by(61)
            until(lambda: notifier.step() and len(http.requests) == 2, "the repetition")
            posted = [[alert["labels"]["alertname"] for alert in request.json] for request in http.requests]
            assert posted == [["gate_failed"], ["gate_failed"]]
            assert {alert.source for alert in Alerts(workspace).all()} == {"", "external"}

    def test_one_that_is_away_is_an_alert_until_it_is_back(self, workspace, clock, context):
        with http_receiver() as http:
            address = http.url()
            workspace.settings_file.write_text(f"alerts:\n  alertmanagers: ['{address}']\n")
            http.usual.status = 503
            notifier = Notifier(replace(context, clock=clock))
            alerts = Alerts(workspace, clock=clock)

            def failed():
                clock.pass_by(61)
                notifier.step()
                return [alert for alert in alerts.open() if alert.rule == "notification_failed"]

            (alert,) = until(failed, "the alert on the channel")
            assert alert.labels == {"receiver": "alertmanagers", "channel": f"alertmanagers/127.0.0.1:{http.port}"}
            assert "HTTP 503" in alert.summary
            http.usual.status = 200
            until(lambda: not failed(), "the end of the alert")


def test_a_heartbeat_comes_each_interval_and_does_not_pile_up(workspace, clock, context):
    workspace.settings_file.write_text(
        "alerts: {channels: {watch: ['console:']}, heartbeat: {receiver: watch, interval_seconds: 60}}\n"
    )
    notifier = Notifier(replace(context, clock=clock))
    for _ in range(4):
        notifier.step()
        until(lambda: not notifier.outbox.pending(), "the heartbeat")
        notifier.step()
        clock.pass_by(60)
    beats = [delivery for delivery in notifier.outbox.all() if delivery.reason == "heartbeat"]
    assert [str(beat.state) for beat in beats] == ["delivered"] * 4
    assert all("heartbeat" in line for line in lines(workspace))


class EachOnce:
    """A dispatcher that tells each receiver of each alert once, and once that it ended."""

    def __init__(self, **urls):
        self.config = Routing({name: Named(name, blocks) for name, blocks in urls.items()})
        self.receivers = ["ops"]
        self._told = set()

    def dispatch(self, alerts, now):
        found = []
        for alert in sorted(alerts, key=lambda alert: alert.first_at):
            for receiver in self.receivers:
                what = (receiver, alert.fingerprint, alert.state.is_open)
                if what not in self._told and (alert.state.is_open or (*what[:2], True) in self._told):
                    self._told.add(what)
                    found.append(Told([alert], receiver, group_key=alert.fingerprint))
        return found, None


def settled(notifier, clock):
    """Let the notifier work until nothing waits; times that it waits for pass at once."""

    def is_done():
        notifier.step()
        if not notifier.outbox.due() and (at := notifier.outbox.next_due_at()) is not None:
            clock.now = max(clock.now, at)
        return not notifier.outbox.pending()

    until(is_done, "that all is sent", told=lambda: [(d.channel, d.state, d.attempts) for d in notifier.outbox.all()])


def test_a_dead_channel_is_an_alert_that_another_receiver_hears(workspace, clock, context):
    with http_receiver() as dead, http_receiver() as spare:
        dead.usual.status = 503
        routing = EachOnce(
            ops=[Block("webhook_configs", {"url": dead.url()})], spare=[Block("webhook_configs", {"url": spare.url()})]
        )
        notifier = Notifier(replace(context, clock=clock), routing)
        fire(workspace, clock)

        def heard():
            notifier.step()
            if (at := notifier.outbox.next_due_at()) is not None:
                clock.now = max(clock.now, at)
            return spare.requests

        (request,) = until(heard, "the alert on the channel")
        (alert,) = request.json["alerts"]
        assert alert["labels"]["alertname"] == "notification_failed"
        assert (alert["labels"]["receiver"], alert["labels"]["channel"]) == ("ops", "ops/webhook 1")
        assert "HTTP 503" in alert["annotations"]["summary"]
        dead.usual.status = 200
        settled(notifier, clock)
        notifier.step()
        assert [alert.rule for alert in Alerts(workspace).open()] == ["gate_failed"]
        heard_by_ops = [request.json["alerts"][0]["labels"]["alertname"] for request in dead.requests]
        assert "gate_failed" in heard_by_ops
        notifier.end(after_failure=False)


def test_pagerduty_hears_of_an_acknowledgement_once_and_of_the_end(workspace, clock, context, monkeypatch):
    monkeypatch.setenv("KEY", "R0123456789")
    with http_receiver() as pagerduty:
        block = Block("pagerduty_configs", {"routing_key": "${KEY}", "url": pagerduty.url()})
        notifier = Notifier(replace(context, clock=clock), EachOnce(ops=[block]))
        alert = fire(workspace, clock)
        settled(notifier, clock)
        alerts = Alerts(workspace, clock=clock)
        alerts.acknowledge(alert.fingerprint, Actor.engine())
        for _ in range(3):
            settled(notifier, clock)
        alerts.clear("gate_failed", labels=GATE, now=clock())
        settled(notifier, clock)
        actions = [request.json["event_action"] for request in pagerduty.requests]
        assert actions == ["trigger", "acknowledge", "resolve"]
        assert len({request.json["dedup_key"] for request in pagerduty.requests}) == 1
        notifier.end(after_failure=False)


SLACK = "slack_configs"


def slack_lines(http):
    return [request.json["text"] for request in http.requests]


def test_people_who_heard_of_an_alert_hear_once_who_took_it_also_after_a_restart(
    workspace, clock, context, monkeypatch
):
    with http_receiver() as slack, http_receiver() as hook:
        monkeypatch.setenv("SLACK_URL", slack.url())
        blocks = [Block(SLACK, {"api_url": "${SLACK_URL}"}), Block("webhook_configs", {"url": hook.url()})]
        routing = EachOnce(ops=blocks)
        notifier = Notifier(replace(context, clock=clock), routing)
        alert = fire(workspace, clock)
        settled(notifier, clock)
        alerts = Alerts(workspace, clock=clock)
        clock.pass_by(1)
        alerts.acknowledge(alert.fingerprint, ADA)
        settled(notifier, clock)
        notifier.end(after_failure=False)
        restarted = Notifier(replace(context, clock=clock), routing)
        for _ in range(3):
            clock.pass_by(60)
            settled(restarted, clock)
        alerts.clear("gate_failed", labels=GATE, now=clock())
        settled(restarted, clock)
        restarted.end(after_failure=False)
        fires, taken, ends = slack_lines(slack)
        assert fires.startswith("[firing] warning")
        assert taken.startswith("[acknowledged] warning")
        assert "taken by ada@desk: coverage" in taken
        assert ends.startswith("[resolved] warning")
        assert [request.json["status"] for request in hook.requests] == ["firing", "resolved"]


def test_who_did_not_hear_of_an_alert_does_not_hear_that_it_was_taken(workspace, clock, context, monkeypatch):
    with http_receiver() as slack:
        monkeypatch.setenv("SLACK_URL", slack.url())
        alert = fire(workspace, clock)
        Alerts(workspace, clock=clock).acknowledge(alert.fingerprint, ADA)
        clock.pass_by(1)
        notifier = Notifier(replace(context, clock=clock), EachOnce(ops=[Block(SLACK, {"api_url": "${SLACK_URL}"})]))
        for _ in range(2):
            settled(notifier, clock)
        notifier.end(after_failure=False)
        assert not [line for line in slack_lines(slack) if "taken by" in line]


def test_several_alerts_taken_at_once_are_one_message_and_a_later_one_another(workspace, clock):
    outbox, receivers = Outbox(workspace, clock=clock), receivers_of(workspace, Block(SLACK, {"api_url": "http://x/"}))
    (slack,) = receivers.channels("ops")
    alerts = Alerts(workspace, clock=clock)
    fired = [fire(workspace, clock, {"gate": name}) for name in ("coverage", "accuracy", "bias")]
    (told,) = outbox.enqueue(a_message(*fired), [slack.target])
    outbox.succeed(outbox.begin(told), Delivered("HTTP 200"))

    def taken():
        known = {alert.fingerprint: alert for alert in alerts.all()}
        found = list(acknowledgements(outbox, receivers, known, now=clock()))
        outbox.enqueue_all([OutgoingMessage(message, (target,)) for message, target in found])
        return [headline(message) for message, _ in found]

    assert taken() == []
    clock.pass_by(1)
    alerts.acknowledge_all([alert.fingerprint for alert in fired[:2]], ADA)
    assert taken() == ["[2 acknowledged] warning taken by ada@desk: gate_failed"]
    clock.pass_by(1)
    alerts.acknowledge(fired[2].fingerprint, ADA)
    assert taken() == ["[acknowledged] warning gate_failed: taken by ada@desk: coverage"]
    assert taken() == []
