import time

import pytest

from core.actor import Actor, Origin
from core.state import Workspace
from core.training.sessions import Sessions

DEADLINE_SECONDS = 120


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "bondx", settings_text="{}\n")


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
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not wished((session := sessions.get(session_id)).observed):
            assert time.monotonic() < deadline, session
            time.sleep(0.01)
        return session

    return wait
