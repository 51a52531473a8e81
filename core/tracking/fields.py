"""The named fields of a run: `metrics.mae`, `params.model`, `tags.owner`, `status`, `started_at`."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.clock import to_iso
from core.tracking.comparison import flatten
from core.tracking.run import Run


class FieldKind(StrEnum):
    """The type of a field's values; unknown in advance for a parameter."""

    ANY = "any"
    NUMBER = "number"
    TIME = "time"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class RunField:
    """A named value of a run; None where the run lacks it."""

    of_run: Callable[[Run], Any]
    kind: FieldKind = FieldKind.ANY


_SECTIONS: Mapping[str, Callable[[Run], Mapping[str, Any]]] = {
    "metrics": lambda run: run.metrics,
    "params": lambda run: flatten(run.parameters),
    "tags": lambda run: run.tags,
    "data": lambda run: run.data_hashes,
}
_OTHER_WORDS = {"metric": "metrics", "param": "params", "parameter": "params", "parameters": "params", "tag": "tags"}
_ATTRIBUTES: Mapping[str, RunField] = {
    "run_id": RunField(lambda run: run.run_id),
    "name": RunField(lambda run: run.name),
    "status": RunField(lambda run: str(run.status), FieldKind.STATUS),
    "diverged": RunField(lambda run: bool(run.diverged)),
    "session_id": RunField(lambda run: run.session_id or None),
    "parent_id": RunField(lambda run: run.parent_id or None),
    "started_by": RunField(lambda run: run.started_by),
    "started_at": RunField(lambda run: to_iso(run.started_at), FieldKind.TIME),
    "ended_at": RunField(lambda run: to_iso(run.ended_at) if run.ended_at else None, FieldKind.TIME),
    "duration_seconds": RunField(lambda run: run.duration_seconds, FieldKind.NUMBER),
}


def field_named(text: str) -> RunField | None:
    """Return the field of a name, or None if there is none.

    >>> field_named("metrics.mae").kind, field_named('metrics."test mae"').kind
    (<FieldKind.NUMBER: 'number'>, <FieldKind.NUMBER: 'number'>)
    """
    head, dot, name = text.partition(".")
    if not dot:
        return _ATTRIBUTES.get(head)
    if head in ("run", "attribute", "attributes"):
        return _ATTRIBUTES.get(_unquoted(name))
    section = _OTHER_WORDS.get(head, head)
    if section not in _SECTIONS or not name:
        return None
    values, key = _SECTIONS[section], _unquoted(name)
    kind = FieldKind.NUMBER if section == "metrics" else FieldKind.ANY
    return RunField(lambda run: values(run).get(key), kind)


def _unquoted(name: str) -> str:
    """Take a name out of its backticks or its double quotes, in which a backslash takes the next character as it is."""
    if name[:1] == "`":
        return name[1:-1]
    return re.sub(r"\\(.)", r"\1", name[1:-1], flags=re.DOTALL) if name[:1] == '"' else name


def nearest_field(text: str) -> str:
    """Suggest the field that was probably meant."""
    name = text.partition(".")[2] or "NAME"
    choices = [*_ATTRIBUTES, *(f"{section}.{name}" for section in _SECTIONS)]
    nearest = difflib.get_close_matches(text, choices, n=1, cutoff=0.5)
    return f"did you mean {nearest[0]}?" if nearest else f"the fields are {', '.join(choices)}"
