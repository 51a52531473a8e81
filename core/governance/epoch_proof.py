"""Proof that an epoch is among those that the log sealed, for somebody who has neither the ledger nor the key."""

import msgspec
import orjson

from core.errors import NotFoundError
from core.governance.journal import Journal
from core.governance.merkle import leads_to, leaf_hash, path_to, root_of
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
    record_hash: str  # of that record

    def holds(self) -> bool:
        """Say whether the line is under the root."""
        path = [bytes.fromhex(step) for step in self.path]
        return leads_to(bytes.fromhex(self.root), leaf_hash(self.line.encode()), self.index, self.n_epochs, path)


def prove(session: str, epoch: int, ledger: Journal, seal: AuditRecord | None) -> EpochProof:
    """Prove that an epoch is among those that a record sealed.

    Args:
        session: Whose epoch.
        epoch: Its number.
        ledger: The ledger of the session.
        seal: The newest record that sealed it.

    Raises:
        NotFoundError: No sealed line is about this epoch.
    """
    n = seal.after["epochs"] if seal else 0
    lines = [line.rstrip(b"\n") for _, line in zip(range(n), ledger.lines(0, ledger.size()), strict=False)]
    index = next((at for at in reversed(range(len(lines))) if _epoch_of(lines[at]) == epoch), None)
    if seal is None or index is None:
        cure = "The log seals epochs whenever something else happens to the session, and every 256 epochs."
        raise NotFoundError(f"The log has sealed no epoch {epoch} of {session}. {cure}")
    leaves = [leaf_hash(line) for line in lines]
    return EpochProof(
        session=session,
        epoch=epoch,
        line=lines[index].decode(),
        index=index,
        n_epochs=n,
        path=tuple(step.hex() for step in path_to(index, leaves)),
        root=root_of(leaves).hex(),
        sealed_by=seal.sequence,
        record_hash=seal.hash,
    )


def _epoch_of(line: bytes) -> int | None:
    after = orjson.loads(line)["after"]
    return after.get("epoch") if isinstance(after, dict) else None
