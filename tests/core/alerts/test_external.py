"""Alerts that a Prometheus elsewhere sends: taken once, bounded, over in time, and never taken for our own."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.actor import Actor, Origin
from core.alerts import Alerts, AlertState, Severity, external
from core.alerts.external import RESOLVE_TIMEOUT, ExternalAlerts, ReceivedAlert
from core.alerts.routing.reading import load_routing
from core.alerts.selecting import matching, read_matchers
from core.alerts.silences import Silences
from core.errors import UsageError
from core.escape import is_shown_as_is
from core.governance import AuditLog
from core.settings import SettingsError
from tests.clocks import HandClock

SENDER = Actor("prometheus", "10.0.0.7", Origin.API)
ADA = Actor("ada", "desk", Origin.CONSOLE)


@pytest.fixture
def alerts(workspace, clock):
    return ExternalAlerts(workspace, clock)


def received(name="HostDown", *, annotations=None, ends_at=None, starts_at=None, **labels):
    return ReceivedAlert(
        labels={"alertname": name, **labels}, annotations=annotations or {}, starts_at=starts_at, ends_at=ends_at
    )


def verbs(workspace):
    return [record.verb for record in AuditLog(workspace).tail(99)]


def test_an_alert_is_one_document_however_often_it_is_sent(alerts, workspace, clock):
    alert = received(severity="critical", instance="a:1", annotations={"summary": "a is down\nsince long"})
    alerts.receive([alert], SENDER)
    clock.pass_by(30)
    generation = workspace.database("alerts").signature()
    alerts.receive([alert], SENDER)
    assert workspace.database("alerts").signature() == generation
    clock.pass_by(60)
    alerts.receive([alert], SENDER)

    [stored] = Alerts(workspace).open()
    assert (stored.rule, stored.severity, stored.summary) == (
        "external:HostDown",
        Severity.CRITICAL,
        "a is down since long",
    )
    assert stored.labels == {"alertname": "HostDown", "severity": "critical", "instance": "a:1"}
    assert stored.source == "external"
    assert stored.last_at == clock.now
    assert verbs(workspace) == ["alert.fire"]


def test_it_resolves_when_its_sender_says_so_and_fires_again_later(alerts, workspace, clock):
    alerts.receive([received()], SENDER)
    clock.pass_by(10)
    alerts.receive([received(ends_at=clock.now)], SENDER)
    [stored] = Alerts(workspace).all()
    assert (stored.state, stored.resolved_at, stored.resolved_by) == (AlertState.RESOLVED, clock.now, None)
    alerts.receive([received(ends_at=clock.now)], SENDER)  # Prometheus repeats it for a quarter of an hour
    clock.pass_by(10)
    alerts.receive([received()], SENDER)

    [stored] = Alerts(workspace).all()
    assert (stored.state, stored.n_fired) == (AlertState.FIRING, 2)
    assert verbs(workspace) == ["alert.fire", "alert.resolve", "alert.fire"]


def test_it_is_over_when_nothing_more_is_heard(alerts, workspace, clock):
    alerts.receive([received(), received("Short", ends_at=clock.now + timedelta(seconds=30))], SENDER)
    clock.pass_by(30)
    assert alerts.expire() == 1
    assert [alert.rule for alert in Alerts(workspace).open()] == ["external:HostDown"]
    clock.pass_by(RESOLVE_TIMEOUT.total_seconds() - 31)
    assert alerts.expire() == 0
    clock.pass_by(1)
    assert alerts.expire() == 1
    assert alerts.expire() == 0
    assert Alerts(workspace).open() == []


def test_a_short_end_is_extended_by_the_next_word(alerts, workspace, clock):
    for _ in range(5):
        alerts.receive([received(ends_at=clock.now + timedelta(seconds=20))], SENDER)
        clock.pass_by(15)
        assert alerts.expire() == 0

    assert verbs(workspace) == ["alert.fire"]


def test_what_a_person_resolved_stays_so_until_it_has_ended(alerts, workspace, clock):
    alerts.receive([received()], SENDER)
    people = Alerts(workspace, clock=clock)
    people.resolve(people.open()[0].fingerprint, ADA)
    clock.pass_by(60)
    alerts.receive([received()], SENDER)
    assert people.open() == []
    clock.pass_by(60)
    alerts.receive([received(ends_at=clock.now)], SENDER)
    clock.pass_by(60)
    alerts.receive([received()], SENDER)

    assert [alert.n_fired for alert in people.open()] == [2]


def test_an_acknowledged_alert_stays_acknowledged_while_it_is_sent(alerts, workspace, clock):
    alerts.receive([received()], SENDER)
    people = Alerts(workspace, clock=clock)
    people.acknowledge(people.open()[0].fingerprint, ADA)
    clock.pass_by(120)
    alerts.receive([received()], SENDER)

    assert [alert.state for alert in people.open()] == [AlertState.ACKNOWLEDGED]


def test_it_is_never_taken_for_an_alert_of_ours(alerts, workspace, clock):
    own = Alerts(workspace, clock=clock)
    own.fire("gate_failed", labels={"session": "s-0001", "gate": "coverage"}, summary="failed", now=clock.now)
    alerts.receive([received("gate_failed", ends_at=clock.now, session="s-0001", gate="coverage")], SENDER)
    alerts.receive([received("gate_failed", session="s-0001", gate="coverage")], SENDER)

    assert sorted(alert.rule for alert in own.open()) == ["external:gate_failed", "gate_failed"]


def test_no_more_than_so_many_are_open_and_the_rest_is_counted(alerts, workspace, clock, monkeypatch):
    monkeypatch.setattr(external, "MOST_OPEN", 3)
    batch = [received(instance=str(number)) for number in range(5)]
    first = alerts.receive(batch, SENDER)
    assert (first.n_taken, first.n_beyond_limit) == (3, 2)
    generation = workspace.database("alerts").signature()
    assert alerts.receive(batch, SENDER).n_beyond_limit == 2
    assert workspace.database("alerts").signature() == generation  # a refusal writes nothing
    alerts.receive([received(instance="0", ends_at=clock.now)], SENDER)

    assert alerts.receive(batch[3:4], SENDER).n_taken == 1


@pytest.mark.parametrize(
    ("alert", "says"),
    [
        (ReceivedAlert(labels={}), "no label"),
        (ReceivedAlert(labels={"alertname": ""}), "no label"),
        (ReceivedAlert(labels={"a b": "x"}), "'a b' is no name"),
        (received(instance="x" * 1025), "1,025 characters"),
        (ReceivedAlert(labels={f"l{n}": "x" for n in range(65)}), "more than 64 labels"),
        (received(annotations={"sum mary": "x"}), "no name"),
    ],
)
def test_an_alert_that_is_not_well_formed_is_named_and_the_others_are_taken(alerts, alert, says):
    reception = alerts.receive([received(), alert], SENDER)

    assert reception.n_taken == 1
    [fault] = reception.faults
    assert fault.startswith("alert 1: ")
    assert says in fault


def test_the_year_one_is_no_time(alerts, workspace, clock):
    long_ago = datetime(1, 1, 1, tzinfo=UTC)
    alerts.receive([received(starts_at=long_ago, ends_at=long_ago)], SENDER)

    [stored] = Alerts(workspace).open()
    assert (stored.first_at, stored.ends_at) == (clock.now, clock.now + RESOLVE_TIMEOUT)


def test_a_start_in_the_future_is_now(alerts, workspace, clock):
    alerts.receive([received(starts_at=clock.now + timedelta(days=900))], SENDER)

    assert Alerts(workspace).open()[0].first_at == clock.now


TEXTS = st.text(max_size=60)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.dictionaries(st.sampled_from(["alertname", "severity", "model"]), TEXTS),
    texts=st.lists(TEXTS, max_size=3),
)
def test_no_text_of_an_alert_is_obeyed_by_a_terminal(workspace, labels, texts):
    alerts = ExternalAlerts(workspace, HandClock())
    names = ("summary", "description", "runbook_url")
    alerts.receive([ReceivedAlert(labels=labels, annotations=dict(zip(names, texts, strict=False)))], SENDER)

    for alert in Alerts(workspace).all():
        for text in (alert.rule, alert.summary, alert.advice, alert.full_name):
            assert is_shown_as_is(text)
        assert all(is_shown_as_is(text, keep="\n") for text in alert.annotations.values())
        assert len(alert.summary) <= external.MOST_SUMMARY


def test_the_form_is_that_of_prometheus():
    sent = (
        b'[{"annotations":{"summary":"x"},"endsAt":"2026-11-27T11:41:00.123456789Z","startsAt":"2026-11-27T11:37:00Z",'
        b'"generatorURL":"http://p:9090/graph","labels":{"alertname":"A"}}]'
    )
    [alert] = msgspec.json.decode(sent, type=list[ReceivedAlert])

    assert alert.generator_url == "http://p:9090/graph"
    assert alert.ends_at == datetime(2026, 11, 27, 11, 41, 0, 123457, tzinfo=UTC)


def test_it_is_routed_and_silenced_by_the_labels_that_were_sent(alerts, workspace, clock):
    alerts.receive([received(instance="a:1")], SENDER)
    [alert] = Alerts(workspace).open()
    assert alert.routing_labels == {"alertname": "HostDown", "instance": "a:1"}
    assert (alert.name, str(alert.severity)) == ("HostDown", "warning")
    silences, ends_at = Silences(workspace, clock=clock), clock.now + timedelta(hours=1)
    by_name = silences.add(read_matchers("alertname=HostDown"), ADA, comment="known", ends_at=ends_at)
    by_severity = silences.add(read_matchers("severity=warning"), ADA, comment="all", ends_at=ends_at)
    assert (by_name.hides(alert), by_severity.hides(alert)) == (True, False)


def test_an_alert_without_a_name_gets_none_for_routing(alerts, workspace):
    alerts.receive([ReceivedAlert(labels={"instance": "a:1"})], SENDER)
    [alert] = Alerts(workspace).open()
    assert alert.routing_labels == {"instance": "a:1"}


def test_lists_find_it_by_the_severity_that_they_show(alerts, workspace):
    alerts.receive([received(instance="a:1")], SENDER)
    found = Alerts(workspace).open()
    assert matching(found, read_matchers("severity=warning, rule=HostDown")) == found


def test_the_name_of_its_rule_is_refused_as_a_name_for_matchers_with_the_one_that_matches(tmp_path):
    with pytest.raises(UsageError, match='was sent with: alertname="HostDown"'):
        read_matchers("alertname=external:HostDown")
    file = tmp_path / "routing.yml"
    file.write_text(
        "route:\n  receiver: a\n  routes:\n    - match: {alertname: 'external:HostDown'}\nreceivers: [{name: a}]\n"
    )
    with pytest.raises(SettingsError, match=r"routing.yml, line 4.*alertname=\"HostDown\""):
        load_routing(file)
