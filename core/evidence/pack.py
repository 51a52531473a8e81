"""An evidence pack as data: sections of figures with the records that they came from, and the proof of the records."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

FORMAT = 1


class SectionStatus(StrEnum):
    """How much of a section is recorded."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    MISSING = "missing"


class PackKind(StrEnum):
    """What a pack is about."""

    VERSION = "version"
    SESSION = "session"
    ROLLOUT = "rollout"
    STRESS = "stress"
    MODEL = "model"  # and a period


class Figure(msgspec.Struct, frozen=True, array_like=True):
    """A value as it is shown, and the source that it came from."""

    text: str
    source: str = ""  # "S3"; empty: words of this program, or of the table's own source


class EvidenceFact(msgspec.Struct, frozen=True, kw_only=True):
    """A named value."""

    name: str
    value: Figure


class EvidenceTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table; its columns of figures are drawn to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Figure, ...], ...]
    about: str = ""


class EvidenceChart(msgspec.Struct, frozen=True, kw_only=True):
    """Bars, or a line over numbers; drawn as SVG, and told as text for readers without pictures."""

    title: str
    kind: Literal["bars", "line"]
    names: tuple[str, ...]
    values: tuple[float, ...]
    source: str
    unit: str = ""


class EvidenceSection(msgspec.Struct, frozen=True, kw_only=True):
    """One of the sixteen sections, or the annex."""

    number: int
    title: str
    status: SectionStatus
    paragraphs: tuple[str, ...] = ()
    facts: tuple[EvidenceFact, ...] = ()
    tables: tuple[EvidenceTable, ...] = ()
    charts: tuple[EvidenceChart, ...] = ()
    missing: tuple[str, ...] = ()  # what is not recorded, a sentence each, with what would record it


class EvidenceSource(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure came from, with its hash.

    Attributes:
        kind: "document" of a state file, "file" of the workspace, "record" of the audit log, or "settings".
        place: Where it is: "registry/versions/3", "artifacts/spread/1.4.0/report.json", "record 55".
        sha256: Of `content`, or of the whole file if it is not embedded.
        content: What was read; None if it is too large to be embedded.
        record: The audit record that vouches for it; 0: none does.
        within: The source whose list of files has its hash, such as the manifest of a version; empty: none.
    """

    id: str
    kind: Literal["document", "file", "record", "settings"]
    place: str
    sha256: str
    content: str | None = None
    record: int = 0
    within: str = ""


class QuotedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the audit log, and the hashes that lead from it to the root over the whole log."""

    sequence: int
    line: str
    path: tuple[str, ...]  # the lowest first (RFC 6962)


class LogProof(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that the quoted records are in the audit log, up to its newest record at the time."""

    sequence: int  # of the newest record: the anchor
    hash: str
    root: str  # Merkle root over all lines up to it
    records: tuple[QuotedRecord, ...]  # the newest is among them
    signed_by: int = 0  # the record that holds a signature of the log's head; 0: none


class EvidencePack(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a pack says."""

    format: int = FORMAT
    pack_id: str  # "ev-0001"
    kind: PackKind
    subject: str  # "spread/1.4.0", "s-0001", "ro-0002", "st-0003", "spread 2026-01-01..2026-03-31"
    title: str
    built_at: datetime
    built_by: str
    workspace: str
    host: str
    release: str
    notice: str
    sections: tuple[EvidenceSection, ...]
    sources: tuple[EvidenceSource, ...]
    proof: LogProof

    @property
    def n_missing(self) -> int:
        """The number of things that are not recorded."""
        return sum(len(section.missing) for section in self.sections)


class PackManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed: the files of a pack, its parts, and the position of the audit log.

    Attributes:
        files: SHA-256 of each file beside the manifest.
        sections: SHA-256 of each section by its number, so that an edit is named.
        sources: SHA-256 of each source by its id, likewise.
        public_key: Of the key that signed it, as 64 hex digits.
        model_key: Of the key that signed the folder for foreign verifiers, in PEM; unset in packs of earlier releases.
        signature: Ed25519, over everything else, as hex digits.
    """

    format: int = FORMAT
    pack_id: str
    kind: PackKind
    subject: str
    built_at: datetime
    files: dict[str, str]
    sections: dict[str, str]
    sources: dict[str, str]
    audit_sequence: int
    audit_hash: str
    audit_root: str
    public_key: str
    model_key: str | msgspec.UnsetType = msgspec.UNSET
    signature: str = ""

    def message(self) -> bytes:
        """Return the bytes that the signature covers."""
        unsigned = msgspec.structs.replace(self, signature="")
        return b"bondx evidence " + msgspec.json.encode(unsigned, order="deterministic")
