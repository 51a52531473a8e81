"""Documents in brief: the large fields of an archived document stay in its file until somebody reads them.

A list of ten thousand versions shows a name, a stage and a headline metric of each, but no lineage: as objects, the
fields that nobody looks at would fill most of the memory. A document in brief may be changed in its other fields alone.
"""

import functools
import sys
from collections.abc import Hashable, Iterable
from typing import Any, TypeVar

import msgspec

from core.json_documents import decode_json, json_decoder
from core.state.encoding import DocumentInFile

T = TypeVar("T", bound=msgspec.Struct)
D = TypeVar("D")

_MOST_ALIKE = 4096
"""How many different values of the fields that are alike are shared, of all documents of a process."""


@functools.cache
def brief_type(struct: type[T], within: tuple[str, ...] = ()) -> type[T] | None:
    """Return the type of documents in brief: a subclass that reads its large fields whenever they are asked for.

    Args:
        struct: The type of whole documents. It names its large fields in the class variable `READ_WHEN_ASKED`, fields
            of which many documents have the same value in `ALIKE`, and in `WHOLE_WHILE` a property: while that is true,
            the document changes, and is read whole. A field whose type names large fields is in brief, too.
        within: The fields that lead to it from the document.

    Returns:
        The type; None if the struct names no large fields.
    """
    names: tuple[str, ...] = getattr(struct, "READ_WHEN_ASKED", ())
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    inner = {
        name: found
        for name, field in fields.items()
        if name not in names and isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
        if (found := brief_type(field.type, (*within, name))) is not None
    }
    if not names and not inner:
        return None
    brief: type[T] = msgspec.defstruct(  # type: ignore[assignment]
        struct.__name__,
        [
            *((name, Any, None) for name in names),
            *(
                (name, found) if fields[name].required else (name, found, msgspec.field(default=fields[name].default))
                for name, found in inner.items()
            ),
        ],
        bases=(struct,),
        module=struct.__module__,
        # What needs the large fields, such as a check of the whole, was done when the document was written.
        namespace={"__post_init__": _unchecked},
        # Under other names, so that the decoder skips what is spelled under the right ones.
        rename={name: f" {name}" for name in names},
        forbid_unknown_fields=False,
        frozen=True,
        kw_only=True,
    )
    if names:
        place = getattr(brief, names[0])  # the first of these fields holds the document's place in its file
        for name in names:
            setattr(brief, name, _read_when_asked(place, fields[name], within))
        if not within:
            brief.PLACE = place  # type: ignore[attr-defined]
    brief.WHOLE = struct  # type: ignore[attr-defined]
    brief.INNER = tuple(inner)  # type: ignore[attr-defined]
    brief.__eq__ = _equal  # type: ignore[method-assign]
    return brief


def in_brief(stored: DocumentInFile, brief: type[T]) -> T:
    """Read an archived document, but not its large fields; whole, if it still changes.

    Raises:
        msgspec.ValidationError: Another field does not read as its type.
    """
    document = decode_json(stored.read(), brief)
    changes = getattr(brief, "WHOLE_WHILE", None)
    if changes or brief.INNER:  # type: ignore[attr-defined]
        # The checks of its parts are made here, since whoever asks for a field later is prepared for no error.
        in_full: T = decode_json(stored.read(), brief.WHOLE)  # type: ignore[attr-defined]
        if changes and getattr(in_full, changes):
            return in_full
    _settle(document, stored)
    return document


def place(document: msgspec.Struct, stored: DocumentInFile) -> None:
    """Tell a document in brief where the very same bytes are now; a whole document has no place."""
    if hasattr(type(document), "WHOLE"):
        _settle(document, stored)


def _settle(document: Any, stored: DocumentInFile) -> None:
    """Tell a document, and every part of it that is in brief, where its large fields are."""
    kind = type(document)
    for name in kind.READ_WHEN_ASKED[:1] if hasattr(kind, "READ_WHEN_ASKED") else ():
        msgspec.structs.force_setattr(document, name, stored)
    for name in getattr(kind, "ALIKE", ()):
        msgspec.structs.force_setattr(document, name, _shared(getattr(document, name)))
    for name in kind.INNER:
        if hasattr(type(part := getattr(document, name)), "WHOLE"):
            _settle(part, stored)


def _shared(value: Any) -> Any:
    """Return the one object that all documents have for a value."""
    return sys.intern(value) if type(value) is str else _same(value)


@functools.lru_cache(_MOST_ALIKE)
def _same(value: Hashable) -> Hashable:
    return value


def whole(document: D) -> D:
    """Return a document with all of its fields, to be encoded or changed; everything else is returned unchanged."""
    if (struct := getattr(type(document), "WHOLE", None)) is None:
        return document
    place: DocumentInFile | None = getattr(document, "PLACE", None)
    if place is None:
        return struct(**{name: whole(getattr(document, name)) for name in struct.__struct_fields__})  # type: ignore[no-any-return]
    filled: D = _filled(document, decode_json(place.read(), struct))
    return filled


def _filled(document: Any, in_full: Any) -> Any:
    """Return a document with the large fields of another, which is the same in full, and all others of its own."""
    struct = getattr(type(document), "WHOLE", None)
    if struct is None:
        return document
    large = getattr(struct, "READ_WHEN_ASKED", ())
    return struct(
        **{
            name: getattr(in_full, name) if name in large else _filled(getattr(document, name), getattr(in_full, name))
            for name in struct.__struct_fields__
        }
    )


def _equal(document: Any, other: object) -> bool:
    return document is other or bool(whole(document) == whole(other))


def _unchecked(_document: Any) -> None:
    return None


def _read_when_asked(slot: Any, field: msgspec.structs.FieldInfo, within: Iterable[str]) -> property:
    path = (*within, field.name)
    only: Any = None
    for name in reversed(path):
        # What was not spelled, by an earlier release, has its default.
        only = msgspec.defstruct("_Only", [_found_field(name, field) if only is None else (name, only)])
    decoder = json_decoder(only)

    def read(document: Any) -> Any:
        stored: DocumentInFile = slot.__get__(document)
        found = decoder.decode(stored.read())
        for name in path:
            found = getattr(found, name)
        return found

    def write(document: Any, stored: DocumentInFile) -> None:
        slot.__set__(document, stored)

    return property(read, write)  # documents are frozen: only `force_setattr` reaches the setter


def _found_field(name: str, field: msgspec.structs.FieldInfo) -> Any:
    if field.required:
        return name, field.type
    if field.default_factory is not msgspec.NODEFAULT:
        return name, field.type, msgspec.field(default_factory=field.default_factory)
    return name, field.type, field.default
