"""Who has which role, which verbs there are, and what one may do: as every face lists it."""

from datetime import datetime

import msgspec

from core.access.decision import AccessRules, can_ever
from core.access.principal import Principal, PrincipalKind
from core.access.roles import Role
from core.access.verbs import VERBS, VerbClass


class ListedRight(msgspec.Struct, frozen=True, kw_only=True):
    """A role of somebody: by a grant, or a token's own."""

    principal: str
    role: str
    models: tuple[str, ...]
    stages: tuple[str, ...]
    grant_id: str  # "" for the own role of a token
    granted_at: datetime
    granted_by: str
    reason: str
    expires_at: datetime | None
    is_break_glass: bool
    is_active: bool


class ListedVerb(msgspec.Struct, frozen=True, kw_only=True):
    """A verb, its class, and the roles that hold it."""

    verb: str
    kind: VerbClass
    roles: tuple[str, ...]


class OwnAccess(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may do."""

    principal: str
    governed: bool  # whether anyone was granted anything here; else accounts may do everything
    rights: tuple[ListedRight, ...]
    may: tuple[str, ...]  # verbs, within the limits of the rights


def rights_of(rules: AccessRules, now: datetime, *, ended: bool = False) -> list[ListedRight]:
    """List who has which role: grants in the order in which they were made, then tokens.

    Args:
        rules: Grants, roles and tokens.
        now: The time.
        ended: Whether to list what has ended, too.
    """
    rights = [
        ListedRight(
            principal=str(grant.principal),
            **{name: getattr(grant, name) for name in _OF_A_GRANT},
            is_active=grant.is_active(now),
        )
        for grant in rules.grants
    ]
    rights += [
        ListedRight(
            principal=str(Principal(PrincipalKind.TOKEN, token.token_id)),
            role=token.role,
            models=(),
            stages=(),
            grant_id="",
            granted_at=token.created_at,
            granted_by=token.created_by,
            reason=f"{token.name}, of {token.person}",
            expires_at=token.expires_at,
            is_break_glass=False,
            is_active=token.is_valid(now),
        )
        for token in rules.tokens.values()
    ]
    return [right for right in rights if ended or right.is_active]


def verbs_of(rules: AccessRules) -> list[ListedVerb]:
    """List every verb that can be allowed, by class."""
    roles = (*map(str, Role), *sorted(rules.roles))
    return [
        ListedVerb(verb=verb, kind=kind, roles=tuple(role for role in roles if rules.holds(role, verb)))
        for verb, kind in VERBS.items()
        if kind not in (VerbClass.ENGINE, VerbClass.FOLLOWS, VerbClass.ANYONE)
    ]


def own_access(rules: AccessRules, principal: Principal, now: datetime) -> OwnAccess:
    """Say what a principal may do now.

    Args:
        rules: Grants, roles and tokens.
        principal: Who asks.
        now: The time.
    """
    own = {grant.grant_id for grant in rules.grants_of(principal, now)}
    rights = [right for right in rights_of(rules, now) if right.grant_id in own or right.principal == str(principal)]
    may = (verb.verb for verb in verbs_of(rules) if can_ever(rules, principal, verb.verb, now=now))
    return OwnAccess(principal=str(principal), governed=rules.governed, rights=tuple(rights), may=tuple(may))


_OF_A_GRANT = (
    *("role", "models", "stages", "grant_id", "granted_at", "granted_by", "reason", "expires_at"),
    "is_break_glass",
)
