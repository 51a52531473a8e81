"""The engine with its real child, on sessions as small as they come."""

import logging
import threading
import time

import msgspec
import psutil
import pytest

from core.alerts import Alerts, AlertState
from core.engine import Engine
from core.engine.engine import keep_going
from core.governance import AuditLog
from core.registry import Registry
from core.settings import ModelSettings, TrainingSettings
from core.settings.training import EnsembleSettings, TrainerSettings
from core.state import LeaseHeldError, Workspace, read_lease
from core.telemetry import TelemetryReader
from core.tracking import Runs, RunStatus
from core.training.session import Desired, Phase

ENDLESS = TrainingSettings(
    dataset_size=150,
    max_epochs=10_000,
    patience=10_000,
    models={"liquidity_shock": ModelSettings(algorithm="linear")},
)
SHORT = msgspec.structs.replace(ENDLESS, max_epochs=2)


def at_rest(observed):
    return observed.phase.is_at_rest


def test_a_session_is_trained_registered_reported_and_audited(workspace, sessions, engine, person, until):
    session = until(sessions.start(SHORT, name="first", actor=person).session_id, at_rest)
    observed = session.observed
    assert (observed.phase, observed.epoch, observed.stop_reason) == (Phase.FINISHED, 2, "epoch limit")
    assert observed.registered == ("liquidity_shock/1.0.0",)
    assert observed.eta_seconds is None
    version = Registry(workspace).get("liquidity_shock", "1.0.0")
    assert (version.run_id, version.session_id) == (session.run_id, session.session_id)
    assert 0.5 < version.metrics["attainment"] <= 1.01
    assert version.lineage["data"]["test"]["sha256"]
    run = Runs(workspace).get(session.run_id)
    assert (run.status, run.session_id) == (RunStatus.FINISHED, session.session_id)
    assert set(run.data_hashes) == {"draws", "validation", "test", "test_new_macro"}
    epochs = TelemetryReader(workspace.telemetry_file).epochs(session.run_id)
    assert [epoch for epoch, _ in epochs["score"]] == [1, 2]
    assert {"liquidity_shock.attainment", "liquidity_shock.loss", "quality.score", "epoch.seconds"} <= set(epochs)
    reports = workspace.reports_dir / session.session_id
    assert {path.relative_to(reports).as_posix() for path in reports.rglob("*.*")} == {
        "dashboard_metrics.json",
        "epochs/epoch_0001.json",
        "epochs/epoch_0002.json",
        "final_report.json",
        "final_report.md",
        "system_health_report.json",
    }
    assert msgspec.json.decode((reports / "dashboard_metrics.json").read_bytes())["phase"] == "finished"
    engine.stop()
    audit = AuditLog(workspace)
    verbs = [record.verb for record in audit.tail(100)]
    assert audit.verify().ok
    assert verbs[0] == "engine.acquire"
    assert verbs[-1] == "engine.release"
    assert {"session.start", "run.start", "epoch.complete", "version.register", "session.finish"} <= set(verbs)


def test_a_second_engine_is_refused_and_told_who_works_here(workspace, engine, person):
    with pytest.raises(LeaseHeldError, match="headless, ada@desk"):
        Engine(workspace, mode="embedded", actor=person).start()
    engine.stop()
    assert read_lease(workspace) is None


def test_a_session_pauses_goes_on_stops_and_goes_on_from_its_checkpoint(workspace, sessions, engine, person, until):
    session_id = sessions.start(ENDLESS, name="long", actor=person).session_id
    until(session_id, lambda observed: observed.epoch >= 1)
    sessions.request(session_id, Desired.PAUSED, actor=person)
    paused = until(session_id, lambda observed: observed.phase is Phase.PAUSED).observed.epoch
    sessions.request(session_id, Desired.RUNNING, actor=person)
    until(session_id, lambda observed: observed.epoch > paused)
    sessions.request(session_id, Desired.STOPPED, actor=person, reason="enough")
    stopped = until(session_id, at_rest)
    assert (stopped.observed.phase, stopped.observed.stop_reason) == (Phase.STOPPED, "stopped by ada@desk: enough")
    assert (workspace.root / stopped.observed.checkpoint / "checkpoint.json").is_file()
    assert Runs(workspace).get(stopped.run_id).status is RunStatus.STOPPED
    sessions.request(session_id, Desired.RUNNING, actor=person)
    going = until(session_id, lambda observed: observed.epoch > stopped.observed.epoch)
    assert going.run_id == stopped.run_id
    assert Runs(workspace).get(going.run_id).status is RunStatus.RUNNING


def test_sessions_take_turns_and_a_paused_one_lets_the_next_go_first(sessions, engine, person, until):
    first = sessions.start(ENDLESS, name="first", actor=person).session_id
    second = sessions.start(SHORT, name="second", actor=person).session_id
    until(first, lambda observed: observed.epoch >= 1)
    assert sessions.get(second).observed.phase is Phase.QUEUED
    sessions.request(first, Desired.PAUSED, actor=person)
    until(second, at_rest)
    assert sessions.get(first).observed.phase is Phase.PAUSED


def test_a_queued_session_can_be_stopped_before_its_turn(sessions, engine, person, until):
    first = sessions.start(ENDLESS, name="first", actor=person).session_id
    second = sessions.start(ENDLESS, name="second", actor=person).session_id
    sessions.request(second, Desired.STOPPED, actor=person)
    until(first, lambda observed: observed.epoch >= 1)
    sessions.request(first, Desired.STOPPED, actor=person)
    assert until(second, at_rest).observed.epoch == 0


def test_a_killed_child_is_a_failed_attempt_and_the_session_completes(workspace, sessions, engine, person, until):
    settings = msgspec.structs.replace(ENDLESS, max_epochs=6)
    session_id = sessions.start(settings, name="", actor=person).session_id
    until(session_id, lambda observed: observed.epoch >= 1)
    psutil.Process(engine.child_pid).kill()
    observed = until(session_id, at_rest).observed
    assert (observed.phase, observed.epoch, observed.n_failed_epochs) == (Phase.FINISHED, 6, 1)
    assert "SIGKILL" in observed.failure
    (alert,) = [alert for alert in Alerts(workspace).all() if alert.rule == "epoch_failed"]
    assert alert.state is AlertState.RESOLVED


def test_a_session_whose_child_keeps_dying_fails_after_its_retries(workspace, sessions, engine, person, until):
    hungry = msgspec.structs.replace(SHORT, trainer=TrainerSettings(memory_limit_mb=64, max_retries=1))
    session_id = sessions.start(hungry, name="", actor=person).session_id
    observed = until(session_id, at_rest).observed
    assert (observed.phase, observed.n_failed_epochs) == (Phase.FAILED, 2)
    assert "memory" in observed.failure
    assert Runs(workspace).all()[0].status is RunStatus.FAILED
    assert until(sessions.start(SHORT, name="", actor=person).session_id, at_rest).observed.phase is Phase.FINISHED


def test_settings_that_cannot_work_fail_at_once_with_the_choices(sessions, engine, person, until):
    wrong = msgspec.structs.replace(SHORT, models={"weather": ModelSettings()})
    observed = until(sessions.start(wrong, name="", actor=person).session_id, at_rest).observed
    assert (observed.phase, observed.n_failed_epochs) == (Phase.FAILED, 1)
    assert "weather" in observed.failure
    assert "spread" in observed.failure


def test_the_time_limit_ends_a_session_gracefully(sessions, engine, person, until):
    hasty = msgspec.structs.replace(ENDLESS, convergence_timeout_hours=1e-9)
    observed = until(sessions.start(hasty, name="", actor=person).session_id, at_rest).observed
    assert (observed.phase, observed.epoch, observed.stop_reason) == (Phase.FINISHED, 1, "time limit")
    assert observed.registered


def test_what_this_release_cannot_do_is_announced(workspace, sessions, engine, person, until):
    wanting = msgspec.structs.replace(SHORT, max_epochs=1, ensemble=EnsembleSettings(enable_stacking=True))
    session = until(sessions.start(wanting, name="", actor=person).session_id, at_rest)
    (sentence,) = session.observed.announcements
    assert "ensemble.enable_stacking" in sentence
    assert sentence in (workspace.reports_dir / session.session_id / "final_report.md").read_text()


def test_an_engine_that_cannot_wait_leaves_the_epoch_to_the_next_one(workspace, sessions, person, until):
    session_id = sessions.start(ENDLESS, name="", actor=person).session_id
    first = Engine(workspace, mode="headless", actor=person)
    first.start()
    epoch = until(session_id, lambda observed: observed.epoch >= 1).observed.epoch
    first.stop(0)
    first.stop(0)
    left = sessions.get(session_id).observed
    assert first.wait(0)
    assert (left.phase, left.n_failed_epochs) == (Phase.QUEUED, 0)
    second = Engine(workspace, mode="headless", actor=person)
    second.start()
    until(session_id, lambda observed: observed.epoch > epoch + 1)
    second.stop()
    assert psutil.Process().children() == []


def test_an_engine_that_cannot_start_gives_the_lease_back(tmp_path, person):
    workspace = Workspace.create(tmp_path / "bondx", settings_text="{}\n")
    workspace.telemetry_file.write_bytes(b"no database at all" * 100)
    with pytest.raises(Exception, match=r"telemetry\.db"):
        Engine(workspace, mode="headless", actor=person).start()
    assert read_lease(workspace) is None


def test_a_thread_that_fails_says_so_and_begins_again(caplog):
    until, reported, runs = threading.Event(), [], []

    def body():
        runs.append(time.monotonic())
        if len(runs) == 1:
            raise OSError("disk on fire")

    with caplog.at_level(logging.ERROR):
        keep_going("sampler", body, until=until, report=lambda name, error: reported.append((name, str(error))))
    assert len(runs) == 2
    assert reported == [("sampler", "disk on fire")]
    assert "the sampler failed" in caplog.text


def test_a_failing_thread_does_not_outlive_the_engine():
    until = threading.Event()

    def body():
        until.set()
        raise OSError

    keep_going("watcher", body, until=until, report=lambda *_: None)
