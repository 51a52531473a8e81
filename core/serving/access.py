"""API tokens: their owners, their roles, and their stored form, which is a digest and never the token itself.

A token belongs to a person, by default its creator; every change made with it is recorded as that person's. The creator
of a token for another person has seen its secret and could use it, so the approval tally takes both into account.
"""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from core.actor import RESERVED, Actor, Origin
from core.clock import Clock, utc_now
from core.errors import UsageError
from core.escape import is_shown_as_is, shown
from core.governance import audited
from core.state import Documents, Workspace

DATABASE = "access"
PREFIX = "bondx_"
_MAX_NAME = 60
_PERSON = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._+@-]{{0,{_MAX_NAME - 1}}}")


class Role(StrEnum):
    """The permissions of a token; each role includes the permissions of the role before it."""

    VIEWER = "viewer"  # read, predict, report outcomes
    OPERATOR = "operator"  # sessions, promotions, approvals, rollouts, alerts
    ADMIN = "admin"  # tokens, and every permanent removal

    @property
    def rank(self) -> int:
        """The position in the order of permissions, lowest first."""
        return list(Role).index(self)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One token, as stored."""

    token_id: str
    name: str  # its purpose
    person: str = ""  # the owner and author of every change made with it; without an owner it is invalid
    makers: tuple[str, ...] = ()  # everyone who may have seen the secret, and so could be using it
    role: Role
    digest: str  # SHA-256; the token has 256 random bits, so nothing slower would make guessing harder
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    revision: int = 0

    def is_valid(self, now: datetime) -> bool:
        """Say whether the token is valid at this moment."""
        is_open = self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
        return is_open and self.person != ""

    def actor(self, host: str) -> Actor:
        """Return the author of changes made with the token from a host."""
        behind = tuple(maker for maker in self.makers if maker != self.person.casefold())
        return Actor(self.person, host, Origin.API, via=self.name, behind=behind)


class Tokens:
    """The tokens of a workspace."""

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._clock = clock

    def all(self) -> list[Token]:
        """Return every token ever created, oldest first, including revoked and expired tokens."""
        return self._documents.all()

    def create(
        self,
        name: str,
        role: Role,
        *,
        actor: Actor,
        person: str | None = None,
        valid_days: float | None = None,
        reason: str = "",
    ) -> tuple[Token, str]:
        """Create a token.

        Args:
            name: Its purpose; the audit log names it beside the person.
            role: Its permissions.
            actor: The creator.
            person: The owner, recorded as the author of changes made with it; by default the actor.
            valid_days: How long the token is valid; None for no expiry.
            reason: The reason, for the audit log.
        Returns:
            The stored record and the secret, which is never shown again.
        Raises:
            UsageError: The name is not one line of plain text, or the person is not an account name or is reserved.
        """
        if not name.strip() or not is_shown_as_is(name) or len(name) > _MAX_NAME:
            raise UsageError(f"{shown(name)} is not a valid token name: use 1 to {_MAX_NAME} characters.")
        if person is not None and _PERSON.fullmatch(person) is None:
            raise UsageError(
                f"{shown(person)} is not a valid account name: use 1 to {_MAX_NAME} letters, digits, "
                "'.', '_', '-', '+' or '@'."
            )
        owner = person or actor.name
        if owner.casefold() in RESERVED:
            raise UsageError(f"{shown(owner)} is reserved for changes that no person made; use another account name.")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = self._clock()
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            number = len(self._documents.all()) + 1
            token = self._documents.insert(
                Token(
                    token_id=f"t-{number:04d}",
                    name=name,
                    person=owner,
                    makers=tuple(sorted(actor.persons)),
                    role=role,
                    digest=digest(secret),
                    created_at=now,
                    created_by=str(actor),
                    expires_at=None if valid_days is None else now + timedelta(days=valid_days),
                )
            )
            change.record("token.create", token.token_id, after={"name": name, "person": token.person, "role": role})
        return token, secret

    def revoke(self, token_id: str, *, actor: Actor, reason: str = "") -> Token:
        """Revoke a token permanently. Revoking it again changes nothing.

        Raises:
            NotFoundError: There is no token with this id.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            token = self._documents.get(token_id)
            if token.revoked_at is None:
                revoked = msgspec.structs.replace(token, revoked_at=self._clock(), revoked_by=str(actor))
                token = self._documents.replace(revoked)
            change.record("token.revoke", token_id, after={"name": token.name, "role": token.role})
        return token

    @property
    def _documents(self) -> Documents[Token]:
        return self._workspace.database(DATABASE).documents("tokens", Token, "token_id")


def digest(secret: str) -> str:
    """Return the digest under which a token is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()
