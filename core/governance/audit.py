"""The one way to change state: a transaction that commits only with its audit record, and only if its author may."""

import functools
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from core.access.door import Door
from core.access.errors import AccessRefusedError
from core.access.principal import principal_of
from core.actor import Actor, Origin
from core.clock import Clock, utc_now
from core.errors import CoreError
from core.governance.audit_log import AuditLog
from core.governance.outbox import AuditedChange
from core.state.storage import file_in_transaction
from core.state.workspace import ACCESS_DATABASE
from core.text_limits import MAX_REASON, cut, require_reason

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
        AccessRefusedError: The actor may not do what the block records; nothing was changed but the record of the
            refusal.
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
    door = None if actor.origin is Origin.ENGINE else Door(workspace, clock=clock)
    try:
        with _grants_held(door, database), db.transaction():
            change = AuditedChange(db, actor, reason, clock, door)
            yield change
            if change.n_recorded == 0:
                raise RuntimeError(f"a change of {database!r} by {actor} ended without an audit record")
            sealed = functools.partial(log_of_workspace.sealed, database)
            change.post(drained=frozenset(log_of_workspace.drained_ids(database)), sealed=sealed)
    except AccessRefusedError as refusal:
        record_refusal(workspace, refusal, actor=actor, clock=clock)
        raise
    if is_outermost:
        _drain(log_of_workspace, database)


def require_access(
    workspace: "Workspace",
    actor: Actor,
    verb: str,
    *,
    object: str = "",  # noqa: A002 - the word of the log's vocabulary
    model: str | None = None,
    stage: str | None = None,
    clock: Clock = utc_now,
) -> None:
    """Refuse what an actor may not do before it takes time, or has effects outside of a transaction.

    A change of state is judged again with its record, in its transaction: this is no substitute for that.

    Args:
        workspace: The workspace.
        actor: Who asks.
        verb: The verb, as the audit log calls it, or one of `core.access.VERBS` that changes no state.
        object: The object that it is about.
        model: The model that it is about.
        stage: The highest stage that it touches.
        clock: The time.
    Raises:
        AccessRefusedError: No role of the actor allows it; the audit log has the refusal.
        StateError: The grants cannot be read; then nobody may change anything.
    """
    if actor.origin is Origin.ENGINE:
        return
    try:
        Door(workspace, clock=clock).require(actor, verb, object=object, model=model, stage=stage)
    except AccessRefusedError as refusal:
        record_refusal(workspace, refusal, actor=actor, clock=clock)
        raise


def record_refusal(
    workspace: "Workspace", refusal: AccessRefusedError, *, actor: Actor, clock: Clock = utc_now
) -> None:
    """Record a refusal once; inside a transaction, whoever ends that does it.

    The same refusal again within a minute is only counted, and the next record has the number. If the log cannot be
    written, the refusal stands all the same.
    """
    if refusal.is_recorded or file_in_transaction() is not None:
        return
    refusal.is_recorded = True
    facts: dict[str, object] = {"verb": refusal.verb, "by": str(principal_of(actor))}
    n_before = _refusals.n_before((workspace.root, refusal.object, *facts.values()))
    if n_before is None:
        return
    if n_before:
        facts["n_before"] = n_before
    try:
        with audited(workspace, ACCESS_DATABASE, actor=actor, reason=cut(str(refusal)), clock=clock) as change:
            change.record("access.refuse", refusal.object or refusal.verb, after=facts)
    except (OSError, CoreError) as error:
        log.error("A refusal could not be recorded (%s): %s", refusal, error)


class _Refusals:
    """Which refusals this process has just recorded, so that a program that asks in a loop does not fill the log."""

    AGAIN_SECONDS = 60.0
    _MOST = 1_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recorded: dict[tuple[object, ...], tuple[float, int]] = {}  # when, and how many were not recorded since

    def n_before(self, refusal: tuple[object, ...]) -> int | None:
        """Return how many of the same were not recorded before this one; None if this one is not recorded either."""
        now = time.monotonic()
        with self._lock:
            at, n_since = self._recorded.get(refusal, (float("-inf"), 0))
            if now - at < self.AGAIN_SECONDS:
                self._recorded[refusal] = at, n_since + 1
                return None
            if len(self._recorded) >= self._MOST:
                self._recorded.pop(next(iter(self._recorded)))
            self._recorded[refusal] = now, 0
            return n_since


_refusals = _Refusals()


@contextmanager
def _grants_held(door: Door | None, database: str) -> Iterator[None]:
    """Hold the grants still; whoever changes them waits until no other change is under way."""
    with ExitStack() as stack:
        # Inside another transaction the outer change holds them, and a change of grants is refused.
        if door is not None and file_in_transaction() is None:
            stack.enter_context(door.held(to_change=database == ACCESS_DATABASE))
        yield


def _drain(audit_log: AuditLog, database: str) -> None:
    try:
        audit_log.drain(database)
    except (OSError, CoreError) as error:
        # The change is committed, so this must not look like a failure to the caller.
        log.error("The audit log could not be written; the record waits in the %s database: %s", database, error)


@functools.lru_cache(maxsize=16)
def _log_of(workspace: "Workspace") -> AuditLog:
    return AuditLog(workspace)
