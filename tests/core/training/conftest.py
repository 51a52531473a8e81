import pytest

from core.actor import Actor, Origin


@pytest.fixture
def person():
    return Actor("ada", "desk", Origin.COMMAND_LINE)
