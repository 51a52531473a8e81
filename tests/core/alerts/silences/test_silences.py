"""Silences: made by somebody for a reason and a time, audited, and refused where they would hide everything."""

from datetime import timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silences
from core.alerts.silences.inventory import inventory
from core.alerts.together import NoneChangedError
from core.errors import RefusedError, UsageError
from core.governance import AuditLog
from core.maintenance.doctor import examine
from tests.clocks import HandClock

ADA = Actor("ada", "desk", Origin.CONSOLE)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def silences(workspace, clock):
    return Silences(workspace, clock=clock)


def add(silences, clock, matchers="model=spread", *, minutes=10, comment="we know", everything=False):
    ends_at = clock() + timedelta(minutes=minutes)
    return silences.add(read_matchers(matchers), ADA, comment=comment, ends_at=ends_at, everything=everything)


def test_a_silence_hides_the_alerts_that_it_matches_until_it_ends(silences, workspace, clock):
    alerts = Alerts(workspace, clock=clock)
    spread = alerts.fire("drift_found", labels={"model": "spread"}, summary="moved", now=clock())
    etrm = alerts.fire("drift_found", labels={"model": "etrm"}, summary="moved", now=clock())
    silence = add(silences, clock)
    assert silences.active_for(spread) == [silence]
    assert silences.active_for(etrm) == []
    (listed,) = inventory(workspace, clock=clock)
    assert (listed.state, listed.hidden) == ("active", [spread.fingerprint])
    clock.pass_by(600)
    assert silences.active_for(spread) == []
    assert silences.expired_for(spread) == [silence]
    assert inventory(workspace, clock=clock) == []


def test_every_decision_is_on_record_and_the_record_proves_the_documents(silences, workspace, clock):
    silence = add(silences, clock)
    silences.expire(silence.silence_id, ADA, reason="it is repaired")
    assert [record.verb for record in AuditLog(workspace).tail(2)] == ["silence.add", "silence.expire"]
    assert AuditLog(workspace).verify().ok
    assert examine(workspace) == []
    with pytest.raises(RefusedError, match="ended at"):
        silences.expire(silence.silence_id, ADA)


@pytest.mark.parametrize(
    "matchers",
    [
        'model=~".*"',
        "model!=x",
        'model!~"x"',
        'alertname=~".+"',
        'alertname!=""',
        'severity=~"info|warning|critical"',
        'alertname=~".+",severity=~".+"',
    ],
)
def test_a_silence_that_hides_everything_is_refused_unless_it_is_meant(silences, clock, matchers):
    with pytest.raises(UsageError, match="hides every alert"):
        add(silences, clock, matchers)
    assert add(silences, clock, matchers, everything=True) in silences.active()


@pytest.mark.parametrize(
    "matchers",
    ['model=~".+"', 'severity=~"info|warning"', 'alertname=~"[a-z_]+"', 'alertname!="cpu_high",severity=~".+"'],
)
def test_a_silence_that_spares_some_alerts_is_made(silences, clock, matchers):
    assert add(silences, clock, matchers)


def test_silences_are_made_together_or_not_at_all(silences, clock):
    groups = [read_matchers(text) for text in ("model=spread", 'alertname=~".+"')]
    ends_at = clock() + timedelta(hours=1)
    with pytest.raises(
        NoneChangedError,
        match=r'No silence was added, because 1 of 2 could not be added\.\nalertname=~"\.\+": A silence that hides',
    ):
        silences.add_all(groups, ADA, comment="move", ends_at=ends_at)
    assert silences.all() == []
    made = silences.add_all(groups, ADA, comment="move", ends_at=ends_at, everything=True)
    assert {each.silence_id for each in made} == {each.silence_id for each in silences.active()}
    assert len(made) == 2


def test_a_silence_says_why_ends_after_it_begins_and_lasts_at_most_a_year(silences, clock):
    for faults, told in (
        ({"comment": " "}, "says why"),
        ({"minutes": -1}, "which has passed"),
        ({"minutes": 60 * 24 * 400}, "at most a year"),
        ({"comment": "x" * 501}, "at most 500"),
    ):
        with pytest.raises(UsageError, match=told):
            add(silences, clock, **faults)
    assert silences.all() == []


def test_silences_that_ended_long_ago_are_forgotten_on_record(silences, workspace, clock):
    old = add(silences, clock)
    clock.pass_by(6 * 86_400)
    add(silences, clock)
    assert old.silence_id not in {each.silence_id for each in silences.all()}
    assert AuditLog(workspace).verify().ok
