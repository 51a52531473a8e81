"""The list of saved views."""

from collections.abc import Sequence
from datetime import datetime

from console.presentation.cells import age_cell
from core.saved_views.saved_view import SavedView
from widgets.columns import Column
from widgets.rows import Cell, Row

LIST_COLUMNS = (
    Column("view", "VIEW", 16, flex=1, max_width=40, is_key=True),
    Column("title", "TITLE", 16, flex=2, max_width=40),
    Column("scope", "MODELS", 14, flex=2, max_width=40),
    Column("panes", "PANES", 20, flex=3, priority=1),
    Column("age", "AGE", 4, align="right", field="updated_at", priority=2),
    Column("by", "BY", 11, flex=1, max_width=26, priority=3),
)
NONE_YET = "No view is saved yet. :view save NAME saves what is on the screen; bondx view import FILE takes a file."


def list_rows(views: Sequence[SavedView], now: datetime) -> list[Row]:
    """Draw each view as a row of `LIST_COLUMNS`."""
    return [
        Row(
            view.name,
            (
                Cell(view.name, "strong"),
                view.title,
                Cell(view.scope, brief=view.brief_scope),
                Cell(" ".join(pane.pane for pane in view.panes), "muted"),
                age_cell(view.updated_at, now),
                Cell(view.updated_by, "muted"),
            ),
        )
        for view in views
    ]
