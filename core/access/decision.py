"""The decision: may this principal do this verb to this model, in this stage? Pure: what it decides on is given."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from core.access.documents import CustomRole, Grant, Token
from core.access.principal import Principal, PrincipalKind, groups_of
from core.access.roles import BUILT_IN, Role, classes_of
from core.access.verbs import VERBS, VerbClass, class_of


class AccessDecision(NamedTuple):
    """What the door says, and why."""

    is_allowed: bool
    reason: str  # one sentence


class GivingRight(NamedTuple):
    """How long somebody has what they give away: nothing that is given outlasts the right of its giver."""

    ends_at: datetime | None = None  # None: for good
    rests_on: tuple[str, ...] = ()  # the grants and tokens that end


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What a decision is made on."""

    grants: Sequence[Grant] = ()
    roles: Mapping[str, CustomRole] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)
    owner: str = ""  # the account that owns the folder of the workspace
    groups: Callable[[str], frozenset[str]] = groups_of

    @property
    def governed(self) -> bool:
        """Whether anyone was ever granted anything; from then on, accounts have the roles of their grants alone."""
        return any(not grant.is_break_glass for grant in self.grants)

    def keeps_out(self, account: str) -> bool:
        """Say whether an account that comes through a socket has no rights here to judge.

        Without grants, accounts may do everything, since only the owner can enter the folder. Anybody can come to a
        socket.
        """
        return not self.governed and account != self.owner

    def grants_of(self, principal: Principal, now: datetime) -> list[Grant]:
        """Return the grants that count for a principal now, its groups' included."""
        active = [grant for grant in self.grants if grant.is_active(now)]
        own = [grant for grant in active if grant.principal == principal]
        if principal.kind is PrincipalKind.OIDC:
            named = principal.oidc_groups
            return own + [each for each in active if each.kind is PrincipalKind.OIDC_GROUP and each.name in named]
        if principal.kind is not PrincipalKind.USER:
            return own
        of_groups = [grant for grant in active if grant.kind is PrincipalKind.GROUP]
        groups = self.groups(principal.name) if of_groups else frozenset()
        return own + [grant for grant in of_groups if grant.name in groups]

    def holds(self, role: str, verb: str) -> bool:
        """Say whether a role, built-in or custom, has a verb."""
        return _holds(BUILT_IN.get(role), self.roles.get(role), verb, governed=self.governed)

    def verbs_of(self, *roles: str) -> list[str]:
        """Return every verb that some of the roles have."""
        return [verb for verb in VERBS if any(self.holds(role, verb) for role in roles)]

    def admins(self, now: datetime) -> list[Grant]:
        """Return the grants by which somebody is an admin of the whole workspace for good."""
        return [grant for grant in self.grants if grant.is_active(now) and _is_lasting_admin(grant)]


def decide(
    rules: AccessRules,
    principal: Principal,
    verb: str,
    *,
    model: str | None = None,
    stage: str | None = None,
    now: datetime,
    follows: bool = False,
) -> AccessDecision:
    """Decide whether a principal may do something, and say why.

    Args:
        rules: Grants, roles and tokens as they are now.
        principal: Who asks.
        verb: The verb, as the audit log calls it.
        model: The model that it is about, if it is about one.
        stage: The highest stage that it touches, if it is about a version.
        now: The time.
        follows: Whether another change, of which this is a part, was allowed in the same transaction.
    """
    kind = class_of(verb)
    if principal.kind is PrincipalKind.ENGINE or kind is VerbClass.ANYONE or (kind is VerbClass.FOLLOWS and follows):
        return AccessDecision(True, "this takes no role")
    if principal.kind is PrincipalKind.NOBODY:
        return AccessDecision(kind is VerbClass.VIEW, "a caller without a token may only look")
    held = list[str]()
    if principal.kind is PrincipalKind.TOKEN:
        token = rules.tokens.get(principal.name)
        if token is None or not token.is_valid(now):
            return AccessDecision(False, f"the token {principal.name} is unknown, expired or revoked")
        if rules.holds(token.role, verb):
            return AccessDecision(True, f"{principal} has the role {token.role}")
        held.append(f"the role {token.role}")
    elif not rules.governed and principal.kind in _OF_THE_MACHINE:
        return AccessDecision(True, "this workspace has no grants, so whoever can enter its folder may do everything")
    elif kind is VerbClass.REPAIR and principal == Principal(PrincipalKind.USER, rules.owner):
        return AccessDecision(True, f"{principal.name} owns the folder of the workspace")
    for grant in rules.grants_of(principal, now):
        where = "" if grant.principal == principal else f" by {grant.principal}"
        said = f"the role {grant.role}{grant.limits}{where}"
        if rules.holds(grant.role, verb) and grant.covers(model, stage):
            return AccessDecision(True, f"{principal} has {said} ({grant.grant_id})")
        held.append(said)
    return AccessDecision(
        False, f"{principal} has {' and '.join(held) or 'no role'}; this takes {_needed(rules, verb)}"
    )


def giving_right(rules: AccessRules, principal: Principal, verbs: Collection[str], *, now: datetime) -> GivingRight:
    """Say how long a principal has all of some verbs without limits, by what they have now.

    The owner of the folder has them for good: in an emergency nobody else can make an admin for good, and the files
    are the owner's. Verbs that the principal does not have are not looked at: see `Door.require_having`.

    Args:
        rules: Grants, roles and tokens as they are now.
        principal: Who gives.
        verbs: What the other will be able to do.
        now: The time.
    """
    is_of_machine = principal.kind in _OF_THE_MACHINE
    is_owner = principal == Principal(PrincipalKind.USER, rules.owner)
    if principal.kind is PrincipalKind.ENGINE or is_owner or (is_of_machine and not rules.governed):
        return GivingRight()
    held = [
        (grant.role, grant.expires_at, grant.grant_id)
        for grant in rules.grants_of(principal, now)
        if grant.covers(None, None)
    ]
    token = rules.tokens.get(principal.name) if principal.kind is PrincipalKind.TOKEN else None
    if token is not None and token.is_valid(now):
        held.append((token.role, token.expires_at, token.token_id))
    ends = dict[str, datetime]()  # of what the right to some verb rests on longest
    for verb in verbs:
        having = [(ends_at, name) for role, ends_at, name in held if rules.holds(role, verb)]
        ending = [(ends_at, name) for ends_at, name in having if ends_at is not None]
        if ending and len(ending) == len(having):
            last, name = max(ending)
            ends[name] = last
    return GivingRight(min(ends.values(), default=None), tuple(sorted(ends)))


def resting_on(rules: AccessRules, name: str) -> frozenset[str]:
    """Return the ids of the grants and tokens that were given by right of a grant or a token, over any number of steps.

    Args:
        rules: Grants, roles and tokens as they are now.
        name: The id of the grant or token.
    """
    rests = {grant.grant_id: grant.rests_on for grant in rules.grants}
    rests |= {token.token_id: token.rests_on for token in rules.tokens.values()}
    found, new = frozenset[str](), frozenset({name})
    while new:
        new = frozenset(each for each, on in rests.items() if not new.isdisjoint(on)) - found - {name}
        found |= new
    return found


def reaches(
    rules: AccessRules, principal: Principal, kind: VerbClass, *, now: datetime, model: str | None = None
) -> bool:
    """Say whether a principal may do any verb of a class within any limits: what to ask before a verb is known.

    Nothing asks again before something is only shown, so for what is inspected the limits to models hold here.

    Args:
        rules: Grants, roles and tokens as they are now.
        principal: Who asks.
        kind: The class.
        now: The time.
        model: The model that is inspected, in some stage; None for the whole workspace.
    """
    verbs = [verb for verb, its in VERBS.items() if its is kind]
    if kind is VerbClass.INSPECT and model is None:
        return any(decide(rules, principal, verb, now=now).is_allowed for verb in verbs)
    named = model if kind is VerbClass.INSPECT else None
    return any(can_ever(rules, principal, verb, now=now, model=named) for verb in verbs)


def can_ever(rules: AccessRules, principal: Principal, verb: str, *, now: datetime, model: str | None = None) -> bool:
    """Say whether a principal may do a verb to some model in some stage; to this model, if one is given."""
    grants = rules.grants_of(principal, now)
    roles = [grant.role for grant in grants if model is None or grant.covers_model(model)]
    return decide(rules, principal, verb, now=now).is_allowed or any(rules.holds(role, verb) for role in roles)


_OF_THE_MACHINE = frozenset({PrincipalKind.USER, PrincipalKind.GROUP})
_NAMED_IN_FULL = frozenset({VerbClass.ADMINISTER, VerbClass.REPAIR})


def _holds(role: Role | None, custom: CustomRole | None, verb: str, *, governed: bool) -> bool:
    kind = class_of(verb)
    if role is not None:
        return kind in classes_of(role, governed=governed)
    if custom is None or kind in (VerbClass.ENGINE, VerbClass.FOLLOWS):
        return False
    # A pattern never reaches a verb that is unknown, or that gives rights: these are named in full.
    is_reachable = verb in VERBS and (kind not in _NAMED_IN_FULL or verb in custom.verbs)
    return kind is VerbClass.VIEW or (is_reachable and custom.holds(verb))


def _needed(rules: AccessRules, verb: str) -> str:
    roles = [role for role in (*map(str, Role), *sorted(rules.roles)) if rules.holds(role, verb)]
    return f"the role {' or '.join(roles)}" if roles else "the engine"


def _is_lasting_admin(grant: Grant) -> bool:
    # Who is in a group is not ours to know: a group may be empty tomorrow.
    return grant.role == Role.ADMIN and grant.kind is PrincipalKind.USER and grant.is_unlimited
