"""Two stress tests for the demo workspace, of a person and of the engine: unlike its other figures, theirs are true."""

from datetime import datetime, timedelta

from core.actor import Actor, Origin
from core.state import Workspace
from core.stress.stored_tests import StressTests
from core.stress.stress_test import StressRequest, run_stress_test


def stress_demo(workspace: Workspace, now: datetime) -> None:
    """Store two stress tests of drawn panels.

    Args:
        workspace: The demo workspace.
        now: The present time of its documents.
    """
    all_cases = StressRequest(domain="bonds", n_rows=900, seed=42)
    some = StressRequest(domain="bonds", n_rows=600, seed=41, scenarios=("rate_shock", "inflation"))
    for request, actor, ago, reason in (
        (some, Actor.engine(), timedelta(hours=2), "epoch 40 of s-0002"),
        (all_cases, Actor("mira", "desk-4", Origin.CONSOLE), timedelta(minutes=7), "weekly limits"),
    ):
        StressTests(workspace, clock=lambda ago=ago: now - ago).keep(  # type: ignore[misc]
            run_stress_test(request), actor, reason=reason
        )
