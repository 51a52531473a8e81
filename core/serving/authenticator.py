"""Authenticates callers: by a token, or as a local reader on this machine."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from core.actor import Actor, Origin
from core.clock import Clock, utc_now
from core.errors import CoreError
from core.local_callers import LocalCallers
from core.serving.access import DATABASE, Role, Token, Tokens, digest
from core.serving.errors import ForbiddenError, UnauthenticatedError
from core.state import Workspace

Headers = Mapping[bytes, bytes]

_LOOK_SECONDS = 0.25  # how long a revoked token may continue to work


class Caller(NamedTuple):
    """The caller of a request."""

    actor: Actor  # the author of this caller's changes
    role: Role
    has_token: bool = True  # without a token, a caller is any program on this machine


class Authenticator:
    """Checks requests against the tokens of a workspace. Safe to share between threads."""

    def __init__(self, workspace: Workspace, *, local_reads: bool = True, clock: Clock = utc_now) -> None:
        """Read no token yet.

        Args:
            workspace: The workspace with the tokens.
            local_reads: Whether callers on this machine may read and predict without a token.
            clock: The time.
        """
        self._workspace = workspace
        self._tokens = Tokens(workspace, clock=clock)
        self._clock = clock
        self._by_digest: dict[str, Token] = {}
        self._generation: object = None
        self._looked_at = float("-inf")
        self._local = LocalCallers() if local_reads else None

    def admit(self, headers: Headers, client: tuple[str, int] | None, *, at_least: Role, is_read: bool) -> Caller:
        """Admit a request, or raise the reason for refusing it.

        Args:
            headers: By lower-case name.
            client: Address of the peer; None where the server cannot know.
            at_least: The required role.
            is_read: Whether the request changes nothing; then a caller on this machine needs no token.
        Raises:
            UnauthenticatedError: A token is required, and the request has no valid token.
            ForbiddenError: The token's role is too low.
        """
        host = client[0] if client else "?"
        authorization = headers.get(b"authorization")
        if authorization is None:
            may_read = is_read and at_least is Role.VIEWER and client is not None
            if may_read and self._local is not None and self._local.is_local(headers, host):
                return Caller(Actor("anonymous", host, Origin.API), Role.VIEWER, has_token=False)
            raise UnauthenticatedError(
                "A token is required: send `Authorization: Bearer TOKEN`. Create one with `bondx serve token create`."
            )
        scheme, _, secret = authorization.decode("latin-1").partition(" ")
        token = self._find(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise UnauthenticatedError("The token is unknown, expired or revoked.")
        if token.role.rank < at_least.rank:
            raise ForbiddenError(
                f"This requires the role {at_least}; token {token.token_id} has the role {token.role}."
            )
        return Caller(token.actor(host), token.role)

    def has_tokens(self) -> bool:
        """Say whether any token is valid now."""
        self._look()
        return any(token.is_valid(self._clock()) for token in self._by_digest.values())

    def _find(self, secret: str) -> Token | None:
        if time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._look()
        token = self._by_digest.get(digest(secret))
        return token if token is not None and token.is_valid(self._clock()) else None

    def _look(self) -> None:
        begin = time.monotonic()
        generation = self._workspace.database(DATABASE).signature()
        if generation != self._generation:
            try:
                self._by_digest = {token.digest: token for token in self._tokens.all()}
                self._generation = generation
            except CoreError:
                self._by_digest = {}  # without readable tokens, nobody is admitted
                self._generation = None
                raise
        self._looked_at = begin  # last: until the tokens are read, every other thread must read them itself
