"""What the operator of this console may do, as far as it can be known before a change is offered."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.access import AccessRules
    from core.actor import Actor
    from core.state import Workspace

FRESH_SECONDS = 1.0


class OwnRights:
    """Dims keys that the operator may not use. Core judges every change again when it is carried out."""

    def __init__(self, workspace: "Workspace", actor: "Actor", monotonic: Callable[[], float]) -> None:
        """Read nothing yet.

        Args:
            workspace: The workspace.
            actor: The operator.
            monotonic: A monotonic clock in seconds.
        """
        self._workspace = workspace
        self._actor = actor
        self._monotonic = monotonic
        self._read_at = float("-inf")
        self._rules: AccessRules | None = None
        self._problem: str | None = None
        self._followed: str | None = None

    def refusal(self, needs: Collection[str], model: str | None = None) -> str | None:
        """Say why the operator may do none of some verbs; None if one is allowed.

        Args:
            needs: Verbs as the audit log calls them.
            model: The model that they are about, if it is known.
        """
        rules = self._read()
        if self._followed is not None:
            from core.access.verbs import is_of_desk, made_at_desk

            if all(map(is_of_desk, needs)):
                return f"{self._actor.name} may not do {next(iter(needs))}: {made_at_desk(self._followed)}."
        if rules is None:
            return self._problem
        if not rules.governed:
            return None
        from core.access import can_ever, decide, principal_of
        from core.clock import utc_now

        principal, now = principal_of(self._actor), utc_now()
        if any(can_ever(rules, principal, verb, model=model, now=now) for verb in needs):
            return None
        verb = next(iter(needs))
        return f"{self._actor.name} may not do {verb}: {decide(rules, principal, verb, model=model, now=now).reason}."

    def _read(self) -> "AccessRules | None":
        """Read the grants, at most once a second: a footer asks for every key."""
        now = self._monotonic()
        if now - self._read_at >= FRESH_SECONDS:
            self._read_at = now
            from core.errors import CoreError
            from core.settings.followed import followed_url

            self._followed = followed_url(self._workspace.root)
            try:
                self._rules, self._problem = self._rules_in_force(), None
            except (CoreError, OSError) as error:  # then core refuses every change, too
                self._rules, self._problem = None, f"Nobody may change anything: {error}"
        return self._rules

    def _rules_in_force(self) -> "AccessRules | None":
        """Return the rules; None if nothing was ever granted, for which a first frame must not load a database."""
        if not self._workspace.access_file.exists():
            return None
        from core.access import Door

        return Door(self._workspace).rules()
