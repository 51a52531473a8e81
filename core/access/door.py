"""The door: reads grants, roles and tokens, and holds them still while a change that they allow is carried out."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from core.access.decision import AccessDecision, AccessRules, GivingRight, decide, giving_right
from core.access.documents import CustomRole, Grant, Token
from core.access.errors import AccessRefusedError
from core.access.principal import Principal, PrincipalKind, account_of, principal_of
from core.access.verbs import VerbClass, class_of, is_of_desk, made_at_desk
from core.actor import Actor
from core.clock import Clock, in_words, utc_now
from core.files import access_error
from core.lock_files import open_lock, unlock
from core.settings.followed import followed_url
from core.state.errors import StateError
from core.state.file_lock import wait_for_lock
from core.state.workspace import ACCESS_DATABASE as DATABASE

if TYPE_CHECKING:
    from core.state import Documents, Workspace

_GATE = "access.gate"


class Door:
    """Decides by the grants of one workspace."""

    def __init__(self, workspace: "Workspace", *, clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._clock = clock

    @property
    def grants(self) -> "Documents[Grant]":
        """Every grant that was ever made."""
        return self._workspace.database(DATABASE).documents("grants", Grant, "grant_id")

    @property
    def roles(self) -> "Documents[CustomRole]":
        """The custom roles."""
        return self._workspace.database(DATABASE).documents("roles", CustomRole, "name")

    @property
    def tokens(self) -> "Documents[Token]":
        """Every token that was ever created."""
        return self._workspace.database(DATABASE).documents("tokens", Token, "token_id")

    def rules(self) -> AccessRules:
        """Read what decisions are made on; while nothing changes, this costs two calls of stat.

        Raises:
            StateError: It cannot be read; then nobody may change anything.
        """
        return AccessRules(
            grants=self.grants.all(),
            roles={role.name: role for role in self.roles.all()},
            tokens={token.token_id: token for token in self.tokens.all()},
            owner=self.owner,
        )

    @property
    def owner(self) -> str:
        """The account that owns the folder of the workspace."""
        return account_of(os.stat(self._workspace.root).st_uid)

    def may(
        self, actor: Actor, verb: str, *, model: str | None = None, stage: str | None = None, follows: bool = False
    ) -> AccessDecision:
        """Say whether an actor may do something now, and why; see `decide`.

        Raises:
            StateError: The grants cannot be read. Then nobody may change anything, except that the owner of the folder
                may repair it.
        """
        principal = principal_of(actor)
        try:
            rules = self.rules()
        except StateError:
            if class_of(verb) is VerbClass.REPAIR and principal == Principal(PrincipalKind.USER, self.owner):
                return AccessDecision(True, f"{principal.name} owns the folder of the workspace")
            raise
        return decide(rules, principal, verb, model=model, stage=stage, now=self._clock(), follows=follows)

    def require(
        self,
        actor: Actor,
        verb: str,
        *,
        object: str = "",  # noqa: A002 - the word of the log's vocabulary
        model: str | None = None,
        stage: str | None = None,
        follows: bool = False,
    ) -> None:
        """Refuse what the actor may not do, and on a replica what is done at its desk.

        Raises:
            AccessRefusedError: No role of the actor allows it, or this workspace is a replica.
            StateError: The grants cannot be read; then nobody may change anything.
        """
        decision = self.may(actor, verb, model=model, stage=stage, follows=follows)
        # A role that is given may have such a verb all the same: only its use is refused.
        if decision.is_allowed and is_of_desk(verb) and (url := followed_url(self._workspace.root)) is not None:
            decision = AccessDecision(False, made_at_desk(url))
        if not decision.is_allowed:
            about = object or model or ""
            named = ", ".join(filter(None, (about, stage)))
            raise AccessRefusedError(
                f"{actor.name} may not do {verb}{f' ({named})' if named else ''}: {decision.reason}.",
                verb=verb,
                object=about,
            )

    def require_having(self, actor: Actor, verbs: Collection[str], *, to_do: str, object: str) -> None:  # noqa: A002
        """Refuse to give, with a role or a token, what the giver does not have without limits.

        Args:
            actor: Who gives.
            verbs: What the other will be able to do.
            to_do: The verb of the gift, for the record.
            object: What is given.
        Raises:
            AccessRefusedError: One of the verbs is not theirs to give.
            StateError: The grants cannot be read.
        """
        for verb in verbs:
            if not (decision := self.may(actor, verb)).is_allowed:
                raise AccessRefusedError(
                    f"{actor.name} may not do {to_do} ({object}), for it includes {verb}: {decision.reason}.",
                    verb=to_do,
                    object=object,
                )

    def giving_right(self, actor: Actor, verbs: Collection[str]) -> GivingRight:
        """Say how long an actor has all of some verbs without limits; see `core.access.decision.giving_right`.

        Raises:
            StateError: The grants cannot be read.
        """
        return giving_right(self.rules(), principal_of(actor), verbs, now=self._clock())

    def require_until(
        self,
        actor: Actor,
        until: datetime | None,
        right: GivingRight,
        *,
        to_do: str,
        object: str,  # noqa: A002
        instead: str,
    ) -> None:
        """Refuse to give anything for longer than the giver has it.

        Args:
            actor: Who gives.
            until: When the gift will end; None for never.
            right: How long the giver has it.
            to_do: The verb of the gift, for the record.
            object: What is given.
            instead: What to do, as a sentence.
        Raises:
            AccessRefusedError: It would outlast the giver's right.
        """
        if right.ends_at is None or (until is not None and until <= right.ends_at):
            return
        length = f"until {in_words(until)}" if until is not None else "for good"
        raise AccessRefusedError(
            f"{actor.name} may not do {to_do} ({object}) {length}: the right to give this ends at "
            f"{in_words(right.ends_at)} ({', '.join(right.rests_on)}). {instead}",
            verb=to_do,
            object=object,
        )

    @contextmanager
    def held(self, *, to_change: bool) -> Iterator[None]:
        """Hold the grants still from a decision to the end of the change that it allows.

        Whoever changes the grants waits for the changes under way, so no change is committed that was decided by
        grants which had been revoked before.

        Args:
            to_change: Whether the grants themselves will be changed.
        """
        path = self._workspace.state_dir / _GATE
        try:
            descriptor = open_lock(path)
        except OSError as error:
            raise access_error(path, "write", error) from error
        try:
            wait_for_lock(descriptor, path, shared=not to_change)
            yield
        finally:
            unlock(descriptor)
