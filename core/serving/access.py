"""Tokens of the API: whose they are, what they allow, and what is kept of them: a digest, never the token itself.

A token belongs to a person, by default to who makes it; what is done with it is that person's doing. Who makes one for
somebody else has seen it, and so can be behind what is done with it, too: four eyes take that into account.
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
from core.governance import audited
from core.state import Documents, Workspace

DATABASE = "access"
PREFIX = "bondx_"
_MAX_NAME = 60
_PERSON = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._+@-]{{0,{_MAX_NAME - 1}}}")


class Role(StrEnum):
    """What the holder of a token may do; each role may all that the one before it may."""

    VIEWER = "viewer"  # read, predict, report outcomes
    OPERATOR = "operator"  # sessions, promotions, approvals, rollouts, alerts
    ADMIN = "admin"  # tokens, and what removes things for good

    @property
    def rank(self) -> int:
        """Its place in the order of power."""
        return list(Role).index(self)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One token, as it is kept."""

    token_id: str
    name: str  # what it was made for
    person: str = ""  # whose it is: the author of what is done with it; one that is nobody's opens nothing
    makers: tuple[str, ...] = ()  # who can be behind its making, and so behind what is done with it
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
        is_open = self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
        return is_open and self.person != ""

    def actor(self, host: str) -> Actor:
        """Return the author of what is done with it from some host."""
        behind = tuple(maker for maker in self.makers if maker != self.person.casefold())
        return Actor(self.person, host, Origin.API, via=self.name, behind=behind)


class Tokens:
    """The tokens of a workspace."""

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._clock = clock

    def all(self) -> list[Token]:
        """Return every token ever made, the oldest first; revoked and expired ones too."""
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
        """Make a token.

        Args:
            name: What it is for; the record names it beside the person.
            role: What it allows.
            actor: Who makes it.
            person: Whose it is, and whose doing what is done with it; by default the actor's.
            valid_days: How long it is valid; None for ever.
            reason: Why, for the record.
        Returns:
            What is kept of it, and the token itself, which is shown this once.
        Raises:
            UsageError: The name is no plain line of text, or the person's no account name, or one of nobody's.
        """
        if not name.strip() or not name.isprintable() or len(name) > _MAX_NAME:
            raise UsageError(f"{name[:_MAX_NAME]!a} is no name for a token: it must be 1 to {_MAX_NAME} characters.")
        if person is not None and _PERSON.fullmatch(person) is None:
            raise UsageError(
                f"{person[:_MAX_NAME]!a} is no person: give the account's name, 1 to {_MAX_NAME} of letters, digits, "
                "'.', '_', '-', '+' and '@'."
            )
        owner = person or actor.name
        if owner.casefold() in RESERVED:
            raise UsageError(f"{owner!a} is no person: what is done without one is recorded under this name.")
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
