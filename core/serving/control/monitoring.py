"""The monitoring of live versions over HTTP: written by the engine, but for draws of wanted requests."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from core.access import Door
from core.clock import utc_now
from core.errors import NotFoundError
from core.governance import require_access
from core.monitoring.documents import DriftBudget, LastEstimate, ModelMonitoring
from core.monitoring.labels.answers import JudgedRequests, WantedRequests
from core.monitoring.labels.draws import MOST_WANTED
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.sentences import worst_first
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.state import Workspace
from core.view.monitoring_history import MonitoringHistory, monitoring_history
from core.view.version_performance import VersionPerformance, version_performance

MOST_IDS = 100_000
_WANTS = ("labels.draw", "labels.more")


class LabelsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Outcomes that are wanted."""

    n: Annotated[int, Meta(ge=1, le=MOST_WANTED)] = 40  # rows
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 0
    version: str | None = None  # by default the live version, else the newest
    # ids of predictions to draw from; by default the rows that serving.log_features sampled within the last week
    requests: Annotated[list[Annotated[str, Meta(min_length=1, max_length=160)]], Meta(max_length=MOST_IDS)] | None = (
        None
    )
    again: bool = False  # draw again, from the rows that are there now
    reason: str = ""


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

    @get("/models/{model:str}/monitoring/history", opt=LOOK, sync_to_thread=True)
    def get_monitoring_history(
        self, workspace: Given[Workspace], model: FromPath[str], since: FromQuery[datetime | None] = None
    ) -> MonitoringHistory:
        """Return how the health of a model and the verdicts on it changed, newest first, from `since` on."""
        return monitoring_history(workspace, model, since=since)

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

    @get("/models/{model:str}/estimate", opt=LOOK, sync_to_thread=True)
    def get_estimate(
        self, workspace: Given[Workspace], model: FromPath[str], version: FromQuery[str | None] = None
    ) -> LastEstimate:
        """Return the engine's last estimate of a live version without outcomes; without metrics, why there is none."""
        return MonitoringStore(workspace).last_estimate(model, version)

    @post("/models/{model:str}/labels", opt=OPERATE, status_code=200, sync_to_thread=True)
    def want_labels(
        self, workspace: Given[Workspace], caller: Given[Caller], model: FromPath[str], data: JSONBody[LabelsWish]
    ) -> WantedRequests:
        """Name recorded requests whose outcomes decide how well a version does.

        The first question draws them and records the draw; later ones return the same requests, or more of them.
        """
        from core.training.own_data.wanted_requests import wanted_requests

        # Requests that were drawn before are told without a record.
        if not any(Door(workspace).may(caller.actor, verb, model=model).is_allowed for verb in _WANTS):
            require_access(workspace, caller.actor, _WANTS[0], object=model, model=model)
        return wanted_requests(
            workspace,
            model,
            actor=caller.actor,
            n=data.n,
            seed=data.seed,
            version=data.version,
            requests=data.requests,
            again=data.again,
            reason=data.reason,
        )

    @get("/models/{model:str}/labels", opt=LOOK, sync_to_thread=True)
    def get_labels(
        self, workspace: Given[Workspace], model: FromPath[str], version: FromQuery[str | None] = None
    ) -> JudgedRequests:
        """Return what the outcomes of wanted requests prove, how many more decide, and by when."""
        from core.training.own_data.wanted_requests import judged_requests

        return judged_requests(workspace, model, version, now=utc_now())
