"""One line of the audit log: its content and the order of its fields."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from core.clock import to_iso
from core.state.brief import whole
from core.state.encoding import builtins_of


class Evidence(msgspec.Struct, frozen=True):
    """A file that supports a change, identified by its hash."""

    path: str
    sha256: str


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded change, before it has a position in the chain."""

    TAKES_ANY_NAME: ClassVar[bool] = True
    """A record of a document with an unprintable name, which an older release took, has that name, too."""

    id: str
    at: datetime
    actor: str
    origin: str
    verb: str
    object: str
    before: Any = None
    after: Any = None
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()
    documents: dict[str, str] | None = None  # digests by document (`sealed.py`); None before records carried any
    seal: str = ""  # proves that a holder of the key posted it; a line of the log has the seal of the chain instead
    revision: int = 0


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A change with its position in the chain: one line of `audit.jsonl`."""

    sequence: int
    id: str
    at: datetime
    actor: str
    origin: str
    verb: str
    object: str
    before: Any
    after: Any
    reason: str
    evidence: tuple[Evidence, ...]
    documents: dict[str, str] | None = None
    previous_hash: str
    hash: str


def line_fields(entry: AuditEntry, sequence: int) -> dict[str, Any]:
    """Lay an entry out as a line does: sequence first, so that it is found without parsing the rest."""
    return {
        "sequence": sequence,
        "id": entry.id,
        "at": to_iso(entry.at),
        "actor": entry.actor,
        "origin": entry.origin,
        "verb": entry.verb,
        "object": entry.object,
        "before": entry.before,
        "after": entry.after,
        "reason": entry.reason,
        "evidence": [msgspec.to_builtins(item) for item in entry.evidence],
        **({} if entry.documents is None else {"documents": entry.documents}),
    }


def plain(value: Any) -> Any:
    """Turn a document into plain JSON values (mappings with text keys, lists, text, numbers)."""
    return builtins_of(whole(value), "The audit record", str_keys=True)


def differing(before: Any, after: Any) -> tuple[Any, Any]:
    """Reduce two versions of one document to the fields in which they differ.

    Whole documents would bury a one-word change under kilobytes; other pairs of values are kept unchanged.

    >>> differing({"stage": "Staging", "note": "x"}, {"stage": "Production", "note": "x"})
    ({'stage': 'Staging'}, {'stage': 'Production'})
    """
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return before, after
    missing = object()
    changed = [key for key in {**before, **after} if before.get(key, missing) != after.get(key, missing)]
    return (
        {key: before[key] for key in changed if key in before},
        {key: after[key] for key in changed if key in after},
    )
