"""A saved view for the demo workspace: the front page of a desk."""

from datetime import datetime, timedelta

from core.actor import Actor, Origin
from core.saved_views import SavedViews, checked_view
from core.state import Workspace

VIEW = "spread-desk"


def view_demo(workspace: Workspace, now: datetime) -> None:
    """Save a view, and one that names a model that is gone.

    Args:
        workspace: The demo workspace.
        now: The present time of its documents.
    """
    desk = {
        "title": "Spread desk",
        "summary": "Spreads and what moves them, for the desk in Milan",
        "models": ["spread*", "liquidity_*"],
        "panes": [
            {"pane": "alerts", "rows": 4},
            {"pane": "models", "columns": ["model", "live", "health", "next"]},
            {"pane": "drift", "filter": "verdict:alarm", "sort": "psi desc"},
            "course",
            {"pane": "rollouts", "rows": 4},
            {"pane": "stress", "columns": ["test", "worst", "pnl_share", "age"], "rows": 3},
        ],
    }
    old = {"title": "As it was", "models": ["spread", "swap_2019"], "panes": ["models", "alerts"]}
    views = SavedViews(workspace, clock=lambda: now - timedelta(hours=5))
    actor = Actor("mira", "desk-4", Origin.CONSOLE)
    views.save([checked_view(VIEW, desk), checked_view("old-desk", old)], actor=actor, reason="the new desk")
