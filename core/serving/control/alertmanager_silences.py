"""Silences in the shapes of Alertmanager's API v2, so that amtool and Grafana make, list and end ours."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from core.alerts.selecting import AlertMatcher, read_matchers, require_usable
from core.alerts.silences import Silence, Silences
from core.clock import as_utc, utc_now
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.state import Workspace


class SilenceMatcher(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A matcher as Alertmanager writes it."""

    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class PostableSilence(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A silence that is made, or with an id one that replaces another."""

    matchers: list[SilenceMatcher]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str
    id: str = ""


class SilenceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a silence hides alerts now."""

    state: str  # pending, active, expired


class GettableSilence(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A silence as Alertmanager shows it."""

    id: str
    status: SilenceStatus
    updated_at: datetime
    matchers: tuple[SilenceMatcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str


class PostedSilence(msgspec.Struct, frozen=True, kw_only=True):
    """The silence that was made."""

    silence_id: str = msgspec.field(name="silenceID")


class AlertmanagerSilenceRoutes(Controller):
    """The silences of Alertmanager's API v2."""

    path = "/"
    tags = ["alertmanager"]

    @get("/silences", opt=LOOK, sync_to_thread=True)
    def get_silences(
        self,
        workspace: Given[Workspace],
        matching: Annotated[
            list[str] | None, QueryParameter(name="filter", description='Matchers: severity="critical"')
        ] = None,
    ) -> list[GettableSilence]:
        """List the silences, those that ended in the last days included; a filter matches their matchers."""
        wanted = [matcher for text in matching or () for matcher in read_matchers(text)]
        now = utc_now()
        return [_gettable(silence, now) for silence in Silences(workspace).all() if _is_wanted(silence, wanted)]

    @post("/silences", opt=OPERATE, status_code=200, sync_to_thread=True)
    def post_silence(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[PostableSilence]
    ) -> PostedSilence:
        """Make a silence, or replace one by its id; its author is the caller, whatever `createdBy` says."""
        matchers = [_read(matcher) for matcher in data.matchers]
        silence = Silences(workspace).add(
            matchers,
            caller.actor,
            comment=data.comment,
            starts_at=as_utc(data.starts_at),
            ends_at=as_utc(data.ends_at),
            instead_of=data.id,
        )
        return PostedSilence(silence_id=silence.silence_id)

    @get("/silence/{silence_id:str}", opt=LOOK, sync_to_thread=True)
    def get_silence(self, workspace: Given[Workspace], silence_id: FromPath[str]) -> GettableSilence:
        """Return one silence."""
        return _gettable(Silences(workspace).get(silence_id), utc_now())

    @delete("/silence/{silence_id:str}", opt=OPERATE, status_code=200, sync_to_thread=True)
    def delete_silence(
        self, workspace: Given[Workspace], caller: Given[Caller], silence_id: FromPath[str]
    ) -> Response[None]:
        """End a silence now; it stays in the list as expired."""
        Silences(workspace).expire(silence_id, caller.actor)
        return Response(None, status_code=200)


def _read(matcher: SilenceMatcher) -> AlertMatcher:
    op = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
    found = AlertMatcher(matcher.name, op[matcher.is_equal, matcher.is_regex], matcher.value)
    require_usable(found)
    return found


def _is_wanted(silence: Silence, wanted: list[AlertMatcher]) -> bool:
    values = {matcher.name: matcher.value for matcher in silence.matchers}
    return all(matcher.accepts_value(values.get(matcher.name, "")) for matcher in wanted)


def _gettable(silence: Silence, now: datetime) -> GettableSilence:
    return GettableSilence(
        id=silence.silence_id,
        status=SilenceStatus(state=silence.state(now)),
        updated_at=silence.ends_at if silence.expired_by else silence.created_at,
        matchers=tuple(
            SilenceMatcher(
                name=each.name, value=each.value, is_regex=each.op in ("=~", "!~"), is_equal=each.op in ("=", "=~")
            )
            for each in silence.matchers
        ),
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        created_by=silence.created_by,
        comment=silence.comment,
    )
