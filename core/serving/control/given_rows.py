"""Checks of rows that come with the request, or that were served lately, over HTTP."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from core.serving.control.admission import INSPECT, Given
from core.serving.errors import BadRequestError
from core.settings import load_policy
from core.state import Workspace
from core.training.own_data.drift import VersionDrift
from core.training.own_data.estimation import VersionEstimate
from core.training.own_data.given_rows import MOST_ROWS

GivenRows = Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_ROWS)]


class DriftQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to compare with the profile of a version: rows, or what was served lately."""

    rows: GivenRows | None = None
    since_hours: Annotated[float, Meta(gt=0, le=87_600)] | None = None  # without rows; by default one hour
    version: str | None = None  # by default the live version, else the newest


class EstimateQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows without outcomes."""

    rows: GivenRows
    version: str | None = None  # by default the live version, else the newest


class GivenRowsRoutes(Controller):
    """Drift and estimated performance of given rows."""

    path = "/models"
    tags = ["monitoring"]

    @post("/{model:str}/drift", opt=INSPECT, status_code=200, sync_to_thread=True)
    def check_drift(
        self, workspace: Given[Workspace], model: FromPath[str], data: JSONBody[DriftQuestion]
    ) -> VersionDrift:
        """Compare rows, or the rows served within the last hours, with the profile of a version; nothing is stored."""
        rules = load_policy(workspace.root).for_model(model).drift
        if data.rows is not None:
            from core.training.own_data.given_rows import check_rows

            if data.since_hours is not None:
                raise BadRequestError("goes with served rows; given rows are checked whole", field="since_hours")
            return check_rows(workspace, model, data.rows, rules, version=data.version)
        from core.training.own_data.live_drift import check_served

        since = timedelta(hours=1.0 if data.since_hours is None else data.since_hours)
        return check_served(workspace, model, rules, since=since, version=data.version)

    @post("/{model:str}/estimates", opt=INSPECT, status_code=200, sync_to_thread=True)
    def estimate_rows(
        self, workspace: Given[Workspace], model: FromPath[str], data: JSONBody[EstimateQuestion]
    ) -> VersionEstimate:
        """Estimate how well a version does on rows whose outcomes are unknown; nothing is stored."""
        from core.training.own_data.given_rows import estimate_on_rows

        return estimate_on_rows(workspace, model, data.rows, version=data.version)
