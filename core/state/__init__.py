"""The workspace and its documents: transactions, compare-and-swap, the engine's lease, and notice of changes.

workspace.py      the folder and its layout
recent_workspaces.py  the workspaces that a person has opened lately
encoding.py       JSON that reads back exactly, or is refused
generation.py     reading a file, and replacing it with its next generation
fair_lock.py      the order of writers
archive.py        files of older documents
document_file.py  documents that stay in their file until somebody reads them
brief.py          documents whose large fields are read when asked for
storage.py        transactions
database.py       TinyDB on top of it
documents.py      typed documents with revisions
lease.py          the engine's exclusive right to a workspace
write_health.py   what keeps a workspace from being written
change_watch.py   notice of other processes' commits
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.state.errors import (
    DamagedFileError,
    DocumentExistsError,
    DocumentFormatError,
    DocumentNotFoundError,
    ForbiddenCommitError,
    LeaseHeldError,
    StaleRevisionError,
    StateError,
    TransactionError,
    UnstorableValueError,
    UnsuitableFilesystemError,
    WorkspaceNotFoundError,
)
from core.state.workspace import Workspace

if TYPE_CHECKING:
    from core.state.change_watch import ChangeWatch
    from core.state.database import Database
    from core.state.documents import Documents
    from core.state.lease import Lease, LeaseHolder, last_beat, read_lease

__all__ = [
    "ChangeWatch",
    "DamagedFileError",
    "Database",
    "DocumentExistsError",
    "DocumentFormatError",
    "DocumentNotFoundError",
    "Documents",
    "ForbiddenCommitError",
    "Lease",
    "LeaseHeldError",
    "LeaseHolder",
    "StaleRevisionError",
    "StateError",
    "TransactionError",
    "UnstorableValueError",
    "UnsuitableFilesystemError",
    "Workspace",
    "WorkspaceNotFoundError",
    "last_beat",
    "read_lease",
]

# The other names, imported on first use: a console paints its first screen before it opens a database.
_HOMES = {
    "ChangeWatch": "change_watch",
    "Database": "database",
    "Documents": "documents",
    "Lease": "lease",
    "LeaseHolder": "lease",
    "last_beat": "lease",
    "read_lease": "lease",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
