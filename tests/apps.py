"""Textual apps under test: wait until one is at rest, which no fixed pause can tell on a busy machine."""

from collections.abc import Iterator
from time import monotonic

import pytest
from textual.app import App
from textual.pilot import Pilot

from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(scope="session", autouse=True)
def patient_pilots() -> Iterator[None]:
    """Let the pilot wait for widgets as long as everything else waits here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pilot._wait_for_screen, "__defaults__", (PATIENCE_SECONDS,))
        yield


async def settled(pilot: Pilot[object]) -> None:
    """Wait until an app has nothing left to do: no message, no worker, no layout; in two looks, one turn apart."""
    n_quiet, deadline = 0, monotonic() + PATIENCE_SECONDS
    while n_quiet < 2:
        await pilot.pause(0)  # every widget has handled what it had been sent by then, and what is dirty is drawn
        n_quiet = 0 if _is_busy(pilot.app) else n_quiet + 1
        if monotonic() > deadline:
            pytest.fail("the app never comes to rest")


async def pressed(pilot: Pilot[object], *keys: str) -> None:
    """Press keys, and wait until all that follows from them has happened; the pilot waits for an idle processor."""
    await pilot.press(*keys)
    await settled(pilot)


def _is_busy(app: App[object]) -> bool:
    screen = app.screen
    is_laid_out = screen.is_mounted and screen._compositor.size == app.size and not screen._layout_required
    is_at_work = any(not worker.is_finished for worker in app.workers)
    is_told = any(node.message_queue_size for node in (app, *screen.walk_children(with_self=True)))
    return not is_laid_out or is_at_work or is_told
