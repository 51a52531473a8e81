"""Tokens of the API: who holds one, what it allows, and what is kept of it: a digest, never the token itself."""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import UsageError
from core.governance import audited
from core.state import Documents, Workspace

DATABASE = "access"
PREFIX = "bondx_"
_MAX_NAME = 60


class Role(StrEnum):
    """What the holder of a token may do; each role may all that the one before it may."""

    VIEWER = "viewer"  # read, predict, report outcomes
    OPERATOR = "operator"  # sessions, promotions, rollouts, alerts
    ADMIN = "admin"  # tokens

    @property
    def rank(self) -> int:
        """Its place in the order of power."""
        return list(Role).index(self)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One token, as it is kept."""

    token_id: str
    name: str  # whom or what it was made for; the actor of what is done with it
    role: Role
    digest: str  # SHA-256; the token has 256 random bits, so nothing slower would make guessing harder
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    revision: int = 0

    def is_valid(self, now: datetime) -> bool:
        """Say whether it opens anything at this moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Tokens:
    """The tokens of a workspace."""

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._clock = clock

    def all(self) -> list[Token]:
        """Return every token ever made, the oldest first; revoked and expired ones too."""
        return self._documents.all()

    def create(
        self, name: str, role: Role, *, actor: Actor, valid_days: float | None = None, reason: str = ""
    ) -> tuple[Token, str]:
        """Make a token.

        Args:
            name: Whom or what it is for; what is done with it is recorded under this name.
            role: What it allows.
            actor: Who makes it.
            valid_days: How long it is valid; None for ever.
            reason: Why, for the record.
        Returns:
            What is kept of it, and the token itself, which is shown this once.
        Raises:
            UsageError: The name is no plain line of text.
        """
        if not name.strip() or not name.isprintable() or len(name) > _MAX_NAME:
            raise UsageError(f"{name[:_MAX_NAME]!a} is no name for a token: it must be 1 to {_MAX_NAME} characters.")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = self._clock()
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            number = len(self._documents.all()) + 1
            token = self._documents.insert(
                Token(
                    token_id=f"t-{number:04d}",
                    name=name,
                    role=role,
                    digest=digest(secret),
                    created_at=now,
                    created_by=str(actor),
                    expires_at=None if valid_days is None else now + timedelta(days=valid_days),
                )
            )
            change.record("token.create", token.token_id, after={"name": name, "role": role})
        return token, secret

    def revoke(self, token_id: str, *, actor: Actor, reason: str = "") -> Token:
        """Take a token back, for good. Revoking it again changes nothing.

        Raises:
            NotFoundError: There is none of this id.
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
    """Return what is kept of a token."""
    return hashlib.sha256(secret.encode()).hexdigest()
