"""The Dask cluster of the settings over HTTP. Its address is never the caller's: connecting runs what it answers."""

from litestar import Controller, get

from core.executors.standing import ClusterStanding, cluster_standing, settings_for
from core.serving.control.admission import INSPECT, Given
from core.settings import settings_in_force
from core.state import Workspace


class ClusterRoutes(Controller):
    """The cluster on which trials, folds and members are computed."""

    path = "/cluster"
    tags = ["sessions"]

    @get("/", opt=INSPECT, sync_to_thread=True)
    def show_cluster(self, workspace: Given[Workspace]) -> ClusterStanding:
        """Return the workers of the cluster in the settings, with their memory and tasks."""
        return cluster_standing(settings_for("", settings_in_force(workspace.root).executor))
