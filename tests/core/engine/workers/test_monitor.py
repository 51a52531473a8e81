"""The engine's monitor: every watcher on every live version, once a minute, and one that fails stops no other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from msgspec.structs import replace as with_fields

from core.alerts import Alerts
from core.engine.monitoring_alerts import CLEAR_SECONDS, DRIFT, FAILING, PERFORMANCE, WATCHING, MonitoringAlerts
from core.engine.workers.monitor import FIGURES_EVERY, Monitor
from core.monitoring.data_profile import DataProfile
from core.monitoring.documents import (
    DriftPart,
    EstimatePart,
    ModelMonitoring,
    MonitoredColumn,
    MonitoredMetric,
    PerformancePart,
    TrafficPart,
    VersionMonitoring,
)
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import DriftType, DriftVerdict, PerformanceVerdict
from core.monitoring.watch import MemoryStates, WatcherLook
from core.quality.gate import judge
from core.registry import Registry, Stage
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.telemetry.live import LiveStates
from core.view.source import SnapshotSource

PASSED = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)


NOW = datetime(2026, 11, 27, 7, 0, tzinfo=UTC)
ROLES = (("1.0.0", "stable"), ("1.1.0", "candidate"))


class FiredAlerts:
    """Remembers the labels of what fires."""

    def __init__(self):
        self.labels = []

    def open(self):
        return []

    def fire(self, rule, *, labels, **_):
        self.labels.append(labels)

    def clear(self, *_, **__):
        return None


class Counting:
    """Counts its looks at each version, in its state."""

    name: ClassVar[str] = "traffic"

    def __init__(self):
        self.looks = []
        self.refusal = None

    def look(self, version, now, state):
        self.looks.append(version.key)
        if self.refusal:
            raise self.refusal
        n = int(state or b"0") + 1
        return WatcherLook(part=TrafficPart(as_of=now, n_requests=n), state=str(n).encode(), cursor=n)


class Shows:
    """Shows what a test wants."""

    def __init__(self, name, part=None):
        self.name, self.part = name, part

    def look(self, version, now, state):
        return WatcherLook(part=self.part)


class Seeing:
    """Remembers the versions that it was shown."""

    name: ClassVar[str] = "drift"

    def __init__(self):
        self.versions = []

    def look(self, version, now, state):
        self.versions.append(version)
        return WatcherLook()


class Broken:
    """Cannot look at one model."""

    name: ClassVar[str] = "drift"

    def __init__(self):
        self.model = "spread"

    def look(self, version, now, state):
        if version.model == self.model:
            raise ZeroDivisionError("no rows")
        return WatcherLook()


@pytest.fixture
def registry(workspace, clock):
    return Registry(workspace, promotion=PromotionSettings(), clock=clock)


@pytest.fixture
def publish(registry, person, tmp_path):
    def publish(model):
        source = tmp_path / model
        source.mkdir(exist_ok=True)
        (source / "model.txt").write_text(str(len(registry.versions())))
        found = registry.register(model, source, metrics={"attainment": 0.9}, lineage={}, gates=PASSED, actor=person)
        while registry.get(model, found.version).stage is not Stage.PRODUCTION:
            plan = registry.plan_promotion(model, found.version)
            registry.apply(plan, actor=person, reason="for a test")
        return found.version

    return publish


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture
def monitor(context, clock, counting):
    context = replace(context, clock=clock, alerts=Alerts(context.workspace, clock=clock))

    def monitor(*others, states=None):
        return Monitor(context, watchers=(counting, *others), states=states or MemoryStates())

    return monitor


def shown(workspace, model="spread"):
    return MonitoringStore(workspace).find(model)


def test_a_live_version_is_looked_at_once_a_minute(monitor, publish, counting, clock):
    publish("spread")
    monitor = monitor()
    for seconds in (0, 10, 20, 20, 10):
        clock.pass_by(seconds)
        monitor.step()
    assert counting.looks == ["spread@1.0.0"] * 2


def test_a_version_that_goes_live_is_looked_at_immediately(monitor, publish, counting):
    monitor = monitor()
    monitor.step()
    publish("spread")
    monitor.step()
    assert counting.looks == ["spread@1.0.0"]


def test_the_state_of_a_watcher_survives_the_engine(monitor, publish, workspace, clock):
    publish("spread")
    states = MemoryStates()
    for _ in range(2):
        monitor(states=states).step()
        clock.pass_by(FIGURES_EVERY.total_seconds())
    assert shown(workspace).live.traffic.n_requests == 2


def test_a_new_version_starts_without_the_state_of_the_last(monitor, publish, workspace):
    monitor = monitor()
    publish("spread")
    monitor.step()
    publish("spread")
    monitor.step()
    assert [each.version for each in shown(workspace).versions] == ["1.1.0"]
    assert shown(workspace).live.traffic.n_requests == 1


def test_a_watcher_that_fails_on_one_model_is_an_alert_and_stops_no_other(monitor, publish, workspace, counting):
    publish("spread"), publish("curve")
    monitor(Broken()).step()
    assert sorted(counting.looks) == ["curve@1.0.0", "spread@1.0.0"]
    (alert,) = Alerts(workspace).open()
    assert (alert.rule, alert.labels["model"], alert.labels["watcher"]) == (WATCHING, "spread", "drift")
    assert alert.summary == "spread@1.0.0: drift cannot be watched (ZeroDivisionError: no rows)"
    assert shown(workspace).live.failures == {"drift": "ZeroDivisionError: no rows"}
    assert shown(workspace, "curve").live.failures == {}


@pytest.mark.parametrize("restarts", [False, True], ids=["the same engine", "the next engine"])
def test_the_alert_resolves_once_the_watcher_works(monitor, publish, workspace, clock, restarts):
    publish("spread")
    broken = Broken()
    looking = monitor(broken)
    looking.step()
    broken.model = None
    clock.pass_by(60)
    (monitor(broken) if restarts else looking).step()
    assert Alerts(workspace).open() == []


def test_the_alert_resolves_when_the_version_is_no_longer_live(monitor, publish, workspace):
    broken = Broken()
    monitor = monitor(broken)
    publish("spread")
    monitor.step()
    broken.model = None
    publish("spread")
    monitor.step()
    assert Alerts(workspace).open() == []


def test_what_was_shown_stays_while_a_watcher_fails(monitor, publish, workspace, counting, clock):
    publish("spread")
    monitor = monitor()
    monitor.step()
    counting.refusal = OSError("the disk is gone")
    clock.pass_by(60)
    monitor.step()
    assert shown(workspace).live.traffic.n_requests == 1
    assert shown(workspace).live.failures == {"traffic": "OSError: the disk is gone"}


def test_nothing_is_written_while_what_is_shown_stays_the_same(monitor, publish, workspace, clock):
    publish("spread")
    monitor = monitor()
    clock.pass_by(20)
    monitor.step()
    before = shown(workspace).revision
    clock.pass_by(10)
    monitor.step()
    assert shown(workspace).revision == before


def test_a_model_without_a_live_version_has_no_document(monitor, publish, registry, person, workspace):
    monitor = monitor()
    version = publish("spread")
    monitor.step()
    registry.apply(registry.plan_archive("spread", version), actor=person, reason="for a test")
    monitor.step()
    assert MonitoringStore(workspace).all() == []


def test_a_document_of_another_release_is_written_again(monitor, publish, workspace, clock):
    publish("spread")
    monitor().step()
    database = workspace.database("monitoring")
    with database.transaction():
        database._storage.write_table("models", {"1": {"model": "spread", "format": 2, "revision": 7}})
    monitor().step()
    assert shown(Workspace.open(workspace.root)).live.version == "1.0.0"


def test_a_snapshot_shows_the_monitoring_of_each_model(monitor, publish, workspace):
    publish("spread")
    assert SnapshotSource(workspace).take().monitoring == ()
    monitor().step()
    (found,) = SnapshotSource(workspace).take().monitoring
    assert (found.model, found.live.role) == ("spread", "stable")


def test_a_version_without_a_profile_says_so(monitor, publish, counting, monkeypatch):
    seen = []
    monkeypatch.setattr(counting, "look", lambda version, now, state: seen.append(version) or WatcherLook())
    publish("spread")
    monitor().step()
    assert seen[0].profile is None
    assert seen[0].no_profile.startswith("spread 1.0.0: it has no profile of the data that it learned from")


def test_the_health_of_a_version_that_servers_cannot_load_is_failing(monitor, publish, workspace, clock):
    publish("spread")
    Alerts(workspace).fire(
        "live_version_unserved",
        labels={"model": "spread", "version": "1.0.0"},
        summary="spread 1.0.0: its files were changed",
        now=clock(),
    )
    monitor().step()
    health = shown(workspace).health
    assert (health.state, health.since) == ("failing", clock())
    assert health.reasons[0].text == "No server can load it: its files were changed"


def test_the_health_of_a_version_without_a_profile_says_what_is_missing(monitor, publish, workspace):
    publish("spread")
    monitor().step()
    health = shown(workspace).health
    assert health.state == "unknown"
    assert any("it has no profile of the data that it learned from" in each for each in health.missing)


def moved(clock, verdict=DriftVerdict.ALARM, **known):
    sector = MonitoredColumn(
        name="sector",
        type=DriftType.FEATURE,
        verdict=verdict,
        reason="Energy 12% -> 31% of the rows",
        evidence=1.3,
        psi=0.42,
        importance=0.31,
        changed_at=clock() - timedelta(minutes=18),
        changed_from=clock() - timedelta(minutes=20),
        changed_until=clock() - timedelta(minutes=17),
        slice="region = EU",
    )
    return DriftPart(as_of=clock(), verdict=verdict, columns=(sector,), false_alarm_days=30, **known)


def fell(clock, value):
    mae = MonitoredMetric(
        metric="mae", value=value, low=value - 1, high=value + 1, reference=9.8, verdict=PerformanceVerdict.FELL
    )
    return PerformancePart(as_of=clock(), verdict=PerformanceVerdict.FELL, n_outcomes=412, metrics=(mae,))


def test_drift_is_an_alert_that_says_what_how_much_how_sure_since_when_where_and_at_what_cost(
    monitor, publish, workspace, clock
):
    publish("spread")
    mae = MonitoredMetric(metric="mae", value=14.0, low=12.0, high=16.0, reference=9.8)
    estimate = Shows("estimate", EstimatePart(as_of=clock(), metrics=(mae,)))
    drift = Shows("drift", moved(clock, prediction_move="predictions rose by 0.6 sd"))
    monitor(drift, estimate).step()
    (alert,) = Alerts(workspace).open()
    at = {n: f"{clock() - timedelta(minutes=n):%H:%M} UTC" for n in (17, 18, 20)}
    assert (alert.rule, alert.severity, alert.labels) == (DRIFT, "warning", {"model": "spread"})
    assert alert.summary == (
        "spread@1.0.0: sector: Energy 12% -> 31% of the rows; PSI 0.42; evidence 130% of what decides; since "
        f"{clock():%Y-%m-%d} {at[18]} ({at[20]} to {at[17]}); most where region = EU; 31% of the model's importance; "
        "predictions rose by 0.6 sd; estimated mae 14 (12 to 16), 9.8 on held-out rows; at most one false alarm "
        "in 30 days on average"
    )


def test_a_fall_of_performance_is_an_alert_and_a_failing_model_another(monitor, publish, workspace, clock):
    publish("spread")
    performance = Shows("performance", fell(clock, 14.0))
    looking = monitor(performance)
    looking.step()
    (alert,) = Alerts(workspace).open()
    assert alert.rule == PERFORMANCE
    assert alert.summary == "spread@1.0.0: mae 14 (13 to 15), 9.8 on held-out rows; 412 outcomes"
    performance.part = fell(clock, 25.0)
    clock.pass_by(60)
    looking.step()
    critical, _ = Alerts(workspace).open()
    assert (critical.rule, critical.severity) == (FAILING, "critical")
    assert critical.summary == (
        f"spread@1.0.0 failing since {clock():%Y-%m-%d %H:%M} UTC: mae 25 (24 to 26), 9.8 on held-out rows"
    )


def test_an_alert_resolves_once_its_cause_has_stayed_away(monitor, publish, workspace, clock):
    publish("spread")
    drift = Shows("drift", moved(clock))
    looking = monitor(drift)
    looking.step()
    drift.part = moved(clock, DriftVerdict.STABLE)
    for seconds, n_open in ((60, 1), (CLEAR_SECONDS - 60, 1), (120, 0)):
        clock.pass_by(seconds)
        looking.step()
        assert len(Alerts(workspace).open()) == n_open


def test_a_cause_that_returns_in_time_keeps_its_alert(monitor, publish, workspace, clock):
    publish("spread")
    drift = Shows("drift")
    looking = monitor(drift)
    for verdict in (DriftVerdict.ALARM, DriftVerdict.STABLE) * 3:
        drift.part = moved(clock, verdict)
        looking.step()
        clock.pass_by(CLEAR_SECONDS - 60)
    (alert,) = Alerts(workspace).all()
    assert (alert.state, alert.n_fired) == ("firing", 1)


def test_a_version_that_servers_cannot_load_has_one_alert(monitor, publish, workspace, clock):
    publish("spread")
    labels = {"model": "spread", "version": "1.0.0"}
    Alerts(workspace).fire("live_version_unserved", labels=labels, summary="spread 1.0.0: gone", now=clock())
    monitor().step()
    assert [alert.rule for alert in Alerts(workspace).open()] == ["live_version_unserved"]


def test_the_registry_is_read_again_only_after_a_change_of_it_or_the_policy(
    monitor, publish, workspace, clock, monkeypatch
):
    publish("spread")
    looking = monitor()
    looking.step()
    monkeypatch.setattr("core.engine.live_versions.routing_tables", lambda _: pytest.fail("read again"))
    clock.pass_by(60)
    looking.step()
    monkeypatch.undo()
    (workspace.root / "policy.yaml").write_text("policy: {health: {max_age_days: 0.001}}\n")
    clock.pass_by(600)
    looking.step()
    assert "the policy allows 0.001" in shown(workspace).health.reasons[0].text


def test_a_profile_that_could_not_be_read_is_read_once_its_folder_is_restored(
    monitor, publish, workspace, clock, tmp_path
):
    (tmp_path / "spread").mkdir()
    (tmp_path / "spread" / "profile.json").write_bytes(DataProfile(format=1, rows=400, features=()).to_bytes())
    publish("spread")
    profile = workspace.artifacts_dir / "spread" / "1.0.0" / "profile.json"
    profile.rename(tmp_path / "profile.json")
    seen = Seeing()
    looking = monitor(seen)
    looking.step()
    (tmp_path / "profile.json").rename(profile)
    clock.pass_by(60)
    looking.step()
    assert [version.profile is None for version in seen.versions] == [True, False]


def test_alerts_of_drift_spend_the_budget_for_thirty_days(monitor, publish, workspace, clock):
    publish("spread")
    drift = Shows("drift", moved(clock))
    looking, store = monitor(drift), MonitoringStore(workspace)
    began = clock()
    for day, spent in ((0, 1), (1, 2), (29, 2), (30, 1), (32, 0)):
        clock.pass_by((began + timedelta(days=day, minutes=1) - clock()).total_seconds())
        drift.part = moved(clock, DriftVerdict.ALARM if day < 2 else DriftVerdict.STABLE)
        looking.step()
        budget = store.budget()
        assert (budget.spent, budget.left) == (spent, max(1.0 - spent, 0.0))
        drift.part = moved(clock, DriftVerdict.STABLE)  # the alert resolves, so that the next one is another
        for _ in range(3):
            clock.pass_by(CLEAR_SECONDS)
            looking.step()


def test_the_budget_is_written_only_when_it_changes(monitor, publish, workspace, clock):
    publish("spread")
    looking, store = monitor(), MonitoringStore(workspace)
    looking.step()
    before = store.budget().revision
    clock.pass_by(600)
    looking.step()
    assert store.budget().revision == before


def test_figures_alone_are_written_every_five_minutes_and_a_verdict_immediately(monitor, publish, workspace, clock):
    publish("spread")
    drift = Shows("drift", moved(clock, DriftVerdict.STABLE))
    looking = monitor(drift)
    clock.pass_by(20)
    looking.step()
    revisions = [shown(workspace).revision]
    for minute in range(1, 8):
        clock.pass_by(60)
        if minute == 7:
            drift.part = moved(clock)
        looking.step()
        revisions.append(shown(workspace).revision)
    assert revisions == [1, 1, 1, 1, 1, 2, 2, 3]
    assert shown(workspace).live.traffic.n_requests == 8


def test_an_alert_that_a_person_acknowledges_does_not_spend_the_budget(monitor, publish, workspace, clock, person):
    publish("spread")
    drift = Shows("drift", moved(clock))
    looking, store = monitor(drift), MonitoringStore(workspace)
    looking.step()
    assert (store.budget().spent, store.budget().shares) == (1, {"spread": 1.0})
    alerts = Alerts(workspace, clock=clock)
    (alert,) = [each for each in alerts.open() if each.rule == "drift_found"]
    alerts.acknowledge(alert.fingerprint, person)
    clock.pass_by(60)
    looking.step()
    budget = store.budget()
    assert (budget.spent, budget.left, [page.is_true for page in budget.fired]) == (0, 1.0, [True])


def test_rules_of_monitoring_take_effect_without_a_restart(monitor, publish, workspace, clock):
    publish("spread")
    looking, store = monitor(), MonitoringStore(workspace)
    looking.step()
    assert store.budget().acceptable == 1.0
    workspace.settings_file.write_text("monitoring: {false_pages_a_month: 4}\n")
    clock.pass_by(60)
    looking.step()
    assert store.budget().acceptable == 4.0
    workspace.settings_file.write_text("monitoring: {false_pages_a_month: none}\n")
    clock.pass_by(60)
    looking.step()
    assert store.budget().acceptable == 4.0


@pytest.fixture
def roll_back(registry, person):
    def roll_back(model):
        registry.apply(registry.plan_rollback(model), actor=person, reason="for a test")

    return roll_back


def test_an_incident_is_one_alert_over_a_rollback_and_its_undo(
    monitor, publish, workspace, clock, registry, person, roll_back
):
    publish("spread"), publish("spread")
    drift, performance = Shows("drift", moved(clock)), Shows("performance", fell(clock, 25.0))
    looking = monitor(drift, performance)
    looking.step()
    for move in (roll_back, lambda model: registry.apply(registry.plan_undo(model), actor=person, reason="a test")):
        clock.pass_by(20)
        move("spread")
        drift.part = performance.part = None
        looking.step()  # nothing is known yet of the version that is live now
        clock.pass_by(60)
        drift.part, performance.part = moved(clock), fell(clock, 25.0)
        looking.step()
    found = {alert.rule: (alert.state, alert.n_fired, alert.labels) for alert in Alerts(workspace).all()}
    assert found == dict.fromkeys((DRIFT, PERFORMANCE, FAILING), ("firing", 1, {"model": "spread"}))
    assert all(alert.summary.startswith("spread@1.1.0") for alert in Alerts(workspace).open())
    assert MonitoringStore(workspace).budget().spent == 1


def test_drift_stays_an_alert_until_the_version_that_took_over_can_be_judged(
    monitor, publish, workspace, clock, roll_back
):
    publish("spread"), publish("spread")
    drift = Shows("drift", moved(clock))
    looking = monitor(drift)
    looking.step()
    roll_back("spread")
    drift.part = None
    for _ in range(3):
        clock.pass_by(CLEAR_SECONDS)
        looking.step()
    (alert,) = Alerts(workspace).open()
    assert alert.summary.startswith("spread@1.0.0: sector: Energy 12% -> 31% of the rows, since ")
    assert alert.summary.endswith(
        ", when 1.1.0 was live; 1.0.0 has answered too few rows since to say whether that goes on"
    )
    drift.part = moved(clock, DriftVerdict.STABLE)
    for _ in range(3):
        clock.pass_by(CLEAR_SECONDS)
        looking.step()
    assert Alerts(workspace).open() == []


def test_a_move_found_by_the_version_before_keeps_its_date_over_a_rollback(
    monitor, publish, workspace, clock, roll_back
):
    publish("spread"), publish("spread")
    drift = Shows("drift", moved(clock))
    looking = monitor(drift)
    looking.step()
    first = drift.part.columns[0].changed_at
    roll_back("spread")
    clock.pass_by(60)
    at_once = [with_fields(each, changed_at=clock() - timedelta(minutes=1)) for each in moved(clock).columns]
    unknown = with_fields(at_once[0], name="region")
    drift.part = with_fields(moved(clock), columns=(at_once[0], unknown))
    looking.step()
    known, other = shown(workspace).live.drift.columns
    assert (known.changed_at, known.changed_with, known.changed_before_live) == (first, "1.1.0", False)
    assert other.changed_before_live
    (alert,) = Alerts(workspace).open()
    assert ", when 1.1.0 was live; most where region = EU" in alert.summary
    assert [(each.version, each.health.state) for each in shown(workspace).earlier] == [("1.1.0", "degraded")]


def test_the_stable_version_and_its_candidate_are_one_incident():
    alerts = MonitoringAlerts(fired := FiredAlerts())
    drift = moved(lambda: NOW)
    versions = tuple(VersionMonitoring(version=v, role=role, drift=drift) for v, role in ROLES)
    alerts.update(ModelMonitoring(model="spread", versions=versions, updated_at=NOW), (), NOW)
    stable = with_fields(versions[0], drift=None)
    alerts.update(ModelMonitoring(model="spread", versions=(stable, versions[1]), updated_at=NOW), (), NOW)
    assert fired.labels == [{"model": "spread"}, {"model": "spread", "version": "1.1.0"}]


def test_states_of_a_version_that_has_left_long_ago_are_forgotten(monitor, publish, workspace, clock):
    publish("spread")
    states = LiveStates(workspace.live_file)
    states.save([("spread", "0.9.0", "drift", 1, b"left"), ("spread", "1.0.0", "drift", 1, b"live")])
    watched = monitor()
    for days in (0, 13, 1):
        clock.pass_by(days * 86_400)
        assert states.load("spread", "0.9.0", "drift") == b"left"
        watched.step()
    assert states.load("spread", "0.9.0", "drift") is None
    assert states.load("spread", "1.0.0", "drift") == b"live"
    states.close()


def test_a_profile_that_is_made_while_the_engine_runs_is_taken_up_at_the_next_look(
    monitor, publish, registry, person, workspace, clock
):
    seeing = Seeing()
    monitor = monitor(seeing)
    publish("spread")
    monitor.step()
    assert shown(workspace).live.no_profile.endswith("bondx drift profile spread --version 1.0.0 --data FILE")
    profile = DataProfile(format=1, rows=100, features=())
    made = registry.make_profile(
        "spread", "1.0.0", profile.to_bytes(), data_sha256="", n_rows=100, is_held_out=False, actor=person
    )
    clock.pass_by(60)
    monitor.step()
    assert (seeing.versions[-1].profile, seeing.versions[-1].profile_since) == (profile, made.made_at)
    assert shown(workspace).live.no_profile == ""

    file = workspace.artifacts_dir / made.path
    file.write_bytes(b"torn")
    registry.set_tags("spread", "1.0.0", {"looked": "at"}, actor=person)
    another = replace_profile(registry, person, rows=200)
    (workspace.artifacts_dir / another.path).write_bytes(b"torn")
    clock.pass_by(60)
    monitor.step()
    assert seeing.versions[-1].profile is None
    assert f"{another.path} was changed" in shown(workspace).live.no_profile
    (workspace.artifacts_dir / another.path).write_bytes(DataProfile(format=1, rows=200, features=()).to_bytes())
    clock.pass_by(60)
    monitor.step()  # the file was restored, and nothing was recorded
    assert seeing.versions[-1].profile.rows == 200


def test_a_profile_that_vanishes_or_is_damaged_while_the_engine_runs_is_noticed_and_its_repair_taken_up(
    monitor, publish, registry, person, workspace, clock, tmp_path
):
    seeing = Seeing()
    monitor = monitor(seeing)
    publish("spread")
    made = replace_profile(registry, person, rows=100)

    def no_profile():
        clock.pass_by(60)
        monitor.step()
        live = shown(workspace)
        assert (seeing.versions[-1].profile is None) is bool(live.live.no_profile)
        assert any(live.live.no_profile in each for each in live.health.missing) or not live.live.no_profile
        return live.live.no_profile

    assert no_profile() == ""
    file = workspace.artifacts_dir / made.path
    content = file.read_bytes()
    file.rename(tmp_path / "moved")
    assert f"{made.path} is missing" in no_profile()
    replace_profile(registry, person, rows=100)
    assert no_profile() == ""
    file.write_bytes(content[:-1])
    assert f"{made.path} was changed" in no_profile()
    file.write_bytes(content)
    assert no_profile() == ""


def test_the_profile_of_an_artifact_that_vanishes_while_the_engine_runs_is_noticed(
    monitor, publish, workspace, clock, tmp_path
):
    (tmp_path / "spread").mkdir()
    (tmp_path / "spread" / "profile.json").write_bytes(DataProfile(format=1, rows=400, features=()).to_bytes())
    publish("spread")
    looking = monitor(seen := Seeing())
    looking.step()
    (workspace.artifacts_dir / "spread" / "1.0.0" / "profile.json").rename(tmp_path / "profile.json")
    clock.pass_by(60)
    looking.step()
    assert [version.profile is None for version in seen.versions] == [False, True]
    assert "profile.json" in shown(workspace).live.no_profile


def replace_profile(registry, person, *, rows):
    content = DataProfile(format=1, rows=rows, features=()).to_bytes()
    return registry.make_profile(
        "spread", "1.0.0", content, data_sha256="", n_rows=rows, is_held_out=False, actor=person, reason="more rows"
    )
