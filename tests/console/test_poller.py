"""How often the console takes a snapshot."""

from console.runtime.poller import Poller
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.settings import TrainingSettings
from core.training.sessions import Sessions
from tests.waiting import until

ANN = Actor("ann", "desk", Origin.CONSOLE)
AN_HOUR = 3600.0


def test_progress_waits_for_the_tick_and_a_decision_does_not(workspace):
    posted = []
    poller = Poller(workspace, posted.append, tick_seconds=AN_HOUR)
    poller.start()
    until(lambda: posted, "the first snapshot")
    sessions = Sessions(workspace)
    session = sessions.start(TrainingSettings(), name="night", actor=ANN)
    for epoch in range(1, 6):
        sessions.observe(session.session_id, "epoch.complete", actor=ANN, epoch=epoch)
    Alerts(workspace).fire("epoch_failed", labels={"session": session.session_id}, summary="no memory", now=utc_now())
    until(lambda: len(posted) > 1, "the snapshot with the alert")
    poller.stop()
    poller.join()

    assert [alert.labels for alert in posted[1].alerts if alert not in posted[0].alerts] == [
        {"session": session.session_id}
    ]
    assert posted[1].session(session.session_id).observed.epoch == 5


def test_progress_after_a_quiet_tick_is_shown_without_waiting_for_the_next(workspace):
    posted = []
    poller = Poller(workspace, posted.append, tick_seconds=0.2)
    poller.start()
    until(lambda: posted, "the first snapshot")
    session = Sessions(workspace).start(TrainingSettings(), name="night", actor=ANN)
    until(lambda: posted[-1].session(session.session_id), "the session")
    poller.stop()
    poller.join()
