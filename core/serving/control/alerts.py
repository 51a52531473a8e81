"""Alerts over HTTP."""

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from core.alerts import Alert, Alerts
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.state import Workspace
from core.view.source import take_snapshot
from core.view.suspects import LocatedAlert, locate


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a decision about an alert."""

    expected_revision: int | None = None  # of the alert, when this was decided
    reason: str = ""


class AlertRoutes(Controller):
    """Alerts."""

    path = "/alerts"
    tags = ["alerts"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_alerts(self, workspace: Given[Workspace], open_only: FromQuery[bool] = False) -> list[LocatedAlert]:
        """List all alerts, or only the unresolved alerts, each with where the version that it names stands now."""
        alerts, snapshot = Alerts(workspace), take_snapshot(workspace)
        return [locate(alert, snapshot) for alert in (alerts.open() if open_only else alerts.all())]

    @post("/{fingerprint:str}/acknowledge", opt=OPERATE, status_code=200, sync_to_thread=True)
    def acknowledge(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        fingerprint: FromPath[str],
        data: JSONBody[Decision],
    ) -> Alert:
        """Acknowledge an alert."""
        return Alerts(workspace).acknowledge(
            fingerprint, caller.actor, expected_revision=data.expected_revision, reason=data.reason
        )

    @post("/{fingerprint:str}/resolve", opt=OPERATE, status_code=200, sync_to_thread=True)
    def resolve(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        fingerprint: FromPath[str],
        data: JSONBody[Decision],
    ) -> Alert:
        """Resolve an alert; a condition that still holds fires again only after it has ended and returned."""
        return Alerts(workspace).resolve(
            fingerprint, caller.actor, expected_revision=data.expected_revision, reason=data.reason
        )
