"""A screen claims nothing about what was not read: before the first look, and when the workspace cannot be read."""

import re
import shutil

import pytest

from console.app.app import BondxApp
from console.runtime.poller import Poller
from console.screen_catalog import SCREENS
from core.errors import RefusedError
from core.view.source import SnapshotSource
from tests.console.conftest import NOW
from tests.console.test_leaving import finish, start

NAMES = [screen.name for screen in SCREENS]
CLAIMS = re.compile(r"nothing is|nothing has|no \w+ (is|has|yet|fires)|no recent|no alerts|no engine|all is well", re.I)


@pytest.mark.parametrize("name", NAMES)
async def test_no_screen_claims_anything_before_the_workspace_was_read(open_console, name, monkeypatch):
    monkeypatch.setattr(BondxApp, "_first_frame_is_out", lambda self: None)
    monkeypatch.setattr(Poller, "look", lambda self: None)
    async with open_console((160, 48), ready=False) as console:
        await console.app.action_go(name)
        await console.settled()

        assert "reading" in console.text().lower()
        assert CLAIMS.findall(console.text()) == []


@pytest.mark.parametrize("name", NAMES)
async def test_every_pane_knows_the_part_of_the_snapshot_that_it_shows(open_console, name):
    async with open_console((160, 48)) as console:
        await console.app.action_go(name)
        await console.settled()
        screen = console.screen
        known = {screen.query_one(selector) for selector in screen.PARTS}

        assert [pane for pane in screen.query(".pane") if pane not in known] == []


def test_nothing_untrue_is_ever_painted(workspace):
    child = start(workspace)
    child.expect(b"liquidity_shock")
    child.send("q")
    _, output = finish(child)

    assert b"Nothing is wrong" not in output
    assert b"no alerts" not in output


async def test_a_file_that_could_never_be_read_claims_nothing(open_console, workspace):
    workspace.database("alerts").path.write_text("torn")
    async with open_console((120, 40)) as console:
        await console.press("5")
        assert "No recent alerts" not in console.text()
        assert "cannot be read" in console.text()
        assert "alerts unknown" in console.text()


async def test_a_file_that_becomes_unreadable_leaves_old_values_that_are_marked(open_console, workspace):
    async with open_console((120, 40)) as console:
        await console.press("5")
        workspace.database("alerts").path.write_text("torn")
        await console.until(lambda: console.app.snapshot.unreadable, "the damage")
        await console.settled()

        assert "cannot be read, old" in console.text()


def test_a_workspace_that_is_gone_is_not_an_empty_one(workspace):
    source = SnapshotSource(workspace, clock=lambda: NOW)
    before = source.take()
    moved = workspace.root.with_name("elsewhere")
    shutil.move(workspace.root, moved)
    gone = source.take()

    assert gone.versions == before.versions
    assert {"engine", "registry", "alerts", "audit", "resources"} <= gone.unreadable
    assert len(gone.problems) == 1
    assert "is gone" in gone.problems[0]

    shutil.move(moved, workspace.root)
    assert source.take().problems == ()


async def test_epochs_of_a_run_that_was_not_read_yet_are_awaited(open_console, workspace, monkeypatch):
    async with open_console((160, 48)) as console:
        await console.press("2")
        monkeypatch.setattr(type(console.app), "follow", lambda self, run_id: None)
        snapshot = console.app.snapshot
        console.app.snapshot = type(snapshot)(
            **{name: getattr(snapshot, name) for name in snapshot.__dataclass_fields__} | {"epochs": {}}
        )
        console.screen.refresh_all()
        await console.settled()

        assert "Reading" in console.text()
        assert "No epoch has ended yet" not in console.text()


async def test_a_document_that_cannot_be_read_any_more_is_said_and_ends_no_console(open_console, monkeypatch):
    async with open_console((80, 24)) as console:
        await console.press("3")
        await console.until(lambda: console.screen.NAME == "registry", "the registry")

        def show(*_):
            raise RefusedError("registry-1f0c.json is damaged: its copy is damaged, too.")

        monkeypatch.setattr(type(console.screen), "show", show)
        console.screen.refresh_all()
        await console.until(lambda: "is damaged" in console.text(), "the sentence")
        await console.press("1")
        await console.until(lambda: console.screen.NAME == "overview", "another screen")
