"""Escalation: each step is told once per firing, whoever heard hears of the end, and no kill changes that."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from core.actor import Actor
from core.alerts import Alerts, AlertState
from core.alerts.delivery.message import message_of
from core.alerts.delivery.outbox import ChannelTarget, Outbox
from core.alerts.escalation.escalation import Escalation
from core.alerts.escalation.policy import EscalationPolicies
from core.settings.alert_escalation import EscalationSettings, EscalationStepSettings, RotationSettings
from tests.clocks import START, HandClock
from tests.core.alerts.delivery.told import an_alert
from tests.processes import dies

RECEIVERS = ("desk", "night", "head", "ada", "ben")


def minutes(n):
    return START + timedelta(minutes=n)


def step(after_minutes, *receivers, oncall=None):
    return EscalationStepSettings(after_minutes=after_minutes, receivers=[*receivers], oncall=oncall)


def entry(*steps, **changes):
    return EscalationSettings(steps=[*steps], **changes)


STEPS = (step(0, "desk"), step(15, "night"), step(30, "night", "head"))
ENTRIES = (entry(*STEPS),)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def told_at(workspace):
    """Return what is told at some minutes, as (receiver, reason, states of the alerts)."""

    def told_at(n, *alerts, muted=(), entries=ENTRIES, rotations=None, receivers=RECEIVERS):
        policies = EscalationPolicies(entries, rotations or {})
        escalation = Escalation(workspace, policies, receivers)  # each time anew, as after a restart
        with Outbox(workspace).transaction():
            found, told_at.again_at = escalation.dispatch(alerts, set(muted), minutes(n))
        told_at.last = found
        return [(each.receiver, each.reason, [str(alert.state) for alert in each.alerts]) for each in found]

    return told_at


FIRING = ["firing"]


def test_each_step_is_told_once_when_it_is_due(told_at):
    alert = an_alert()
    assert told_at(0, alert) == [("desk", "escalation", FIRING)]
    assert told_at.again_at == minutes(15)
    assert told_at(14.9, alert) == []
    assert told_at(15, alert) == [("night", "escalation", FIRING)]
    assert told_at(16, alert) == []
    assert told_at(30, alert) == [("night", "escalation", FIRING), ("head", "escalation", FIRING)]
    assert told_at(600, alert) == []
    assert told_at.again_at is None


def test_the_steps_that_fell_due_meanwhile_are_told_together_and_each_receiver_once(told_at):
    assert told_at(40, an_alert()) == [
        ("desk", "escalation", FIRING),
        ("night", "escalation", FIRING),
        ("head", "escalation", FIRING),
    ]


def test_an_acknowledgement_stops_further_steps_and_the_end_is_told_to_who_heard(told_at):
    alert = an_alert()
    told_at(15, alert)
    taken = replace(alert, state=AlertState.ACKNOWLEDGED)
    assert told_at(40, taken, muted=[alert.fingerprint]) == []
    over = replace(alert, state=AlertState.RESOLVED, resolved_at=minutes(50))
    assert told_at(50, over) == [("desk", "resolved", ["resolved"]), ("night", "resolved", ["resolved"])]
    assert told_at(51, over) == []


def test_the_end_has_the_group_of_the_beginning(told_at):
    told_at(0, an_alert())
    (first,) = told_at.last
    told_at(5, an_alert(state=AlertState.RESOLVED))
    assert [each.group_key for each in told_at.last] == [first.group_key]


def test_a_muted_alert_is_told_once_it_is_heard_again(told_at):
    alert = an_alert()
    assert told_at(20, alert, muted=[alert.fingerprint]) == []
    assert [receiver for receiver, *_ in told_at(21, alert)] == ["desk", "night"]


def test_the_minutes_of_an_alert_that_ends_and_comes_back_count_from_the_start_of_its_incident(workspace, clock):
    alerts, heard = Alerts(workspace, clock=clock), []
    policies = EscalationPolicies((entry(step(15, "night")),), {})
    for _ in range(4):  # no firing lasts until the step
        alerts.fire("gate_failed", labels={}, summary="coverage", now=clock())
        for _ in range(3):
            clock.pass_by(115)
            with Outbox(workspace).transaction():
                found, _again = Escalation(workspace, policies, RECEIVERS).dispatch(alerts.all(), (), clock())
            heard += [(round((clock() - START).total_seconds() / 60), each.reason) for each in found]
        alerts.clear("gate_failed", labels={}, now=clock())
    assert heard[0] == (15, "escalation")


def test_the_minutes_count_anew_after_a_firing_that_somebody_took(workspace, clock):
    alerts = Alerts(workspace, clock=clock)
    alert = alerts.fire("gate_failed", labels={}, summary="coverage", now=clock())
    clock.pass_by(600)
    alerts.acknowledge(alert.fingerprint, Actor.engine())
    alerts.clear("gate_failed", labels={}, now=clock())
    clock.pass_by(60)
    again = alerts.fire("gate_failed", labels={}, summary="coverage", now=clock())
    assert (again.incident_at, again.untaken_since) == (START, clock())
    alerts.clear("gate_failed", labels={}, now=clock())
    clock.pass_by(60)
    assert alerts.fire("gate_failed", labels={}, summary="coverage", now=clock()).untaken_since == again.first_at


def test_an_end_and_a_new_firing_between_two_looks_are_not_told_to_who_heard_of_the_incident(told_at):
    alert = replace(an_alert(), incident_at=START, untaken_at=START)
    assert told_at(1, alert) == [("desk", "escalation", FIRING)]
    again = replace(alert, n_fired=2, first_at=minutes(2))
    assert told_at(3, again) == []
    assert told_at(15, again) == [("night", "escalation", FIRING)]


def test_the_next_firing_begins_with_the_first_step(told_at):
    alert = an_alert()
    told_at(20, alert)
    told_at(21, replace(alert, state=AlertState.RESOLVED))
    again = replace(alert, n_fired=2, first_at=minutes(60))
    assert told_at(60, again) == [("desk", "escalation", FIRING)]


def test_an_end_that_nobody_saw_is_told_with_the_end_of_the_next_firing(told_at):
    alert = an_alert()
    told_at(20, alert)
    again = replace(alert, n_fired=2, first_at=minutes(60))
    told_at(60, again)
    over = replace(again, state=AlertState.RESOLVED)
    assert [(receiver, reason) for receiver, reason, _ in told_at(61, over)] == [
        ("desk", "resolved"),
        ("night", "resolved"),
    ]


def test_alerts_that_fall_due_together_are_one_message_and_later_ones_another(told_at):
    a, b, c = (an_alert(labels={"model": name}) for name in "abc")
    assert told_at(0, a, b) == [("desk", "escalation", ["firing", "firing"])]
    assert told_at(1, a, b, c) == [("desk", "escalation", FIRING)]
    over = replace(a, state=AlertState.RESOLVED)
    assert told_at(2, over, b, c) == [("desk", "resolved", ["firing", "resolved"])]


def test_the_first_entry_that_accepts_an_alert_counts(told_at):
    entries = (
        entry(step(0, "head"), severity="critical", matchers=["model=~spr.*", "version!=2"]),
        entry(step(0, "night"), severity="critical"),
        entry(step(0, "desk")),
    )
    others = (an_alert(labels={"model": "other"}), an_alert(labels={}, severity="warning"))
    told = told_at(0, an_alert(), *others, entries=entries)
    assert [receiver for receiver, *_ in told] == ["head", "night", "desk"]


def test_a_step_of_a_rotation_tells_who_is_on_call_when_it_is_due(told_at):
    rotations = {"desk": RotationSettings(people=["ada", "ben"], starts_on="2026-03-01", days=1)}
    entries = (entry(step(0, oncall="desk"), step(60, oncall="desk")),)
    alert = an_alert()
    assert told_at(-1, replace(alert, first_at=minutes(-1)), entries=entries, rotations=rotations) == [
        ("ada", "escalation", FIRING)
    ]
    assert told_at(60, alert, entries=entries, rotations=rotations) == [("ben", "escalation", FIRING)]


def test_a_step_to_an_unknown_receiver_is_told_once_the_receiver_exists(told_at):
    alert = an_alert()
    assert told_at(15, alert, receivers=["night"]) == [("night", "escalation", FIRING)]
    assert told_at(16, alert) == [("desk", "escalation", FIRING)]


def test_the_problems_name_the_receivers_and_the_matchers():
    rotations = {"desk": RotationSettings(people=["ada", "zoe"], starts_on="2026-03-01")}
    entries = (entry(step(5, "nobody"), step(10, oncall="desk")), entry(step(1, "head"), matchers=['model=~"(a+)+"']))
    policies = EscalationPolicies(entries, rotations)
    assert policies.unknown(RECEIVERS) == [
        "there is no receiver 'nobody' (a step after 5 minutes)",
        "there is no receiver 'zoe' (the rotation desk)",
    ]
    (problem,) = policies.problems
    assert problem.startswith("alerts.escalation, entry 2: ")


def test_what_was_told_is_forgotten_with_its_alert(told_at, workspace):
    told_at(0, an_alert())
    assert told_at(1) == []
    assert Escalation(workspace, EscalationPolicies((), {}), ()).documents.all() == []


@pytest.mark.crash
def test_a_kill_at_any_point_repeats_no_step_and_forgets_no_end(workspace):
    alert = an_alert()
    over = replace(alert, state=AlertState.RESOLVED, resolved_at=minutes(40))
    policies = EscalationPolicies((entry(*STEPS),), {})

    def work():
        outbox = Outbox(workspace, clock=HandClock())
        escalation = Escalation(workspace, policies, RECEIVERS)
        for n, seen in ((0, alert), (15, alert), (30, alert), (40, over)):
            if any(delivery.status == "resolved" for delivery in outbox.all()):
                return  # the end was told: an engine does not see the alert open again
            with outbox.transaction():
                for found in escalation.dispatch([seen], set(), minutes(n))[0]:
                    message = message_of(found, now=minutes(n))
                    target = ChannelTarget(message.receiver, f"{message.receiver}/webhook 1", "webhook")
                    outbox.enqueue(message, [target])

    at = 1
    while dies(at, work):
        at += 1
    told = [(each.receiver, each.reason, each.status) for each in Outbox(workspace).all()]
    assert told == [
        ("desk", "escalation", "firing"),
        ("night", "escalation", "firing"),
        ("night", "escalation", "firing"),
        ("head", "escalation", "firing"),
        ("desk", "resolved", "resolved"),
        ("night", "resolved", "resolved"),
        ("head", "resolved", "resolved"),
    ]
    assert at > 5
