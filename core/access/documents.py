"""Grants, custom roles and tokens, as stored in `state/access.json`."""

import fnmatch
import hashlib
from datetime import datetime

import msgspec

from core.access.principal import Principal, PrincipalKind
from core.access.roles import Role
from core.actor import Actor, Origin

STAGES = ("Development", "Staging", "Production", "Archived")
"""The stages of a version, lowest first; the registry names them the same way."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A role of one principal, with its limits."""

    grant_id: str  # "g-0001"
    kind: PrincipalKind
    name: str  # of the account, the group, or the subject; the id of the token
    role: str
    models: tuple[str, ...] = ()  # patterns; without any, also what is about no model
    stages: tuple[str, ...] = ()  # of versions; without any, also what is about no stage
    granted_at: datetime
    granted_by: str
    reason: str = ""
    expires_at: datetime | None = None
    is_break_glass: bool = False
    rests_on: tuple[str, ...] = ()  # grants and tokens that end, by which its giver had the right to give it
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    revision: int = 0

    @property
    def principal(self) -> Principal:
        """Whom it is for."""
        return Principal(self.kind, self.name)

    @property
    def is_unlimited(self) -> bool:
        """Whether it holds for every model and stage, for good."""
        return not (self.models or self.stages or self.expires_at)

    def is_active(self, now: datetime) -> bool:
        """Say whether it counts at this moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def covers(self, model: str | None, stage: str | None) -> bool:
        """Say whether a change of this model and stage is within its limits.

        A grant with limits covers nothing of which the model or the stage is unknown.
        """
        return self.covers_model(model) and (not self.stages or stage in self.stages)

    def covers_model(self, model: str | None) -> bool:
        """Say whether a model is within its limits."""
        return not self.models or (
            model is not None and any(fnmatch.fnmatchcase(model, pattern) for pattern in self.models)
        )

    @property
    def limits(self) -> str:
        """Spell the limits: " of spread*, in Staging"."""
        of = f" of {', '.join(self.models)}" if self.models else ""
        return of + (f" in {' and '.join(self.stages)}" if self.stages else "")


class CustomRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role of this workspace: a set of verbs. Whoever has it may look, too."""

    name: str
    verbs: tuple[str, ...]  # verbs, or patterns of them: "session.*"
    defined_at: datetime
    defined_by: str
    revision: int = 0

    def holds(self, verb: str) -> bool:
        """Say whether a verb is in the set."""
        return any(fnmatch.fnmatchcase(verb, pattern) for pattern in self.verbs)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One API token."""

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
    rotated_at: datetime | None = None
    former_digest: str = ""  # of the secret before the last rotation
    former_until: datetime | None = None  # until when that secret is still taken
    rests_on: tuple[str, ...] = ()  # grants and tokens that end, by which whoever made the secret had the right to it
    revision: int = 0

    def is_valid(self, now: datetime) -> bool:
        """Say whether the token is valid at this moment."""
        is_open = self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
        return is_open and self.person != ""

    def takes(self, secret_digest: str, now: datetime) -> bool:
        """Say whether a secret of this digest is good at this moment."""
        is_former = self.former_until is not None and now < self.former_until and secret_digest == self.former_digest
        return self.is_valid(now) and (is_former or secret_digest == self.digest)

    def actor(self, host: str) -> Actor:
        """Return the author of changes made with the token from a host."""
        behind = tuple(maker for maker in self.makers if maker != self.person.casefold())
        return Actor(self.person, host, Origin.API, via=self.name, behind=behind, token_id=self.token_id)


def digest(secret: str) -> str:
    """Return the digest under which a token is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()
