"""Aliases: names people give to versions in addition to their stages, such as `@champion`.

An alias is only a pointer: it moves no traffic and passes no gate. It has its own table, so that moving an alias does
not make a promotion plan stale.
"""

import re
from datetime import datetime

import msgspec

from core.actor import Actor
from core.clock import Clock
from core.registry.changes import registry_change
from core.registry.errors import AliasNotFoundError, InvalidNameError
from core.registry.numbering import checked_model_name
from core.registry.records import Records
from core.registry.stages import Stage
from core.state import Workspace

MARK = "@"

_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,63}")
# The server's own labels: it answers @production with the live version, regardless of an alias of that name.
RESERVED = frozenset({*(stage.lower() for stage in Stage), "stable", "candidate"})
_RULE = "1 to 64 characters: lowercase letters, digits, '-' and '_', starting with a letter"


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """One name for one version of a model."""

    key: str  # "spread@champion"
    model: str
    alias: str
    version: str
    updated_at: datetime
    updated_by: str
    revision: int = 0


class Aliases:
    """The aliases of all models."""

    def __init__(self, workspace: Workspace, records: Records, clock: Clock) -> None:
        self._workspace = workspace
        self._records = records
        self._documents = records.database.documents("aliases", Alias, "key")
        self._clock = clock

    def all(self) -> list[Alias]:
        """Return every alias of every model, by model and name."""
        return sorted(self._documents.all(), key=_key)

    def of(self, model: str) -> dict[str, str]:
        """Return the version behind every alias of a model, by alias."""
        return {found.alias: found.version for found in self.all() if found.model == model}

    def resolve(self, model: str, word: str) -> str:
        """Return the version that a word names: `@champion`, or a number unchanged.

        Raises:
            AliasNotFoundError: The model has no such alias; the message names its aliases.
        """
        if not word.startswith(MARK):
            return word
        found = self._documents.find(model + word)
        if found is None:
            self._records.model(model)
            raise AliasNotFoundError(model, word, [MARK + alias for alias in self.of(model)])
        return found.version

    def get(self, model: str, alias: str) -> Alias:
        """Return an alias as stored.

        Raises:
            AliasNotFoundError: The model has no such alias; the message names its aliases.
        """
        word = MARK + checked_alias(alias)
        self.resolve(model, word)
        return self._documents.get(model + word)

    def set(
        self, model: str, alias: str, version: str, *, actor: Actor, reason: str, expected_revision: int | None = None
    ) -> Alias:
        """Point an alias at a version, wherever it pointed before."""
        name = checked_alias(alias)
        if name in RESERVED:
            raise InvalidNameError(
                "alias", alias, f"a word other than serving's own labels: {', '.join(sorted(RESERVED))}"
            )
        with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
            number = self._records.version(model, self.resolve(model, version)).version
            key = f"{model}{MARK}{name}"
            before = self._documents.find(key)
            wanted = Alias(
                key=key,
                model=model,
                alias=name,
                version=number,
                updated_at=self._clock(),
                updated_by=str(actor),
                revision=before.revision if before else 0,
            )
            if before is None and not expected_revision:
                stored = self._documents.insert(wanted)
            else:
                stored = self._documents.replace(wanted, expected_revision=expected_revision)
            was = {"version": before.version} if before else None
            change.record("alias.set", key, before=was, after={"version": number})
            return stored

    def remove(
        self, model: str, alias: str, *, actor: Actor, reason: str, expected_revision: int | None = None
    ) -> None:
        """Remove an alias; its version stays."""
        key = f"{checked_model_name(model)}{MARK}{checked_alias(alias)}"
        with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
            was = self.resolve(model, key.removeprefix(model))
            self._documents.remove(key, expected_revision=expected_revision)
            change.record("alias.remove", key, before={"version": was})


def checked_alias(alias: str) -> str:
    """Return an alias without its mark.

    Raises:
        InvalidNameError: It is not a valid alias.

    >>> checked_alias("@champion")
    'champion'
    """
    name = alias.removeprefix(MARK)
    if _ALIAS.fullmatch(name) is None:
        raise InvalidNameError("alias", alias, _RULE)
    return name


def _key(alias: Alias) -> str:
    return alias.key
