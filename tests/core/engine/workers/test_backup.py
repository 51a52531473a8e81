"""Scheduled backups: when they are made, how many stay, and which alerts tell that they fail."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.alerts import Alerts
from core.engine.workers.backup import BackupSchedule
from core.governance import AuditFilter, AuditLog
from core.maintenance.backup import BackupRepository, target_of
from core.maintenance.backup.history import BackupHistory
from core.settings import AlertSettings
from tests.clocks import HandClock

EVERY_SIX_HOURS = "backup: {to: ../safe, every: 6h, keep: 2}\n"


@pytest.fixture
def settings_text():
    return EVERY_SIX_HOURS


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def schedule(context, clock, workspace):
    return BackupSchedule(
        replace(context, clock=clock, alerts=Alerts(workspace, settings=AlertSettings(), clock=clock))
    )


@pytest.fixture
def made(workspace):
    return lambda: BackupRepository.open(workspace.root.parent / "safe", None).ids()


def pass_hours(schedule, clock, hours):
    clock.now += timedelta(hours=hours)
    schedule.step()


def open_alerts(workspace):
    return {alert.rule: alert.summary for alert in Alerts(workspace).open()}


def test_the_first_backup_is_made_at_once_and_the_next_after_a_period_and_older_ones_go(
    schedule, clock, made, workspace
):
    schedule.step()
    first = made()
    pass_hours(schedule, clock, 5)
    assert made() == first
    pass_hours(schedule, clock, 1)
    pass_hours(schedule, clock, 6)
    assert len(made()) == 2
    assert first[0] not in made()
    assert open_alerts(workspace) == {}
    record = AuditLog(workspace).search(AuditFilter(verb="backup.create"))[0]
    assert (record.origin, record.reason) == ("engine", "scheduled")


def test_settings_that_turn_bad_leave_the_schedule_and_its_backups_as_they_were(schedule, clock, made, workspace):
    schedule.step()
    workspace.settings_file.write_text(f"{EVERY_SIX_HOURS}max_epochs: many\n")
    pass_hours(schedule, clock, 1)
    (first,) = made()
    pass_hours(schedule, clock, 5)
    pass_hours(schedule, clock, 6)
    assert len(made()) == 2
    assert first not in made(), "two stay, as the settings said"
    assert open_alerts(workspace) == {}


def test_a_new_engine_goes_on_where_the_last_one_stopped(schedule, context, clock, made):
    schedule.step()
    pass_hours(BackupSchedule(replace(context, clock=clock)), clock, 5)
    assert len(made()) == 1


def test_a_failing_backup_is_an_alert_until_one_is_finished(schedule, clock, made, workspace):
    safe = workspace.root.parent / "safe"
    safe.mkdir()
    (safe / "thesis.tex").write_text("x")
    schedule.step()
    assert open_alerts(workspace)["backup_failed"].startswith(f"the backup failed: {safe} is not empty.")
    pass_hours(schedule, clock, 13)
    assert open_alerts(workspace)["backup_overdue"] == "no backup was finished yet; one is due every 6h"
    (safe / "thesis.tex").unlink()
    pass_hours(schedule, clock, 1)
    assert open_alerts(workspace) == {}
    assert len(made()) == 1


def test_a_folder_that_the_system_refuses_is_an_alert_too(schedule, workspace, monkeypatch):
    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied", "/mnt/safe")

    monkeypatch.setattr("core.engine.workers.backup.back_up_as_configured", refuse)
    schedule.step()
    assert "Permission denied" in open_alerts(workspace)["backup_failed"]


def test_a_failure_is_not_tried_again_every_minute(schedule, clock, workspace):
    safe = workspace.root.parent / "safe"
    safe.mkdir()
    (safe / "thesis.tex").write_text("x")
    schedule.step()
    (safe / "thesis.tex").unlink()
    clock.now += timedelta(minutes=9)
    schedule.step()
    assert list(safe.iterdir()) == []
    clock.now += timedelta(minutes=1)
    schedule.step()
    assert len(list((safe / "backups").glob("*.json"))) == 1


def test_scheduled_backups_go_to_an_address_too(schedule, clock, workspace):
    workspace.settings_file.write_text(
        EVERY_SIX_HOURS.replace("../safe", f"'file://{workspace.root.parent}/elsewhere'")
    )
    for _ in range(3):
        pass_hours(schedule, clock, 6)
    assert open_alerts(workspace) == {}
    repository = BackupRepository.open(target_of(f"file://{workspace.root.parent}/elsewhere"), None)
    assert len(repository.ids()) == 2
    assert BackupHistory(workspace).last().folder == f"file://{workspace.root.parent}/elsewhere"


def test_an_address_that_does_not_answer_is_an_alert(schedule, clock, workspace):
    workspace.settings_file.write_text(EVERY_SIX_HOURS.replace("../safe", "'ftp://127.0.0.1:1/safe'"))
    pass_hours(schedule, clock, 6)
    assert "Cannot open ftp://127.0.0.1:1/safe: " in open_alerts(workspace)["backup_failed"]


def test_settings_that_schedule_nothing_clear_the_alerts(schedule, clock, workspace):
    (workspace.root.parent / "safe").write_text("a file")
    schedule.step()
    assert set(open_alerts(workspace)) == {"backup_failed"}
    workspace.settings_file.write_text("{}\n")
    pass_hours(schedule, clock, 1)
    assert open_alerts(workspace) == {}


def test_an_engine_that_stops_abandons_its_backup_without_an_alert(schedule, made, workspace):
    schedule.stop()
    schedule.step()
    assert made() == []
    assert open_alerts(workspace) == {}
