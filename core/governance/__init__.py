"""Governance: every change of state witnessed in a log that cannot be edited unnoticed.

`audit.py` ties a change to its record, `outbox.py` keeps the record beside the change until it is logged,
`audit_log.py` drains, signs, reads and verifies; `chain.py` is the pure hash chain, `journal.py` the file,
`head.py` the newest head kept elsewhere, `keys.py` the keys.
"""

from core.governance.audit import audited
from core.governance.audit_log import AuditLog
from core.governance.errors import AuditKeyError, GovernanceError
from core.governance.outbox import AuditedChange
from core.governance.record import AuditRecord, Evidence
from core.governance.verification import AuditVerdict

__all__ = [
    "AuditKeyError",
    "AuditLog",
    "AuditRecord",
    "AuditVerdict",
    "AuditedChange",
    "Evidence",
    "GovernanceError",
    "audited",
]
