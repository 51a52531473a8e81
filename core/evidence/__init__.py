"""Evidence packs: what is recorded about a version, a session, a rollout, a stress test or a period, with its proof.

`pack.py` is a pack as data, `sources.py` reads what its figures come from, `subject.py` gathers what is recorded about
one thing, `sections/` writes the sixteen sections of it, and the annex from the drafts that `drafts.py` keeps,
`regulation.py` maps rules to them, `log_proof.py` proves that the quoted audit records are in the log, `page.py` and
`charts.py` draw it, `pdf.py` and `pdf_layout.py` set it for paper, `signing.py` signs it, `verification.py` checks it
on any machine, `packs.py` keeps the packs of a workspace. `bill.py` writes the bill of materials of a version and
`provenance.py` its provenance, both from what `recorded_version.py` reads; `version_signature.py` the signature of its
files for foreign verifiers, whose keys `key_rotation.py` lists and rotates.
"""

from core.evidence.bill import bill_of_version
from core.evidence.drafts import NarrativeDrafts, RecordedDraft, ToldDraft
from core.evidence.key_rotation import KeyRotation, SigningKey, rotate_signing_key, signing_keys
from core.evidence.pack import EvidencePack, EvidenceSection, PackKind, PackManifest, SectionStatus
from core.evidence.packs import EvidencePacks, KeptPack
from core.evidence.pdf import has_pdf_extra
from core.evidence.provenance import is_signed_provenance, provenance_of
from core.evidence.recorded_version import encoded_record
from core.evidence.verification import PackVerdict, verify_pack
from core.evidence.version_signature import signature_of_version

__all__ = [
    "EvidencePack",
    "EvidencePacks",
    "EvidenceSection",
    "KeptPack",
    "KeyRotation",
    "NarrativeDrafts",
    "PackKind",
    "PackManifest",
    "PackVerdict",
    "RecordedDraft",
    "SectionStatus",
    "SigningKey",
    "ToldDraft",
    "bill_of_version",
    "encoded_record",
    "has_pdf_extra",
    "is_signed_provenance",
    "provenance_of",
    "rotate_signing_key",
    "signature_of_version",
    "signing_keys",
    "verify_pack",
]
