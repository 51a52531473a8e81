import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.engine.context import EngineContext
from core.settings import Settings
from core.settings.current import CurrentSettings
from core.telemetry import TelemetryWriter
from core.training.session_recorder import SessionRecorder
from core.training.sessions import Sessions
from core.training.trainer import Trainer
from tests import waiting


@pytest.fixture
def sessions(workspace):
    return Sessions(workspace)


@pytest.fixture(scope="session")
def person():
    return Actor("ada", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def until():
    """Wait until a session has the expected state, and return it."""

    def wait(sessions, session_id, wished):
        def found():
            session = sessions.get(session_id)
            return session if wished(session.observed) else None

        return waiting.until(found, "the session in the expected state", told=lambda: sessions.get(session_id))

    return wait


@pytest.fixture
def context(workspace):
    """The context that an engine with default settings hands to its workers."""
    actor, alerts, settings = Actor.engine(), Alerts(workspace), Settings()
    with TelemetryWriter(workspace.telemetry_file, retention=settings.telemetry) as telemetry:
        recorder = SessionRecorder(workspace, telemetry, alerts, actor=actor)
        yield EngineContext(
            workspace=workspace,
            settings=settings,
            current=CurrentSettings(workspace.root, settings),
            telemetry=telemetry,
            alerts=alerts,
            trainer=Trainer(workspace, recorder),
            actor=actor,
            clock=utc_now,
        )
