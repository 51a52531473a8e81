"""Wait for progress. A test waits for an event, never for a while: how fast the machine is decides no verdict."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Found = TypeVar("Found")

PATIENCE_SECONDS = 900.0
"""After this long something hangs: what takes half a minute takes ten on a machine that is twenty times as slow.

It bounds every wait of every test, and measures nothing.
"""

_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 0.5
_PAUSE_TO_LOOK = 3.0
"""So the looks take a quarter of a processor at most: what they wait for may need it."""


class Watchdog:
    """Ends a wait in which nothing goes on any more, however long the whole of it takes."""

    def __init__(self, what: str, progress: Callable[[], object], *, told: Callable[[], object] | None = None) -> None:
        """Begin to watch.

        Args:
            what: What is waited for, in the words of the failure.
            progress: What changes on the way there, and only there: a clock, or a count that never ends, is none.
            told: What else the failure should tell, asked when it comes to that.
        """
        self._what = what
        self._progress = progress
        self._told = told
        self._seen = progress()
        self._deadline = time.monotonic() + PATIENCE_SECONDS

    def look(self) -> None:
        """Look for progress; fail the test once there has been none for `PATIENCE_SECONDS`."""
        now = self._progress()
        if now != self._seen:
            self._seen, self._deadline = now, time.monotonic() + PATIENCE_SECONDS
        elif time.monotonic() > self._deadline:
            pytest.fail(f"{self._what} did not come" + (f"\n{self._told()}" if self._told is not None else ""))


def until(
    look: Callable[[], Found],
    what: str = "the expected state",
    *,
    told: Callable[[], object] | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Found:
    """Look again and again until something is there.

    Args:
        look: What to look for; an exception in it ends the wait, so it may assert that a process still lives.
        what: What was waited for, in the words of the failure.
        told: What else the failure should tell, asked when it comes to that.
        progress: What changes while it is on the way there: with each change, patience begins anew.

    Returns:
        The first true result.
    """
    watchdog = Watchdog(what, progress, told=told)
    while True:
        begin = time.monotonic()
        if found := look():
            return found
        watchdog.look()
        time.sleep(pause_after(time.monotonic() - begin))


def pause_after(seconds: float) -> float:
    """Return how long to pause after a look that took so long."""
    return min(max(_SHORTEST_PAUSE_SECONDS, _PAUSE_TO_LOOK * seconds), _LONGEST_PAUSE_SECONDS)
