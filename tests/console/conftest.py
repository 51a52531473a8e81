"""A console over a real workspace, with a clock that only moves when a test moves it."""

import asyncio
import contextlib
import shutil
import unicodedata
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from textual import events
from textual.keys import _character_to_key

from console.app.app import BondxApp
from console.dialogs.dialog import DEAF_SECONDS
from console.screens.base import ConsoleScreen
from core.settings import load_settings
from core.state import Workspace
from tests import apps
from tests.apps import patient_pilots as patient_pilots
from tests.clocks import HandSeconds
from tests.waiting import PATIENCE_SECONDS
from tools.demo import make_demo

NOW = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)


class ConsoleSeconds(HandSeconds):
    """The console's own count of seconds."""

    def pass_deafness(self) -> None:
        self.pass_by(DEAF_SECONDS + 0.01)


def key_event(key: str) -> events.Key:
    if len(key) == 1:
        return events.Key(key if key.isalnum() else _character_to_key(key), key)
    if key.startswith("alt+shift+"):
        return events.Key(key, key[-1].upper())
    try:
        return events.Key(key, unicodedata.lookup(key.replace("_", " ")))
    except KeyError:
        return events.Key(key, None)


@dataclass
class Console:
    """A running console, and what a test does with it."""

    app: BondxApp
    pilot: object
    time: ConsoleSeconds

    async def until(self, condition: Callable[[], object], what: str = "the expected state") -> None:
        deadline = monotonic() + PATIENCE_SECONDS
        while not condition():
            if monotonic() > deadline:
                pytest.fail(f"{what} did not come; footer says {self.sentence!r}")
            await self.pilot.pause(0.01)

    async def settled(self) -> None:
        """Wait until the app has nothing left to do: no message, no worker, no layout."""
        await apps.settled(self.pilot)

    async def caught_up(self) -> None:
        """Wait until the app shows all that its screens have asked to have read; the poller may be due only later."""
        deadline = monotonic() + PATIENCE_SECONDS
        await self.settled()
        while monotonic() < deadline:
            shown = self.app.newest
            await asyncio.to_thread(self.app._poller.look)
            await self.settled()
            if self.app.newest is shown:
                return
        pytest.fail(f"the workspace never comes to rest; footer says {self.sentence!r}")

    async def press(self, *keys: str) -> None:
        """Press keys one after another; unlike the pilot's own, without waiting for an idle processor each time."""
        for key in keys:
            self.send(key)
            await self.settled()

    async def burst(self, *keys: str) -> None:
        """Send keys as a slow line delivers them: all at once."""
        for key in keys:
            self.send(key)
        await self.settled()

    async def bytes(self, text: str) -> None:
        """Send what a terminal sends, all at once, read by the parser of the console's own driver."""
        from textual.drivers import linux_driver

        parser = linux_driver.XTermParser()
        for message in (*parser.feed(text), *parser.feed("")):
            self.app._driver.send_message(message)
        await self.settled()

    def send(self, key: str) -> None:
        """Send a key and wait for nothing."""
        self.app._driver.send_message(key_event(key))

    async def dialog(self, *keys: str):
        """Press keys that open a dialog, and wait until it can be read."""
        await self.press(*keys)
        await self.until(lambda: getattr(self.app.screen, "_readable_at", None) is not None, "a dialog")
        await self.settled()
        return self.app.screen

    @property
    def screen(self):
        stack = self.app.screen_stack
        return next(screen for screen in reversed(stack) if isinstance(screen, ConsoleScreen))

    @property
    def sentence(self) -> str:
        return self.screen.query_one("#footer").sentence

    def text(self) -> str:
        """What is on the screen, row by row, without colours."""
        strips = self.app.screen._compositor.render_strips(self.app.size)
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "desk-risk"
    make_demo(root, now=NOW)
    return root


@pytest.fixture
def workspace(demo_root, tmp_path) -> Workspace:
    root = tmp_path / "desk-risk"
    shutil.copytree(demo_root, root)
    return Workspace.open(root)


@pytest.fixture
def open_console(workspace, monkeypatch):
    # What a person reads for some seconds of the clock, a test reads whenever it gets to it.
    monkeypatch.setattr("console.screens.frame.SENTENCE_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr("console.dialogs.dialog.ANSWER_SECONDS", PATIENCE_SECONDS)

    @contextlib.asynccontextmanager
    async def opened(size=(120, 40), *, ready: bool = True, **options) -> AsyncIterator[Console]:
        time = ConsoleSeconds(1000.0)
        options = {"embed": False, "clock": lambda: NOW, "monotonic": time} | options
        app = BondxApp(options.pop("workspace", workspace), load_settings(workspace.settings_file), **options)
        async with app.run_test(size=size) as pilot:
            console = Console(app, pilot, time)
            if ready:
                await console.until(lambda: app.snapshot.versions, "the first snapshot")
                await console.settled()
            yield console

    return opened
