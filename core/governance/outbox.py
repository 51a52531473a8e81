"""Committed changes that may not be in the log yet, kept in the file that they changed."""

import secrets
from collections.abc import Callable, Collection, Container, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from core.access.door import Door
from core.actor import Actor
from core.clock import Clock
from core.governance.record import AuditEntry, Evidence, differing, plain
from core.governance.sealed import REMOVED, changed_documents
from core.state.encoding import Tables

if TYPE_CHECKING:
    from core.state import Database, Documents

TABLE = "outbox"
_ABOUT_VERSIONS = ("version.", "alias.", "approval.")
"""Verbs whose object begins with the name of the model."""


def outbox_of(database: "Database") -> "Documents[AuditEntry]":
    """Return the outbox table of a database, in the order in which its entries were committed."""
    return database.documents(TABLE, AuditEntry, key="id")


class AuditedChange:
    """The argument of the body of an `audited` block: the database, and the recorder of the change."""

    def __init__(self, db: "Database", actor: Actor, reason: str, clock: Clock, door: Door | None = None) -> None:
        """Begin to record.

        Args:
            db: The database, in an open transaction.
            actor: The author of the change.
            reason: The reason, in the words of the actor.
            clock: The time.
            door: Refuses what the actor may not do; None for the engine, which may do everything.
        """
        self.db = db
        self._door = door
        self._actor = actor
        self._reason = reason
        self._clock = clock
        self._before: Tables = db.storage.read()
        self._lost: Collection[str] = ()
        self._unvouched: Collection[str] = ()
        self._entries: list[AuditEntry] = []

    @property
    def n_recorded(self) -> int:
        """The number of records that the block has made so far."""
        return len(self._entries)

    @property
    def entries(self) -> tuple[AuditEntry, ...]:
        """The records that the block has made so far."""
        return tuple(self._entries)

    def record(
        self,
        verb: str,
        object: str,  # noqa: A002 - the word of the log's vocabulary
        *,
        before: Any = None,
        after: Any = None,
        evidence: Sequence[Evidence] = (),
        reason: str | None = None,
        model: str | None = None,
        stage: str | None = None,
    ) -> None:
        """Record one change, to be logged if the block commits.

        This is the door: no change commits without a record, and what the actor may not do is refused here, whichever
        face it comes from. The grants are held still from here to the end of the commit.

        Args:
            verb: The action, a dotted noun and verb: "version.promote".
            object: The changed object: "spread/1.4.0".
            before: The document or value before the change; may be a struct or a mapping.
            after: The same after the change. Of two documents, only the differing fields are logged.
            evidence: Files that support the change, with their hashes.
            reason: The reason of this record; by default the reason of the block.
            model: The model that it is about; known by the object of a verb of versions, aliases and approvals.
            stage: The highest stage that it touches, if it is about a version.
        Raises:
            AccessRefusedError: No role of the actor allows the verb; nothing was changed.
        """
        if self._door is not None:
            of_version = object.partition("/")[0] if verb.startswith(_ABOUT_VERSIONS) else None
            self._door.require(
                self._actor, verb, object=object, model=model or of_version, stage=stage, follows=bool(self._entries)
            )
        old, new = differing(plain(before), plain(after))
        entry = AuditEntry(
            id=secrets.token_hex(8),
            at=self._clock(),
            actor=str(self._actor),
            origin=self._actor.origin.value,
            verb=verb,
            object=object,
            before=old,
            after=new,
            reason=self._reason if reason is None else reason,
            evidence=tuple(evidence),
        )
        self._entries.append(entry)

    def restored(self, *, lost: Collection[str]) -> None:
        """Record the digests of all documents of the database, which an earlier generation of its file has replaced.

        Args:
            lost: Documents that the last records left, and that the earlier generation does not have.
        """
        self._before, self._lost = {}, lost

    def vouch_not_for(self, names: Collection[str]) -> None:
        """Record no digests of these documents: what is in them was not put there by a recorded change."""
        self._unvouched = names

    def post(self, drained: Container[str], *, sealed: Callable[[AuditEntry], AuditEntry]) -> None:
        """Put the records into the outbox, and remove entries that are known to be in the log.

        Args:
            drained: Ids of entries that are surely in the log.
            sealed: Gives an entry its seal.
        """
        written = changed_documents(self.db.path.stem, self._before, self.db.storage.read())
        written |= dict.fromkeys(self._lost, REMOVED)
        written = {name: found for name, found in written.items() if name not in self._unvouched}
        outbox = outbox_of(self.db)
        outbox.remove_all(entry_id for entry_id in outbox.all_keys() if entry_id in drained)
        last = len(self._entries) - 1
        outbox.insert_all(
            sealed(msgspec.structs.replace(entry, documents=written if index == last else {}))
            for index, entry in enumerate(self._entries)
        )


def entry_by_engine(verb: str, object: str, *, clock: Clock, after: Any = None, reason: str = "") -> AuditEntry:  # noqa: A002
    """Make an entry about the log itself, without a database change."""
    actor = Actor.engine()
    return AuditEntry(
        id=secrets.token_hex(8),
        at=clock(),
        actor=str(actor),
        origin=actor.origin.value,
        verb=verb,
        object=object,
        after=msgspec.to_builtins(after),
        reason=reason,
        documents={},
    )
