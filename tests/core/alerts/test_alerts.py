"""Alerts in a workspace: fired once, taken on by people, resolved, pruned, and all of it audited."""

import functools
import random
from datetime import UTC, datetime, timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts, AlertState
from core.alerts.history import history_of
from core.alerts.lifecycle import Dwell
from core.alerts.rules import find_rule
from core.errors import NotFoundError, RefusedError, UsageError
from core.governance import AuditLog
from core.settings import AlertSettings, Settings
from core.settings.current import CurrentSettings
from core.state import StaleRevisionError, Workspace

ADA = Actor("ada", "desk", Origin.CONSOLE)
BOB = Actor("bob", "desk", Origin.COMMAND_LINE)
T0 = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
GATE = {"session": "s-0001", "gate": "coverage"}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@pytest.fixture
def settings_text() -> str:
    return "alerts:\n  disk_percent_max: 70\n"


@pytest.fixture
def alerts(workspace: Workspace) -> Alerts:
    return Alerts(workspace, settings=AlertSettings(), clock=lambda: at(30))


def verbs(workspace: Workspace) -> list[str]:
    return [record.verb for record in AuditLog(workspace).tail(99)]


def generation(workspace: Workspace) -> tuple[object, ...]:
    return workspace.database("alerts").signature()


def test_one_spike_does_not_fire_an_alert(alerts, workspace):
    pending = alerts.observe("cpu_high", labels={}, value=99, now=at(0))
    assert pending.state is AlertState.PENDING
    assert alerts.observe("cpu_high", labels={}, value=10, now=at(1)) is None
    alerts.observe("cpu_high", labels={}, value=99, now=at(2))
    assert alerts.observe("cpu_high", labels={}, value=99, now=at(61)).state is AlertState.PENDING
    assert alerts.all() == []
    assert alerts.observe("cpu_high", labels={}, value=99, now=at(62)).first_at == at(2)
    assert verbs(workspace) == ["alert.fire"]


def firings(alerts: Alerts, dwell: Dwell, *, share: float, seed: int) -> int:
    """Judge six draws a second for an hour, of which a share fails, and count the firings."""
    chance = random.Random(seed)
    for draw in range(6 * 3600):
        if chance.random() < share:
            alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(draw / 6), dwell=dwell)
        else:
            alerts.clear("gate_failed", labels=GATE, now=at(draw / 6), dwell=dwell)
    return sum(alert.n_fired for alert in alerts.all())


@pytest.mark.parametrize(
    ("share", "fired"),
    [
        pytest.param(0.05, 0, id="draws that fail now and then"),
        pytest.param(0.5, 0, id="every other draw"),
        pytest.param(1.0, 1, id="every draw"),
    ],
)
def test_only_draws_that_fail_without_a_break_fire(alerts, share, fired):
    usual = Dwell.of_seconds(AlertSettings().quality_for_seconds, AlertSettings().quality_keep_firing_seconds)
    assert firings(alerts, usual, share=share, seed=1) == fired


def test_an_alert_about_a_flapping_gate_stays_one_alert(alerts):
    # Without the dwell, this hour has some thousand firings, each with two records in the log.
    assert firings(alerts, Dwell.of_seconds(0, 300), share=0.05, seed=2) == 1


def test_a_pending_event_is_as_old_as_its_first_report(alerts):
    dwell = Dwell.of_seconds(60, 300)
    report = {"labels": GATE, "summary": "coverage", "dwell": dwell}
    assert alerts.fire("gate_failed", now=at(0), **report).state is AlertState.PENDING
    fired = alerts.fire("gate_failed", now=at(60), **report)
    assert (fired.state, fired.first_at) == (AlertState.FIRING, at(0))


def test_a_dwell_begins_anew_after_the_clock_was_set_back(alerts):
    a_year = 365 * 86_400
    dwell = Dwell.of_seconds(60, 60)
    report = {"labels": GATE, "dwell": dwell}
    alerts.fire("gate_failed", now=at(a_year), summary="coverage", **report)
    assert alerts.fire("gate_failed", now=at(0), summary="coverage", **report).first_at == at(0)
    assert alerts.fire("gate_failed", now=at(60), summary="coverage", **report).state is AlertState.FIRING
    alerts.clear("gate_failed", now=at(a_year), **report)
    alerts.clear("gate_failed", now=at(70), **report)
    assert alerts.clear("gate_failed", now=at(130), **report).state is AlertState.RESOLVED

    busy = {"labels": {}, "value": 99.0}
    for_seconds = find_rule("cpu_high").for_seconds(alerts.limits)
    assert alerts.observe("cpu_high", now=at(a_year), **busy).state is AlertState.PENDING
    assert alerts.observe("cpu_high", now=at(0), **busy).first_at == at(0)
    assert alerts.observe("cpu_high", now=at(for_seconds), **busy).state is AlertState.FIRING


def test_observing_an_unchanged_condition_writes_nothing(alerts, workspace):
    alerts.observe("cpu_high", labels={}, value=10, now=at(0))
    alerts.observe("disk_high", labels={}, value=99, now=at(0))
    before = generation(workspace)
    for second in range(1, 60):
        alerts.observe("cpu_high", labels={}, value=10, now=at(second))
        alerts.observe("disk_high", labels={}, value=99 - second / 100, now=at(second))
    assert generation(workspace) == before
    alert = alerts.observe("disk_high", labels={}, value=98, now=at(60))
    assert (alert.last_at, alert.value) == (at(60), 98)
    assert generation(workspace) != before
    assert verbs(workspace) == ["alert.fire"], "that it still holds is no decision"


def test_a_problem_is_reported_once_per_session(alerts):
    for session in ("s-0001", "s-0002", "s-0001"):
        alert = alerts.observe("accuracy_low", labels={"session": session}, value=0.5, now=at(0))
    assert alert.summary.startswith("s-0001: accuracy")
    assert len(alerts.open()) == 2


def test_an_acknowledgement_lasts_as_long_as_the_alert(alerts, workspace):
    fired = alerts.observe("disk_high", labels={}, value=99, now=at(0))
    taken = alerts.acknowledge(fired.fingerprint, ADA, fired.revision, reason="moving old data sets away")
    assert (taken.state, taken.acknowledged_by, taken.acknowledged_at) == (
        AlertState.ACKNOWLEDGED,
        "ada@desk",
        at(30),
    )
    still = alerts.observe("disk_high", labels={}, value=99, now=at(300))
    assert (still.state, still.acknowledged_by) == (AlertState.ACKNOWLEDGED, "ada@desk")
    for seconds in (400, 460):
        alerts.observe("disk_high", labels={}, value=50, now=at(seconds))
    assert alerts.open() == []
    again = alerts.observe("disk_high", labels={}, value=99, now=at(900))
    assert (again.state, again.acknowledged_by, again.n_fired) == (AlertState.FIRING, None, 2)
    assert again.first_at == at(900)
    assert verbs(workspace) == ["alert.fire", "alert.acknowledge", "alert.resolve", "alert.fire"]
    (record,) = [record for record in AuditLog(workspace).tail(9) if record.verb == "alert.acknowledge"]
    assert (record.actor, record.object, record.reason) == ("ada@desk", "disk_high", "moving old data sets away")


def test_a_dip_does_not_resolve_a_resource_alert(alerts):
    alerts.observe("disk_high", labels={}, value=99, now=at(0))
    assert alerts.observe("disk_high", labels={}, value=80, now=at(10)).state is AlertState.FIRING
    alerts.observe("disk_high", labels={}, value=99, now=at(20))
    assert alerts.observe("disk_high", labels={}, value=80, now=at(75)).state is AlertState.FIRING
    assert alerts.observe("disk_high", labels={}, value=80, now=at(135)).state is AlertState.RESOLVED


def test_an_event_fires_once_is_updated_and_is_cleared(alerts, workspace):
    alerts.fire("gate_failed", labels=GATE, summary="coverage 88.1 % < 90 %", now=at(0), value=88.1, threshold=90)
    alert = alerts.fire("gate_failed", labels=GATE, summary="coverage 87.5 % < 90 %", now=at(5), value=87.5)
    assert (alert.n_fired, alert.summary, alert.last_at) == (1, "coverage 87.5 % < 90 %", at(5))
    before = generation(workspace)
    alerts.fire("gate_failed", labels=GATE, summary="coverage 87.5 % < 90 %", now=at(6), value=87.5)
    assert generation(workspace) == before
    cleared = alerts.clear("gate_failed", labels=GATE, now=at(9), reason="coverage 93 %")
    assert (cleared.state, cleared.resolved_at) == (AlertState.RESOLVED, at(9))
    before = generation(workspace)
    alerts.clear("gate_failed", labels=GATE, now=at(10))
    alerts.clear("gate_failed", labels={"session": "s-0404"}, now=at(10))
    assert generation(workspace) == before
    assert alerts.fire("gate_failed", labels=GATE, summary="again", now=at(20)).n_fired == 2


def test_an_operator_resolves_an_alert_that_is_no_longer_observed(alerts):
    fired = alerts.observe("accuracy_low", labels={"session": "s-0001"}, value=0.5, now=at(0))
    resolved = alerts.resolve(fired.fingerprint, BOB, reason="the session is over")
    assert (resolved.state, resolved.resolved_at, resolved.updated_by) == (AlertState.RESOLVED, at(30), "bob@desk")
    assert (resolved.resolved_by, resolved.outlasted) == ("bob@desk", True)


def test_a_condition_resolved_by_hand_fires_anew_only_after_it_ended_and_returned(workspace, alerts):
    labels = {"session": "s-0001"}
    alerts.resolve(alerts.observe("accuracy_low", labels=labels, value=0.5, now=at(0)).fingerprint, BOB)
    another_engine = Alerts(workspace, settings=AlertSettings())
    for engine in (alerts, another_engine):
        still = engine.observe("accuracy_low", labels=labels, value=0.5, now=at(40))
        assert (still.state, still.n_fired) == (AlertState.RESOLVED, 1)
    ended = alerts.observe("accuracy_low", labels=labels, value=0.95, now=at(50))
    assert (ended.state, ended.resolved_by, ended.outlasted) == (AlertState.RESOLVED, "bob@desk", False)
    again = alerts.observe("accuracy_low", labels=labels, value=0.5, now=at(60))
    assert (again.state, again.n_fired, again.resolved_by) == (AlertState.FIRING, 2, None)
    assert verbs(workspace) == ["alert.fire", "alert.resolve", "alert.fire"]


def test_an_event_resolved_by_hand_fires_anew_the_next_time(alerts):
    alerts.resolve(alerts.fire("gate_failed", labels=GATE, summary="x", now=at(0)).fingerprint, BOB)
    assert alerts.fire("gate_failed", labels=GATE, summary="x", now=at(20)).n_fired == 2


def test_two_operators_cannot_both_acknowledge_an_alert(alerts):
    fired = alerts.fire("hash_mismatch", labels={"model": "spread", "version": "1.0.0"}, summary="x", now=at(0))
    alerts.acknowledge(fired.fingerprint, ADA, fired.revision)
    with pytest.raises(StaleRevisionError, match="ada@desk"):
        alerts.acknowledge(fired.fingerprint, BOB, fired.revision)
    with pytest.raises(RefusedError, match="ada@desk has already acknowledged"):
        alerts.acknowledge(fired.fingerprint, BOB)
    alerts.resolve(fired.fingerprint, ADA)
    with pytest.raises(RefusedError, match="resolved already"):
        alerts.acknowledge(fired.fingerprint, BOB)
    with pytest.raises(RefusedError, match="resolved already"):
        alerts.resolve(fired.fingerprint, BOB)


def test_a_confirmation_does_not_make_an_operators_screen_stale(alerts):
    seen = alerts.observe("disk_high", labels={}, value=99, now=at(0))
    now = alerts.observe("disk_high", labels={}, value=98, now=at(60))
    assert now.revision > seen.revision
    assert alerts.acknowledge(seen.fingerprint, ADA, seen.revision).state is AlertState.ACKNOWLEDGED


def test_an_operator_may_resolve_an_alert_just_before_the_engine(alerts, workspace, monkeypatch):
    fired = alerts.fire("gate_failed", labels=GATE, summary="x", now=at(0))
    resolved = alerts.resolve(fired.fingerprint, ADA)
    documents = type(workspace.database("alerts").documents("alerts", type(fired), key="fingerprint"))
    monkeypatch.setattr(documents, "find", lambda self, key: fired)  # what the engine saw the moment before
    monkeypatch.setattr(documents, "get", lambda self, key: resolved)
    assert alerts.clear("gate_failed", labels=GATE, now=at(9)).updated_by == "ada@desk"


def test_open_alerts_are_listed_by_severity(alerts):
    alerts.observe("accuracy_low", labels={}, value=0.1, now=at(0))
    alerts.fire("hash_mismatch", labels={}, summary="x", now=at(1))
    alerts.fire("epoch_failed", labels={}, summary="x", now=at(2))
    assert [alert.rule for alert in alerts.open()] == ["hash_mismatch", "epoch_failed", "accuracy_low"]


def test_old_resolved_alerts_are_pruned_and_open_ones_never(alerts, workspace, monkeypatch):
    monkeypatch.setattr("core.alerts.store.KEEP_RESOLVED_COUNT", 2)
    for n in range(4):
        labels = {"session": f"s-{n}"}
        alerts.fire("epoch_failed", labels=labels, summary="x", now=at(n))
        alerts.clear("epoch_failed", labels=labels, now=at(n))
    assert sorted(alert.labels["session"] for alert in alerts.all()) == ["s-2", "s-3"]
    alerts.fire("epoch_failed", labels={}, summary="x", now=T0 + timedelta(days=31))
    assert [alert.labels for alert in alerts.all()] == [{}]
    assert verbs(workspace).count("alert.prune") == 3


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_missing_value_changes_nothing(alerts, value):
    assert alerts.observe("disk_high", labels={}, value=value, now=at(0)) is None
    alerts.observe("disk_high", labels={}, value=99, now=at(0))
    assert alerts.observe("disk_high", labels={}, value=value, now=at(999)).state is AlertState.FIRING


def test_the_limits_come_from_the_workspace(workspace):
    assert Alerts(workspace).observe("disk_high", labels={}, value=75, now=at(0)).threshold == 70


def test_an_unknown_rule_is_refused_with_the_known_rules(alerts):
    with pytest.raises(NotFoundError, match=r"cpu_hihg.*cpu_high"):
        alerts.observe("cpu_hihg", labels={}, value=1, now=at(0))
    with pytest.raises(UsageError, match="is an event"):
        alerts.observe("gate_failed", labels={}, value=1, now=at(0))


def test_a_firing_by_another_process_is_kept(alerts, workspace, monkeypatch):
    event = {"labels": GATE, "summary": "x", "now": at(0)}
    first = Alerts(workspace).fire("gate_failed", **event)
    documents = type(workspace.database("alerts").documents("alerts", type(first), key="fingerprint"))
    find, unseen = documents.find, [True]
    monkeypatch.setattr(documents, "find", lambda self, key: None if unseen and unseen.pop() else find(self, key))
    assert alerts.fire("gate_failed", **event) == first
    assert verbs(workspace) == ["alert.fire"]


def test_a_snooze_keeps_an_alert_back_until_its_time_and_ends_by_itself(alerts, workspace):
    fired = alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(0))
    snoozed = alerts.snooze(fired.fingerprint, BOB, at(90), reason="I am on it")
    assert [snoozed.is_muted(at(second)) for second in (89, 90)] == [True, False]
    assert snoozed.state is AlertState.FIRING
    alerts.resolve(fired.fingerprint, ADA)
    again = alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(60))
    assert (again.is_snoozed(at(61)), again.snoozed_by) == (True, str(BOB))
    assert verbs(workspace) == ["alert.fire", "alert.snooze", "alert.resolve", "alert.fire"]


@pytest.mark.parametrize("until", [at(30), at(0), at(400 * 86_400), datetime(2027, 1, 1)])
def test_a_snooze_must_end_ahead_and_within_a_year(alerts, until):
    fired = alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(0))
    with pytest.raises(UsageError, match="snooze"):
        alerts.snooze(fired.fingerprint, BOB, until)


def test_who_snoozes_an_alert_that_was_resolved_meanwhile_is_refused(alerts):
    fired = alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(0))
    alerts.resolve(fired.fingerprint, ADA)
    with pytest.raises(RefusedError):
        alerts.snooze(fired.fingerprint, BOB, at(90))
    again = alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(60))
    with pytest.raises(StaleRevisionError):
        alerts.snooze(again.fingerprint, BOB, at(90), expected_revision=fired.revision)


def test_comments_stay_with_the_alert_and_take_no_decision_from_others(alerts, workspace):
    fired = alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(0))
    for n in range(55):
        alerts.comment(fired.fingerprint, ADA, f"note {n}")
    taken = alerts.acknowledge(fired.fingerprint, BOB, expected_revision=fired.revision)
    assert [comment.text for comment in taken.comments] == [f"note {n}" for n in range(5, 55)]
    assert AuditLog(workspace).tail(2)[0].reason == "note 54"
    with pytest.raises(UsageError, match="at most 1,000"):
        alerts.comment(fired.fingerprint, ADA, "x" * 1001)
    with pytest.raises(UsageError, match="say something"):
        alerts.comment(fired.fingerprint, ADA, "  ")


def test_an_alert_that_fires_and_clears_is_one_incident_with_a_count(alerts):
    observe = functools.partial(alerts.observe, "accuracy_low", labels={"session": "s-0001"})
    for n in range(3):
        observe(value=0.5, now=at(120 * n))
        alert = observe(value=0.99, now=at(120 * n + 60))
    # The third firing makes it an incident: its condition has ended, but it stays open until it has been calm.
    assert (alert.state, alert.is_flapping, alert.n_flaps, alert.n_fired) == (AlertState.FIRING, True, 2, 3)
    assert (alert.incident_at, alert.firings) == (at(0), [at(0), at(120), at(240)])
    taken = alerts.acknowledge(alert.fingerprint, ADA)
    observe(value=0.5, now=at(360))
    alert = observe(value=0.5, now=at(420))
    assert (alert.state, alert.n_flaps, alert.acknowledged_by) == (AlertState.ACKNOWLEDGED, 3, taken.acknowledged_by)
    observe(value=0.99, now=at(480))
    assert observe(value=0.99, now=at(480 + 599)).state is AlertState.ACKNOWLEDGED
    assert observe(value=0.99, now=at(480 + 600)).state is AlertState.RESOLVED


def test_a_firing_long_after_the_last_is_another_incident(alerts):
    for start in (0, 60, 60 + 31 * 60):
        alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(start))
        alerts.clear("gate_failed", labels=GATE, now=at(start + 1))
    (alert,) = alerts.all()
    assert (alert.n_fired, alert.n_flaps, alert.incident_at) == (3, 0, at(60 + 31 * 60))


def test_the_history_names_each_step_with_who_and_when(alerts, workspace):
    fired = alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(0))
    other = alerts.fire("gate_failed", labels=GATE | {"gate": "coverage2"}, summary="other", now=at(0))
    alerts.acknowledge(fired.fingerprint, ADA, reason="mine")
    alerts.snooze(fired.fingerprint, ADA, at(90))
    alerts.comment(fired.fingerprint, BOB, "the feed is late")
    alerts.resolve(fired.fingerprint, BOB, reason="feed is back")
    told = [(entry.kind, entry.by, entry.text) for entry in history_of(workspace, alerts.get(fired.fingerprint))]
    assert told == [
        ("fired", str(Actor.engine()), "coverage"),
        ("acknowledged", str(ADA), "mine"),
        ("snoozed", str(ADA), "until 2026-01-02T03:01:30Z"),
        ("commented", str(BOB), "the feed is late"),
        ("resolved", str(BOB), "feed is back"),
    ]
    assert [entry.text for entry in history_of(workspace, other)] == ["other"]


def test_without_the_audit_log_the_history_tells_what_the_document_holds(alerts, workspace):
    fired = alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(0))
    alerts.comment(fired.fingerprint, BOB, "the feed is late")
    alerts.acknowledge(fired.fingerprint, ADA)
    workspace.audit_file.unlink()
    told = history_of(workspace, alerts.get(fired.fingerprint))
    assert [entry.kind for entry in told] == ["fired", "commented", "acknowledged"]


def test_an_alert_is_named_by_its_fingerprint_or_by_a_name_that_no_other_alert_has(alerts):
    first = alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(0))
    disk = alerts.fire("disk_filling", labels={}, summary="soon", now=at(1))
    for word in (first.fingerprint, "gate_failed", "gate_failed{gate=coverage,session=s-0001}"):
        assert alerts.fingerprint_named(word) == first.fingerprint
    assert alerts.fingerprint_named("disk_filling") == disk.fingerprint
    assert alerts.fingerprint_named("nosuch") == "nosuch"
    second = alerts.fire("gate_failed", labels={"gate": "psi"}, summary="psi", now=at(2))
    alerts.resolve(first.fingerprint, ADA)
    with pytest.raises(UsageError) as refused:
        alerts.fingerprint_named("gate_failed")
    assert str(refused.value).splitlines() == [
        "2 alerts have the name 'gate_failed'. Name the alert by its fingerprint:",
        f"{second.fingerprint} firing gate_failed{{gate=psi}}",
        f"{first.fingerprint} resolved gate_failed{{gate=coverage,session=s-0001}}",
    ]
    assert alerts.fingerprint_named("gate_failed{gate=psi}") == second.fingerprint


def test_of_many_alerts_with_one_name_a_screen_is_listed(alerts):
    for n in range(25):
        alerts.fire("gate_failed", labels={"gate": f"g{n}"}, summary="coverage", now=at(n))
    with pytest.raises(UsageError, match=r"^25 alerts have(.*\n){21}and 5 more: bondx alerts list --all$"):
        alerts.fingerprint_named("gate_failed")


def test_an_unknown_name_lists_names_that_people_know(alerts):
    alerts.fire("gate_failed", labels=GATE, summary="coverage", now=at(0))
    with pytest.raises(NotFoundError, match=r"no 'gate_faild' among the alerts; choose from gate_failed\{gate="):
        alerts.get("gate_faild")


def test_limits_of_an_engine_are_those_of_the_settings_now(workspace):
    alerts = Alerts(workspace, current=CurrentSettings(workspace.root, Settings()))
    assert alerts.observe("disk_high", labels={}, value=75, now=at(0)).threshold == 70
    workspace.settings_file.write_text("alerts: {disk_percent_max: 80}\n")
    assert alerts.observe("disk_high", labels={}, value=85, now=at(60)).threshold == 80
    workspace.settings_file.write_text("alerts: {disk_percent_max: much}\n")
    assert alerts.observe("disk_high", labels={}, value=86, now=at(120)).threshold == 80
