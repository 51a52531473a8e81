"""The people on call over HTTP."""

from datetime import datetime

from litestar import Controller, get
from litestar.params import FromQuery

from core.alerts.escalation.listing import RotationDuty, duties
from core.clock import utc_now
from core.serving.control.admission import LOOK, Given
from core.serving.control.instants import checked_instants
from core.settings import settings_in_force
from core.state import Workspace


class OncallRoutes(Controller):
    """People on call."""

    path = "/oncall"
    tags = ["alerts"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_on_call(self, workspace: Given[Workspace], at: FromQuery[datetime | None] = None) -> list[RotationDuty]:
        """List who is on call in each rotation, now or at an instant, until when, and who is next."""
        checked_instants(at=at)
        return duties(settings_in_force(workspace.root).alerts.oncall, at or utc_now())
