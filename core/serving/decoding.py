"""Undecodable and ambiguous bodies: bad UTF-8, halves of characters, keys that occur twice.

They say nothing about a version, so each is a `CallerFaultError`: answered with 400, and never evidence in a
rollout. The checks cost a fraction of a microsecond for an ordinary body.
"""

import logging
import re
from collections.abc import Callable
from typing import TypeVar

import msgspec
import numpy as np

from core.errors import CoreError
from core.escape import shown
from core.json_documents import repeated_key
from core.serving.errors import CallerFaultError

log = logging.getLogger(__name__)

T = TypeVar("T")

_HALF = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})|[c-fC-F][0-9a-fA-F]{2})", flags=re.ASCII
)
_LONG = 4_096  # bytes, from which array operations cost less than the parts of a body
_QUOTE, _FIRST, _SECOND = ord('"'), (ord("N"), ord("I")), (ord("a"), ord("n"))  # of NaN and of Infinity
_PAIR = re.compile(rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}", flags=re.ASCII)


def check_utf8(content: bytes) -> None:
    """Refuse bytes that are not UTF-8, wherever they stand: a decoder skips fields that it does not need.

    Raises:
        CallerFaultError: The position of the first wrong byte.
    """
    if content.isascii():
        return
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise CallerFaultError(
            f"The request is not valid UTF-8: byte 0x{content[error.start]:02x} at position {error.start}."
        ) from None


def reading(read: Callable[[bytes], T], content: bytes) -> T:
    """Read a body; every failure of a reader is the body's fault.

    Args:
        read: The reader of a dialect.
        content: The body.
    Raises:
        CoreError: The request is refused.
    """
    try:
        return read(content)
    except (CoreError, MemoryError):
        raise
    except Exception as error:
        log.warning("a request could not be read", exc_info=error)
        raise CallerFaultError("The request cannot be read; check the types and the size of its values.") from error


def spelled_as_json(content: bytes) -> bytes | None:
    """Spell the numbers that JSON lacks as a decoder reads them; None if a body has none.

    NaN is a missing value, as in the bytes of a tensor. An infinite number is one that no field takes.

    Source: https://www.tensorflow.org/tfx/serving/api_rest, "JSON conformance"; Triton accepts them, too
    (https://github.com/triton-inference-server/server/issues/3711)

    >>> spelled_as_json(b'{"NaN": [NaN, -Infinity]}'), spelled_as_json(b'{"NaN": 1}')
    (b'{"NaN": [null, -1e999]}', None)
    """
    if b"NaN" not in content and b"Infinity" not in content:
        return None
    if b"\0" in content or b"\1" in content:  # no JSON has these bytes: here they stand for the escapes of a string
        return None
    masked = content.replace(b"\\\\", b"\0").replace(b'\\"', b"\1")
    if len(masked) > _LONG and not _may_be_in_a_string(masked):
        return _spelled(content)
    parts = masked.split(b'"')  # every second one is a string
    outside = b'"'.join(parts[::2])
    if (spelled := _spelled(outside)) == outside:
        return None
    parts[::2] = spelled.split(b'"')
    return b'"'.join(parts).replace(b"\1", b'\\"').replace(b"\0", b"\\\\")


def _spelled(content: bytes) -> bytes:
    return content.replace(b"NaN", b"null").replace(b"Infinity", b"1e999")


def _may_be_in_a_string(masked: bytes) -> bool:
    """Whether a string of a body may have a NaN or Infinity: where one begins, an odd number of quotes is before it.

    Counted by array operations, since a walk through the body costs several times what its decoder does.

    Args:
        masked: The body, without escaped quotes.
    """
    found = np.frombuffer(masked, np.uint8)
    quotes = np.flatnonzero(found == _QUOTE)
    for first, second in zip(_FIRST, _SECOND, strict=True):
        at = np.flatnonzero(found[:-1] == first)
        at = at[found[at + 1] == second]
        if (np.searchsorted(quotes, at) & 1).any():
            return True
    return False


def syntax_problem(content: bytes, problem: str) -> str:
    """Describe why a decoder stopped; it calls half of a character, and no body at all, truncated input."""
    if not content.strip():
        return "the body is empty"
    without_pairs = _PAIR.sub(lambda found: b"_" * len(found[0]), content)
    if found := _HALF.search(without_pairs):
        return f"half of a character, {found[0].decode()}, at position {found.start()}"
    return problem


def check_keys(content: bytes, n_known: int = -1) -> None:
    """Refuse a JSON document in which an object has the same key twice: readers disagree on which value counts.

    A key has a colon, so a document with as many colons as known different keys has no other key. Any other document
    is read again.

    Args:
        content: The document, valid JSON.
        n_known: The number of keys that the reader has found, all different within their object;
            by default it is not known.
    Raises:
        CallerFaultError: The key.

    >>> check_keys(b'{"row": {"a": 1, "a": 2}}', 2)
    Traceback (most recent call last):
    core.serving.errors.CallerFaultError: The request has the key 'a' twice in one object.
    """
    if content.count(b":") == n_known:
        return
    try:
        repeated = repeated_key(content)
    except msgspec.DecodeError:
        raise CallerFaultError("The request is nested too deeply.") from None
    if repeated is not None:
        raise CallerFaultError(f"The request has the key {shown(repeated)} twice in one object.")
