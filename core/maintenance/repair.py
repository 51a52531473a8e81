"""Repair the findings of `examine` that need no judgement.

These are rights of other accounts, documents of the wrong type, and what killed restorations left beside the workspace.

Every document that is changed keeps its old bytes in `state/repaired/`, and an audit record names both.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor
from core.errors import CoreError
from core.files import create_once, digest
from core.governance.audit import audited, require_access
from core.governance.audit_log import AuditLog
from core.governance.outbox import TABLE as OUTBOX
from core.governance.record import AuditEntry, Evidence
from core.governance.sealed import Witness, digest_of, is_recorded, name_of, unvouched_sentence
from core.json_documents import converted
from core.maintenance.access import close_to_others
from core.maintenance.backup.restoring import remove_killed_restorations
from core.maintenance.state_files import state_files
from core.maintenance.stored_documents import HEAD, TABLES, TableOf, UnreadableDocument, unreadable_documents
from core.state.workspace import Workspace

KEPT_IN = "repaired"


def repair(workspace: Workspace, *, actor: Actor, reason: str = "", tables: Sequence[TableOf] = TABLES) -> list[str]:
    """Repair the workspace.

    Args:
        workspace: The workspace.
        actor: The author of the repair, for the audit log.
        reason: Why, in the actor's words.
        tables: The tables of documents.
    Returns:
        One sentence for each change; empty if nothing needed a repair.
    Raises:
        CoreError: Something could not be written.
    """
    require_access(workspace, actor, "document.repair")
    done = close_to_others(workspace)
    for folder in remove_killed_restorations(workspace.root.resolve().parent):
        done.append(f"{folder} is removed: a restoration that was killed left files of a backup there.")
    for file in state_files(workspace):
        done += _repair_documents(workspace, file.stem, actor, reason, tables)
    return done


def _repair_documents(
    workspace: Workspace, database: str, actor: Actor, reason: str, tables: Sequence[TableOf]
) -> list[str]:
    if database == HEAD.database:
        return []  # the head is sealed: the log itself is the way back
    try:
        if not any(unreadable_documents(workspace, database, tables)):
            return []
    except CoreError:
        return []  # the file itself is damaged, which `restore` repairs
    log = AuditLog(workspace)
    witness = log.witness()
    with audited(workspace, database, actor=actor, reason=reason) as change:
        found = list(unreadable_documents(workspace, database, tables))  # again, now that nobody else writes
        storage = change.db.storage
        for document in found:
            table = dict(storage.read()[document.table])
            if document.repaired is None:
                del table[document.doc_id]
            elif document.table == OUTBOX:
                table[document.doc_id] = _sealed(log, database, document.repaired)
            else:
                table[document.doc_id] = document.repaired
            storage.write_table(document.table, table)
        unvouched = [
            name
            for document in found
            if not _is_vouched_for(witness, name := name_of(database, document.table, document.doc_id), document)
        ]
        change.vouch_not_for(unvouched)
        for document in found:
            change.record(
                "document.repair",
                f"{database}/{document.table}/{document.key}",
                before=document.stored,
                after=document.repaired,
                evidence=[_keep_aside(document)],
            )
    doubt = [f"{unvouched_sentence(unvouched)}."] if unvouched else []
    return [_told(document) for document in found] + doubt


def _is_vouched_for(witness: Witness, name: str, document: UnreadableDocument) -> bool:
    """Say whether a record left the document as it was, or leaves it as it becomes: else somebody edited it."""
    if document.repaired is None or not is_recorded(document.file.stem, document.table):
        return True
    return any(
        witness.vouches_for(name, digest_of(document.table, found)) for found in (document.stored, document.repaired)
    )


def _sealed(log: AuditLog, database: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Let a repaired entry of the outbox into the log, where the record of the repair stands beside it."""
    sealed: dict[str, Any] = msgspec.to_builtins(log.sealed(database, converted(entry, AuditEntry)))
    return sealed


def _keep_aside(document: UnreadableDocument) -> Evidence:
    content = msgspec.json.format(msgspec.json.encode(document.stored), indent=2) + b"\n"
    folder, n = document.file.parent / KEPT_IN, 1
    stem = f"{document.file.stem}.{document.table}.{document.doc_id}"
    while not create_once(path := folder / f"{stem}.{n}.json", content):
        n += 1
    return Evidence(str(path), digest(content))


def _told(document: UnreadableDocument) -> str:
    kept = Path(document.file.parent.name) / KEPT_IN
    where = f"{document.file.name}, table {document.table}, {document.key}"
    what = "; ".join(document.changes) or "it has no reading, so it was taken out of the table"
    return f"{where}: {what}. The old document is kept in {kept}."
