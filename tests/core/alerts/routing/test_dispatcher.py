"""The dispatcher: groups, their waits and intervals, what keeps an alert from being told, and what is durable."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.routing import dispatcher as routing_dispatcher
from core.alerts.routing.config import InhibitRule
from core.alerts.routing.dispatcher import DATABASE, Dispatcher, groups_of
from core.alerts.routing.placement import Placements
from core.alerts.routing.reading import load_routing
from core.alerts.selecting import AlertMatcher, read_matchers
from core.alerts.silences import Silences
from core.state import Workspace
from tests.clocks import HandClock
from tests.core.alerts.delivery.told import an_alert

ADA = Actor("ada", "desk", Origin.CONSOLE)
ROUTING = """\
route:
  receiver: desk
  group_by: [model]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 1h
  routes:
    - matchers: [rule_of=night]
      receiver: night
      mute_time_intervals: [morning]
receivers: [{name: desk}, {name: night}]
time_intervals:
  - name: morning
    time_intervals: [{times: [{start_time: '09:00', end_time: '10:00'}]}]
inhibit_rules:
  - source_matchers: [alertname=model_failing]
    target_matchers: [alertname=drift_found]
    equal: [model]
"""


class Desk:
    """A workspace with a routing, and what its receivers heard."""

    def __init__(self, workspace: Workspace, folder) -> None:
        self.workspace, self.clock = workspace, HandClock()
        self.alerts = Alerts(workspace, clock=self.clock)
        self.silences = Silences(workspace, clock=self.clock)
        self.file = folder / "alertmanager.yaml"
        self.file.write_text(ROUTING)
        self.heard: list[tuple[str, str, dict[str, bool]]] = []
        self.dispatcher: Dispatcher | None = None  # of an engine that runs on

    def fire(self, model: str = "spread", rule: str = "drift_found", **labels: str):
        return self.alerts.fire(rule, labels={"model": model, **labels}, summary="it moved", now=self.clock())

    def clear(self, model: str = "spread", rule: str = "drift_found", **labels: str) -> None:
        self.alerts.clear(rule, labels={"model": model, **labels}, now=self.clock())

    def look(self, *, after: float = 0.0):
        """Let a new engine look, as after a restart, and return what it tells."""
        self.clock.pass_by(after)
        dispatcher = self.dispatcher or Dispatcher(self.workspace, load_routing(self.file))
        with self.workspace.database(DATABASE).transaction():
            told, again_at = dispatcher.dispatch(self.alerts.all(), self.silences.all(), self.clock())
        self.again_at = again_at
        news = [(each.receiver, each.reason, {a.fingerprint: a.state.is_open for a in each.alerts}) for each in told]
        self.heard += news
        return [(receiver, reason, sorted(alerts.values())) for receiver, reason, alerts in news]


@pytest.fixture
def desk(workspace, tmp_path):
    return Desk(workspace, tmp_path)


def test_a_group_waits_for_its_other_alerts_and_is_told_once(desk):
    desk.fire(version="1")
    assert desk.look() == []
    assert desk.again_at == desk.clock() + timedelta(seconds=30)
    desk.clock.pass_by(10)
    desk.fire(version="2")
    assert desk.look(after=20) == [("desk", "first", [True, True])]
    assert desk.look() == desk.look(after=299) == []


def test_what_is_new_in_a_group_comes_after_its_interval(desk):
    desk.fire(version="1")
    desk.look()
    desk.look(after=30)
    desk.fire(version="2")
    assert desk.look(after=60) == []
    assert desk.look(after=240) == [("desk", "changed", [True, True])]


def test_groups_are_apart(desk):
    desk.fire("spread")
    desk.fire("etrm")
    desk.look()
    assert desk.look(after=30) == [("desk", "first", [True]), ("desk", "first", [True])]


def test_a_group_that_still_fires_is_repeated_after_its_time(desk):
    desk.fire()
    desk.look()
    desk.look(after=30)
    assert [desk.look(after=300) for _ in range(11)] == [[]] * 11
    assert desk.look(after=300) == [("desk", "repeat", [True])]


def test_the_end_is_told_to_who_was_told_of_the_beginning_also_of_an_acknowledged_alert(desk):
    alert = desk.fire()
    desk.look()
    desk.look(after=30)
    desk.alerts.acknowledge(alert.fingerprint, ADA)
    assert desk.look(after=4000) == []
    desk.clear()
    assert desk.look(after=300) == [("desk", "resolved", [False])]
    assert groups_of(desk.workspace).all() == []


def test_what_ended_before_anybody_was_told_is_not_told(desk):
    desk.fire()
    desk.look()
    desk.clear()
    assert desk.look(after=30) == desk.look(after=300) == []
    assert groups_of(desk.workspace).all() == []


def test_an_end_and_a_new_firing_between_two_looks_are_not_told_to_who_knows_that_it_fires(desk):
    desk.fire()
    desk.look()
    desk.look(after=30)
    desk.clear()
    desk.clock.pass_by(5)
    desk.fire()
    assert desk.look(after=295) == desk.look(after=300) == []
    desk.clear()
    assert desk.look(after=300) == [("desk", "resolved", [False])]


def test_a_new_firing_is_told_although_nobody_saw_the_end_of_one_that_was_taken(desk):
    alert = desk.fire()
    desk.look()
    desk.look(after=30)
    desk.alerts.acknowledge(alert.fingerprint, ADA)
    desk.clear()
    desk.clock.pass_by(5)
    desk.fire()
    assert desk.look(after=295) == [("desk", "changed", [True])]
    assert desk.look(after=300) == []


def test_a_silence_holds_for_its_time_and_no_longer(desk):
    ends_at = desk.clock() + timedelta(minutes=10)
    desk.silences.add(read_matchers("model=spread"), ADA, comment="we know", ends_at=ends_at)
    desk.fire()
    assert desk.look(after=31) == desk.look(after=300) == []
    assert desk.look(after=300) == [("desk", "first", [True])]


def test_an_inhibited_alert_is_not_told_while_its_source_fires(desk):
    desk.fire(rule="model_failing")
    desk.fire()
    desk.fire("etrm")
    desk.look()
    assert desk.look(after=30) == [("desk", "first", [True]), ("desk", "first", [True])]
    told = {fingerprint for _, _, alerts in desk.heard for fingerprint in alerts}
    assert len(told) == 2


def test_a_route_is_quiet_at_its_hours_and_tells_afterwards(desk):
    desk.fire(rule_of="night")
    assert desk.look(after=31) == desk.look(after=3000) == []
    assert desk.look(after=600) == [("night", "first", [True])]


def test_an_alert_that_is_older_than_the_wait_is_told_at_once(desk):
    desk.fire()
    assert desk.look(after=31) == [("desk", "first", [True])]


def test_each_of_two_routes_with_the_same_matchers_is_told(desk):
    same = "    - matchers: [model=spread]\n      receiver: {}\n      continue: true\n"
    desk.file.write_text(ROUTING.replace("  routes:\n", "  routes:\n" + same.format("desk") + same.format("night")))
    desk.fire()
    assert sorted(desk.look(after=31)) == [("desk", "first", [True]), ("night", "first", [True])]
    desk.clear()
    assert sorted(desk.look(after=300)) == [("desk", "resolved", [False]), ("night", "resolved", [False])]


def test_an_alert_that_another_route_takes_ends_for_whom_was_told_of_it_and_only_when_it_ends(desk):
    desk.fire()
    desk.look(after=31)
    taken = "    - matchers: [model=spread]\n      receiver: night\n"
    desk.file.write_text(ROUTING.replace("  routes:\n", "  routes:\n" + taken))
    assert desk.look(after=301) == [("night", "first", [True])]
    desk.clear()
    assert sorted(desk.look(after=301)) == [("desk", "resolved", [False]), ("night", "resolved", [False])]
    assert groups_of(desk.workspace).all() == []


def test_a_receiver_of_another_name_hears_of_its_own_and_the_old_one_hears_the_end(desk):
    desk.fire()
    desk.look(after=31)
    desk.file.write_text(ROUTING.replace("desk", "front"))
    assert desk.look(after=301) == [("front", "first", [True])]
    desk.clear()
    assert sorted(desk.look(after=301)) == [("desk", "resolved", [False]), ("front", "resolved", [False])]


def test_a_clock_that_was_set_back_keeps_nothing_from_being_told(desk):
    desk.clock.pass_by(86_400)
    desk.fire(version="1")
    desk.look(after=31)
    desk.clock.pass_by(-86_400)
    desk.fire(version="2")
    assert desk.look(after=301) == [("desk", "changed", [True, True])]


def test_a_shortened_interval_holds_for_groups_that_are_open(desk):
    desk.file.write_text(ROUTING.replace("group_interval: 5m", "group_interval: 1d"))
    desk.fire(version="1")
    desk.look(after=31)
    desk.file.write_text(ROUTING.replace("group_interval: 5m", "group_interval: 40s"))
    desk.fire(version="2")
    assert desk.look(after=41) == [("desk", "changed", [True, True])]


def test_groups_whose_labels_hold_quotes_stay_apart(desk):
    desk.file.write_text(ROUTING.replace("group_by: [model]", "group_by: [version, zone]"))
    desk.fire(version='1", zone="2')
    desk.fire(version="1", zone="2")
    assert len(desk.look(after=31)) == 2


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fire", "clear", "acknowledge", "snooze", "silence", "look", "look"]),
        st.sampled_from(["spread", "etrm"]),
        st.sampled_from([0, 20, 200, 4000]),
    ),
    max_size=25,
)


def run(desk, steps):
    for action, model, seconds in steps:
        desk.clock.pass_by(seconds)
        open_alert = next((a for a in desk.alerts.open() if a.labels["model"] == model), None)
        if action == "fire":
            desk.fire(model, **({"rule_of": "night"} if model == "etrm" else {}))
        elif action == "clear":
            desk.clear(model, **({"rule_of": "night"} if model == "etrm" else {}))
        elif action == "acknowledge" and open_alert is not None and not open_alert.is_acknowledged:
            desk.alerts.acknowledge(open_alert.fingerprint, ADA)
        elif action == "snooze" and open_alert is not None:
            desk.alerts.snooze(open_alert.fingerprint, ADA, desk.clock() + timedelta(minutes=5))
        elif action == "silence":
            ends_at = desk.clock() + timedelta(minutes=5)
            desk.silences.add(read_matchers(f"model={model}"), ADA, comment="c", ends_at=ends_at)
        elif action == "look":
            yield desk.look(), desk.again_at


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_an_engine_that_runs_on_tells_what_one_that_is_started_anew_each_time_tells(steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    anew, on = (Desk(Workspace.create(folder / name, settings_text=""), folder) for name in ("anew", "on"))
    on.dispatcher = Dispatcher(on.workspace, load_routing(on.file))
    steps = [*steps, *[("look", "", seconds) for seconds in (0, 31, 5, 301, 5, 4000, 5)]]
    assert [*run(on, steps)] == [*run(anew, steps)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_nothing_is_told_before_the_time_that_a_look_names(steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    desk = Desk(Workspace.create(folder / "ws", settings_text=""), folder)
    list(run(desk, steps))
    for _ in range(6):
        desk.look()
        if (again_at := desk.again_at) is None:
            break
        wait = (again_at - desk.clock()).total_seconds()
        assert desk.look(after=max(0.0, wait - 0.001)) == []
        desk.clock.pass_by(0.001)


def test_a_look_at_what_has_not_changed_looks_at_no_alert(desk, monkeypatch):
    desk.dispatcher = Dispatcher(desk.workspace, load_routing(desk.file))
    for number in range(20):
        desk.fire(version=str(number))
    desk.look()
    looks = []
    decide = routing_dispatcher.decide
    monkeypatch.setattr(routing_dispatcher, "decide", lambda *a, **k: looks.append(1) or decide(*a, **k))
    desk.look(after=31)
    desk.look(after=5)  # what the one before has stored is new to it
    assert looks
    looks.clear()
    desk.look(after=5)
    assert looks == []
    desk.fire(version="new")
    desk.look(after=5)
    assert looks


LABELS = st.fixed_dictionaries({}, optional={name: st.sampled_from(["1", "2"]) for name in ("a", "b", "c")})
SIDES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["=", "!="]), st.sampled_from(["1", "2", ""])), max_size=2
)
RULES = st.lists(st.tuples(SIDES, SIDES, st.lists(st.sampled_from("abc"), unique=True, max_size=2)), max_size=3)


@settings(max_examples=200, deadline=None)
@given(rules=RULES, all_labels=st.lists(LABELS, max_size=6, unique_by=lambda labels: tuple(sorted(labels.items()))))
def test_an_alert_is_inhibited_if_some_source_of_a_rule_shares_its_labels(rules, all_labels):
    rules = tuple(
        InhibitRule(*(tuple(AlertMatcher(*each) for each in side) for side in sides), tuple(equal))
        for *sides, equal in rules
    )
    placements = Placements(None)
    placements.rules = rules
    alerts = [
        an_alert(labels=labels, source="rules:f:g", fingerprint=str(n), rule="x") for n, labels in enumerate(all_labels)
    ]
    inhibition = placements.inhibition(alerts)
    for target in alerts:
        expected = any(
            rule.is_target(target.routing_labels)
            and rule.is_source(source.routing_labels)
            and source is not target
            and not (rule.is_source(target.routing_labels) and rule.is_target(source.routing_labels))
            and all(source.labels.get(name, "") == target.labels.get(name, "") for name in rule.equal)
            for rule in rules
            for source in alerts
        )
        assert (inhibition.source_of(placements.of(target)) is not None) is expected


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_none_is_told_twice_none_ends_unheard_and_none_is_lost(steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    desk = Desk(Workspace.create(folder / "ws", settings_text=""), folder)
    list(run(desk, steps))
    for seconds in (301, 301, 3700, 301):  # every wait, every silence and the quiet hours end
        desk.look(after=seconds)
    last: dict[str, bool] = {}
    for _, reason, alerts in desk.heard:
        for fingerprint, is_open in alerts.items():
            if not is_open:
                assert last.get(fingerprint) is True, "an end was told twice, or without its beginning"
            elif last.get(fingerprint) is True:
                assert reason in ("changed", "repeat")
            last[fingerprint] = is_open
    for alert in desk.alerts.all():
        was_told = last.get(alert.fingerprint)
        if not alert.state.is_open:
            assert was_told in (None, False), "an end was not told"
        elif not alert.is_acknowledged:
            assert was_told is True, "an alert was lost"
