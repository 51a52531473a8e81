"""MLServer's content types of a tensor: those that change nothing, and those whose texts stand for other values.

Source: https://mlserver.readthedocs.io/en/latest/user-guide/content-type.html; `pd_json` is what its PandasCodec
writes for a column of mixed values.
"""

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from core.escape import shown
from core.serving.decoding import spelled_as_json
from core.serving.errors import CallerFaultError

PLAIN = ("np", "pd", "str", "datetime")
"""The content types that leave the values of a tensor as the protocol says."""

Decode = Callable[[list[Any], str], list[Any]]
"""Turns the texts of a tensor into the values that they stand for; the second argument is the tensor's name."""


def check_content_type(content_type: str | None, name: str) -> None:
    """Refuse a content type that changes the meaning of an output or of a whole request.

    Raises:
        CallerFaultError: The content types that are taken.
    """
    if content_type is not None and content_type not in PLAIN:
        raise _unknown(content_type, PLAIN, name)


def decoder_of(content_type: str | None, datatype: str, name: str) -> Decode | None:
    """Return what decodes the texts of an input; None if they stand for themselves.

    Raises:
        CallerFaultError: The content type is unknown, or does not fit the datatype.
    """
    if content_type is None or content_type in PLAIN:
        return None
    if content_type not in _DECODERS:
        raise _unknown(content_type, (*PLAIN, *_DECODERS), name)
    if datatype != "BYTES":
        raise CallerFaultError(
            f"has the content_type {content_type}, which takes BYTES; its datatype is {shown(datatype)}", field=name
        )
    return _DECODERS[content_type]


def _unknown(content_type: str, known: tuple[str, ...], name: str) -> CallerFaultError:
    problem = f"has the content_type {shown(content_type)}; it must be one of {', '.join(known)}"
    return CallerFaultError(problem, field=name)


def _from_base64(texts: list[Any], name: str) -> list[Any]:
    try:
        return [None if text is None else base64.b64decode(text, validate=True).decode() for text in texts]
    except ValueError:  # includes those of base 64 and of UTF-8
        raise CallerFaultError(
            "has the content_type base64, and holds a value that is not UTF-8 in it", field=name
        ) from None


def _from_json(texts: list[Any], name: str) -> list[Any]:
    return [None if text is None else _value(text.encode(), name) for text in texts]


def _value(text: bytes, name: str) -> Any:
    try:
        return msgspec.json.decode(spelled_as_json(text) or text)
    except (msgspec.DecodeError, RecursionError):
        found = shown(text.decode())
        raise CallerFaultError(
            f"has the content_type pd_json, and holds {found}, which is not JSON", field=name
        ) from None


_DECODERS: dict[str, Decode] = {"base64": _from_base64, "pd_json": _from_json}
