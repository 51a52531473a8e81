"""Grants: roles are given and taken, each with a record. The first grant makes grants count."""

import fnmatch
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from core.access import (
    DATABASE,
    VERBS,
    AccessRules,
    CustomRole,
    Door,
    Grant,
    Principal,
    PrincipalKind,
    Role,
    VerbClass,
    principal_of,
    resting_on,
)
from core.access.documents import STAGES
from core.access.roles import BUILT_IN
from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import NotFoundError, RefusedError, UsageError
from core.escape import shown
from core.governance.audit import audited
from core.governance.outbox import AuditedChange
from core.state import Workspace

LONGEST_BREAK_GLASS = timedelta(hours=24)
DEFAULT_BREAK_GLASS = timedelta(hours=1)
_SHORTER = "Give a shorter time, or none: then it ends with that right."
_ROLE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_MODEL_PATTERN = re.compile(r"(?:[a-z0-9_*?-]|\[[^\]\s]+\])+")


class Grants:
    """The grants and custom roles of a workspace."""

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._clock = clock
        self._door = Door(workspace, clock=clock)

    @property
    def door(self) -> Door:
        """The door that decides by these grants."""
        return self._door

    def all(self) -> list[Grant]:
        """Return every grant that was ever made, oldest first."""
        return self._door.grants.all()

    def active(self) -> list[Grant]:
        """Return the grants that count now."""
        now = self._clock()
        return [grant for grant in self.all() if grant.is_active(now)]

    def roles(self) -> list[CustomRole]:
        """Return the custom roles."""
        return self._door.roles.all()

    def grant(
        self,
        principal: Principal,
        role: str,
        *,
        actor: Actor,
        models: Collection[str] = (),
        stages: Collection[str] = (),
        valid: timedelta | None = None,
        reason: str = "",
    ) -> Grant:
        """Give a role to an account, a group, a token, or a subject or group of the OIDC provider.

        With the first grant of a workspace, the account that owns its folder becomes an admin, too: until then it could
        do everything, and nobody else could let it in again.

        Args:
            principal: Whom it is for.
            role: A built-in role, or a custom one.
            actor: Who gives it.
            models: Patterns of the models that it is limited to.
            stages: The stages that it is limited to.
            valid: How long it counts; None for good, or for as long as the actor has what they give, see `rests_on`.
            reason: The reason, for the audit log.
        Raises:
            AccessRefusedError: The actor may not grant, has not all that the role allows, or not for as long.
            UsageError: There is no such role, token, stage or pattern.
            RefusedError: The same was granted before.
        """
        models = _checked(models, _MODEL_PATTERN.fullmatch, "a pattern of models such as spread or desk_*")
        stages = _checked(stages, STAGES.__contains__, f"a stage; choose from {', '.join(STAGES)}")
        if valid is not None and valid <= timedelta(0):
            raise UsageError("A grant must be valid for more than no time.")
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            now, rules = self._clock(), self._door.rules()
            if role not in BUILT_IN and role not in rules.roles:
                choices = ", ".join([*BUILT_IN, *sorted(rules.roles)])
                raise UsageError(f"There is no role {shown(role)}. Roles to choose from: {choices}.")
            self._require_token(rules, principal)
            right = self._door.giving_right(actor, rules.verbs_of(role))
            until = right.ends_at if valid is None else now + valid
            wanted = Grant(
                grant_id=self._id(1),
                kind=principal.kind,
                name=principal.name,
                role=role,
                models=tuple(models),
                stages=tuple(stages),
                granted_at=now,
                granted_by=str(actor),
                reason=reason,
                expires_at=until,
                rests_on=right.rests_on,
            )
            for known in self.active():
                if _says(known) == _says(wanted):
                    raise RefusedError(f"{principal} has the role {role}{wanted.limits} already ({known.grant_id}).")
            made = [wanted]
            if not rules.governed and not replace(rules, grants=(wanted,)).admins(now):
                made.append(self._of_owner(rules.owner, actor, now))
            # Recorded first: the door judges whether the actor may by the grants as they were before this change.
            for grant in made:
                change.record("access.grant", grant.grant_id, after=_facts(grant), reason=grant.reason)
            self._door.require_having(actor, rules.verbs_of(role), to_do="access.grant", object=wanted.grant_id)
            self._door.require_until(
                actor, until, right, to_do="access.grant", object=wanted.grant_id, instead=_SHORTER
            )
            self._door.grants.insert_all(made)
        return self._door.grants.get(wanted.grant_id)

    def revoke(self, names: Sequence[str], *, actor: Actor, reason: str = "") -> list[Grant]:
        """Take grants back: all of them, or none.

        With a broken glass ends what was given by its right, tokens included.

        Args:
            names: Ids of grants, or principals, which lose every grant of their own.
            actor: Who takes them back.
            reason: The reason, for the audit log.
        Returns:
            The grants that ended, those that rested on a broken glass included.
        Raises:
            AccessRefusedError: The actor is no admin.
            NotFoundError: There is no such grant, or the principal has none.
            RefusedError: Nobody would be left who is an admin for good.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            now = self._clock()
            doomed = {grant.grant_id: grant for name in names for grant in self._named(name, now)}
            doomed |= self._given_by_glass(doomed.values(), now)
            # Recorded first: the door judges each by the grants as they were before this change, one's own included.
            for grant in doomed.values():
                change.record("access.revoke", grant.grant_id, before=_facts(grant))
            revoked = [
                self._door.grants.replace(msgspec.structs.replace(grant, revoked_at=now, revoked_by=str(actor)))
                for grant in doomed.values()
            ]
            self._end_tokens(doomed.values(), change, actor, now)
            if not self._door.rules().admins(now):
                raise RefusedError(
                    "Nobody would be left who is an admin of the whole workspace for good; make another account an "
                    "admin first."
                )
        return revoked

    def break_glass(self, *, actor: Actor, reason: str, valid: timedelta | None = None) -> Grant:
        """Become an admin for a short time, in an emergency; an alert says so until it has ended.

        Args:
            actor: Who needs it: an admin, the account that owns the folder, or a role that names `access.break_glass`.
            reason: The emergency.
            valid: How long, at most a day; by default an hour, or for as long as the actor has the right to it.
        Raises:
            AccessRefusedError: The actor may not, or not for as long.
            UsageError: There is no reason, or it is for too long.
            RefusedError: Nobody was granted anything in this workspace, so nothing is forbidden.
        """
        if not reason.strip():
            raise UsageError("Breaking the glass needs a reason: others will read it.")
        if valid is not None and not timedelta(0) < valid <= LONGEST_BREAK_GLASS:
            hours = LONGEST_BREAK_GLASS.total_seconds() / 3600
            raise UsageError(f"Breaking the glass is for more than 0 and at most {hours:g} hours.")
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            now, principal = self._clock(), principal_of(actor)
            if not self._door.rules().governed:
                raise RefusedError("This workspace has no grants, so there is no glass to break.")
            right = self._door.giving_right(actor, ["access.break_glass"])
            until = now + (valid or DEFAULT_BREAK_GLASS)
            if valid is None and right.ends_at is not None:
                until = min(until, right.ends_at)
            made = Grant(
                grant_id=self._id(1),
                kind=principal.kind,
                name=principal.name,
                role=Role.ADMIN,
                granted_at=now,
                granted_by=str(actor),
                reason=reason,
                expires_at=until,
                is_break_glass=True,
                rests_on=right.rests_on,
            )
            change.record("access.break_glass", made.grant_id, after=_facts(made))
            self._door.require_until(
                actor, until, right, to_do="access.break_glass", object=made.grant_id, instead=_SHORTER
            )
            return self._door.grants.insert(made)

    def define_role(self, name: str, verbs: Collection[str], *, actor: Actor, reason: str = "") -> CustomRole:
        """Define a role as a set of verbs, or define it anew.

        Args:
            name: Its name.
            verbs: Verbs, or patterns of them such as `session.*`. What gives rights or removes something for good is
                in no pattern, and must be named in full.
            actor: Who defines it.
            reason: The reason, for the audit log.
        Raises:
            AccessRefusedError: The actor may not define roles, has not all that this one allows, or would give it for
                longer than they have it to somebody who has the role.
            UsageError: The name is taken or no name, or a pattern matches no verb.
        """
        if name in BUILT_IN or not _ROLE_NAME.fullmatch(name):
            raise UsageError(
                f"{shown(name)} is not the name of a custom role: use lowercase letters, digits, - and _, and none of "
                f"{', '.join(BUILT_IN)}."
            )
        verbs = _checked(verbs, _matches_verb, "a verb, nor a pattern of verbs, see `bondx access verbs`")
        if not verbs:
            raise UsageError("A role needs at least one verb.")
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            before = self._door.roles.find(name)
            role = CustomRole(
                name=name,
                verbs=tuple(verbs),
                defined_at=self._clock(),
                defined_by=str(actor),
                revision=before.revision if before else 0,
            )
            change.record(
                "access.define_role",
                name,
                before={"verbs": before.verbs} if before else None,
                after={"verbs": role.verbs},
            )
            rules = self._door.rules()
            own = replace(rules, roles={name: role}).verbs_of(name)
            self._door.require_having(actor, own, to_do="access.define_role", object=name)
            if holders := list(dict.fromkeys(str(held.principal) for held in self.active() if held.role == name)):
                had = rules.verbs_of(name)
                self._door.require_until(
                    actor,
                    None,
                    self._door.giving_right(actor, [verb for verb in own if verb not in had]),
                    to_do="access.define_role",
                    object=name,
                    instead=f"{', '.join(holders)} has this role: define another one, and grant that.",
                )
            return self._door.roles.replace(role) if before else self._door.roles.insert(role)

    def remove_role(self, name: str, *, actor: Actor, reason: str = "") -> CustomRole:
        """Remove a custom role that nobody has.

        Raises:
            AccessRefusedError: The actor is no admin.
            NotFoundError: There is no such custom role.
            RefusedError: Somebody has it.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            role = self._door.roles.get(name)
            if holders := [str(grant.principal) for grant in self.active() if grant.role == name]:
                raise RefusedError(f"{', '.join(holders)} has the role {name}; revoke that first.")
            change.record("access.remove_role", name, before={"verbs": role.verbs})
            self._door.roles.remove(name)
            return role

    def _named(self, name: str, now: datetime) -> list[Grant]:
        grants = self._door.grants
        if (grant := grants.find(name)) is not None:
            if not grant.is_active(now):
                raise NotFoundError(f"{name} has ended already.")
            return [grant]
        principal = Principal.named(name)
        found = [grant for grant in self.active() if grant.principal == principal]
        if not found:
            choices = ", ".join(sorted({grant.grant_id for grant in self.active()})) or "none"
            raise NotFoundError(f"{principal} has no grant, and there is no grant of this id. Grants: {choices}.")
        return found

    def _given_by_glass(self, doomed: Collection[Grant], now: datetime) -> dict[str, Grant]:
        """Find the active grants that were given by right of the broken glasses among some grants."""
        rules = self._door.rules()
        given = {name for grant in doomed if grant.is_break_glass for name in resting_on(rules, grant.grant_id)}
        return {grant.grant_id: grant for grant in rules.grants if grant.grant_id in given and grant.is_active(now)}

    def _end_tokens(self, ended: Collection[Grant], change: AuditedChange, actor: Actor, now: datetime) -> None:
        """End the tokens whose secrets were made by right of the broken glasses among some grants."""
        rules = self._door.rules()
        given = {name for grant in ended if grant.is_break_glass for name in resting_on(rules, grant.grant_id)}
        for token in rules.tokens.values():
            if token.token_id in given and token.revoked_at is None and token.is_valid(now):
                change.record("token.end", token.token_id, before={"name": token.name, "role": token.role})
                self._door.tokens.replace(msgspec.structs.replace(token, revoked_at=now, revoked_by=str(actor)))

    def _require_token(self, rules: AccessRules, principal: Principal) -> None:
        if principal.kind is PrincipalKind.TOKEN and principal.name not in rules.tokens:
            raise NotFoundError(f"There is no token {principal.name}: see `bondx access token list`.")

    def _of_owner(self, owner: str, actor: Actor, now: datetime) -> Grant:
        return Grant(
            grant_id=self._id(2),
            kind=PrincipalKind.USER,
            name=owner,
            role=Role.ADMIN,
            granted_at=now,
            granted_by=str(actor),
            reason="the account that owns the folder of the workspace",
        )

    def _id(self, number: int) -> str:
        return f"g-{len(self._door.grants.all_keys()) + number:04d}"


def _facts(grant: Grant) -> dict[str, object]:
    facts: dict[str, object] = {"principal": str(grant.principal), "role": grant.role}
    for name in ("models", "stages", "expires_at", "is_break_glass", "rests_on"):
        if value := getattr(grant, name):
            facts[name] = value
    return facts


def _says(grant: Grant) -> tuple[object, ...]:
    return grant.principal, grant.role, grant.models, grant.stages, grant.expires_at


def _checked(texts: Collection[str], is_good: Callable[[str], object], what: str) -> list[str]:
    for text in texts:
        if not is_good(text):
            raise UsageError(f"{shown(text)} is not {what}.")
    return list(dict.fromkeys(texts))


def _matches_verb(pattern: str) -> bool:
    grantable = (verb for verb, kind in VERBS.items() if kind not in (VerbClass.ENGINE, VerbClass.FOLLOWS))
    return any(fnmatch.fnmatchcase(verb, pattern) for verb in grantable)
