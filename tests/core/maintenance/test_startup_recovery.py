import os
from contextlib import suppress

from core.actor import Actor
from core.maintenance.startup_recovery import recover
from core.settings import TrainingSettings
from core.telemetry import TelemetryReader
from core.tracking import Runs, RunStatus
from core.training.session import SessionPhase


def test_an_abandoned_run_is_marked_lost_and_others_are_untouched(workspace, sessions, person):
    alive = sessions.start(TrainingSettings(), name="", actor=person).session_id
    ended = sessions.start(TrainingSettings(), name="", actor=person).session_id
    sessions.observe(ended, "session.test", actor=Actor.engine(), phase=SessionPhase.FAILED, gave_up_at=1)
    runs = Runs(workspace)
    for session_id in (alive, ended, ""):
        runs.start(name="", actor=person, session_id=session_id)
    recover(workspace, actor=Actor.engine())
    assert [run.status for run in runs.all()] == [RunStatus.RUNNING, RunStatus.LOST, RunStatus.LOST]


def test_a_run_that_another_process_logs_is_left_to_its_heartbeat(workspace, person):
    runs = Runs(workspace)
    run = runs.start(name="theirs", actor=person, lost_after_seconds=60)
    recover(workspace, actor=Actor.engine())
    assert runs.get(run.run_id).status is RunStatus.RUNNING


def test_opening_a_workspace_removes_no_run_however_many_there_are(workspace, person):
    (workspace.root / "policy.yaml").write_text("policy: {tracking: {keep_runs: 1}}\n")
    runs = Runs(workspace)
    for _ in range(3):
        runs.finish(runs.start(name="theirs", actor=person).run_id, RunStatus.FINISHED, actor=person)
    recover(workspace, actor=Actor.engine())
    assert len(runs.all()) == 3


def test_an_engine_completes_the_removal_of_a_killed_process(workspace, person, monkeypatch):
    with Runs(workspace) as runs:
        run = runs.start(name="theirs", actor=person)
        runs.log_metrics(run.run_id, 1, {"mae": 0.1})
        runs.finish(run.run_id, RunStatus.FINISHED, actor=person)
    with monkeypatch.context() as killed:
        killed.setattr("core.telemetry.forgetting.forget_runs", lambda *_, **__: 1 / 0)
        with suppress(ZeroDivisionError):
            Runs(workspace).prune(keep=0, referenced=(), actor=person)
    assert TelemetryReader(workspace.telemetry_file).epochs(run.run_id)
    recover(workspace, actor=Actor.engine())
    assert not TelemetryReader(workspace.telemetry_file).epochs(run.run_id)


def test_what_a_killed_process_left_unfinished_in_the_cache_goes_and_what_is_being_written_stays(workspace):
    folder = workspace.cache_dir / "explanations"
    folder.mkdir(parents=True)
    left = [workspace.cache_dir / ".settings.json.17-4.new", folder / ".abc.json.17-4.new"]
    others = [folder / ".def.json.18-4.new", folder / "abc.json"]
    for file in (*left, *others):
        file.write_text("{")
    for file in (*left, others[-1]):
        os.utime(file, (0, 0))
    recover(workspace, actor=Actor.engine())
    assert not any(file.exists() for file in left)
    assert all(file.exists() for file in others)


def test_a_run_that_its_process_ends_or_removes_meanwhile_does_not_end_the_engine(workspace, person, monkeypatch):
    runs = Runs(workspace)
    for _ in range(3):
        runs.start(name="theirs", actor=person)
    as_listed = runs.all()
    runs.finish(as_listed[0].run_id, RunStatus.FINISHED, actor=person)
    runs.finish(as_listed[1].run_id, RunStatus.FINISHED, actor=person)
    runs.prune(keep=2, referenced=(), actor=person)
    monkeypatch.setattr(Runs, "all", lambda _: as_listed)
    recover(workspace, actor=Actor.engine())
    monkeypatch.undo()
    assert [(run.run_id, run.status) for run in Runs(workspace).all()] == [
        (as_listed[1].run_id, RunStatus.FINISHED),
        (as_listed[2].run_id, RunStatus.LOST),
    ]
