"""An agent in its final fit when its parent is stopped, and the engine dies before the fit ends."""

import pytest

from core.alerts import Alerts
from core.settings import ModelSettings, Settings, TrainingSettings
from core.settings.agents import AgentsSettings
from core.telemetry import TelemetryWriter
from core.training.session import DesiredSession, SessionPhase
from core.training.session_recorder import SessionRecorder
from core.training.sessions import Sessions
from core.training.trainer import Trainer

TWO = TrainingSettings(
    models={"liquidity_shock": ModelSettings()}, agents=AgentsSettings(by="algorithm", of=("linear", "lightgbm"))
)


@pytest.fixture
def trainer(workspace, person):
    with TelemetryWriter(workspace.telemetry_file, retention=Settings().telemetry) as telemetry:
        yield Trainer(workspace, SessionRecorder(workspace, telemetry, Alerts(workspace), actor=person))


def test_it_waits_for_its_parent_and_goes_on_with_it(workspace, trainer, person):
    sessions = Sessions(workspace)
    parent = sessions.start(TWO, name="two", actor=person)
    first, second = parent.children
    fitting = {"phase": SessionPhase.STOPPING, "stop_reason": "epoch limit reached"}
    sessions.observe(parent.session_id, "session.begin", actor=person, phase=SessionPhase.RUNNING)
    sessions.observe(first, "session.end", actor=person, **fitting)
    sessions.request(parent.session_id, DesiredSession.STOPPED, actor=person)
    assert sessions.get(first).desired is DesiredSession.RUNNING, "it is left to end by itself"

    trainer.step()

    phases = [sessions.get(each).observed.phase for each in (parent.session_id, first, second)]
    assert phases == [SessionPhase.STOPPED, SessionPhase.QUEUED, SessionPhase.STOPPED]
    sessions.request(parent.session_id, DesiredSession.RUNNING, actor=person)
    assert all(sessions.get(each).wants_work for each in parent.children)
