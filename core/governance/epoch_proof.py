"""Proof that an epoch is among those that the log sealed, for somebody who has neither the ledger nor the key."""

import itertools
from collections.abc import Iterator

import msgspec
import orjson

from core.errors import NotFoundError
from core.governance.errors import TamperedError
from core.governance.journal import Journal
from core.governance.merkle import Peaks, leads_to, leaf_hash, path_through
from core.governance.record import AuditRecord


class EpochProof(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch's line, and the way from it to the root in a record of the log (RFC 6962, section 2.1.1)."""

    session: str
    epoch: int
    line: str  # the bytes that are hashed, as text
    index: int  # of the line, from 0
    n_epochs: int  # under the root
    path: tuple[str, ...]  # SHA-256 hashes in hexadecimal, the lowest first
    root: str
    sealed_by: int  # the sequence of the record `epochs.seal`
    record: str  # that record as it is in the log, with the same root

    def holds(self) -> bool:
        """Say whether the line is under the root, and the root in the record."""
        try:
            record = orjson.loads(self.record)
            after = record["after"]
            said = record["verb"], record["object"], record["sequence"], after["epochs"], after["root"]
            path = [bytes.fromhex(step) for step in self.path]
            root = bytes.fromhex(self.root)
        except (ValueError, KeyError, TypeError):
            return False
        is_recorded = said == ("epochs.seal", self.session, self.sealed_by, self.n_epochs, self.root)
        return is_recorded and leads_to(root, leaf_hash(self.line.encode()), self.index, self.n_epochs, path)


def not_sealed(epoch: int, session: str) -> NotFoundError:
    """Return the refusal of an epoch that no record of the log covers."""
    cure = "The log seals epochs whenever something else happens to the session, and every 256 epochs."
    return NotFoundError(f"The log has sealed no epoch {epoch} of {session}. {cure}")


def prove(epoch: int, ledger: Journal, seal: AuditRecord, record: str) -> EpochProof:
    """Prove that an epoch is among those that a record sealed.

    Args:
        epoch: Its number.
        ledger: The ledger of the session.
        seal: The newest record that sealed it, intact.
        record: Its line.

    Raises:
        NotFoundError: No sealed line is about this epoch.
        TamperedError: The lines are not those that were sealed.
    """
    session, n = seal.object, seal.after["epochs"]
    # Twice through the lines: those of a session of a million epochs are too many to hold.
    found = None
    peaks = Peaks()
    for index, line in enumerate(_sealed(ledger, n)):
        peaks.add(leaf_hash(line))
        if _may_be_of(epoch, line) and _epoch_of(line) == epoch:
            found = index, line  # the last one, if an epoch was repeated
    if (peaks.n, peaks.root().hex()) != (n, seal.after["root"]):
        raise TamperedError(
            f"The epochs of {session} are not those that record {seal.sequence} sealed; `bondx audit verify` says more."
        )
    if found is None:
        raise not_sealed(epoch, session)
    index, line = found
    return EpochProof(
        session=session,
        epoch=epoch,
        line=line.decode(),
        index=index,
        n_epochs=n,
        path=tuple(step.hex() for step in path_through(index, map(leaf_hash, _sealed(ledger, n)), n)),
        root=seal.after["root"],
        sealed_by=seal.sequence,
        record=record,
    )


def _sealed(ledger: Journal, n: int) -> Iterator[bytes]:
    """Yield the first lines of a ledger, without their newlines."""
    return (line.rstrip(b"\n") for line in itertools.islice(ledger.lines(0, ledger.size()), n))


def _may_be_of(epoch: int, line: bytes) -> bool:
    """Say at once of most lines that they are about another epoch."""
    return b'"epoch":%d' % epoch in line


def _epoch_of(line: bytes) -> int | None:
    after = orjson.loads(line)["after"]
    return after.get("epoch") if isinstance(after, dict) else None
