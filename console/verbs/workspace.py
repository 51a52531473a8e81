"""The verb that shows another workspace in this console."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.status import NO_FILES
from console.verbs.verb import Argument, Command, Verb
from core.errors import UsageError

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.view.snapshot import Snapshot


def _recent(snapshot: "Snapshot", _before: Sequence[str]) -> tuple[str, ...]:
    """Return what names each recent workspace but the shown one: its name, or its path where several share it."""
    from core.state.recent_workspaces import RecentWorkspaces

    known = [each for each in RecentWorkspaces.of_user().all() if each.path != str(snapshot.workspace)]
    names = [each.name for each in known]
    return tuple(each.path if names.count(each.name) > 1 else each.name for each in known)


class ShowWorkspace(Verb[None]):
    """Show another workspace: this console leaves the present one as quit does, and opens the other."""

    name = "workspace"
    command = Command(
        "show another workspace, by its path or the name of a recent one",
        options=(Argument("PATH|NAME", _recent, takes_rest=True),),
        n_required=1,
    )

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Leave for the other workspace; the console checks it first."""
        from core.state import Workspace
        from core.state.recent_workspaces import RecentWorkspaces

        app.require_own_account(NO_FILES)
        workspace = Workspace.open(RecentWorkspaces.of_user().find(options[0]))
        if workspace.root == app.workspace.root:
            raise UsageError(f"{workspace.root} is shown already.")
        app.leave(workspace.root)
