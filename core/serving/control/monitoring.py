"""The monitoring of live versions over HTTP: read alone, since the engine writes it."""

from litestar import Controller, get
from litestar.params import FromPath

from core.monitoring.documents import ModelMonitoring
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.sentences import worst_first
from core.serving.control.admission import LOOK, Given
from core.state import Workspace


class MonitoringRoutes(Controller):
    """Health, drift and performance of live versions."""

    path = "/"
    tags = ["monitoring"]

    @get("/monitoring", opt=LOOK, sync_to_thread=True)
    def list_monitoring(self, workspace: Given[Workspace]) -> list[ModelMonitoring]:
        """List the monitoring of every model with a live version, the worst health first."""
        return worst_first(MonitoringStore(workspace).all())

    @get("/models/{model:str}/monitoring", opt=LOOK, sync_to_thread=True)
    def get_monitoring(self, workspace: Given[Workspace], model: FromPath[str]) -> ModelMonitoring:
        """Return the monitoring of one model: its stable version first, then the candidate of its rollout."""
        return MonitoringStore(workspace).get(model)
