"""JSON documents that anyone may have written: whatever is wrong with one, its reader meets one error."""

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
    except RecursionError:
        raise msgspec.DecodeError(TOO_DEEP) from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"its text is not UTF-8 at position {error.start}") from None
