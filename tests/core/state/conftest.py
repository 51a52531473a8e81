"""A database to write in."""

import pytest

from core.state import Database, Workspace


@pytest.fixture
def database(workspace: Workspace) -> Database:
    return workspace.database("registry")
