import pytest

from core.actor import Actor, Origin
from core.state import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "bondx", settings_text="{}\n")


@pytest.fixture
def person():
    return Actor("ada", "desk", Origin.COMMAND_LINE)
