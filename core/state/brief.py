"""Documents in brief: the large fields of an archived document stay in its file until somebody reads them.

A list of ten thousand versions shows a name, a stage and a headline metric of each, but no lineage: as objects, the
fields that nobody looks at would fill most of the memory.
"""

import functools
import sys
from typing import Any, TypeVar

import msgspec

from core.state.encoding import DocumentInFile

T = TypeVar("T", bound=msgspec.Struct)
D = TypeVar("D")


@functools.cache
def brief_type(struct: type[T]) -> type[T] | None:
    """Return the type of documents in brief: a subclass that reads its large fields whenever they are asked for.

    Args:
        struct: The type of whole documents. It names its large fields in the class variable `READ_WHEN_ASKED`, and
            fields of which many documents have the same text in `ALIKE`.

    Returns:
        The type; None if the struct names no large fields.
    """
    names: tuple[str, ...] = getattr(struct, "READ_WHEN_ASKED", ())
    if not names:
        return None
    types = {field.name: field.type for field in msgspec.structs.fields(struct)}
    # Under other names, so that the decoder skips what is spelled under the right ones.
    brief: type[T] = msgspec.defstruct(  # type: ignore[assignment]
        struct.__name__,
        [(name, Any, None) for name in names],
        bases=(struct,),
        module=struct.__module__,
        rename={name: f" {name}" for name in names},
        frozen=True,
        kw_only=True,
    )
    place = getattr(brief, names[0])  # the first of these fields holds the document's place in its file
    for name in names:
        setattr(brief, name, _read_when_asked(place, name, types[name]))
    brief.WHOLE = struct  # type: ignore[attr-defined]
    brief.__eq__ = _equal  # type: ignore[method-assign]
    return brief


def in_brief(stored: DocumentInFile, brief: type[T]) -> T:
    """Read an archived document, but not its large fields.

    Raises:
        msgspec.ValidationError: Another field does not read as its type.
    """
    document = msgspec.json.decode(stored.read(), type=brief)
    msgspec.structs.force_setattr(document, brief.READ_WHEN_ASKED[0], stored)  # type: ignore[attr-defined]
    for name in getattr(brief, "ALIKE", ()):
        msgspec.structs.force_setattr(document, name, sys.intern(getattr(document, name)))
    return document


def whole(document: D) -> D:
    """Return a document with all of its fields, to be encoded or changed; everything else is returned unchanged."""
    struct = getattr(type(document), "WHOLE", None)
    if struct is None:
        return document
    return struct(**{name: getattr(document, name) for name in struct.__struct_fields__})  # type: ignore[no-any-return]


def _equal(document: Any, other: object) -> bool:
    return document is other or bool(whole(document) == whole(other))


def _read_when_asked(slot: Any, name: str, type_: Any) -> property:
    only = msgspec.defstruct("_Only", [(name, type_)])
    decoder = msgspec.json.Decoder(only)

    def read(document: Any) -> Any:
        stored: DocumentInFile = slot.__get__(document)
        return getattr(decoder.decode(stored.read()), name)

    def write(document: Any, stored: DocumentInFile) -> None:
        slot.__set__(document, stored)

    return property(read, write)  # documents are frozen: only `force_setattr` reaches the setter
