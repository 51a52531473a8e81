"""The engine with its real child, on sessions as small as they come."""

import json

import msgspec
import psutil
import pytest

from core.alerts import Alerts, AlertState
from core.engine import Engine
from core.governance import AuditLog
from core.models.errors import UnknownParameterError
from core.registry import Registry
from core.settings import ModelSettings, TrainingSettings
from core.settings.explanation import ExplanationSettings
from core.settings.training import AdvancedSettings, TrainerSettings
from core.state import LeaseHeldError, Workspace, read_lease
from core.telemetry import TelemetryReader
from core.tracking import Runs, RunStatus
from core.training.child_process import ChildProcess
from core.training.session import DesiredSession, SessionPhase
from core.training.sessions import Sessions
from core.training.wire import RunEpoch

ENDLESS = TrainingSettings(
    explanation=ExplanationSettings(rows=0),
    dataset_size=150,
    max_epochs=10_000,
    patience=10_000,
    models={"liquidity_shock": ModelSettings(algorithm="linear")},
)
SHORT = msgspec.structs.replace(ENDLESS, max_epochs=2)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace.create(tmp_path_factory.mktemp("engine") / "bondx", settings_text="{}\n")


@pytest.fixture(scope="module")
def engine(workspace, person):
    """One engine for many sessions: its child is warm, as in real life."""
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    yield engine
    engine.stop(0)


@pytest.fixture
def start(engine, sessions, person):
    """Start sessions that are gone when the test is over."""
    started = []

    def begin(settings, **changes):
        session = sessions.start(msgspec.structs.replace(settings, **changes), name="", actor=person)
        started.append(session.session_id)
        return session.session_id

    yield begin
    for session_id in started:
        if (session := sessions.get(session_id)).wants_work or session.desired is DesiredSession.PAUSED:
            sessions.request(session_id, DesiredSession.STOPPED, actor=person)


def at_rest(observed):
    return observed.phase.is_at_rest


def test_a_session_is_trained_registered_reported_and_audited(workspace, sessions, start, until):
    session = until(sessions, start(SHORT), at_rest)
    observed = session.observed
    assert (observed.phase, observed.epoch, observed.stop_reason) == (SessionPhase.FINISHED, 2, "epoch limit")
    assert observed.registered == ("liquidity_shock/1.0.0",)
    assert observed.eta_seconds is None
    version = Registry(workspace).get("liquidity_shock", "1.0.0")
    assert (version.run_id, version.session_id) == (session.run_id, session.session_id)
    assert 0.5 < version.metrics["attainment"] <= 1.01
    assert version.lineage["data"]["test"]["sha256"]
    run = Runs(workspace).get(session.run_id)
    assert (run.status, run.session_id) == (RunStatus.FINISHED, session.session_id)
    assert set(run.data_hashes) == {"draws", "validation", "test", "test_new_macro"}
    assert {artifact.path for artifact in run.artifacts} == {
        f"reports/{session.session_id}/final_report.json",
        "artifacts/liquidity_shock/1.0.0/MANIFEST.json",
    }
    epochs = TelemetryReader(workspace.telemetry_file).epochs(session.run_id)
    assert [epoch for epoch, _ in epochs["score"]] == [1, 2]
    assert {"liquidity_shock.attainment", "liquidity_shock.loss", "quality.score", "epoch.seconds"} <= set(epochs)
    assert {"liquidity_shock.brier_score_loss", "liquidity_shock.fit_time"} <= set(epochs)
    assert Runs(workspace).search("metrics.liquidity_shock.f1_score >= 0")[0].run_id == session.run_id
    reports = workspace.reports_dir / session.session_id
    kept = {"lineage.json", "SYNTHETIC.txt", "data.csv", "data.jsonl", "data.parquet", "truth.parquet"}
    data_sets = ("epoch_0002", "validation", "test", "test_new_macro")
    assert {path.relative_to(reports).as_posix() for path in reports.rglob("*.*")} == {
        *(f"datasets/{name}/{file}" for name in data_sets for file in kept),
        "dashboard_metrics.json",
        "epochs/epochs_000001.jsonl",
        "final_report.json",
        "final_report.md",
        "system_health_report.json",
    }
    dashboard = msgspec.json.decode((reports / "dashboard_metrics.json").read_bytes())
    assert dashboard["phase"] == "finished"
    assert dashboard["fit_time"]["liquidity_shock"] >= 0
    assert dashboard["final_fit_time"]["liquidity_shock"] >= 0
    verbs = [record.verb for record in AuditLog(workspace).tail(100)]
    assert verbs[0] == "engine.acquire"
    assert {"session.start", "run.start", "epochs.seal", "version.register", "run.finish"} <= set(verbs)
    assert [record.after["epoch"] for record in AuditLog(workspace).epochs(session.session_id)] == [2, 1]
    assert AuditLog(workspace).prove_epoch(session.session_id, 2).holds()
    assert AuditLog(workspace).verify().ok


def test_a_second_engine_is_refused_with_the_name_of_the_holder(workspace, engine, person):
    with pytest.raises(LeaseHeldError, match="headless, ada@desk"):
        Engine(workspace, mode="embedded", actor=person).start()


def test_a_session_pauses_resumes_stops_and_resumes_from_its_checkpoint(workspace, sessions, start, person, until):
    session_id = start(ENDLESS)
    until(sessions, session_id, lambda observed: observed.epoch >= 1)
    sessions.request(session_id, DesiredSession.PAUSED, actor=person)
    paused = until(sessions, session_id, lambda observed: observed.phase is SessionPhase.PAUSED).observed.epoch
    sessions.request(session_id, DesiredSession.RUNNING, actor=person)
    until(sessions, session_id, lambda observed: observed.epoch > paused)
    sessions.request(session_id, DesiredSession.STOPPED, actor=person, reason="enough")
    stopped = until(sessions, session_id, at_rest)
    assert (stopped.observed.phase, stopped.observed.stop_reason) == (
        SessionPhase.STOPPED,
        "stopped by ada@desk: enough",
    )
    assert (workspace.root / stopped.observed.checkpoint / "checkpoint.json").is_file()
    assert Runs(workspace).get(stopped.run_id).status is RunStatus.STOPPED
    sessions.request(session_id, DesiredSession.RUNNING, actor=person)
    going = until(sessions, session_id, lambda observed: observed.epoch > stopped.observed.epoch)
    assert going.run_id == stopped.run_id
    assert Runs(workspace).get(going.run_id).status is RunStatus.RUNNING


def test_sessions_take_turns_and_a_paused_one_lets_the_next_go_first(sessions, start, person, until):
    first, second, third = start(ENDLESS), start(SHORT), start(ENDLESS)
    sessions.request(third, DesiredSession.STOPPED, actor=person)
    until(sessions, first, lambda observed: observed.epoch >= 1)
    assert sessions.get(second).observed.phase is SessionPhase.QUEUED
    sessions.request(first, DesiredSession.PAUSED, actor=person)
    until(sessions, second, at_rest)
    assert sessions.get(first).observed.phase is SessionPhase.PAUSED
    assert until(sessions, third, at_rest).observed.epoch == 0


def test_a_killed_child_is_a_failed_attempt_and_the_session_completes(workspace, sessions, start, until, monkeypatch):
    ask, killed = ChildProcess.ask, []

    def ask_and_kill(child, request):
        ask(child, request)
        if isinstance(request, RunEpoch) and request.number == 2 and not killed:
            killed.append(child.pid)
            psutil.Process(child.pid).kill()

    monkeypatch.setattr(ChildProcess, "ask", ask_and_kill)
    session_id = start(ENDLESS, max_epochs=6)
    observed = until(sessions, session_id, at_rest).observed
    assert (observed.phase, observed.epoch, observed.n_failed_epochs) == (SessionPhase.FINISHED, 6, 1)
    assert "SIGKILL" in observed.failure
    (alert,) = [alert for alert in Alerts(workspace).all() if alert.rule == "epoch_failed"]
    assert (alert.state, alert.labels) == (AlertState.RESOLVED, {"session": session_id})


@pytest.mark.journey
def test_a_session_whose_child_keeps_dying_fails_after_its_retries(workspace, sessions, start, until, monkeypatch):
    ask = ChildProcess.ask

    def ask_and_kill(child, request):
        ask(child, request)
        if isinstance(request, RunEpoch):
            psutil.Process(child.pid).kill()

    monkeypatch.setattr(ChildProcess, "ask", ask_and_kill)
    session = until(sessions, start(SHORT, trainer=TrainerSettings(max_retries=1)), at_rest)
    assert (session.observed.phase, session.observed.n_failed_epochs) == (SessionPhase.FAILED, 2)
    assert "SIGKILL" in session.observed.failure
    assert Runs(workspace).get(session.run_id).status is RunStatus.FAILED


def test_a_child_that_needs_more_memory_than_its_limit_fails_without_retries(workspace, sessions, start, until):
    session = until(sessions, start(SHORT, trainer=TrainerSettings(memory_limit_mb=64, max_retries=1)), at_rest)
    assert (session.observed.phase, session.observed.n_failed_epochs) == (SessionPhase.FAILED, 1)
    assert session.observed.failure.startswith(
        "the training child needed more address space than trainer.memory_limit_mb 64 MiB (raise it"
    )
    assert Runs(workspace).get(session.run_id).status is RunStatus.FAILED


def test_impossible_settings_are_refused_with_the_choices_before_anything_is_queued(sessions, start):
    wrong = {"liquidity_shock": ModelSettings(algorithm="linear", parameters={"weather": 1})}
    known = [session.session_id for session in sessions.all()]
    with pytest.raises(UnknownParameterError, match=r"weather.*strength"):
        start(SHORT, models=wrong)
    assert [session.session_id for session in sessions.all()] == known


def test_the_time_limit_ends_a_session_gracefully_and_reports_skipped_work(workspace, sessions, start, until):
    wanting = AdvancedSettings(enable_hyperparameter_tuning=True, parameter_ranges={"depth_of_sea": (1, 2)})
    session = until(sessions, start(ENDLESS, convergence_timeout_hours=1e-9, advanced=wanting), at_rest)
    observed = session.observed
    assert (observed.phase, observed.epoch, observed.stop_reason) == (SessionPhase.FINISHED, 1, "time limit")
    assert observed.registered
    (sentence,) = observed.announcements
    assert "takes no parameter of the ranges" in sentence
    assert sentence in (workspace.reports_dir / session.session_id / "final_report.md").read_text()
    assert [criterion.name for criterion in observed.criteria] == ["improvement", "patience", "quality", "plateau"]
    report = json.loads((workspace.reports_dir / session.session_id / "final_report.json").read_text())
    assert report["data_quality"]["band"] == "excellent"
    assert (
        f"{report['data_quality']['mean']:.3f}, excellent"
        in (workspace.reports_dir / session.session_id / "final_report.md").read_text()
    )


@pytest.mark.journey
def test_an_engine_that_cannot_wait_leaves_the_epoch_to_the_next_one(tmp_path, person, until):
    workspace = Workspace.create(tmp_path / "bondx", settings_text="{}\n")
    sessions = Sessions(workspace)
    session_id = sessions.start(ENDLESS, name="", actor=person).session_id
    first = Engine(workspace, mode="headless", actor=person)
    first.start()
    epoch = until(sessions, session_id, lambda observed: observed.epoch >= 1).observed.epoch
    first.stop(0)
    first.stop(0)
    left = sessions.get(session_id).observed
    assert first.wait(0)
    assert (left.phase, left.n_failed_epochs) == (SessionPhase.QUEUED, 0)
    second = Engine(workspace, mode="headless", actor=person)
    second.start()
    until(sessions, session_id, lambda observed: observed.epoch > epoch + 1)
    child = second.child_pid
    second.stop()
    assert not psutil.pid_exists(child)
    assert read_lease(workspace) is None
    audit = AuditLog(workspace)
    assert audit.verify().ok
    assert [record.verb for record in audit.tail(2)] == ["engine.release", "audit.sign"]


def test_an_engine_that_cannot_start_releases_the_lease(tmp_path, person):
    workspace = Workspace.create(tmp_path / "bondx", settings_text="{}\n")
    workspace.telemetry_file.write_bytes(b"no database at all" * 100)
    with pytest.raises(Exception, match=r"telemetry\.db"):
        Engine(workspace, mode="headless", actor=person).start()
    assert read_lease(workspace) is None
