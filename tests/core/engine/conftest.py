import pytest

from core.actor import Actor, Origin
from core.training.sessions import Sessions
from tests import waiting


@pytest.fixture
def sessions(workspace):
    return Sessions(workspace)


@pytest.fixture(scope="session")
def person():
    return Actor("ada", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def until():
    """Wait until a session is as wished, and return it."""

    def wait(sessions, session_id, wished):
        def found():
            session = sessions.get(session_id)
            return session if wished(session.observed) else None

        return waiting.until(found, "the session in the expected state", told=lambda: sessions.get(session_id))

    return wait
