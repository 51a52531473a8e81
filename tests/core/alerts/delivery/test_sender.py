"""Sending over real sockets: receivers that refuse, delay, drop and recover."""

import threading

import pytest

from core.actor import Actor, Origin
from core.alerts import AlertState
from core.alerts.delivery.receivers import Receivers
from core.alerts.delivery.records import NotificationState
from core.alerts.delivery.trial import send_tests
from core.settings import AlertSettings
from core.settings.alert_delivery import DeliverySettings
from tests.alert_receivers import Answer, http_receiver
from tests.core.alerts.delivery.told import Block, Named, Routing, a_message, an_alert, receivers_of
from tests.processes import free_port
from tests.waiting import until

ADA = Actor("ada", "desk", Origin.COMMAND_LINE)


def webhook(url, **fields):
    return Block("webhook_configs", {"url": url, **fields})


def queue(outbox, receivers, message, receiver="ops"):
    return outbox.enqueue(
        message,
        [each.target for each in receivers.channels(receiver)],
        is_alternative=receivers.is_alternative(receiver),
    )


def test_a_webhook_gets_alertmanagers_document(workspace, outbox, sender_of, http):
    receivers = receivers_of(workspace, webhook(http.url("/hook")))
    (queued,) = queue(outbox, receivers, a_message())
    assert sender_of(receivers).send(queued)
    (request,) = http.requests
    document = request.json
    assert request.path == "/hook"
    assert request.headers["idempotency-key"] == queued.notification_id
    assert (document["version"], document["status"], document["receiver"]) == ("4", "firing", "ops")
    (alert,) = document["alerts"]
    assert alert["labels"] == {
        "alertname": "gate_failed",
        "severity": "critical",
        "model": "spread",
        "version": "1.2.0",
    }
    assert alert["annotations"]["suspect_version"] == "spread 1.2.0 is live."
    assert alert["annotations"]["acknowledge"] == f"bondx alerts acknowledge {alert['fingerprint']}"
    assert alert["endsAt"].startswith("0001")


@pytest.mark.parametrize(
    ("answer", "state", "says"),
    [
        (Answer(status=500, body=b"broken"), "queued", "answered HTTP 500: broken"),
        (Answer(status=429, headers={"retry-after": "90"}), "queued", "answered HTTP 429"),
        (Answer(status=404), "queued", "answered HTTP 404"),
        (Answer(status=400, body=b"no such field"), "failed", "answered HTTP 400: no such field"),
        (Answer(drops=True), "queued", "could not be reached"),
        (Answer(status=302, headers={"location": "/elsewhere"}), "queued", "answered HTTP 302"),
        (Answer(status=307, headers={"location": "http://127.0.0.2:1/"}), "queued", "redirects to another server"),
        (Answer(status=307, headers={"location": "//[bad"}), "queued", "could not be reached"),
    ],
)
def test_a_refusal_is_in_the_log_in_words(workspace, outbox, sender_of, http, answer, state, says):
    http.usual = answer
    receivers = receivers_of(workspace, webhook(http.url("/hook")))
    (queued,) = queue(outbox, receivers, a_message())
    assert not sender_of(receivers).send(queued)
    (delivery,) = outbox.all()
    assert delivery.state == state
    assert says in delivery.attempts[0].detail
    assert f"127.0.0.1:{http.port}" in delivery.attempts[0].detail


def test_a_redirect_within_the_server_is_followed_a_few_times(workspace, outbox, sender_of, http):
    receivers = receivers_of(workspace, webhook(http.url("/a")))
    http.script = [Answer(status=308, headers={"location": "/b"})]
    (queued,) = queue(outbox, receivers, a_message())
    assert sender_of(receivers).send(queued)
    assert [request.path for request in http.requests] == ["/a", "/b"]
    http.usual = Answer(status=307, headers={"location": "/again"})
    (queued,) = queue(outbox, receivers, a_message(group_key="b"))
    assert not sender_of(receivers).send(queued)
    assert "redirects more than 3 times" in outbox.all()[-1].attempts[0].detail
    assert len(http.requests) == 2 + 4


def test_a_receiver_that_is_away_is_reached_once_it_is_back(workspace, outbox, sender_of, clock):
    port = free_port()
    receivers = receivers_of(workspace, webhook(f"http://127.0.0.1:{port}/"))
    (queued,) = queue(outbox, receivers, a_message())
    sender = sender_of(receivers)
    for _ in range(3):
        assert not sender.send(queued)
        clock.now = outbox.next_due_at()
    assert outbox.health()["ops/webhook 1"].is_open
    with http_receiver() as http:
        back = receivers_of(workspace, webhook(http.url()))
        (due,) = outbox.due()
        assert sender_of(back).send(due)
        assert len(http.requests) == 1
    assert not outbox.health()["ops/webhook 1"].is_open


def test_an_answer_that_does_not_come_is_bounded_in_time(workspace, outbox, sender_of, http):
    never = threading.Event()
    http.usual = Answer(waits_for=never)
    receivers = receivers_of(workspace, webhook(http.url()))
    (queued,) = queue(outbox, receivers, a_message())
    assert not sender_of(receivers, timeout_seconds=0.05).send(queued)
    never.set()
    assert "did not answer within 0.05 s" in outbox.all()[0].attempts[0].detail


def test_a_slow_receiver_does_not_delay_another(workspace, outbox, sender_of, http):
    released = threading.Event()
    http.usual = Answer(waits_for=released)
    with http_receiver() as quick:
        routing = Routing(
            {"slow": Named("slow", [webhook(http.url())]), "quick": Named("quick", [webhook(quick.url())])}
        )
        receivers = Receivers(workspace, AlertSettings(), routing)
        queue(outbox, receivers, a_message(receiver="slow"), "slow")
        queue(outbox, receivers, a_message(receiver="quick"), "quick")
        sender = sender_of(receivers)
        sender.start_due()
        until(lambda: http.requests, "the message on its way to the slow receiver")
        until(lambda: outbox.all()[1].state is NotificationState.DELIVERED, "the message to the quick receiver")
        assert outbox.all()[0].state is NotificationState.SENDING
        released.set()
        until(lambda: outbox.all()[0].state is NotificationState.DELIVERED, "the message to the slow receiver")
        sender.stop(1)


def test_the_next_channel_takes_over_from_a_dead_one(workspace, outbox, sender_of, http, clock):
    settings = AlertSettings(delivery=DeliverySettings(fallover=["ops"]))
    dead = f"http://127.0.0.1:{free_port()}/"
    receivers = receivers_of(workspace, webhook(dead), webhook(http.url()), settings=settings)
    (queued,) = queue(outbox, receivers, a_message())
    sender = sender_of(receivers)
    while not http.requests:
        for due in outbox.due():
            sender.send(due)
        if (at := outbox.next_due_at()) is not None and not outbox.due():
            clock.now = at
    assert [(each.channel, str(each.state), each.instead_of) for each in outbox.all()] == [
        ("ops/webhook 1", "failed", ""),
        ("ops/webhook 2", "delivered", "ops/webhook 1"),
    ]
    assert queued.delivery_id != outbox.all()[1].delivery_id
    assert outbox.health()["ops/webhook 1"].is_open


def test_a_channel_that_is_gone_gives_its_messages_up(workspace, outbox, sender_of, http):
    (queued,) = queue(outbox, receivers_of(workspace, webhook(http.url())), a_message())
    assert not sender_of(receivers_of(workspace)).send(queued)
    assert outbox.all()[0].attempts[0].detail == "There is no channel ops/webhook 1 any more."
    assert outbox.all()[0].state is NotificationState.FAILED


def test_a_defect_of_a_channel_stops_no_other_message(workspace, outbox, sender_of, http, monkeypatch):
    receivers = receivers_of(workspace, webhook(http.url()))
    (queued,) = queue(outbox, receivers, a_message())

    def breaks(*_args, **_named):
        raise ZeroDivisionError("with a secret")

    monkeypatch.setattr("core.alerts.delivery.channels.webhook.webhook_document", breaks)
    assert not sender_of(receivers).send(queued)
    assert outbox.all()[0].attempts[0].detail == "The channel failed (ZeroDivisionError)."


def test_a_test_by_a_process_without_the_secret_says_nothing_about_the_channel(workspace, outbox, clock):
    receivers = receivers_of(workspace, Block("pagerduty_configs", {"routing_key": "${ONLY_THE_ENGINE_HAS_THIS}"}))
    asked = {"actor": ADA, "clock": clock, "timeout_seconds": 1, "workspace": workspace}
    for _ in range(3):
        clock.pass_by(1)
        (tried,) = send_tests(outbox, receivers, "ops", **asked)
        assert tried.state is NotificationState.FAILED
        assert "$ONLY_THE_ENGINE_HAS_THIS, which is not set" in tried.attempts[0].detail
    assert outbox.health() == {}


def test_the_end_takes_the_place_of_a_beginning_that_could_not_be_told(workspace, outbox, sender_of, http, clock):
    receivers = receivers_of(workspace, webhook(http.url()))
    sender = sender_of(receivers)
    http.script = [Answer(status=503)]
    (fired,) = queue(outbox, receivers, a_message())
    assert not sender.send(fired)
    queue(outbox, receivers, a_message(an_alert(state=AlertState.RESOLVED), now=clock.pass_by(1)))
    while outbox.pending():
        for due in outbox.due():
            sender.send(due)
        clock.now = outbox.next_due_at() or clock.now
    assert [request.json["status"] for request in http.requests] == ["firing", "resolved"]
