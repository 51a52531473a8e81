"""JSON and MessagePack that anyone may have written: whatever is wrong with it, its reader meets one error."""

from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")
TOO_DEEP = "it is nested too deeply"


@overload
def decode_json(content: bytes) -> Any: ...
@overload
def decode_json(content: bytes, type: type[T]) -> T: ...
def decode_json(content: bytes, type: Any = Any) -> Any:  # noqa: A002 - as msgspec's own
    """Decode a JSON document.

    Raises:
        msgspec.DecodeError: It is none, is of another type, is nested too deeply, or its text is not UTF-8.

    >>> decode_json(b"[" * 100_000)
    Traceback (most recent call last):
    msgspec.DecodeError: it is nested too deeply
    """
    try:
        return msgspec.json.decode(content, type=type)
    except (RecursionError, UnicodeDecodeError) as error:
        raise _as_decode_error(error) from None


def decode_msgpack(content: bytes, type: type[T]) -> T:  # noqa: A002 - as msgspec's own
    """Decode MessagePack.

    Raises:
        msgspec.DecodeError: It is none, is of another type, is nested too deeply, or a text in it is not UTF-8.

    >>> decode_msgpack(bytes([0xA1, 0xFF]), str)
    Traceback (most recent call last):
    msgspec.DecodeError: its text is not UTF-8 at position 0
    """
    try:
        return msgspec.msgpack.decode(content, type=type)
    except (RecursionError, UnicodeDecodeError) as error:
        raise _as_decode_error(error) from None


def _as_decode_error(error: RecursionError | UnicodeDecodeError) -> msgspec.DecodeError:
    if isinstance(error, RecursionError):
        return msgspec.DecodeError(TOO_DEEP)
    return msgspec.DecodeError(f"its text is not UTF-8 at position {error.start}")
