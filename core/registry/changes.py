"""A change of the registry: audited, and told in `logs/model_registry.log` once it is committed."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.actor import Actor
from core.clock import Clock
from core.governance.audit import audited
from core.governance.outbox import AuditedChange
from core.registry.records import DATABASE
from core.text_limits import MAX_REASON

if TYPE_CHECKING:
    from core.state import Workspace

log = logging.getLogger(__name__)


@contextmanager
def registry_change(
    workspace: "Workspace",
    *,
    actor: Actor,
    reason: str,
    clock: Clock,
    longest: int = MAX_REASON,
    may_wait: bool | None = None,
) -> Iterator[AuditedChange]:
    """Change the registry and the audit log together, as `core.governance.audit.audited` does.

    Yields:
        The change, in an open transaction.
    """
    with audited(
        workspace, DATABASE, actor=actor, reason=reason, longest=longest, clock=clock, may_wait=may_wait
    ) as change:
        yield change
    for entry in change.entries:
        why = f" ({entry.reason})" if entry.reason else ""
        log.info("%s %s by %s: %s%s", entry.verb, entry.object, entry.actor, _spelled(entry.before, entry.after), why)


def _spelled(before: Any, after: Any) -> str:
    """Spell the plain fields of a change.

    >>> _spelled({"1.0.0": "staging"}, {"1.0.0": "production", "metrics": {}})
    '1.0.0 staging -> production'
    >>> _spelled({"version": "1.0.0"}, None), _spelled(None, {"stage": "development", "n_files": 4})
    ('version 1.0.0 -> none', 'stage development, n_files 4')
    """
    old, new = (side if isinstance(side, Mapping) else {} for side in (before, after))
    said = []
    for name in dict.fromkeys((*old, *new)):
        was, now = (None if side.get(name) == "" else side.get(name) for side in (old, new))
        if was is now or any(isinstance(value, (Mapping, list, tuple)) for value in (was, now)):
            continue
        then = "" if was is None else f"{was} -> "
        said.append(f"{name} {then}{'none' if now is None else now}")
    return ", ".join(said) or "changed"
