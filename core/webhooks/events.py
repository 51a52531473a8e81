"""The events of a record of the audit log, as MLflow names them and lays them out.

A stage is no event of MLflow 3. A version that changes its stage gets the tag `stage`; a version that becomes live gets
the alias `production`, which serving answers to, too.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from core.clock import to_iso
from core.governance import AuditRecord
from core.registry import Stage

STAGE_TAG = "stage"
_MODELS = "registry/models/"
_NAMESPACE = uuid.UUID("a8c6f0de-6f0c-4b53-9d8f-5d3a1e3a7b51")
_MARK = "@"

DescriptionOf = Callable[[str], str]


class RegistryEvent(NamedTuple):
    """Something that happened in the registry."""

    name: str  # "model_version.created"
    data: Mapping[str, Any]


def events_of(record: AuditRecord, description_of: DescriptionOf) -> Iterator[RegistryEvent]:
    """Yield what a record means to a reader of MLflow's events, in the order in which it happened.

    Args:
        record: A record of the audit log; one about anything but the registry means nothing.
        description_of: Returns the description of a version by its key.
    """
    after = record.after if isinstance(record.after, Mapping) else {}
    before = record.before if isinstance(record.before, Mapping) else {}
    match record.verb:
        case "version.register" | "version.adopt":
            yield from _registered(record, after, description_of)
        case "version.tag":
            yield from _tagged(record.object, before.get("tags") or {}, after.get("tags") or {})
        case "alias.set":
            model, _, alias = record.object.partition(_MARK)
            yield _alias_created(model, alias, str(after.get("version", "")))
        case "alias.remove":
            model, _, alias = record.object.partition(_MARK)
            yield RegistryEvent("model_version_alias.deleted", {"name": model, "alias": alias})
        case "version.promote" | "version.rollback" | "version.archive" | "version.undo":
            yield from _moved(record.object.partition("/")[0], before, after)


def _registered(
    record: AuditRecord, after: Mapping[str, Any], description_of: DescriptionOf
) -> Iterator[RegistryEvent]:
    model, _, version = record.object.partition("/")
    if any(name.startswith(_MODELS) for name in record.documents or ()):  # a later version leaves its model as it is
        yield RegistryEvent("registered_model.created", {"name": model, "tags": {}, "description": None})
    yield RegistryEvent(
        "model_version.created",
        {
            "name": model,
            "version": version,
            "source": f"models:/{model}/{version}",
            "run_id": after.get("run_id") or None,
            "tags": dict(after.get("tags") or {}),
            "description": description_of(record.object) or None,
        },
    )


def _tagged(key: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[RegistryEvent]:
    model, _, version = key.partition("/")
    for name, value in after.items():
        if before.get(name) != value:
            tag = {"name": model, "version": version, "key": name, "value": value}
            yield RegistryEvent("model_version_tag.set", tag)
    for name in before:
        if name not in after:
            yield RegistryEvent("model_version_tag.deleted", {"name": model, "version": version, "key": name})


def _moved(model: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[RegistryEvent]:
    """Yield the moves of one transition.

    A version that does not change is not in the record: `differing` left it out.
    """
    for version, stage in after.items():
        tag = {"name": model, "version": version, "key": STAGE_TAG, "value": stage}
        yield RegistryEvent("model_version_tag.set", tag)
    live = next((version for version, stage in after.items() if stage == Stage.PRODUCTION), None)
    if live is not None:
        yield _alias_created(model, Stage.PRODUCTION.lower(), live)
    elif Stage.PRODUCTION in before.values():
        gone = {"name": model, "alias": Stage.PRODUCTION.lower()}
        yield RegistryEvent("model_version_alias.deleted", gone)


def _alias_created(model: str, alias: str, version: str) -> RegistryEvent:
    return RegistryEvent("model_version_alias.created", {"name": model, "alias": alias, "version": version})


def body_of(event: RegistryEvent, at: datetime) -> str:
    """Lay an event out as MLflow does: entity, action, time and data."""
    entity, _, action = event.name.partition(".")
    payload = {"entity": entity, "action": action, "timestamp": to_iso(at), "data": dict(event.data)}
    return orjson.dumps(payload).decode()


def delivery_id_of(webhook: str, record: AuditRecord, position: int) -> str:
    """Return the id of a delivery: the same for the same event, whichever process finds it."""
    return str(uuid.uuid5(_NAMESPACE, f"{record.id}/{position}/{webhook}"))


EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "registered_model.created": {
        "name": "example_model",
        "tags": {"example_key": "example_value"},
        "description": None,
    },
    "model_version.created": {
        "name": "example_model",
        "version": "1.0.0",
        "source": "models:/example_model/1.0.0",
        "run_id": "r-000001",
        "tags": {"example_key": "example_value"},
        "description": "An example model version",
    },
    "model_version_tag.set": {
        "name": "example_model",
        "version": "1.0.0",
        "key": "example_key",
        "value": "example_value",
    },
    "model_version_tag.deleted": {"name": "example_model", "version": "1.0.0", "key": "example_key"},
    "model_version_alias.created": {"name": "example_model", "alias": "example_alias", "version": "1.0.0"},
    "model_version_alias.deleted": {"name": "example_model", "alias": "example_alias"},
}
"""What a test sends."""
