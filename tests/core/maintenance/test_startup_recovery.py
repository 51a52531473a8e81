from core.actor import Actor
from core.maintenance.startup_recovery import recover
from core.settings import TrainingSettings
from core.tracking import Runs, RunStatus
from core.training.session import SessionPhase


def test_an_abandoned_run_is_marked_lost_and_others_are_untouched(workspace, sessions, person):
    alive = sessions.start(TrainingSettings(), name="", actor=person).session_id
    ended = sessions.start(TrainingSettings(), name="", actor=person).session_id
    sessions.observe(ended, "session.test", actor=Actor.engine(), phase=SessionPhase.FAILED)
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
