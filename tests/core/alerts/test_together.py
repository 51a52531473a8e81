"""A decision about several alerts or silences is made about all of them, or about none."""

from datetime import timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts, AlertState
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silences
from core.alerts.together import NoneChangedError
from core.clock import in_words
from core.errors import NotFoundError, RefusedError, UsageError
from core.governance import AuditLog
from core.state import StaleRevisionError
from tests.clocks import HandClock

ADA = Actor("ada", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def alerts(workspace, clock):
    return Alerts(workspace, clock=clock)


def fired(alerts, clock, n):
    labels = [{"gate": f"g{each}"} for each in range(n)]
    return [alerts.fire("gate_failed", labels=each, summary="coverage", now=clock()).fingerprint for each in labels]


@pytest.fixture(params=["acknowledge", "snooze", "resolve"])
def decision(request, alerts, clock):
    if request.param == "snooze":
        return lambda names: alerts.snooze_all(names, ADA, clock() + timedelta(hours=1))
    return lambda names: getattr(alerts, f"{request.param}_all")(names, ADA)


def test_one_that_does_not_exist_keeps_the_others_as_they_were(decision, alerts, clock, workspace):
    names = fired(alerts, clock, 2)
    before, generation = alerts.all(), workspace.database("alerts").signature()
    with pytest.raises(NoneChangedError, match="No alert was changed, because 1 of 3 could not be changed") as refused:
        decision([names[0], "nosuch", names[1]])
    assert "nosuch" in str(refused.value)
    assert refused.value.exit_code == NotFoundError.exit_code
    assert alerts.all() == before
    assert workspace.database("alerts").signature() == generation


def test_every_reason_is_told(decision, alerts, clock):
    names = fired(alerts, clock, 2)
    alerts.resolve(names[0], ADA)
    with pytest.raises(NoneChangedError) as refused:
        decision([names[0], names[1], "nosuch"])
    assert "resolved already" in str(refused.value)
    assert "nosuch" in str(refused.value)
    assert refused.value.exit_code == RefusedError.exit_code


def test_all_are_decided_in_one_step_with_a_record_each_and_a_name_twice_counts_once(
    decision, alerts, clock, workspace
):
    names = fired(alerts, clock, 3)
    assert [alert.fingerprint for alert in decision([*names, names[0]])] == names
    records = AuditLog(workspace).tail(99)
    assert [record.actor for record in records[3:]] == [str(ADA)] * 3
    assert len({record.object for record in records[3:]}) == 3


def test_the_only_one_says_why_itself(decision, alerts, clock):
    with pytest.raises(NotFoundError, match="nosuch"):
        decision(["nosuch"])


def test_a_snooze_without_an_end_that_can_be_is_refused(alerts, clock):
    with pytest.raises(UsageError, match="must end after now"):
        alerts.snooze_all(fired(alerts, clock, 2), ADA, clock())


def test_an_alert_resolved_together_with_others_stays_away_until_its_condition_ended(alerts, clock):
    alerts.observe("disk_high", labels={}, value=99, now=clock())
    [alert] = alerts.open()
    alerts.resolve_all([alert.fingerprint], ADA)
    assert alerts.observe("disk_high", labels={}, value=99, now=clock()).state is AlertState.RESOLVED


def test_silences_end_together_or_not_at_all(workspace, clock):
    silences, ends_at = Silences(workspace, clock=clock), clock() + timedelta(hours=1)
    ids = [
        silences.add(read_matchers(f"model={name}"), ADA, comment="known", ends_at=ends_at).silence_id
        for name in ("spread", "etrm")
    ]
    with pytest.raises(NoneChangedError, match="nosuch"):
        silences.expire_all([ids[0], "nosuch"], ADA)
    assert len(silences.active()) == 2
    silences.expire_all(ids, ADA)
    assert silences.active() == []


@pytest.mark.parametrize("verb", ["acknowledge", "resolve"])
def test_one_that_changed_since_it_was_seen_keeps_the_others_as_they_were(verb, alerts, clock):
    names = fired(alerts, clock, 2)
    seen = {name: alerts.get(name).revision for name in names}
    alerts.snooze(names[1], ADA, clock() + timedelta(hours=1))
    with pytest.raises(NoneChangedError, match=r"gate=g1.*snoozed until none → ") as refused:
        getattr(alerts, f"{verb}_all")(names, ADA, seen)
    assert refused.value.exit_code == StaleRevisionError.exit_code
    assert str(refused.value).splitlines() == [
        "No alert was changed, because 1 of 2 could not be changed.",
        f"alert gate_failed{{gate=g1}} was changed by {ADA} at {in_words(clock())} since you viewed it (snoozed until "
        f"none → {in_words(clock() + timedelta(hours=1))}).",
        "Review and decide again.",
    ]
    assert alerts.get(names[0]).state is AlertState.FIRING
    assert alerts.get(names[0]).revision == seen[names[0]]


def test_a_comment_is_written_to_all_or_none_and_takes_nothing_from_who_looked_before(alerts, clock):
    names = fired(alerts, clock, 2)
    seen = {name: alerts.get(name).revision for name in names}
    with pytest.raises(NoneChangedError, match="nosuch"):
        alerts.comment_all([*names, "nosuch"], ADA, "feed is late")
    assert [alerts.get(name).comments for name in names] == [[], []]
    alerts.comment_all(names, ADA, "feed is late")
    assert [alerts.get(name).comments[-1].text for name in names] == ["feed is late"] * 2
    alerts.resolve_all(names, ADA, seen)
    assert alerts.open() == []
