"""API tokens: their owners, their roles, and their stored form, which is a digest and never the token itself.

A token belongs to a person, by default its creator; every change made with it is recorded as that person's. The creator
of a token for another person has seen its secret and could use it, so the approval tally takes both into account.
"""

import re
import secrets
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from core.access import DATABASE, Door, GivingRight, Principal, PrincipalKind, Role, Token
from core.access.documents import digest
from core.actor import RESERVED, Actor
from core.clock import Clock, utc_now
from core.errors import RefusedError, UsageError
from core.escape import is_shown_as_is, shown
from core.governance import audited
from core.state import Documents, Workspace

__all__ = ["DATABASE", "PREFIX", "Role", "Token", "Tokens", "digest"]

PREFIX = "bondx_"
LONGEST_OVERLAP = timedelta(days=30)
_MAX_NAME = 60
_SHORTER = "Give a shorter time, or none: then it ends with that right."
_ENDING = (
    "Give a time that ends before, such as --days 0.02: the token ends with it. Or revoke it, and create another one."
)
_PERSON = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._+@-]{{0,{_MAX_NAME - 1}}}")


class Tokens:
    """The tokens of a workspace."""

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._door = Door(workspace, clock=clock)
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
            valid_days: How long the token is valid; None for no expiry, or for as long as the actor has what they give.
            reason: The reason, for the audit log.
        Returns:
            The stored record and the secret, which is never shown again.
        Raises:
            AccessRefusedError: The actor may not create tokens, has not all that the role allows, or not for as long.
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
            right = self._door.giving_right(actor, self._door.rules().verbs_of(role))
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
                    expires_at=right.ends_at if valid_days is None else now + timedelta(days=valid_days),
                    rests_on=right.rests_on,
                )
            )
            after: dict[str, object] = {"name": name, "person": token.person, "role": role}
            after |= {key: value for key in ("expires_at", "rests_on") if (value := getattr(token, key))}
            change.record("token.create", token.token_id, after=after)
            self._require_having(actor, [role], right, "token.create", token, _SHORTER)
        return token, secret

    def rotate(
        self,
        token_id: str,
        *,
        actor: Actor,
        overlap: timedelta = timedelta(0),
        valid_days: float | None = None,
        reason: str = "",
    ) -> tuple[Token, str]:
        """Give a token a new secret; its id, its owner, its role and its grants stay.

        Args:
            token_id: The token.
            actor: Who does it, and may have seen the secret from now on.
            overlap: How long the former secret is still taken, so that nothing stops while the new one is spread.
            valid_days: How long the token is valid from now on; None: as long as before.
            reason: The reason, for the audit log.
        Returns:
            The stored record and the new secret, which is never shown again.
        Raises:
            AccessRefusedError: The actor may not rotate tokens, has not all that this one may do, or not for as long.
            NotFoundError: There is no token with this id.
            RefusedError: It is revoked or expired, or its former secret would be taken for more than 30 days.
        """
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            raise RefusedError(f"A former secret can be taken for 0 to {LONGEST_OVERLAP.days} days.")
        secret = PREFIX + secrets.token_urlsafe(32)
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            now, before = self._clock(), self._documents.get(token_id)
            if not before.is_valid(now):
                raise RefusedError(f"{token_id} is revoked or expired; create another token.")
            grants = self._door.rules().grants_of(Principal(PrincipalKind.TOKEN, token_id), now)
            roles = [before.role, *(grant.role for grant in grants)]
            right = self._door.giving_right(actor, self._door.rules().verbs_of(*roles))
            token = self._documents.replace(
                msgspec.structs.replace(
                    before,
                    digest=digest(secret),
                    former_digest=before.digest if overlap else "",
                    former_until=now + overlap if overlap else None,
                    makers=tuple(sorted({*before.makers, *actor.persons})),
                    expires_at=before.expires_at if valid_days is None else now + timedelta(days=valid_days),
                    rotated_at=now,
                    rests_on=right.rests_on,
                )
            )
            after: dict[str, object] = {"name": token.name, "expires_at": token.expires_at}
            after["former_until"] = token.former_until
            after |= {"rests_on": token.rests_on} if token.rests_on else {}
            change.record("token.rotate", token_id, after=after)
            self._require_having(actor, roles, right, "token.rotate", token, _ENDING)
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

    def _require_having(
        self, actor: Actor, roles: Sequence[str], right: GivingRight, to_do: str, token: Token, instead: str
    ) -> None:
        """Whoever sees the secret of a token can do what it can, so they must be able to do that, and as long."""
        verbs, name = self._door.rules().verbs_of(*roles), token.token_id
        self._door.require_having(actor, verbs, to_do=to_do, object=name)
        self._door.require_until(actor, token.expires_at, right, to_do=to_do, object=name, instead=instead)

    @property
    def _documents(self) -> Documents[Token]:
        return self._workspace.database(DATABASE).documents("tokens", Token, "token_id")
