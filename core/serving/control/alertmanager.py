"""The part of Alertmanager's API v2 that a Prometheus, Grafana and amtool use: they may have this server for theirs."""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version as version_of
from typing import Annotated

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromQuery, JSONBody, QueryParameter

from core.alerts import Alert, Alerts
from core.alerts.external import MOST_OPEN, RESOLVE_TIMEOUT, ExternalAlerts, ReceivedAlert
from core.alerts.selecting import AlertMatcher, read_matchers, require_usable
from core.alerts.silences import Silence, Silences
from core.clock import utc_now
from core.errors import RefusedError
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.serving.errors import BadRequestError
from core.state import Workspace

_STARTED_AT = utc_now()
MOST_AT_ONCE = 2_000


class AlertStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether an alert is told to anyone."""

    state: str
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


class AlertReceiver(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of an alert."""

    name: str


class GettableAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert as Alertmanager shows it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    fingerprint: str
    status: AlertStatus
    receivers: tuple[AlertReceiver, ...] = (AlertReceiver(name="bondx"),)
    generator_url: str = msgspec.field(default="", name="generatorURL")


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """This server belongs to no cluster."""

    status: str = "disabled"
    name: str = ""
    peers: tuple[str, ...] = ()


class AlertmanagerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration: it may name receivers, so that it is not shown."""

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
        receiver: Annotated[
            str | None, QueryParameter(description="A regular expression; ours is named bondx.")
        ] = None,
    ) -> list[GettableAlert]:
        """List the open alerts, ours and external ones; one that is acknowledged, snoozed or silenced is suppressed."""
        matchers = [matcher for text in matching or () for matcher in read_matchers(text)]
        if receiver is not None and not _is_ours(receiver):
            return []
        now, active_silences = utc_now(), Silences(workspace).active()
        found = [_gettable(alert, active_silences, now) for alert in Alerts(workspace).open()]
        wanted_states = {"active": active, "suppressed": silenced}
        return [
            alert
            for alert in found
            if wanted_states[alert.status.state]
            and all(matcher.accepts_value(alert.labels.get(matcher.name, "")) for matcher in matchers)
        ]

    @get("/status", opt=LOOK, sync_to_thread=False)
    def get_status(self) -> AlertmanagerStatus:
        """Say what answers."""
        return AlertmanagerStatus(
            cluster=ClusterStatus(),
            config=AlertmanagerConfig(),
            uptime=_STARTED_AT,
            version_info={"version": f"bondx {version_of('bondx-console')}"},
        )

    @get("/receivers", opt=LOOK, sync_to_thread=False)
    def get_receivers(self) -> list[AlertReceiver]:
        """Name the receiver of every alert."""
        return [AlertReceiver(name="bondx")]


def _is_ours(receiver: str) -> bool:
    wanted = AlertMatcher("receiver", "=~", receiver)
    require_usable(wanted)
    return wanted.accepts_value("bondx")


def _gettable(alert: Alert, active_silences: Sequence[Silence], now: datetime) -> GettableAlert:
    silenced_by = tuple(silence.silence_id for silence in active_silences if silence.hides(alert))
    is_suppressed = bool(silenced_by) or alert.is_muted(now)
    texts = {"summary": alert.summary, "advice": alert.advice, **alert.annotations}
    ends_at = alert.ends_at if alert.is_external and alert.ends_at is not None else now + RESOLVE_TIMEOUT
    return GettableAlert(
        labels=alert.routing_labels,
        annotations={name: text for name, text in texts.items() if text},
        starts_at=alert.first_at,
        ends_at=ends_at,
        updated_at=alert.updated_at or alert.last_at,
        fingerprint=alert.fingerprint,
        status=AlertStatus(state="suppressed" if is_suppressed else "active", silenced_by=silenced_by),
        generator_url=alert.generator_url,
    )
