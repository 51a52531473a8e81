"""A workspace in which each role has somebody: four accounts, named by their roles."""

from collections.abc import Callable

import pytest

from core.access import Principal, PrincipalKind, Role
from core.actor import Actor, Origin
from core.governance.grants import Grants
from core.state import Workspace


def acting(name: str) -> Actor:
    return Actor(name, "desk", Origin.COMMAND_LINE)


@pytest.fixture
def owner(workspace: Workspace) -> Actor:
    """Return the account that owns the folder."""
    return acting(Grants(workspace).door.owner)


@pytest.fixture
def ana() -> Actor:
    return acting("ana")


@pytest.fixture
def grants(workspace: Workspace, clock) -> Grants:
    return Grants(workspace, clock=clock)


@pytest.fixture
def give(grants: Grants, owner: Actor) -> Callable[..., object]:
    """Return a function that gives an account a role."""

    def given(name: str, role: str, **limits):
        kind, _, rest = name.rpartition(":")
        return grants.grant(Principal(PrincipalKind(kind or "user"), rest), role, actor=owner, **limits)

    return given


@pytest.fixture
def governed(workspace: Workspace, give) -> Workspace:
    """Return the workspace in which the accounts viewer, operator, approver and admin have the role of their name."""
    for role in Role:
        give(str(role), str(role))
    return workspace
