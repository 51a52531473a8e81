"""The part of Alertmanager's API v2 that a Prometheus, Grafana and amtool use: they may have this server for theirs."""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version as version_of
from typing import Annotated

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromQuery, JSONBody, QueryParameter

from core.alerts.external import MOST_OPEN, ExternalAlerts, ReceivedAlert
from core.alerts.routing.effective import effective_text
from core.alerts.routing.in_force import comment_of, routing_standing
from core.alerts.selecting import read_matchers
from core.clock import utc_now
from core.errors import RefusedError
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.serving.control.alertmanager_view import (
    AlertFilter,
    AlertmanagerView,
    AlertReceiver,
    GettableAlert,
    GettableGroup,
)
from core.serving.errors import BadRequestError
from core.state import Workspace

_STARTED_AT = utc_now()
MOST_AT_ONCE = 2_000


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """This server belongs to no cluster."""

    status: str = "disabled"
    name: str = ""
    peers: tuple[str, ...] = ()


class AlertmanagerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The routing in force, its secrets masked; empty without a routing file."""

    original: str = ""


class AlertmanagerStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What answers."""

    cluster: ClusterStatus
    config: AlertmanagerConfig
    uptime: datetime
    version_info: dict[str, str]


class AlertmanagerRoutes(Controller):
    """Alertmanager's API v2."""

    path = "/"
    tags = ["alertmanager"]

    @post("/alerts", opt=OPERATE, status_code=200, sync_to_thread=True)
    def post_alerts(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[list[ReceivedAlert]]
    ) -> Response[None]:
        """Take alerts of a Prometheus: well-formed alerts are taken even if others of the request are not."""
        if len(data) > MOST_AT_ONCE:
            raise BadRequestError(f"The request has {len(data):,} alerts; send at most {MOST_AT_ONCE:,} at once.")
        reception = ExternalAlerts(workspace).receive(data, caller.actor)
        if reception.faults:
            more = f" ({len(reception.faults) - 1} more are not well formed)" if len(reception.faults) > 1 else ""
            raise BadRequestError(f"{reception.faults[0]}{more}; {reception.n_taken} alerts were taken.")
        if reception.n_beyond_limit:
            raise RefusedError(
                f"{reception.n_beyond_limit} alerts were refused: {MOST_OPEN:,} external alerts are open already. "
                "Resolve some, or send fewer."
            )
        return Response(None, status_code=200)

    @get("/alerts", opt=LOOK, sync_to_thread=True)
    def get_alerts(
        self,
        workspace: Given[Workspace],
        active: FromQuery[bool] = True,
        silenced: FromQuery[bool] = True,
        inhibited: FromQuery[bool] = True,
        unprocessed: FromQuery[bool] = True,
        matching: Annotated[
            list[str] | None, QueryParameter(name="filter", description='Matchers: severity="critical"')
        ] = None,
        receiver: Annotated[str | None, QueryParameter(description="A regular expression.")] = None,
    ) -> list[GettableAlert]:
        """List the open alerts, ours and external ones; one that is acknowledged, snoozed or silenced is suppressed."""
        return AlertmanagerView(workspace).alerts(_wanted(active, silenced, inhibited, matching, receiver))

    @get("/alerts/groups", opt=LOOK, sync_to_thread=True)
    def get_groups(
        self,
        workspace: Given[Workspace],
        active: FromQuery[bool] = True,
        silenced: FromQuery[bool] = True,
        inhibited: FromQuery[bool] = True,
        matching: Annotated[
            list[str] | None, QueryParameter(name="filter", description='Matchers: severity="critical"')
        ] = None,
        receiver: Annotated[str | None, QueryParameter(description="A regular expression.")] = None,
    ) -> list[GettableGroup]:
        """List the groups of the routes with their open alerts; an alert is in a group of each route that takes it."""
        return AlertmanagerView(workspace).groups(_wanted(active, silenced, inhibited, matching, receiver))

    @get("/status", opt=LOOK, sync_to_thread=True)
    def get_status(self, workspace: Given[Workspace]) -> AlertmanagerStatus:
        """Say what answers, and the routing in force, as `amtool config show` reads it."""
        standing = routing_standing(workspace)
        routing, fault = standing.config, comment_of(standing)
        return AlertmanagerStatus(
            cluster=ClusterStatus(),
            config=AlertmanagerConfig(original=fault + (effective_text(routing) if routing is not None else "")),
            uptime=_STARTED_AT,
            version_info={"version": f"bondx {version_of('bondx-console')}"},
        )

    @get("/receivers", opt=LOOK, sync_to_thread=True)
    def get_receivers(self, workspace: Given[Workspace]) -> list[AlertReceiver]:
        """Name the receivers of the routing file; without one, there is bondx."""
        return AlertmanagerView(workspace).receivers()


def _wanted(
    active: bool, silenced: bool, inhibited: bool, matching: Sequence[str] | None, receiver: str | None
) -> AlertFilter:
    return AlertFilter(
        active=active,
        silenced=silenced,
        inhibited=inhibited,
        matchers=tuple(matcher for text in matching or () for matcher in read_matchers(text)),
        receiver=AlertFilter.receiver_matcher(receiver),
    )
