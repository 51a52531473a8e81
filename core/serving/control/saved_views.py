"""Saved views over HTTP."""

from typing import Any

import msgspec
from litestar import Controller, delete, get, put
from litestar.params import FromPath, FromQuery, JSONBody

from core.saved_views import SavedView, SavedViews, checked_view
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.state import Workspace


class NewView(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a view."""

    panes: list[str | dict[str, Any]]  # names of panes, or objects with pane, title, columns, filter, sort, rows
    title: str = ""
    summary: str = ""
    models: list[str] = []  # names and patterns; empty: all
    tags: dict[str, str] = {}
    reason: str = ""
    expected_revision: int | None = None  # 0: there must be none yet; None: whatever is there is replaced


class SavedViewRoutes(Controller):
    """Saved views."""

    path = "/views"
    tags = ["views"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_views(self, workspace: Given[Workspace]) -> list[SavedView]:
        """List the saved views by name."""
        return SavedViews(workspace).all()

    @get("/{name:str}", opt=LOOK, sync_to_thread=True)
    def show_view(self, workspace: Given[Workspace], name: FromPath[str]) -> SavedView:
        """Show one view."""
        return SavedViews(workspace).get(name)

    @put("/{name:str}", opt=OPERATE, sync_to_thread=True)
    def save_view(
        self, workspace: Given[Workspace], caller: Given[Caller], name: FromPath[str], data: JSONBody[NewView]
    ) -> SavedView:
        """Save a view, new or in place of the one of this name."""
        values = {key: getattr(data, key) for key in ("title", "summary", "models", "tags", "panes")}
        return SavedViews(workspace).save(
            [checked_view(name, values)],
            actor=caller.actor,
            reason=data.reason,
            replace=True,
            expected_revision=data.expected_revision,
        )[0]

    @delete("/{name:str}", opt=OPERATE, status_code=200, sync_to_thread=True)
    def delete_view(
        self, workspace: Given[Workspace], caller: Given[Caller], name: FromPath[str], reason: FromQuery[str] = ""
    ) -> SavedView:
        """Delete a view, and return it as it was."""
        return SavedViews(workspace).delete(name, actor=caller.actor, reason=reason)
