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

_LOOK_EVERY_SECONDS = 0.01


def until(
    look: Callable[[], Found],
    what: str = "the expected state",
    *,
    told: Callable[[], object] | None = None,
    progress: Callable[[], object] | None = None,
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
    deadline, seen = time.monotonic() + PATIENCE_SECONDS, None
    while not (found := look()):
        if progress is not None and (now := progress()) != seen:
            deadline, seen = time.monotonic() + PATIENCE_SECONDS, now
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come" + (f"\n{told()}" if told is not None else ""))
        time.sleep(_LOOK_EVERY_SECONDS)
    return found
