"""Silences and routes over HTTP."""

from datetime import datetime

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from core.alerts.routing.in_force import NO_ROUTING, ShownRouting, routing_standing, shown_routing
from core.alerts.routing.shown import ListedRoute, routes_shown
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silence, Silences
from core.alerts.silences.inventory import ListedSilence, inventory
from core.errors import NotFoundError
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.serving.control.instants import checked_instants
from core.state import Workspace


class NewSilence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a new silence."""

    matchers: str  # as in a routing file: severity="critical", model=~"spread.*"
    comment: str
    ends_at: datetime
    starts_at: datetime | None = None
    everything: bool = False  # it may hide every alert


class SilenceEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of the end of a silence."""

    reason: str = ""


class SilenceRoutes(Controller):
    """Silences."""

    path = "/silences"
    tags = ["alerts"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_silences(self, workspace: Given[Workspace], expired: FromQuery[bool] = False) -> list[ListedSilence]:
        """List the silences with what each hides now, the next to end first."""
        return inventory(workspace, expired=expired)

    @post("/", opt=OPERATE, sync_to_thread=True)
    def add_silence(self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[NewSilence]) -> Silence:
        """Keep alerts from being told for a time."""
        checked_instants(ends_at=data.ends_at, starts_at=data.starts_at)
        return Silences(workspace).add(
            read_matchers(data.matchers),
            caller.actor,
            comment=data.comment,
            ends_at=data.ends_at,
            starts_at=data.starts_at,
            everything=data.everything,
        )

    @post("/preview", opt=LOOK, status_code=200, sync_to_thread=True)
    def preview_silence(self, workspace: Given[Workspace], matchers: FromQuery[str]) -> list[str]:
        """Return the fingerprints of the open alerts that matchers would hide; nothing is changed."""
        from core.alerts import Alerts

        wanted = read_matchers(matchers)
        return [alert.fingerprint for alert in Silences(workspace).hidden(wanted, Alerts(workspace).open())]

    @post("/{silence_id:str}/expire", opt=OPERATE, status_code=200, sync_to_thread=True)
    def expire_silence(
        self, workspace: Given[Workspace], caller: Given[Caller], silence_id: FromPath[str], data: JSONBody[SilenceEnd]
    ) -> Silence:
        """End a silence now."""
        return Silences(workspace).expire(silence_id, caller.actor, reason=data.reason)

    @get("/routes", opt=LOOK, sync_to_thread=True)
    def list_routes(self, workspace: Given[Workspace]) -> list[ListedRoute]:
        """List the routes in force: while the routing file cannot be used, those of the last good one."""
        standing = routing_standing(workspace)
        if standing.config is None:
            raise NotFoundError(standing.problem or NO_ROUTING)
        return routes_shown(standing.config)

    @get("/routing", opt=LOOK, sync_to_thread=True)
    def show_routing(self, workspace: Given[Workspace]) -> ShownRouting:
        """Show the routing in force with `<secret>` for each secret, and what is wrong with the routing file."""
        return shown_routing(routing_standing(workspace))
