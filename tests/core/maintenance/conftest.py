import pytest

from core.actor import Actor, Origin
from core.training.sessions import Sessions


@pytest.fixture
def database(workspace):
    return workspace.database("registry")


@pytest.fixture
def sessions(workspace):
    return Sessions(workspace)


@pytest.fixture(scope="session")
def person():
    return Actor("ada", "desk", Origin.COMMAND_LINE)
