"""Roles in the console: keys of what the operator may not do are dim and say why, and :whoami shows the roles."""

import pytest

from console.cli.main import main
from console.dialogs.text import TextDialog
from core.access import Principal, PrincipalKind
from core.actor import Actor, Origin
from core.governance.grants import Grants


@pytest.fixture
def give(workspace):
    """Give this very account a role, and let somebody else be the admin."""

    def given(role: str, **limits) -> str:
        grants, account = Grants(workspace), Actor.current(Origin.CONSOLE)
        grants.grant(Principal(PrincipalKind.USER, "somebody"), "admin", actor=account)
        grants.grant(
            Principal(PrincipalKind.USER, account.name), role, actor=Actor("somebody", "desk", Origin.CONSOLE), **limits
        )
        return account.name

    return given


async def test_a_viewer_is_told_why_a_key_is_dim_and_nothing_is_offered(open_console, workspace, give):
    name = give("viewer")
    async with open_console((120, 40)) as console:
        await console.press("3")
        await console.settled()
        await console.press("P")
        told = f"{name} may not do version.promote: user:{name} has the role viewer"
        await console.until(lambda: told in console.sentence, "the reason")
        await console.press(":", *"start", "enter")
        await console.until(lambda: f"{name} may not do session.start" in console.sentence, "the reason of the command")


async def test_an_operator_whose_role_is_revoked_is_refused_by_core_all_the_same(open_console, workspace, give):
    name = give("operator")
    async with open_console((120, 40)) as console:
        await console.settled()
        assert console.app.rights.refusal(("session.start",)) is None
        Grants(workspace).revoke([f"user:{name}"], actor=Actor("somebody", "desk", Origin.CONSOLE))
        assert main(["--workspace", str(workspace.root), "session", "start"]) == 3


async def test_whoami_shows_the_roles_and_what_they_allow(open_console, workspace, give):
    name = give("operator", models=["desk_*"])
    async with open_console((120, 40)) as console:
        await console.settled()
        await console.press(":", *"whoami", "enter")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "May" in console.text(), "the roles")
        assert f"user:{name}" in console.text()
        assert "operator: desk_*" in console.text()
        assert "version: " in console.text()


async def test_without_grants_nothing_is_dim_and_whoami_says_so(open_console, workspace):
    async with open_console((120, 40)) as console:
        await console.settled()
        await console.press(":", *"whoami", "enter")
        await console.until(lambda: "There are no grants here" in console.text(), "the sentence")
