"""The newest head of the audit chain, kept in the state files.

The log alone cannot show that its end was cut off, or that a holder of the key rewrote all of it: every prefix of a
chain is a valid chain. The head, kept in another file, can.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import orjson

from core.governance.chain import GENESIS, Link, Seal
from core.governance.ledgers import LedgerHead
from core.governance.record import AuditEntry

if TYPE_CHECKING:
    from core.state import Workspace

DATABASE = "audit"
"""The state file of the head: `state/audit.json`."""

_KEY = "head"
_REMEMBERED = 32


class AuditHead(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the log after its last write."""

    name: str = _KEY
    sequence: int = 0
    hash: str = GENESIS
    start: int = 0  # offset of this record's line in the log, in bytes
    size: int = 0  # end of the line: the size of the log
    signed_sequence: int = 0
    drained: dict[str, tuple[str, ...]] = {}
    ledgers: dict[str, LedgerHead] = {}  # the ends of the newest ledgers, by session
    seals_outbox: bool = False  # waiting entries have seals, and the tag covers `drained`; not in earlier releases
    tag: str = ""
    revision: int = 0

    @property
    def link(self) -> Link:
        """The position in the chain."""
        return Link(self.sequence, self.hash)

    def sealed(self, seal: Seal) -> "AuditHead":
        """Return this head with the tag that proves that a holder of the key wrote it."""
        return msgspec.structs.replace(self, tag=self._tag(seal))

    def is_genuine(self, seal: Seal) -> bool:
        """Say whether the tag is valid."""
        return self.tag == self._tag(seal)

    def _tag(self, seal: Seal) -> str:
        position = f"head {self.sequence} {self.hash} {self.signed_sequence}".encode()
        if not self.seals_outbox:
            return seal.hash_of(position)
        covered = orjson.dumps(self.drained, option=orjson.OPT_SORT_KEYS)
        if self.ledgers:  # the tag of a head of an earlier release stays valid
            covered += orjson.dumps(msgspec.to_builtins(self.ledgers), option=orjson.OPT_SORT_KEYS)
        return seal.hash_of(position + covered)

    def says_the_same_as(self, other: "AuditHead") -> bool:
        """Say whether two heads differ at most in tag and revision."""
        return msgspec.structs.replace(self, tag=other.tag, revision=other.revision) == other


def remember(drained: Sequence[str], fresh: Sequence[AuditEntry], *, n_posted: int) -> tuple[str, ...]:
    """List the drained entries of one database that must be remembered after one more drain.

    Entries stay in the outbox until the next change of their database, so at least those posted are remembered;
    a few more, so that a database put back to its generation before repeats nothing.
    """
    ids = (*drained, *(entry.id for entry in fresh))
    return ids[-max(n_posted, _REMEMBERED) :]


class HeadStore:
    """Reads and writes the one head of a workspace."""

    def __init__(self, workspace: "Workspace") -> None:
        self._documents = workspace.database(DATABASE).documents("head", AuditHead, key="name")

    def load(self) -> AuditHead | None:
        """Return the stored head; None if the log was never written to."""
        return self._documents.find(_KEY)

    def store(self, head: AuditHead, seal: Seal) -> AuditHead:
        """Seal a head and store it in place of the previous head."""
        sealed = head.sealed(seal)
        current = self._documents.find(_KEY)
        if current is None:
            return self._documents.insert(sealed)
        return self._documents.replace(sealed, expected_revision=current.revision)
