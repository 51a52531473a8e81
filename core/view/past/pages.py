"""A snapshot taken apart into documents that can be stored one by one, and put together again."""

import functools
import zlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from core.telemetry.past import Key
from core.view.snapshot import Snapshot

# Which field of a snapshot lists documents of which key. Their order is a document of its own, so that what is put
# together lists them as the live one did, by whatever rule that was.
_LISTS = {
    "models": "model",
    "versions": "key",
    "aliases": "key",
    "pruned": "key",
    "rollouts": "rollout_id",
    "sessions": "session_id",
    "alerts": "fingerprint",
    "runs": "run_id",
}
_ORDER, _TRANSITIONS, _ENGINE = "order", "transitions", "engine"


def documents_of(snapshot: Snapshot) -> dict[Key, Any]:
    """Take a snapshot apart; samples, epochs and audit records are kept elsewhere and left out."""
    documents: dict[Key, Any] = {}
    for part, name in _LISTS.items():
        listed = getattr(snapshot, part) or ()
        keys = tuple(getattr(document, name) for document in listed)
        documents[Key(_ORDER, part)] = keys
        documents.update((Key(part, key), document) for key, document in zip(keys, listed, strict=True))
    documents.update((Key(_TRANSITIONS, model), moves) for model, moves in snapshot.transitions.items())
    if snapshot.engine is not None:
        documents[Key(_ENGINE, "")] = snapshot.engine
    return documents


def packed(document: Any) -> bytes:
    """Encode one document; the same document gives the same bytes."""
    return zlib.compress(msgspec.msgpack.encode(document))


def fields_of(pages: Iterable[tuple[Key, bytes]]) -> dict[str, Any]:
    """Put stored documents together as the fields of a snapshot.

    Raises:
        msgspec.DecodeError: A document was written by a version of the program that laid it out otherwise.
    """
    documents: dict[Key, Any] = {key: _unpacked(key.part, body) for key, body in pages}
    fields: dict[str, Any] = {
        part: tuple(documents[Key(part, key)] for key in documents.get(Key(_ORDER, part), ())) for part in _LISTS
    }
    fields[_TRANSITIONS] = MappingProxyType(
        {key: moves for (part, key), moves in documents.items() if part == _TRANSITIONS}
    )
    fields[_ENGINE] = documents.get(Key(_ENGINE, ""))
    return fields


def _unpacked(part: str, body: bytes) -> Any:
    return _decoders()[part].decode(zlib.decompress(body))


@functools.cache
def _decoders() -> Mapping[str, "msgspec.msgpack.Decoder[Any]"]:
    from core.alerts import Alert
    from core.registry import Alias, ModelVersion, PrunedVersion, RegisteredModel, Transition
    from core.rollout.rollout import Rollout
    from core.state import LeaseHolder
    from core.tracking import Run
    from core.training.session import Session

    types: dict[str, Any] = {
        "models": RegisteredModel,
        "versions": ModelVersion,
        "aliases": Alias,
        "pruned": PrunedVersion,
        "rollouts": Rollout,
        "sessions": Session,
        "alerts": Alert,
        "runs": Run,
        _TRANSITIONS: tuple[Transition, ...],
        _ENGINE: LeaseHolder,
        _ORDER: tuple[str, ...],
    }
    return {part: msgspec.msgpack.Decoder(type_) for part, type_ in types.items()}
