"""The part of Alertmanager's API v2 that a Prometheus, Grafana and amtool use: they may have this server for theirs."""

import re
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version as version_of
from typing import Annotated

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromQuery, JSONBody, QueryParameter

from core.alerts import Alert, Alerts, AlertState
from core.alerts.external import MOST_OPEN, RESOLVE_TIMEOUT, SOURCE, ExternalAlerts, ReceivedAlert
from core.clock import utc_now
from core.errors import RefusedError
from core.escape import shown
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.serving.errors import BadRequestError
from core.state import Workspace

_STARTED_AT = utc_now()
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"]*))\s*')
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
        """List the open alerts, ours and external alerts; an acknowledged alert is shown as suppressed."""
        accepts = [_matcher_of(text) for text in matching or ()]
        if receiver is not None and not _pattern_of(receiver).fullmatch("bondx"):
            return []
        now = utc_now()
        found = [_gettable(alert, now) for alert in Alerts(workspace).open()]
        wanted_states = {"active": active, "suppressed": silenced}
        return [
            alert
            for alert in found
            if wanted_states[alert.status.state] and all(accept(alert.labels) for accept in accepts)
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


def _gettable(alert: Alert, now: datetime) -> GettableAlert:
    labels = {"alertname": alert.rule, "severity": str(alert.severity), **alert.labels}
    texts = {"summary": alert.summary, "advice": alert.advice, **alert.annotations}
    ends_at = alert.ends_at if alert.source == SOURCE and alert.ends_at is not None else now + RESOLVE_TIMEOUT
    return GettableAlert(
        labels=labels,
        annotations={name: text for name, text in texts.items() if text},
        starts_at=alert.first_at,
        ends_at=ends_at,
        updated_at=alert.updated_at or alert.last_at,
        fingerprint=alert.fingerprint,
        status=AlertStatus(state="suppressed" if alert.state is AlertState.ACKNOWLEDGED else "active"),
        generator_url=alert.generator_url,
    )


def _matcher_of(text: str) -> Callable[[dict[str, str]], bool]:
    """Return the test of a matcher.

    >>> _matcher_of('severity=~"crit.*"')({"severity": "critical"}), _matcher_of("a!=b")({})
    (True, True)
    """
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise BadRequestError(f'{shown(text)} is no matcher, such as severity="critical".')
    name, sign, quoted, bare = found.groups()
    value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare.strip()
    if sign in ("=~", "!~"):
        pattern = _pattern_of(value)
        return lambda labels: (pattern.fullmatch(labels.get(name, "")) is not None) == (sign == "=~")
    return lambda labels: (labels.get(name, "") == value) == (sign == "=")


_MOST_PATTERN = 200


def _pattern_of(text: str) -> re.Pattern[str]:
    """Compile an expression of literals, dots, classes and alternatives: none that could run for ever."""
    if len(text) > _MOST_PATTERN or re.search(r"[)\]}*+?][*+?{]|\)\s*[*+{]", text):
        raise BadRequestError(f"{shown(text)} is too involved: repeat no group and nothing that is repeated already.")
    try:
        return re.compile(text)
    except re.error as error:
        raise BadRequestError(f"{shown(text)} is no regular expression: {error}.") from None
