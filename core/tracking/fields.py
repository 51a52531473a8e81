"""The named fields of a run: `metrics.mae`, `params.model`, `tags.owner`, `status`, `started_at`."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.clock import to_iso
from core.tracking.comparison import flatten
from core.tracking.experiments import experiment_of, model_type_of
from core.tracking.run import Run


class FieldKind(StrEnum):
    """The type of a field's values; unknown in advance for a parameter."""

    ANY = "any"
    NUMBER = "number"
    TRUTH = "truth"
    TIME = "time"
    MILLISECONDS = "milliseconds"  # a time, also as a number of milliseconds since 1970
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class RunField:
    """A named value of a run; None where the run lacks it."""

    of_run: Callable[[Run], Any]
    kind: FieldKind = FieldKind.ANY


def _started(run: Run) -> str:
    return to_iso(run.started_at)


def _ended(run: Run) -> str | None:
    return to_iso(run.ended_at) if run.ended_at else None


_SECTIONS: Mapping[str, Callable[[Run], Mapping[str, Any]]] = {
    "metrics": lambda run: run.metrics,
    "params": lambda run: flatten(run.parameters),
    "tags": lambda run: run.tags,
    "data": lambda run: run.data_hashes,
}
_OTHER_WORDS = {"metric": "metrics", "param": "params", "parameter": "params", "parameters": "params", "tag": "tags"}
_OF_ATTRIBUTES = frozenset({"run", "attr", "attribute", "attributes"})
_ATTRIBUTES: Mapping[str, RunField] = {
    "run_id": RunField(lambda run: run.run_id),
    "name": RunField(lambda run: run.name),
    "status": RunField(lambda run: str(run.status), FieldKind.STATUS),
    "diverged": RunField(lambda run: bool(run.diverged), FieldKind.TRUTH),
    "experiment": RunField(experiment_of),
    "model_type": RunField(model_type_of),
    "session_id": RunField(lambda run: run.session_id or None),
    "parent_id": RunField(lambda run: run.parent_id or None),
    "started_by": RunField(lambda run: run.started_by),
    "started_at": RunField(_started, FieldKind.TIME),
    "ended_at": RunField(_ended, FieldKind.TIME),
    "duration_seconds": RunField(lambda run: run.duration_seconds, FieldKind.NUMBER),
}
_MLFLOW_ATTRIBUTES: Mapping[str, RunField] = {
    "run_name": _ATTRIBUTES["name"],
    "user_id": _ATTRIBUTES["started_by"],
    "start_time": RunField(_started, FieldKind.MILLISECONDS),
    "end_time": RunField(_ended, FieldKind.MILLISECONDS),
}
_MLFLOW_ALIASES = {
    "created": "start_time",
    "Created": "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
    "experiment_name": "experiment",
}
_KNOWN: Mapping[str, RunField] = {**_ATTRIBUTES, **_MLFLOW_ATTRIBUTES}


def field_named(text: str) -> RunField | None:
    """Return the field of a name, or None if there is none; the names of MLflow are known, too.

    Source: MLflow's Search Runs, https://mlflow.org/docs/latest/ml/search/search-runs (names, prefixes, aliases).

    >>> field_named("metrics.mae").kind, field_named('metrics."test mae"').kind
    (<FieldKind.NUMBER: 'number'>, <FieldKind.NUMBER: 'number'>)
    >>> field_named("attr.start_time").kind, field_named("`Run Name`").kind
    (<FieldKind.MILLISECONDS: 'milliseconds'>, <FieldKind.ANY: 'any'>)
    """
    head, name = _divided(text)
    if not head or head in _OF_ATTRIBUTES:
        return _KNOWN.get(_MLFLOW_ALIASES.get(name, name))
    section = _OTHER_WORDS.get(head, head)
    if section not in _SECTIONS or not name:
        return None
    values = _SECTIONS[section]
    kind = FieldKind.NUMBER if section == "metrics" else FieldKind.ANY
    return RunField(lambda run: values(run).get(name), kind)


def _divided(text: str) -> tuple[str, str]:
    """Divide a field into its section and its name, both without quotes; a bare attribute has no section."""
    if text[:1] == '"':
        return "", _unquoted(text)
    if text[:1] == "`":
        head, rest = text[1:].split("`", 1)
        return (head, _unquoted(rest[1:])) if rest else ("", head)
    head, dot, name = text.partition(".")
    return (head, _unquoted(name)) if dot else ("", head)


def _unquoted(name: str) -> str:
    """Take a name out of its backticks or its double quotes, in which a backslash takes the next character as it is."""
    if name[:1] == "`":
        return name[1:-1]
    return re.sub(r"\\(.)", r"\1", name[1:-1], flags=re.DOTALL) if name[:1] == '"' else name


def nearest_field(text: str) -> str:
    """Suggest the field that was probably meant; a suggestion is always a field that can be compared."""
    head, name = _divided(text)
    sections = {**{section: section for section in _SECTIONS}, **_OTHER_WORDS}
    if head in ("dataset", "datasets"):
        return "the data of a run are compared by hash: data.NAME = 'HASH', as in `bondx runs show`"
    if not head and name in sections:
        return f"did you mean {sections[name]}.NAME?"
    if head not in _OF_ATTRIBUTES and (near := _nearest(head, sections)):
        return f"did you mean {sections[near]}.{text.partition('.')[2]}?"
    if near := _nearest(name, _KNOWN):
        return f"did you mean {near}?"
    fields = [*_ATTRIBUTES, *(f"{section}.NAME" for section in _SECTIONS)]
    return f"the fields are {', '.join(fields)}, and MLflow's {', '.join(_MLFLOW_ATTRIBUTES)}"


def _nearest(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return near[0] if near else ""
