"""The monitoring of live versions over HTTP: read alone, since the engine writes it."""

from litestar import Controller, get
from litestar.params import FromPath, FromQuery

from core.clock import utc_now
from core.errors import NotFoundError
from core.monitoring.documents import DriftBudget, ModelMonitoring
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.sentences import worst_first
from core.serving.control.admission import LOOK, Given
from core.state import Workspace
from core.view.version_performance import VersionPerformance, version_performance


class MonitoringRoutes(Controller):
    """Health, drift and performance of live versions."""

    path = "/"
    tags = ["monitoring"]

    @get("/monitoring", opt=LOOK, sync_to_thread=True)
    def list_monitoring(self, workspace: Given[Workspace]) -> list[ModelMonitoring]:
        """List the monitoring of every model with a live version, the worst health first."""
        return worst_first(MonitoringStore(workspace).all())

    @get("/monitoring/budget", opt=LOOK, sync_to_thread=True)
    def get_budget(self, workspace: Given[Workspace]) -> DriftBudget:
        """Return how many false alarms of drift are acceptable in 30 days, and what fired in that time."""
        if (found := MonitoringStore(workspace).budget()) is None:
            raise NotFoundError("No live version has been watched yet, so there is no budget for false alarms.")
        return found

    @get("/models/{model:str}/monitoring", opt=LOOK, sync_to_thread=True)
    def get_monitoring(self, workspace: Given[Workspace], model: FromPath[str]) -> ModelMonitoring:
        """Return the monitoring of one model: its stable version first, then the candidate of its rollout."""
        return MonitoringStore(workspace).get(model)

    @get("/models/{model:str}/performance", opt=LOOK, sync_to_thread=True)
    def get_performance(
        self,
        workspace: Given[Workspace],
        model: FromPath[str],
        version: FromQuery[str | None] = None,
        by: FromQuery[str] = "",
    ) -> VersionPerformance:
        """Return how well a version does, by the outcomes known now: its metrics by window and slice.

        Without `version`, the live version, else the newest. With `by`, only the slices of this column are listed.
        """
        return version_performance(workspace, model, version, by=by, now=utc_now())
