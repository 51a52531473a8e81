"""Governance: every change of state is recorded in a tamper-evident log.

`audit.py` ties a change to its record and to the right to it, `grants.py` gives and takes rights,
`outbox.py` keeps the record beside the change until it is logged,
`audit_log.py` drains, signs, reads and verifies, `audit_filter.py` says which records are wanted;
`chain.py` is the pure hash chain, `journal.py` the file,
`head.py` the newest head in the state files, `keys.py` the keys, `model_keys.py` the key for foreign verifiers,
`model_signing.py` the signatures that they verify, `sealed.py` what the records say about documents,
`anchors.py` positions kept outside.
"""

from core.governance.anchors import Anchor, append_anchor, read_anchors, spelled_anchor
from core.governance.audit import audited, require_access
from core.governance.audit_filter import AuditFilter
from core.governance.audit_log import AuditLog
from core.governance.epoch_proof import EpochProof
from core.governance.errors import AuditKeyError, GovernanceError, ModelKeyError
from core.governance.outbox import AuditedChange
from core.governance.record import AuditRecord, Evidence
from core.governance.verification import AuditVerdict

__all__ = [
    "Anchor",
    "AuditFilter",
    "AuditKeyError",
    "AuditLog",
    "AuditRecord",
    "AuditVerdict",
    "AuditedChange",
    "EpochProof",
    "Evidence",
    "GovernanceError",
    "ModelKeyError",
    "append_anchor",
    "audited",
    "read_anchors",
    "require_access",
    "spelled_anchor",
]
