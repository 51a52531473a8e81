"""The views of one workspace, each change with its record in the audit log."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import ConflictError, RefusedError
from core.governance.audit import audited
from core.saved_views.saved_view import MOST_VIEWS, SavedView

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE: Final = "views"
TABLE: Final = "views"


class SavedViews:
    """The views of one workspace."""

    def __init__(self, workspace: "Workspace", *, clock: Clock = utc_now) -> None:
        """Open them.

        Args:
            workspace: The workspace.
            clock: The time.
        """
        self._workspace = workspace
        self._clock = clock

    @property
    def _documents(self) -> "Documents[SavedView]":
        return self._workspace.database(DATABASE).documents(TABLE, SavedView, key="name")

    def all(self) -> list[SavedView]:
        """Return every view, by name."""
        if not self._workspace.state_file(DATABASE).exists():
            return []
        return sorted(self._documents.all(), key=lambda view: view.name)

    def get(self, name: str) -> SavedView:
        """Return one.

        Raises:
            DocumentNotFoundError: There is none of this name; the message names the nearest.
        """
        return self._documents.get(name)

    def save(
        self,
        views: Sequence[SavedView],
        *,
        actor: Actor,
        reason: str = "",
        replace: bool = False,
        expected_revision: int | None = None,
    ) -> list[SavedView]:
        """Save views, all of them or none.

        Args:
            views: Sound views, as `checked_view` and `load_views` return them.
            actor: Who saves them.
            reason: The reason, in the words of the actor.
            replace: Whether a view of the same name is replaced.
            expected_revision: Of one view: the revision that the change is based on; 0 if there was none. By default
                whatever is there now is replaced.

        Raises:
            ConflictError: There is a view of this name and it is not to be replaced; or it was changed meanwhile.
            RefusedError: There would be too many views.
            AccessRefusedError: The actor may not.
        """
        stored = []
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            known = {view.name for view in self._documents.all()}
            if len(known | {view.name for view in views}) > MOST_VIEWS:
                raise RefusedError(f"A workspace has at most {MOST_VIEWS} views: delete one first.")
            for view in views:
                before = self._documents.find(view.name)
                if before is not None and not replace:
                    raise ConflictError(
                        f"There is a view {view.name} already, by {before.updated_by}. "
                        "To replace it, give --replace (in Python, replace=True)."
                    )
                expected = expected_revision if expected_revision is not None else before.revision if before else 0
                wanted = msgspec.structs.replace(
                    view, updated_at=self._clock(), updated_by=str(actor), revision=before.revision if before else 0
                )
                if before is None and not expected:
                    saved = self._documents.insert(wanted)
                else:
                    saved = self._documents.replace(wanted, expected_revision=expected)
                change.record("view.save", view.name, before=_recorded(before), after=_recorded(saved))
                stored.append(saved)
        return stored

    def delete(self, name: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None) -> SavedView:
        """Delete a view; the audit log keeps all of it.

        Raises:
            DocumentNotFoundError: There is none of this name.
            StaleRevisionError: It was changed meanwhile.
            AccessRefusedError: The actor may not.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            before = self._documents.get(name)
            self._documents.remove(name, expected_revision=expected_revision)
            change.record("view.delete", name, before=_recorded(before))
        return before


def _recorded(view: SavedView | None) -> dict[str, object] | None:
    from core.saved_views.view_file import written_view

    return None if view is None else written_view(view)
