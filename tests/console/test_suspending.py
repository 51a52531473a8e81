"""Ctrl+Z suspends a console only where nothing stands still with it."""

import pytest

from console.app.suspending import refusal_to_suspend
from console.runtime.engine_host import Hosting


@pytest.mark.parametrize(
    ("hosting", "circumstances", "reason"),
    [
        (Hosting.NONE, {}, ""),
        (Hosting.ATTACHED, {}, ""),
        (Hosting.STARTING, {}, "The engine runs in this console"),
        (Hosting.EMBEDDED, {}, "The engine runs in this console"),
        (Hosting.STOPPING, {}, "The engine runs in this console"),
        (Hosting.ATTACHED, {"serves_at": "http://[::1]:8080"}, "serves predictions at http://[::1]:8080"),
        (Hosting.ATTACHED, {"under_way": "Promoting spread."}, "Promoting spread."),
        (Hosting.ATTACHED, {"has_shell": lambda: False}, "No shell waits"),
    ],
)
def test_what_would_stand_still_with_the_console_refuses_it(hosting, circumstances, reason):
    refusal = refusal_to_suspend(hosting, **{"has_shell": lambda: True, **circumstances})
    assert refusal.startswith(reason) if not circumstances.get("serves_at") else reason in refusal
    assert bool(refusal) is bool(reason)
