"""A snapshot taken apart into documents that can be stored one by one, and put together again."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from core.json_documents import msgpack_decoder
from core.state.brief import whole
from core.telemetry.past import PastKey
from core.view import parts
from core.view.parts.part import DocumentPart
from core.view.parts.stored import Stored
from core.view.snapshot import Snapshot

# The order of a list is stored as a document of its own, so that playback lists the documents as the live snapshot did,
# whatever rule ordered them.
_ORDER = "order"


def documents_of(snapshot: Snapshot) -> dict[PastKey, Any]:
    """Take a snapshot apart; samples, epochs and audit records are kept elsewhere and left out."""
    documents: dict[PastKey, Any] = {}
    for stored in _stored_fields(parts.PARTS):
        named = dict(stored.take_apart(getattr(snapshot, stored.field)))
        if stored.is_ordered:
            documents[PastKey(_ORDER, stored.field)] = tuple(named)
        documents.update((PastKey(stored.field, key), document) for key, document in named.items())
    return documents


def encoded(document: Any) -> bytes:
    """Encode one document; the same document gives the same bytes."""
    return msgspec.msgpack.encode(tuple(map(whole, document)) if isinstance(document, tuple) else whole(document))


def fields_of(pages: Iterable[tuple[PastKey, bytes]]) -> dict[str, Any]:
    """Put stored documents together as the fields of a snapshot.

    Raises:
        msgspec.DecodeError: Another version of the program wrote a document in a different form.
    """
    decoders = _decoders(parts.PARTS)
    documents: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for (field, key), body in pages:
        if field in decoders:  # other fields belong to parts of another version of the program
            documents[field][key] = decoders[field].decode(body)
    fields = {}
    for stored in _stored_fields(parts.PARTS):
        of_field = documents[stored.field]
        if stored.is_ordered:
            of_field = {key: of_field[key] for key in documents[_ORDER].get(stored.field, ())}
        fields[stored.field] = stored.put_together(of_field)
    return fields


@functools.cache
def _stored_fields(of: tuple[type, ...]) -> tuple[Stored, ...]:
    return tuple(stored for part in of if issubclass(part, DocumentPart) for stored in part.stored())


@functools.cache
def _decoders(of: tuple[type, ...]) -> Mapping[str, "msgspec.msgpack.Decoder[Any]"]:
    decoders = {stored.field: msgpack_decoder(stored.type) for stored in _stored_fields(of)}
    return {_ORDER: msgpack_decoder(tuple[str, ...]), **decoders}
