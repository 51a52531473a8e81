"""The JSON encoding of state files: a value that would not read back exactly is refused."""

import math
import os
from typing import Any, Protocol, TypeAlias

import msgspec
import orjson

from core.json_documents import decode_json
from core.state.errors import UnstorableValueError

# Documents by number, tables by name: the layout of every TinyDB file.


class ReadableFile(Protocol):
    """A file of spelled documents."""

    def read(self, start: int, end: int) -> memoryview:
        """Return the bytes between two offsets."""


class DocumentInFile:
    """A document that stays in its file, an archive file or a large state file, as its place there."""

    __slots__ = ("_file", "end", "start")

    def __init__(self, file: ReadableFile, start: int, end: int) -> None:
        self._file = file
        self.start = start
        self.end = end

    def read(self) -> memoryview:
        """Return the bytes that spell it."""
        return self._file.read(self.start, self.end)


class SpelledDocument(DocumentInFile):
    """A document of a small state file, as the bytes that spell it: as objects, it would take four times as much."""

    __slots__ = ("spelled_out",)

    def __init__(self, spelled_out: bytes) -> None:
        self.start, self.end = 0, len(spelled_out)
        self.spelled_out = spelled_out

    def read(self) -> memoryview:
        """Return the bytes that spell it."""
        return memoryview(self.spelled_out)


# A document is a dict, its bytes, or its place in a file: `fields_of` reads all of them.
StoredDocument: TypeAlias = dict[str, Any] | DocumentInFile
StoredTable: TypeAlias = dict[str, Any]
Tables: TypeAlias = dict[str, StoredTable]

_LIST_OF_FILES = "archive"  # the table whose entries are not documents


class Speller:
    """Encodes the tables of one file; a document that is the same object as before reuses its text.

    A registry of a thousand versions is 1.7 MB, of which a promotion changes three documents.
    """

    def __init__(self) -> None:
        self._spelled: dict[int, tuple[StoredDocument, orjson.Fragment]] = {}
        """By the identity of a document, which is kept so that no other can have it."""

    def encode(self, tables: Tables) -> bytes:
        """Encode tables whose documents have passed `plain`.

        orjson alone is too lenient: it silently turns NaN into null, and enums into their values.

        Args:
            tables: Documents may be replaced, but never changed in place between two calls.

        Raises:
            UnstorableValueError: They are nested deeper than orjson supports.
        """
        known = self._spelled
        spelled: dict[int, tuple[StoredDocument, orjson.Fragment]] = {}

        def fragment(document: StoredDocument) -> orjson.Fragment:
            if isinstance(document, SpelledDocument):  # it is its text
                return orjson.Fragment(document.spelled_out)
            identity = id(document)
            found = spelled[identity] = known.get(identity) or (document, _fragment(document))
            return found[1]

        try:
            fragments = {
                name: {doc_id: fragment(document) for doc_id, document in table.items()}
                for name, table in tables.items()
            }
            encoded = orjson.dumps(fragments, option=orjson.OPT_APPEND_NEWLINE)
        except orjson.JSONEncodeError as error:
            raise UnstorableValueError("The state", f"cannot be represented in JSON ({error})") from error
        self._spelled = spelled
        return encoded


def _fragment(document: StoredDocument) -> orjson.Fragment:
    if isinstance(document, DocumentInFile):
        return orjson.Fragment(bytes(document.read()))
    return orjson.Fragment(exactly(orjson.dumps(document)))


def decode(encoded: bytes) -> Tables:
    """Read the bytes of a state file.

    Raises:
        ValueError: The bytes are not a complete TinyDB file; the message describes the damage.
    """
    if not encoded:
        raise ValueError("it is empty")
    if not encoded.strip(b"\0"):
        raise ValueError(f"it holds only {len(encoded):,} zero bytes")
    try:
        tables = orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not complete JSON ({error}; {len(encoded):,} bytes)") from error
    if not isinstance(tables, dict):
        raise ValueError(f"it holds a JSON {type(tables).__name__} instead of an object of tables")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"its table {name!r} is not an object of documents")
        is_list_of_files = name == _LIST_OF_FILES
        for doc_id, document in table.items():
            if not (is_list_of_files or (doc_id.isascii() and doc_id.isdigit() and isinstance(document, dict))):
                raise ValueError(f"its table {name!r} holds {doc_id!r}, which is not a numbered document")
    return tables


def spelled_documents(encoded: bytes, known: Tables) -> Tables:
    """Read the bytes of a state file, and leave every document as the bytes that spell it.

    A document that nobody has changed is the object that it was before: other caches recognise it by its identity. A
    table without any change is the known table itself.

    Args:
        encoded: The content of the file.
        known: The tables of an earlier generation of the file.

    Raises:
        ValueError: The bytes are not a complete TinyDB file; the message describes the damage.
    """
    try:
        found = decode_json(encoded, dict[str, dict[str, msgspec.Raw]])
        return {name: _spelled_table(name, table, known.get(name, {})) for name, table in found.items()}
    except (ValueError, msgspec.MsgspecError) as error:
        decode(encoded)  # which says what the damage is
        raise ValueError(str(error)) from error


def _spelled_table(name: str, table: dict[str, msgspec.Raw], known: StoredTable) -> StoredTable:
    documents: StoredTable = {}
    for number, raw in table.items():
        seen, spelled_out = known.get(number), bytes(raw)
        if seen is not None and _spelling_of(seen) == spelled_out:
            documents[number] = seen
            continue
        fields = orjson.loads(spelled_out)
        if not (name == _LIST_OF_FILES or (number.isascii() and number.isdigit() and isinstance(fields, dict))):
            raise ValueError(f"its table {name!r} holds {number!r}, which is not a numbered document")
        documents[number] = SpelledDocument(spelled_out)
    is_same = list(documents) == list(known) and all(documents[number] is known[number] for number in known)
    return known if is_same else documents


def _spelling_of(document: StoredDocument) -> bytes | None:
    if isinstance(document, SpelledDocument):
        return document.spelled_out
    return None if isinstance(document, DocumentInFile) else orjson.dumps(document)


def fields_of(document: StoredDocument) -> dict[str, Any]:
    """Return the fields of a stored document, in memory or in a file; to be read only."""
    if isinstance(document, DocumentInFile):
        fields: dict[str, Any] = orjson.loads(document.read())
        return fields
    return document


def plain(value: Any, where: str) -> Any:
    """Copy a value to JSON types, refusing values that JSON would change.

    Args:
        value: Dicts with text keys, lists, tuples, text, numbers, booleans and None, nested at will.
        where: The name of the value; a refusal appends the place inside it.

    Returns:
        A deep copy, with lists for tuples and plain text for text enums. It shares nothing mutable.

    Raises:
        UnstorableValueError: A value in it is not finite, has another type, or is too large for a JSON reader.

    >>> plain({"metrics": {"r2": 0.5}, "gates": ("a", "b")}, "versions spread/1.0.0")
    {'metrics': {'r2': 0.5}, 'gates': ['a', 'b']}
    >>> plain({"metrics": {"r2": float("nan")}}, "versions spread/1.0.0")
    Traceback (most recent call last):
        ...
    core.state.errors.UnstorableValueError: versions spread/1.0.0.metrics.r2 is nan, which JSON cannot hold. \
Nothing was stored.
    """
    try:
        return _plain(value)
    except _RefusalError as refusal:
        raise UnstorableValueError(where + "".join(reversed(refusal.path)), refusal.problem) from None
    except RecursionError as error:
        raise UnstorableValueError(where, "is nested too deeply, or contains itself") from error


def spelled(document: msgspec.Struct, where: str) -> dict[str, Any]:
    """Spell a document as JSON types.

    Raises:
        UnstorableValueError: JSON has no exact spelling for a value.
    """
    copied: dict[str, Any] = plain(builtins_of(document, where), where)
    return copied


def spelled_document(fields: dict[str, Any], where: str) -> SpelledDocument:
    """Return a document of fields that have passed `plain`: what is stored is held as bytes, by who wrote it, too.

    Raises:
        UnstorableValueError: They are nested deeper than orjson supports.
    """
    try:
        return SpelledDocument(exactly(orjson.dumps(fields)))
    except orjson.JSONEncodeError as error:
        raise UnstorableValueError(where, f"cannot be represented in JSON ({error})") from error


def exactly(encoded: bytes) -> bytes:
    """Copy encoded bytes into a block of their size, to be held.

    Encoders write into a block that they double as they need, and leave the rest of it attached to what they return:
    orjson 3.13 up to fourteen times the length, msgspec 0.22 up to half of it again.
    """
    return bytes(memoryview(encoded))


def builtins_of(value: Any, where: str, *, str_keys: bool = False) -> Any:
    """Turn a document, or a value of a caller's program, into built-in types.

    numpy's scalars become numbers and text, and paths become text.

    Args:
        value: A struct or a value.
        where: Its name, for a refusal.
        str_keys: Turn keys that are numbers into text.

    Raises:
        UnstorableValueError: It holds another type.
    """
    try:
        return msgspec.to_builtins(value, enc_hook=_builtin, str_keys=str_keys)
    except TypeError as error:
        raise UnstorableValueError(where, f"cannot be spelled in JSON ({error})") from None
    except RecursionError as error:
        raise UnstorableValueError(where, "is nested too deeply, or contains itself") from error


def plain_scalar(value: Any) -> Any:
    """Return what a scalar of numpy, or a path, holds; everything else unchanged."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    return value


def real_number(value: Any) -> float:
    """Return a number, also of numpy, as a float; NaN and the infinities pass.

    Raises:
        TypeError: It is no real number: text, which `float` would read, or a complex number.
        OverflowError: It is an integer beyond every float.
    """
    scalar = plain_scalar(value)
    if isinstance(scalar, str | bytes | bytearray):
        raise TypeError(f"a {type(value).__name__} is no number")
    return float(scalar)


def _builtin(value: Any) -> Any:
    if (scalar := plain_scalar(value)) is value:
        raise TypeError(f"it holds a {type(value).__name__}")
    return scalar


class _RefusalError(Exception):
    """A refused value; its place is added while unwinding, so that the normal path costs nothing."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.path: list[str] = []


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _sound(value)
    if kind is float:
        if not math.isfinite(value):
            raise _RefusalError(f"is {value}, which JSON cannot hold")
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if not -(2**63) <= value < 2**64:
            raise _RefusalError("does not fit into 64 bits")
        return value
    if isinstance(value, dict):
        return _plain_dict(value)
    if isinstance(value, list | tuple):
        return _plain_list(value)
    if isinstance(value, str):  # a text enum
        return _plain(str.__str__(value))
    if isinstance(value, int | float):  # a subclass: an integer enum, numpy's float64
        return _plain(int(value) if isinstance(value, int) else float(value))
    raise _RefusalError(f"is a {kind.__name__}, which JSON does not have")


def _plain_dict(value: dict[Any, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = {}
    key: Any = None
    try:
        for key, item in value.items():
            if not isinstance(key, str):
                raise _RefusalError("is under a key that is not text")
            copied[_plain(key)] = _plain(item)
    except _RefusalError as refusal:
        refusal.path.append(f".{key}")
        raise
    return copied


def _plain_list(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    copied: list[Any] = []
    try:
        for item in value:
            copied.append(_plain(item))  # item by item: on a refusal, its length is the index of the refused item
    except _RefusalError as refusal:
        refusal.path.append(f"[{len(copied)}]")
        raise
    return copied


def _sound(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _RefusalError(f"is not valid Unicode ({error.reason})") from error
    return text
