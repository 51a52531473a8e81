import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.alerts import Alerts
from core.alerts.broken_glass import BrokenGlass
from core.engine.workers import housekeeping as module
from core.engine.workers.housekeeping import Housekeeping
from core.errors import RefusedError
from core.files import DiskFullError
from core.maintenance.disk_reserve import LEAST_BYTES, DiskReserve
from core.maintenance.pruning import KindNotPrunedError
from core.maintenance.space import series_of, sizes
from core.registry import Registry
from core.settings import AlertSettings
from core.settings.policy_source import going_on_with_last_good
from core.state.errors import DamagedFileError
from core.telemetry import TelemetryReader, TelemetryWriter
from core.telemetry.errors import TelemetryError
from core.telemetry.live import CountedMinute, LiveReader, LiveWriter
from core.tracking import Runs, RunStatus
from tests.clocks import HandClock

GB = 10**9


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def disk(monkeypatch):
    """A disk whose use a test sets."""
    use = {"used": 50 * GB}
    real = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type(real)(100 * GB, use["used"], 100 * GB - use["used"]))
    return use


@pytest.fixture
def housekeeping(context, clock, workspace):
    with TelemetryWriter(workspace.telemetry_file, clock=clock) as telemetry:
        alerts = Alerts(workspace, settings=AlertSettings())
        yield Housekeeping(replace(context, clock=clock, telemetry=telemetry, alerts=alerts))


def pass_minutes(housekeeping, clock, disk, minutes, *, bytes_a_minute):
    for _ in range(minutes):
        disk["used"] += bytes_a_minute
        clock.now += timedelta(minutes=1)
        housekeeping.step()
        housekeeping._context.telemetry.flush()


def test_what_was_freed_goes_back_to_the_system_every_minute(housekeeping, clock, disk, monkeypatch):
    given_back = []
    monkeypatch.setattr(module, "return_memory", lambda: given_back.append(clock.now))
    pass_minutes(housekeeping, clock, disk, 3, bytes_a_minute=0)
    assert len(given_back) == 3


def test_what_signing_takes_is_loaded_a_minute_after_the_start(housekeeping, clock, disk, monkeypatch):
    loaded = []
    monkeypatch.setattr(module, "prepare_to_sign", lambda: loaded.append(clock.now))
    housekeeping.step()  # an engine that starts has more to do
    assert loaded == []
    pass_minutes(housekeeping, clock, disk, 3, bytes_a_minute=0)
    assert len(loaded) == 1


def test_a_disk_that_fills_up_raises_an_alert_with_its_day_and_resolves_it(housekeeping, clock, disk, workspace):
    alerts = Alerts(workspace)
    pass_minutes(housekeeping, clock, disk, 20, bytes_a_minute=5_000_000)
    assert alerts.open() == []
    pass_minutes(housekeeping, clock, disk, 40, bytes_a_minute=5_000_000)
    (alert,) = alerts.open()
    assert alert.rule == "disk_filling"
    assert alert.summary.startswith("the workspace's disk will be full in 6.9 days (95 %: 6.")
    assert alert.summary.endswith("at 7.2 GB a day")
    assert TelemetryReader(workspace.telemetry_file).latest("disk.days_until_full")[1] == pytest.approx(6.9, abs=0.1)
    disk["used"] = 20 * GB
    pass_minutes(housekeeping, clock, disk, 3, bytes_a_minute=0)
    assert alerts.open() == []


def test_the_size_of_every_store_is_sampled_every_ten_minutes(housekeeping, clock, disk, workspace):
    pass_minutes(housekeeping, clock, disk, 20, bytes_a_minute=0)
    reader = TelemetryReader(workspace.telemetry_file, clock=clock)
    for store in sizes(workspace):
        assert len(reader.samples(series_of(store.store), clock() - timedelta(hours=1), clock())) == 2


def test_the_engine_follows_a_rule_once_it_is_set_and_says_so(housekeeping, clock, disk, workspace, person):
    with Runs(workspace) as runs:
        for _ in range(3):
            runs.finish(runs.start(name="theirs", actor=person).run_id, RunStatus.FINISHED, actor=person)
    pass_minutes(housekeeping, clock, disk, 3, bytes_a_minute=0)
    assert len(Runs(workspace).all()) == 3
    workspace.settings_file.write_text("retention: {runs: 1}\n")
    clock.now += timedelta(hours=1)
    pass_minutes(housekeeping, clock, disk, 1, bytes_a_minute=0)
    assert len(Runs(workspace).all()) == 1
    (alert,) = Alerts(workspace).open()
    assert (alert.rule, alert.summary) == ("retention_applied", "the engine deleted 2 runs with the metrics")
    clock.now += timedelta(hours=1)
    pass_minutes(housekeeping, clock, disk, 1, bytes_a_minute=0)
    assert Alerts(workspace).open() == []


def test_a_forecast_that_fails_keeps_nothing_else_from_its_turn(
    housekeeping, clock, disk, workspace, person, monkeypatch
):
    pass_minutes(housekeeping, clock, disk, 2, bytes_a_minute=0)
    (workspace.cache_dir / "reserve").unlink()
    with Runs(workspace) as runs:
        for _ in range(3):
            runs.finish(runs.start(name="theirs", actor=person).run_id, RunStatus.FINISHED, actor=person)
    workspace.settings_file.write_text("retention: {runs: 1}\n")

    def fail(reader, free_bytes, now):
        raise TelemetryError("database disk image is malformed")

    monkeypatch.setattr(module, "disk_forecast", fail)
    clock.now += timedelta(hours=1)
    with pytest.raises(TelemetryError, match="malformed"):
        housekeeping.step()
    assert len(Runs(workspace).all()) == 1
    assert (workspace.cache_dir / "reserve").exists()


def test_grants_that_cannot_be_read_keep_nothing_else_from_its_turn(
    housekeeping, clock, disk, workspace, person, monkeypatch
):
    pass_minutes(housekeeping, clock, disk, 2, bytes_a_minute=0)
    with Runs(workspace) as runs:
        for _ in range(3):
            runs.finish(runs.start(name="theirs", actor=person).run_id, RunStatus.FINISHED, actor=person)
    workspace.settings_file.write_text("retention: {runs: 1}\n")

    def fail(alert):
        raise DamagedFileError(workspace.access_file, "it is empty", None)

    monkeypatch.setattr(BrokenGlass, "keep_up", fail)
    clock.now += timedelta(hours=1)
    with pytest.raises(DamagedFileError):
        housekeeping.step()
    assert len(Runs(workspace).all()) == 1


def test_the_limit_of_the_disk_is_that_of_the_settings_now(housekeeping, clock, disk, workspace):
    workspace.settings_file.write_text("alerts: {disk_full_days: 2}\n")
    pass_minutes(housekeeping, clock, disk, 60, bytes_a_minute=5_000_000)
    assert Alerts(workspace).open() == []
    workspace.settings_file.write_text("alerts: {disk_full_days: 30}\n")
    pass_minutes(housekeeping, clock, disk, 1, bytes_a_minute=5_000_000)
    assert [(alert.rule, alert.threshold) for alert in Alerts(workspace).open()] == [("disk_filling", 30)]


def test_rules_are_followed_and_stores_measured_after_the_clock_was_set_back_by_a_year(
    housekeeping, clock, disk, workspace, person
):
    pass_minutes(housekeeping, clock, disk, 3, bytes_a_minute=0)  # from now on both are due in the future alone
    with Runs(workspace) as runs:
        for _ in range(3):
            runs.finish(runs.start(name="theirs", actor=person).run_id, RunStatus.FINISHED, actor=person)
    workspace.settings_file.write_text("retention: {runs: 1}\n")
    clock.now -= timedelta(days=365)
    pass_minutes(housekeeping, clock, disk, 2, bytes_a_minute=0)
    assert len(Runs(workspace).all()) == 1
    reader = TelemetryReader(workspace.telemetry_file, clock=clock)
    assert reader.samples(series_of("state"), clock() - timedelta(hours=1), clock())


def test_a_policy_that_cannot_be_read_raises_an_alert_and_is_logged_once(housekeeping, workspace, caplog):
    file = workspace.root / "policy.yaml"
    file.write_text("promotion: {min_accuracy: 7}\n")
    housekeeping.step()
    housekeeping.step()
    (alert,) = [alert for alert in Alerts(workspace).open() if alert.rule == "policy_unusable"]
    assert "min_accuracy" in alert.summary
    assert sum("the policy cannot be used" in line for line in caplog.messages) == 1

    file.write_text("promotion: {min_accuracy: 0.7}\n")
    housekeeping.step()
    assert "policy_unusable" not in {alert.rule for alert in Alerts(workspace).open()}


def test_the_workspaces_own_policy_raises_the_alert_beside_a_named_one(housekeeping, workspace, tmp_path, monkeypatch):
    named = tmp_path / "named.yaml"
    named.write_text("promotion: {min_accuracy: 0.6}\n")
    monkeypatch.setenv("BONDX_CONFIG", str(named))
    housekeeping.step()
    (workspace.root / "policy.yaml").write_text("promotion: {min_accuracy: 7}\n")
    housekeeping.step()
    (alert,) = [alert for alert in Alerts(workspace).open() if alert.rule == "policy_unusable"]
    assert alert.summary.count(f"{workspace.root / 'policy.yaml'}, line 1") == 1
    named.write_text("promotion: {min_accuracy: 8}\n")
    housekeeping.step()
    (alert,) = [alert for alert in Alerts(workspace).open() if alert.rule == "policy_unusable"]
    assert f"{named}, line 1" in alert.summary
    assert f"{workspace.root / 'policy.yaml'}, line 1" in alert.summary

    named.write_text("promotion: {min_accuracy: 0.6}\n")
    (workspace.root / "policy.yaml").unlink()
    housekeeping.step()
    assert "policy_unusable" not in {alert.rule for alert in Alerts(workspace).open()}


def test_settings_that_turn_bad_raise_one_alert_and_the_rules_read_last_are_followed(
    housekeeping, clock, disk, workspace, person
):
    workspace.settings_file.write_text("retention: {runs: 1}\n")
    pass_minutes(housekeeping, clock, disk, 2, bytes_a_minute=0)
    with Runs(workspace) as runs:
        for _ in range(3):
            runs.finish(runs.start(name="theirs", actor=person).run_id, RunStatus.FINISHED, actor=person)
    workspace.settings_file.write_text("retention: {runs: 1}\npolicy: {promotion: {min_accuracy: 7}}\n")
    with going_on_with_last_good():  # as a thread of an engine
        pass_minutes(housekeeping, clock, disk, 61, bytes_a_minute=0)
    assert len(Runs(workspace).all()) == 1
    assert "policy_unusable" in {alert.rule for alert in Alerts(workspace).open()}


def test_counts_of_a_server_that_has_stopped_are_rolled_up_and_deleted_in_time(housekeeping, clock, disk, workspace):
    begun = clock().replace(second=0, microsecond=0)
    with LiveWriter(workspace.live_file, b"".join, clock=clock) as writer:
        for days in (401, 15, 0):
            at = int((begun - timedelta(days=days)).timestamp())
            writer.add(CountedMinute("spread", "1.0.0", "", at, 7, 0, b""))
        writer.flush()
    housekeeping.step()
    reader = LiveReader(workspace.live_file)
    minutes = reader.minutes("spread", "1.0.0")
    hours = reader.hours("spread", "1.0.0", begun - timedelta(days=500), begun + timedelta(days=1))
    assert [minute.at for minute in minutes] == [begun]
    assert [(begun - hour.at).days for hour in hours] == [15, 0]


def test_the_reserve_for_a_prune_is_made_and_made_again_after_it_was_given_back(housekeeping, workspace):
    reserve = workspace.cache_dir / "reserve"
    for _ in range(2):
        housekeeping.step()
        assert reserve.stat().st_size == LEAST_BYTES
        assert DiskReserve(workspace).give_back()


@pytest.mark.parametrize("error", [RefusedError("a run must stay now"), DiskFullError(Path("r"), "write", "full")])
def test_a_kind_that_cannot_be_pruned_keeps_no_other_from_going(
    housekeeping, clock, disk, workspace, person, tmp_path, monkeypatch, caplog, error
):
    workspace.settings_file.write_text(
        "retention: {runs: 1, versions: true}\npolicy: {retention: {keep_development: 1}}\n"
    )
    registry, source = Registry(workspace), tmp_path / "model.txt"
    with Runs(workspace) as runs:
        for number in range(2):
            runs.finish(runs.start(name="theirs", actor=person).run_id, RunStatus.FINISHED, actor=person)
            source.write_text(f"tree {number}")
            registry.register("spread", source, metrics={}, lineage={"n": number}, gates=(), actor=person)

    def refuse(self, **_):
        raise error

    monkeypatch.setattr(Runs, "prune", refuse)
    clock.now += timedelta(hours=2)
    if isinstance(error, RefusedError):
        housekeeping.step()
    else:
        with pytest.raises(KindNotPrunedError, match="Of the other kinds, the prune deleted 1 version"):
            housekeeping.step()
    assert [version.version for version in registry.versions("spread")] == ["1.1.0"]
    (alert,) = [alert for alert in Alerts(workspace).open() if alert.rule == "retention_applied"]
    assert "deleted 1 version with the files" in alert.summary
    assert any(str(error) in line for line in caplog.messages), "the refusal is told"


def test_a_refused_kind_hides_no_failure_of_another(housekeeping, clock, workspace, monkeypatch):
    workspace.settings_file.write_text("retention: {runs: 1, stress_tests: 1}\n")

    def refuse(kind, *, actor):
        raise RefusedError("a run must stay now")

    def fail(kind, *, actor):
        raise DiskFullError(workspace.state_file("stress"), "write", "No space left on device")

    monkeypatch.setattr("core.maintenance.pruning._RunsKind.complete", refuse)
    clock.now += timedelta(hours=2)
    housekeeping.step()  # a rule may forbid it for now
    monkeypatch.setattr("core.maintenance.pruning._StressTestsKind.complete", fail)
    clock.now += timedelta(hours=2)
    with pytest.raises(KindNotPrunedError, match="no space left"):
        housekeeping.step()
