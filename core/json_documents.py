"""Read JSON, MessagePack and plain values that anyone may have written, in any thread; whatever is wrong is one error.

msgspec describes a struct to itself when it is first read. It shows other threads what it has before it is done
(`StructInfo_Convert` of its `_core.c`, in 0.22.0), and a thread that reads the same struct in that moment follows
fields without a description: the process ends by SIGSEGV. So every struct is described here, under one lock, before
anybody reads it.
"""

from threading import Lock
from types import UnionType
from typing import Any, TypeVar, overload
from weakref import WeakSet

import msgspec

T = TypeVar("T")
Encoded = bytes | bytearray | memoryview | str
TOO_DEEP = "it is nested too deeply"

_one_at_a_time = Lock()
_described: WeakSet[type] = WeakSet()
"""Classes alone: a server makes a struct for each version that it loads, and lets go of it."""


@overload
def decode_json(content: Encoded) -> Any: ...
@overload
def decode_json(content: Encoded, type: type[T]) -> T: ...
def decode_json(content: Encoded, type: Any = Any) -> Any:  # noqa: A002 - as msgspec's own
    """Decode a JSON document.

    Raises:
        msgspec.DecodeError: It is none, is of another type, is nested too deeply, or its text is not UTF-8.

    >>> decode_json(b"[" * 100_000)
    Traceback (most recent call last):
    msgspec.DecodeError: it is nested too deeply
    """
    describe(type)
    try:
        return msgspec.json.decode(content, type=type)
    except (RecursionError, UnicodeDecodeError) as error:
        raise _as_decode_error(error) from None


def decode_msgpack(content: bytes | memoryview, type: type[T]) -> T:  # noqa: A002 - as msgspec's own
    """Decode MessagePack.

    Raises:
        msgspec.DecodeError: It is none, is of another type, is nested too deeply, or a text in it is not UTF-8.

    >>> decode_msgpack(bytes([0xA1, 0xFF]), str)
    Traceback (most recent call last):
    msgspec.DecodeError: its text is not UTF-8 at position 0
    """
    describe(type)
    try:
        return msgspec.msgpack.decode(content, type=type)
    except (RecursionError, UnicodeDecodeError) as error:
        raise _as_decode_error(error) from None


def repeated_key(content: Encoded) -> str | None:
    """Return a key that an object of a JSON document has twice, on which readers disagree; None without one.

    Raises:
        msgspec.DecodeError: It is nested too deeply.
        ValueError: It is no JSON.

    >>> repeated_key(b'{"row": {"a": 1, "a": 2}}'), repeated_key(b'[{"a": 1}, {"a": 2}]')
    ('a', None)
    """
    import json  # the first frame needs none of it

    try:
        json.loads(
            bytes(content) if isinstance(content, memoryview) else content,
            object_pairs_hook=_distinct,
            parse_int=_ignored,
            parse_float=_ignored,
        )
    except _RepeatedKeyError as error:
        return error.key
    except RecursionError as error:
        raise _as_decode_error(error) from None
    return None


class _RepeatedKeyError(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) == len({key for key, _ in pairs}):
        return
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _RepeatedKeyError(key)
        seen.add(key)


def _ignored(_text: str) -> None:
    """Spare the conversion of a number."""


def converted(value: Any, kind: type[T], *, strict: bool = True) -> T:
    """Convert a value of plain types, as `msgspec.convert` does.

    Args:
        value: The value.
        kind: What it shall be.
        strict: Take no text for a number.

    Raises:
        msgspec.ValidationError: It does not fit.
    """
    describe(kind)
    return msgspec.convert(value, kind, strict=strict)


@overload
def json_decoder(kind: type[T]) -> msgspec.json.Decoder[T]: ...
@overload
def json_decoder(kind: UnionType) -> msgspec.json.Decoder[Any]: ...
def json_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Make a decoder of JSON, for what is read often."""
    describe(kind)
    return msgspec.json.Decoder(kind)


def msgpack_decoder(kind: type[T]) -> msgspec.msgpack.Decoder[T]:
    """Make a decoder of MessagePack, for what is read often."""
    describe(kind)
    return msgspec.msgpack.Decoder(kind)


def describe(kind: Any) -> None:
    """Let msgspec describe a type, and the structs in it, before a library reads it by msgspec in several threads.

    Raises:
        TypeError: msgspec can read no such type.
    """
    is_class = isinstance(kind, type)
    if is_class and kind in _described:
        return
    with _one_at_a_time:
        msgspec.json.Decoder(kind)
    if is_class:
        _described.add(kind)


def _as_decode_error(error: RecursionError | UnicodeDecodeError) -> msgspec.DecodeError:
    if isinstance(error, RecursionError):
        return msgspec.DecodeError(TOO_DEEP)
    return msgspec.DecodeError(f"its text is not UTF-8 at position {error.start}")
