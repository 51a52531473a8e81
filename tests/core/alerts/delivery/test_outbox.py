"""The outbox: what is queued is sent, in order, once, whenever the engine dies; what fails is tried again in time."""

from datetime import timedelta

import pytest

from core.alerts import AlertState
from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.outbox import KEEP_COUNT, KEEP_HEARTBEATS, ChannelTarget, Outbox, OutgoingMessage
from core.alerts.delivery.records import NotificationState
from tests.clocks import START
from tests.core.alerts.delivery.told import a_message, an_alert
from tests.processes import dies

OPS = ChannelTarget("ops", "ops/webhook 1", "webhook")
SPARE = ChannelTarget("ops", "ops/email 1", "email")
DONE = Delivered("HTTP 200")


def states(outbox):
    return [(delivery.channel, str(delivery.state)) for delivery in outbox.all()]


def test_a_message_is_queued_once_for_each_channel(outbox):
    message = a_message()
    assert len(outbox.enqueue(message, [OPS, SPARE])) == 2
    assert outbox.enqueue(message, [OPS, SPARE]) == []
    assert states(outbox) == [("ops/webhook 1", "queued"), ("ops/email 1", "queued")]


def test_what_was_delivered_is_kept_without_its_message(outbox, clock):
    (queued,) = outbox.enqueue(a_message(), [OPS])
    begun = outbox.begin(queued)
    clock.pass_by(2)
    outbox.succeed(begun, DONE, "ops@example.com")
    (done,) = outbox.all()
    assert (done.state, done.message, done.addressee) == (NotificationState.DELIVERED, None, "ops@example.com")
    (attempt,) = done.attempts
    assert (attempt.result, attempt.detail, attempt.ended_at - attempt.at) == (
        "delivered",
        "HTTP 200",
        timedelta(seconds=2),
    )
    assert outbox.due() == []


def test_a_failed_message_waits_longer_after_each_failure_and_as_long_as_the_receiver_asks(outbox, clock):
    (queued,) = outbox.enqueue(a_message(), [OPS])
    waits = []
    for retry_after in (None, None, None, 500.0):
        begun = outbox.begin(queued)
        failed = outbox.fail(begun, DeliveryError("refused", retry_after=retry_after))
        waits.append((failed.not_before - clock.now).total_seconds())
        assert outbox.due() == []
        assert outbox.next_due_at() >= failed.not_before
        clock.now = outbox.next_due_at()
        assert [delivery.delivery_id for delivery in outbox.due()] == [queued.delivery_id]
    assert waits == [2.0, 4.0, 8.0, 500.0]


def test_no_message_and_no_breaker_waits_for_years_after_the_clock_was_set_back(outbox, clock):
    (queued,) = outbox.enqueue(a_message(), [OPS])
    for _ in range(3):
        clock.now = outbox.next_due_at() or clock.now
        queued = outbox.fail(outbox.begin(queued), DeliveryError("refused"))
    assert outbox.health()[OPS.channel].is_open
    assert outbox.due() == []
    clock.now -= timedelta(days=365)
    assert [delivery.delivery_id for delivery in outbox.due()] == [queued.delivery_id]
    assert outbox.next_due_at() is None


def test_a_refused_message_is_given_up_and_the_next_one_of_its_group_is_sent(outbox, clock):
    (first,) = outbox.enqueue(a_message(), [OPS])
    outbox.fail(outbox.begin(first), DeliveryError("400", is_permanent=True))
    clock.pass_by(1)
    (second,) = outbox.enqueue(a_message(an_alert(state=AlertState.RESOLVED), now=clock.now), [OPS])
    assert outbox.due() == [second]
    assert outbox.health()[OPS.channel].has_lost


def test_messages_of_one_group_keep_their_order_while_other_groups_go_on(outbox, clock):
    (first,) = outbox.enqueue(a_message(), [OPS])
    outbox.fail(outbox.begin(first), DeliveryError("refused"))
    outbox.enqueue(a_message(an_alert("another"), now=clock.now), [OPS])
    (other,) = outbox.enqueue(a_message(group_key="other"), [OPS])
    assert outbox.due() == [other]


def test_a_later_message_that_says_all_replaces_an_unsent_one(outbox, clock):
    outbox.enqueue(a_message(an_alert("a")), [OPS])
    outbox.enqueue(a_message(an_alert("a"), an_alert("b"), now=clock.now), [OPS])
    assert [state for _, state in states(outbox)] == ["superseded", "queued"]


ENDED = {"state": AlertState.RESOLVED}


@pytest.mark.parametrize(
    ("later", "state"),
    [
        pytest.param([an_alert("a", **ENDED), an_alert("b", **ENDED)], "superseded", id="both ended"),
        pytest.param([an_alert("a", **ENDED), an_alert("b")], "superseded", id="one ended, and the other is told of"),
        pytest.param([an_alert("a", **ENDED)], "queued", id="nothing is said of the other"),
    ],
)
def test_who_could_not_be_reached_in_time_is_called_to_no_alert_that_has_ended(outbox, clock, later, state):
    (first,) = outbox.enqueue(a_message(an_alert("a"), an_alert("b")), [OPS])
    outbox.fail(outbox.begin(first), DeliveryError("refused"))
    outbox.enqueue(a_message(*later, now=clock.pass_by(1)), [OPS])
    assert [state for _, state in states(outbox)] == [state, "queued"]


def test_a_channel_that_is_told_no_end_is_called_to_no_alert_that_has_ended(outbox, clock):
    outbox.enqueue(a_message(an_alert("a")), [OPS, SPARE])
    ended = a_message(an_alert("a", **ENDED), now=clock.pass_by(1), reason="resolved")
    outbox.enqueue_all([OutgoingMessage(ended, (SPARE,), untold=(OPS,))])
    assert states(outbox) == [
        ("ops/webhook 1", "superseded"),
        ("ops/email 1", "superseded"),
        ("ops/email 1", "queued"),
    ]


def test_the_end_by_another_channel_keeps_the_dead_one_from_telling_the_beginning(outbox, clock):
    (first,) = outbox.enqueue(a_message(an_alert("a")), [OPS, SPARE], is_alternative=True)
    begun = outbox.begin(first)
    ended = a_message(an_alert("a", **ENDED), now=clock.pass_by(1))
    outbox.enqueue(ended, [SPARE, OPS], is_alternative=True)  # the one that works is the first
    outbox.fail(begun, DeliveryError("refused"))
    assert outbox.hand_over(begun, SPARE) is None
    assert states(outbox) == [("ops/webhook 1", "superseded"), ("ops/email 1", "queued")]


def test_the_end_by_another_channel_takes_back_what_waits_for_the_dead_one(outbox, clock):
    outbox.enqueue(a_message(an_alert("a")), [OPS, SPARE], is_alternative=True)
    ended = a_message(an_alert("a", **ENDED), now=clock.pass_by(1))
    outbox.enqueue(ended, [SPARE, OPS], is_alternative=True)
    assert states(outbox) == [("ops/webhook 1", "superseded"), ("ops/email 1", "queued")]


def test_a_message_of_which_nothing_is_known_keeps_its_place(outbox, clock):
    (first,) = outbox.enqueue(a_message(an_alert("a")), [OPS])
    outbox.begin(first)  # and the engine dies
    outbox.enqueue(a_message(an_alert("a"), an_alert("b"), now=clock.now), [OPS])
    assert [state for _, state in states(outbox)] == ["sending", "queued"]


def test_a_repetition_says_that_it_may_be_one_if_an_engine_died_during_the_attempt(outbox, workspace, clock):
    (queued,) = outbox.enqueue(a_message(), [OPS])
    assert not outbox.begin(queued).message.may_repeat
    later = Outbox(workspace, clock=clock)
    (found,) = later.due()
    again = later.begin(found)
    assert again.message.may_repeat
    assert again.delivery_id == queued.delivery_id
    assert [attempt.result for attempt in again.attempts] == ["unknown", "unknown"]


def test_three_failures_open_the_breaker_and_one_success_closes_it(outbox, clock):
    for n in range(3):
        (queued,) = outbox.enqueue(a_message(group_key=str(n)), [OPS])
        outbox.fail(outbox.begin(queued), DeliveryError(f"refused {n}"))
    health = outbox.health()[OPS.channel]
    assert (health.is_open, health.n_failures, health.last_error) == (True, 3, "refused 2")
    assert outbox.due() == []
    clock.now = max(outbox.next_due_at(), health.retry_at)
    (probe,) = outbox.due()  # one message alone tries the channel
    outbox.succeed(outbox.begin(probe), DONE)
    health = outbox.health()[OPS.channel]
    assert (health.is_open, health.n_failures, health.last_error, health.n_delivered) == (False, 0, "", 1)


def test_another_channel_takes_over(outbox):
    (queued,) = outbox.enqueue(a_message(), [OPS, SPARE], is_alternative=True)
    assert states(outbox) == [("ops/webhook 1", "queued")]
    taken = outbox.hand_over(queued, SPARE)
    assert (taken.instead_of, taken.alternatives) == ("ops/webhook 1", ())
    assert states(outbox) == [("ops/webhook 1", "failed"), ("ops/email 1", "queued")]
    assert outbox.hand_over(queued, SPARE) is None


def test_what_has_lost_its_meaning_or_failed_for_too_long_is_given_up(outbox, clock):
    outbox.enqueue(a_message(group_key="a"), [OPS], expires_at=clock.now + timedelta(seconds=10))
    outbox.enqueue(a_message(group_key="b"), [OPS])
    clock.pass_by(11)
    outbox.expire()
    assert [state for _, state in states(outbox)] == ["expired", "queued"]
    clock.pass_by(24 * 3600)
    outbox.expire()
    assert [state for _, state in states(outbox)] == ["expired", "failed"]


def test_the_log_is_bounded_and_heartbeats_push_nothing_out_of_it(outbox, clock, monkeypatch):
    monkeypatch.setattr("core.alerts.delivery.outbox.KEEP_COUNT", 30)
    assert KEEP_COUNT > 1000
    for n in range(60):
        reason = "heartbeat" if n % 2 else "first"
        (queued,) = outbox.enqueue(a_message(group_key=str(n), reason=reason), [OPS])
        outbox.succeed(outbox.begin(queued), DONE)
    outbox.enqueue(a_message(group_key="last"), [OPS])
    assert sum(delivery.reason == "heartbeat" for delivery in outbox.all()) == KEEP_HEARTBEATS
    assert sum(delivery.reason == "first" for delivery in outbox.all()) == 31
    clock.pass_by(31 * 86_400)
    outbox.enqueue(a_message(group_key="much later"), [OPS])
    assert [delivery.group_key for delivery in outbox.all() if delivery.reason == "first"] == ["last", "much later"]


@pytest.mark.crash
def test_a_kill_at_any_point_loses_nothing_and_sends_nothing_twice_under_two_names(workspace, clock, tmp_path):
    sent = tmp_path / "sent"  # the channel: what arrived, whenever the process dies
    message = a_message()

    def work():
        outbox = Outbox(workspace, clock=clock)
        with outbox.transaction():
            outbox.enqueue(message, [OPS])
        for delivery in outbox.due():
            begun = outbox.begin(delivery)
            with sent.open("a") as stream:
                stream.write(f"{begun.delivery_id} {begun.message.may_repeat}\n")
            outbox.succeed(begun, DONE)

    at = 1
    while dies(at, work):
        at += 1
    outbox = Outbox(workspace, clock=clock)
    assert [delivery.state for delivery in outbox.all()] == [NotificationState.DELIVERED]
    lines = [line for line in sent.read_text().splitlines() if line.endswith(("True", "False"))]
    assert len({line.split()[0] for line in lines}) == 1
    assert all(line.endswith("True") for line in lines[1:])  # only what may have arrived is repeated, and says so
    assert at > 5


def test_an_alert_has_its_notifications(outbox):
    alert, other = an_alert("a"), an_alert("b")
    outbox.enqueue(a_message(alert, other), [OPS])
    outbox.enqueue(a_message(other, group_key="b"), [OPS])
    assert len(outbox.of_alert(alert.fingerprint)) == 1
    assert len(outbox.of_alert(other.fingerprint)) == 2
    assert outbox.of_alert("none") == []
    assert outbox.all()[0].created_at == START


def test_messages_of_one_step_supersede_what_waits_and_each_other(outbox, clock):
    (waiting,) = outbox.enqueue(a_message(an_alert("a")), [OPS])
    clock.pass_by(1)
    both = a_message(an_alert("a"), an_alert("b"), now=clock.now)
    clock.pass_by(1)
    all_three = a_message(an_alert("a"), an_alert("b"), an_alert("c"), now=clock.now)
    other = a_message(an_alert("d"), group_key="other", now=clock.now)
    queued = outbox.enqueue_all([OutgoingMessage(each, (OPS,)) for each in (both, all_three, other, all_three)])
    assert [delivery.notification_id for delivery in queued] == [all_three.notification_id, other.notification_id]
    assert outbox.pending() == queued
    assert outbox.all()[0].delivery_id == waiting.delivery_id
    assert outbox.all()[0].state is NotificationState.SUPERSEDED
