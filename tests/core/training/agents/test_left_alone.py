"""An agent in its final fit when its parent is stopped, and the engine dies before the fit ends."""

import msgspec
import pytest

from core.alerts import Alerts
from core.settings import ModelSettings, Settings, TrainingSettings
from core.settings.agents import AgentsSettings
from core.telemetry import TelemetryWriter
from core.training.lane import Lane
from core.training.session import DesiredSession, SessionPhase
from core.training.session_recorder import SessionRecorder
from core.training.sessions import Sessions
from core.training.trainer import Trainer
from tests.waiting import until

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
    assert sessions.get(first).observed.stop_reason is None, "it has not ended"


def test_a_session_that_a_killed_engine_left_at_work_waits_while_an_older_one_trains(workspace, trainer, person):
    sessions, driven = Sessions(workspace), []
    alone = TrainingSettings(models=TWO.models)
    older, left = (sessions.start(alone, name=name, actor=person) for name in ("older", "left"))
    sessions.observe(left.session_id, "session.begin", actor=person, phase=SessionPhase.RUNNING, eta_seconds=300.0)
    trainer._lane.drive = lambda session, halt: driven.append(session.session_id)

    trainer.step()

    assert driven == [older.session_id]
    seen = sessions.get(left.session_id).observed
    assert (seen.phase, seen.eta_seconds) == (SessionPhase.QUEUED, None)


def test_an_agent_that_a_killed_engine_left_at_work_waits_while_another_has_its_turn(
    workspace, trainer, person, monkeypatch
):
    one_at_once = msgspec.structs.replace(TWO, agents=msgspec.structs.replace(TWO.agents, at_once=1))
    sessions = Sessions(workspace)
    parent = sessions.start(one_at_once, name="two", actor=person)
    first, second = parent.children
    for each in parent.children:
        sessions.observe(each, "session.begin", actor=person, phase=SessionPhase.RUNNING, eta_seconds=300.0)
    sessions.observe(second, "session.test", actor=person, cpu_seconds=60.0)
    phases = []

    def look(lane, session, *, halt):
        phases.extend(sessions.get(each).observed.phase for each in (first, second))
        sessions.request(parent.session_id, DesiredSession.STOPPED, actor=person)

    def waits(lane, session, *, halt):
        until(lambda: sessions.get(second).observed.phase is SessionPhase.QUEUED, "the other waits")
        look(lane, session, halt=halt)

    monkeypatch.setattr(Lane, "drive", waits)
    trainer.step()

    assert phases == [SessionPhase.RUNNING, SessionPhase.QUEUED]
    assert sessions.get(second).observed.eta_seconds is None
