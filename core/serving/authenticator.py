"""Authenticates callers: by a token, or as a local reader on this machine."""

import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import NamedTuple

from core.actor import Actor, Origin
from core.clock import Clock, utc_now
from core.errors import CoreError
from core.serving.access import DATABASE, Role, Token, Tokens, digest
from core.serving.errors import ForbiddenError, UnauthenticatedError
from core.state import Workspace

Headers = Mapping[bytes, bytes]

_LOOK_SECONDS = 0.25  # how long a revoked token may continue to work
_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})
_MAX_REMEMBERED = 1_000


class Caller(NamedTuple):
    """The caller of a request."""

    actor: Actor  # the author of this caller's changes
    role: Role
    has_token: bool = True  # without one, a caller is anybody on this machine


class Authenticator:
    """Checks requests against the tokens of a workspace. Safe to share between threads."""

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._tokens = Tokens(workspace, clock=clock)
        self._clock = clock
        self._by_digest: dict[str, Token] = {}
        self._generation: object = None
        self._looked_at = float("-inf")
        self._local_hosts: dict[bytes, bool] = {}

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
            if is_read and at_least is Role.VIEWER and client is not None and self._is_local(headers, host):
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

    def _is_local(self, headers: Headers, host: str) -> bool:
        """Say whether a request comes from this machine and was meant for it.

        A proxy makes every caller look local, and a web page can make a browser send requests here under its own host
        name (DNS rebinding): neither is a person at this machine.
        """
        if not (_FORWARDED.isdisjoint(headers) and is_loopback(host)):
            return False
        asked = headers.get(b"host", b"")
        found = self._local_hosts.get(asked)
        if found is None:
            if len(self._local_hosts) >= _MAX_REMEMBERED:
                self._local_hosts.clear()
            found = self._local_hosts[asked] = _names_this_machine(asked.decode("latin-1"))
        return found


def _names_this_machine(host: str) -> bool:
    """Say whether a Host header names the loopback interface.

    >>> [_names_this_machine(host) for host in ("localhost:8501", "[::1]", "127.0.0.1:80", "evil.example")]
    [True, True, True, False]
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower() == "localhost" or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Say whether an address is this machine's own."""
    if host == "127.0.0.1":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
