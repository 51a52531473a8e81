"""The workspace and its documents: transactions, compare-and-swap, the engine's lease, and notice of changes.

workspace.py      the folder, and where each thing in it is
encoding.py       JSON that reads back as it was meant, or is refused
generation.py     how a file is read, and how the next generation takes its place
fair_lock.py      whose turn it is to write
storage.py        transactions
database.py       TinyDB on top of it
documents.py      typed documents with revisions
lease.py          which process is the engine
change_watch.py   what others committed
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
    from core.state.lease import Lease, LeaseHolder, read_lease

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
    "read_lease",
]

# Where the rest lives, imported when first asked for: a console paints its first screen before it opens a database.
_HOMES = {
    "ChangeWatch": "change_watch",
    "Database": "database",
    "Documents": "documents",
    "Lease": "lease",
    "LeaseHolder": "lease",
    "read_lease": "lease",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
