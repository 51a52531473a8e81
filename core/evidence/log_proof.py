"""The proof that quoted records are in the audit log, for somebody who has neither the log nor its key.

The chain of the log is keyed, so nobody without the key can recompute it. But its lines are bytes: the root of the
Merkle tree over all of them (RFC 6962) is in the signed manifest, and each quoted line comes with the hashes that lead
to it. The newest line carries the hash that `bondx audit anchor` prints, so an anchor that was kept elsewhere shows
that the tree is over the log as it was then. A record `audit.sign`, made with the key of the workspace, says the same
of the record before it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from core.errors import RefusedError
from core.evidence.pack import EvidenceSource, LogProof, QuotedRecord
from core.files import digest
from core.governance.audit_log import AuditLog
from core.governance.head import HeadStore
from core.governance.journal import Journal
from core.governance.merkle import leads_to, leaf_hash, paths_to, root_of
from core.governance.sealed import digest_of
from core.governance.verification import SIGNATURE_VERB
from core.state.workspace import Workspace


class UnprovenLogError(RefusedError):
    """The audit log does not verify, so nothing can be proved by it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"No evidence can be built on this audit log: {reason}. `bondx audit verify` says more.")


def require_sound_log(workspace: Workspace) -> None:
    """Refuse a workspace whose audit log does not verify.

    Raises:
        UnprovenLogError: It does not.
    """
    if not (verdict := AuditLog(workspace).verify()).ok:
        raise UnprovenLogError(verdict.reason)


def close(workspace: Workspace, sources: Sequence[EvidenceSource]) -> tuple[list[EvidenceSource], LogProof]:
    """Find the record that vouches for each source, and prove that all of them are in the log.

    Args:
        workspace: The workspace, whose log is signed first.
        sources: What the pack has read.

    Returns:
        The sources with their records, and the proof.
    """
    AuditLog(workspace).sign()
    with Journal(workspace.audit_file).locked(shared=True):
        head = HeadStore(workspace).load()
    if head is None or head.sequence == 0:
        raise UnprovenLogError("it has no record yet")
    lines = [line.rstrip(b"\n") for line in Journal(workspace.audit_file).lines(0, head.size)]
    vouching = _Vouching(sources)
    signed_by = 0
    for line in lines:
        fields = orjson.loads(line)
        vouching.hear(fields)
        if fields["verb"] == SIGNATURE_VERB:
            signed_by = fields["sequence"]
    closed = [vouching.closed(source, lines) for source in sources]
    quoted = {source.record for source in closed if source.record} | {head.sequence}
    if signed_by:
        quoted |= {signed_by, max(signed_by - 1, 1)}
    leaves = [leaf_hash(line) for line in lines]
    paths = paths_to((sequence - 1 for sequence in sorted(quoted)), leaves)
    proof = LogProof(
        sequence=head.sequence,
        hash=head.hash,
        root=root_of(leaves).hex(),
        records=tuple(
            QuotedRecord(
                sequence=sequence,
                line=lines[sequence - 1].decode(),
                path=tuple(step.hex() for step in paths[sequence - 1]),
            )
            for sequence in sorted(quoted)
        ),
        signed_by=signed_by,
    )
    return closed, proof


class _Vouching:
    """Which record was the last to leave a document, or to name a file, as it is."""

    def __init__(self, sources: Sequence[EvidenceSource]) -> None:
        self._digests = {source.place: document_digest(source) for source in sources if source.kind == "document"}
        self._files = {source.sha256 for source in sources if source.kind == "file"}
        self._documents: dict[str, int] = {}
        self._evidence: dict[str, int] = {}

    def hear(self, record: dict[str, Any]) -> None:
        for name, found in (record.get("documents") or {}).items():
            if self._digests.get(name) == found:
                self._documents[name] = record["sequence"]
        for item in record["evidence"]:
            if item["sha256"] in self._files:
                self._evidence[item["sha256"]] = record["sequence"]

    def closed(self, source: EvidenceSource, lines: Sequence[bytes]) -> EvidenceSource:
        if source.kind == "record":
            line = lines[source.record - 1]
            return msgspec.structs.replace(source, sha256=digest(line), content=line.decode())
        found = self._documents.get(source.place, 0) if source.kind == "document" else 0
        if source.kind == "file":
            found = self._evidence.get(source.sha256, 0)
        return msgspec.structs.replace(source, record=found)


def document_digest(source: EvidenceSource) -> str:
    """Return the digest of a document as the audit log records it; empty if it is not embedded."""
    if source.content is None:
        return ""
    return digest_of(source.place.split("/")[1], orjson.loads(source.content))


def faults_of(proof: LogProof, sources: Sequence[EvidenceSource]) -> list[str]:
    """Check a proof without the log; return a sentence for each fault."""
    faults = []
    records: dict[int, dict[str, Any]] = {}
    root = bytes.fromhex(proof.root)
    for quoted in proof.records:
        path = [bytes.fromhex(step) for step in quoted.path]
        if not leads_to(root, leaf_hash(quoted.line.encode()), quoted.sequence - 1, proof.sequence, path):
            faults.append(f"record {quoted.sequence} is not in the audit log under the signed root")
            continue
        fields = orjson.loads(quoted.line)
        if fields["sequence"] != quoted.sequence:
            faults.append(f"record {quoted.sequence} says that it is record {fields['sequence']}")
        records[quoted.sequence] = fields
    if records.get(proof.sequence, {}).get("hash") != proof.hash:
        faults.append(f"record {proof.sequence} does not have the hash of the anchored head")
    return faults + [fault for source in sources for fault in _faults_of_source(source, records, sources)]


def _faults_of_source(
    source: EvidenceSource, records: dict[int, dict[str, Any]], sources: Sequence[EvidenceSource]
) -> list[str]:
    faults = []
    name = f"source {source.id} ({source.place})"
    if source.content is not None and digest(source.content.encode()) != source.sha256:
        faults.append(f"{name} is not what its hash says")
    record = records.get(source.record) if source.record else None
    if source.record and record is None:
        faults.append(f"{name} is vouched for by record {source.record}, which the pack does not prove")
    elif record is not None and not _vouches(record, source):
        faults.append(f"{name} is not what record {source.record} left")
    if source.within and not _is_listed(source, sources):
        faults.append(f"{name} is not in the list of files that it is said to be in")
    return faults


def _vouches(record: dict[str, Any], source: EvidenceSource) -> bool:
    if source.kind == "document":
        return (record.get("documents") or {}).get(source.place) == document_digest(source)
    if source.kind == "record":
        return source.content is not None and orjson.loads(source.content) == record
    return any(item["sha256"] == source.sha256 for item in record["evidence"])


def _is_listed(source: EvidenceSource, sources: Sequence[EvidenceSource]) -> bool:
    """Say whether a list of files, itself a source, has this file with its hash."""
    listing = next((each for each in sources if each.id == source.within), None)
    if listing is None or listing.content is None:
        return False
    try:
        files = orjson.loads(listing.content)["files"]
        folder = listing.place.rpartition("/")[0]
        return bool(files[source.place.removeprefix(f"{folder}/")]["sha256"] == source.sha256)
    except (ValueError, KeyError, TypeError):
        return False
