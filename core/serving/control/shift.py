"""The summary of a shift over HTTP."""

from datetime import datetime

from litestar import Controller, get
from litestar.params import FromQuery

from core.clock import utc_now
from core.serving.control.admission import INSPECT, Given
from core.serving.control.instants import checked_instants
from core.serving.errors import BadRequestError
from core.state import Workspace
from core.view.shift import USUAL_LENGTH, ShiftSummary, shift_summary


class ShiftRoutes(Controller):
    """The summary of a shift."""

    path = "/shift"
    tags = ["alerts"]

    @get("/", opt=INSPECT, sync_to_thread=True)
    def show_shift(self, workspace: Given[Workspace], since: FromQuery[datetime | None] = None) -> ShiftSummary:
        """Return what fired, what was decided and changed, and who was here, since an instant (by default 8 hours)."""
        checked_instants(since=since)
        now = utc_now()
        if since is not None and since >= now:
            raise BadRequestError("is not before now", field="since")
        return shift_summary(workspace, since or now - USUAL_LENGTH, now)
