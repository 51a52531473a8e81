"""The one way to change state: a transaction that cannot commit without its audit record."""

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.actor import Actor, Origin
from core.clock import Clock, utc_now
from core.errors import CoreError
from core.governance.audit_log import AuditLog
from core.governance.outbox import AuditedChange
from core.text_limits import MAX_REASON, require_reason

if TYPE_CHECKING:
    from core.state import Workspace

log = logging.getLogger(__name__)


@contextmanager
def audited(
    workspace: "Workspace",
    database: str,
    *,
    actor: Actor,
    reason: str = "",
    longest: int = MAX_REASON,
    clock: Clock = utc_now,
    may_wait: bool | None = None,
) -> Iterator[AuditedChange]:
    """Change a database and the audit log together.

    The records are committed with the change, in the same file, and then appended to the log. If the log cannot
    be written then, the change is kept, its records wait in the file, and a later drain appends them.

    A log behind a link that leads out of the workspace will not be written later either, so a person's change is
    refused; what leads back from harm, and what a running engine observes, is kept with its records all the same.

    Args:
        workspace: The workspace with the database and the log.
        database: "registry", "sessions", "runs" or "alerts".
        actor: The author of the change.
        reason: The reason, in the words of the actor.
        longest: The maximum number of characters of a person's reason.
        clock: The time.
        may_wait: Whether the change is made although the log is behind a link that leads out; by default, if the
            engine makes it.

    Yields:
        The change, in an open transaction: `change.db` and `change.record(…)`.

    Raises:
        UsageError: A person's reason is too long; nothing was changed.
        AuditKeyError: The log could not be continued; nothing was changed.
        FileAccessError: The log is behind a link that leads out of the workspace; nothing was changed.
        StateError: The database could not be read or written.
        RuntimeError: The block ended without a record: a mistake in the calling code. Nothing was changed.
    """
    if actor.origin is not Origin.ENGINE:
        require_reason(reason, longest)
    log_of_workspace = _log_of(workspace)
    db = workspace.database(database)
    is_outermost = not db.in_transaction  # an inner block is committed, and then drained, by the outer one
    if is_outermost:
        if not (actor.origin is Origin.ENGINE if may_wait is None else may_wait):
            log_of_workspace.require_own_place()
        log_of_workspace.begin()
    with db.transaction():
        change = AuditedChange(db, actor, reason, clock)
        yield change
        if change.n_recorded == 0:
            raise RuntimeError(f"a change of {database!r} by {actor} ended without an audit record")
        sealed = functools.partial(log_of_workspace.sealed, database)
        change.post(drained=frozenset(log_of_workspace.drained_ids(database)), sealed=sealed)
    if is_outermost:
        _drain(log_of_workspace, database)


def _drain(audit_log: AuditLog, database: str) -> None:
    try:
        audit_log.drain(database)
    except (OSError, CoreError) as error:
        # The change is committed, so this must not look like a failure to the caller.
        log.error("The audit log could not be written; the record waits in the %s database: %s", database, error)


@functools.lru_cache(maxsize=16)
def _log_of(workspace: "Workspace") -> AuditLog:
    return AuditLog(workspace)
