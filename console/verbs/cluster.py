"""The verb that shows the cluster on which trials, folds and members are computed."""

from typing import TYPE_CHECKING, Any

from console.verbs.verb import Command, Verb

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from widgets.line import Line


class ShowCluster(Verb[None]):
    """Show the workers of the Dask cluster in the settings."""

    name = "cluster"
    command = Command("the workers of the Dask cluster (executor.kind: dask), their memory and tasks")

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Open the state of the cluster, which is asked for in a thread."""
        from console.dialogs.text import TextDialog

        def look() -> "list[Line]":
            from console.presentation.cluster import cluster_lines
            from core.executors.standing import cluster_standing, settings_for
            from core.settings import settings_in_force

            return cluster_lines(cluster_standing(settings_for("", settings_in_force(app.workspace.root).executor)))

        app.push_screen(TextDialog("Cluster", look))
