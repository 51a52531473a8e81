"""Tokens over HTTP, for admins."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from core.serving.access import Role, Token, Tokens
from core.serving.authenticator import Caller
from core.serving.control.admission import ADMINISTER, Given
from core.serving.token_uses import TokenUses
from core.state import Workspace


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to create."""

    name: str
    role: Role
    person: str | None = None  # the owner; by default you
    valid_days: Annotated[float, Meta(gt=0, le=3650)] | None = None
    reason: str = ""


class KnownToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its secret and digest."""

    token_id: str
    name: str
    person: str
    role: Role
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    rotated_at: datetime | None
    former_until: datetime | None
    rests_on: tuple[str, ...]  # grants and tokens with which the right to its secret ends
    last_used_at: datetime | None = None


class MadeToken(KnownToken, frozen=True, kw_only=True):
    """A new token with its secret, which is never shown again."""

    token: str


class NewSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a token is rotated."""

    overlap_hours: Annotated[float, Meta(ge=0, le=720)] = 0.0  # how long the former secret is still taken
    valid_days: Annotated[float, Meta(gt=0, le=3650)] | None = None  # by default as long as before
    reason: str = ""


class TokenRoutes(Controller):
    """Tokens."""

    path = "/tokens"
    tags = ["access"]

    @get("/", opt=ADMINISTER, sync_to_thread=True)
    def list_tokens(self, workspace: Given[Workspace]) -> list[KnownToken]:
        """List every token ever created."""
        last_used = TokenUses(workspace).last_used()
        return [
            KnownToken(**_known(token), last_used_at=last_used.get(token.token_id)) for token in Tokens(workspace).all()
        ]

    @post("/", opt=ADMINISTER, sync_to_thread=True)
    def create_token(self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[Wanted]) -> MadeToken:
        """Create a token."""
        token, secret = Tokens(workspace).create(
            data.name,
            data.role,
            actor=caller.actor,
            person=data.person,
            valid_days=data.valid_days,
            reason=data.reason,
        )
        return MadeToken(**_known(token), token=secret)

    @post("/{token_id:str}/rotation", opt=ADMINISTER, sync_to_thread=True)
    def rotate_token(
        self, workspace: Given[Workspace], caller: Given[Caller], token_id: FromPath[str], data: JSONBody[NewSecret]
    ) -> MadeToken:
        """Give a token a new secret; its id, its role and its grants stay."""
        token, secret = Tokens(workspace).rotate(
            token_id,
            actor=caller.actor,
            overlap=timedelta(hours=data.overlap_hours),
            valid_days=data.valid_days,
            reason=data.reason,
        )
        return MadeToken(**_known(token), token=secret)

    @delete("/{token_id:str}", opt=ADMINISTER, status_code=200, sync_to_thread=True)
    def revoke_token(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        token_id: FromPath[str],
        reason: FromQuery[str] = "",
    ) -> KnownToken:
        """Revoke a token permanently."""
        return KnownToken(**_known(Tokens(workspace).revoke(token_id, actor=caller.actor, reason=reason)))


def _known(token: Token) -> dict[str, Any]:
    return {name: getattr(token, name) for name in KnownToken.__struct_fields__ if name != "last_used_at"}
