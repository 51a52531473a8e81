"""Keep state files small: the engine moves older documents into archive files, so that a change writes few bytes."""

import logging

from core.actor import Actor
from core.allocator import return_memory
from core.governance.audit import audited
from core.governance.head import DATABASE as AUDIT_DATABASE
from core.governance.outbox import TABLE as OUTBOX
from core.registry.holds import TABLE as HOLDS
from core.registry.records import DATABASE as REGISTRY
from core.registry.records import Records
from core.state import Workspace

ARCHIVE_ABOVE_BYTES = 512 << 10
"""A larger state file is relieved of its older documents; a change writes the rest within a few milliseconds."""

_STAY = frozenset({OUTBOX, HOLDS})  # these come and go with every change

log = logging.getLogger(__name__)


def archive_documents(workspace: Workspace, *, actor: Actor, above_bytes: int = ARCHIVE_ABOVE_BYTES) -> list[str]:
    """Move the older documents of every large state file into an archive file. What readers see stays the same.

    Args:
        workspace: The workspace, whose engine this process is: an older release cannot read archive files.
        actor: The engine.
        above_bytes: The size from which a state file is large.

    Returns:
        One sentence for each state file with moved documents.

    Raises:
        CoreError: A state file could not be read or written; nothing was changed in it.
    """
    return [
        sentence
        for file in sorted(workspace.state_dir.glob("*.json"))
        if file.stem != AUDIT_DATABASE and file.stat().st_size > above_bytes
        if (sentence := _archive(workspace, file.stem, actor))
    ]


def _archive(workspace: Workspace, database: str, actor: Actor) -> str:
    if not workspace.database(database).storage.has_older_documents(keep=_STAY):
        return ""
    reason = "the state file has outgrown what a change should write"
    with audited(workspace, database, actor=actor, reason=reason) as change:
        if database == REGISTRY:
            Records(workspace).pack_older_moves()
        archived = change.db.storage.archive(keep=_STAY)
        after = {"file": archived.file.name, "n_documents": archived.n_documents, "n_files": archived.n_files}
        change.record("state.archive", f"state/{database}.json", after=after)
    sentence = f"{archived.n_documents:,} documents of {database}.json moved to {archived.file.name}"
    log.info("%s", sentence)
    return_memory()
    return sentence
