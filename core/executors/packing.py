"""Plain values as bytes: what travels to a worker and back, without pickle.

A value is None, a truth value, a number, a text, bytes, an array of numbers, or a tuple, list or mapping of values.
It comes back as it was, to the last bit: an array also with its type and its order in memory, on which the rounding of
a matrix product depends. Only a single number of NumPy comes back as Python's.
"""

import io
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from core.errors import CoreError

PlainValue: TypeAlias = Any
"""A plain value; see above."""

_LENGTH = 8
_ARRAY, _BYTES, _TUPLE = "$array", "$bytes", "$tuple"


class UnreadableMessageError(CoreError):
    """Bytes are not what `packed` writes."""


def packed(value: PlainValue) -> bytes:
    """Write a plain value.

    Raises:
        TypeError: It holds something else.

    >>> unpacked(packed({"rows": np.arange(2), "of": (1.5, None, b"raw")}))
    {'rows': array([0, 1]), 'of': (1.5, None, b'raw')}
    """
    blobs: list[bytes] = []
    header = json.dumps(_marked(value, blobs)).encode()
    sizes = b"".join(len(blob).to_bytes(_LENGTH, "big") for blob in blobs)
    front = (len(header).to_bytes(_LENGTH, "big"), len(blobs).to_bytes(_LENGTH, "big"), header, sizes)
    return b"".join((*front, *blobs))


def unpacked(message: bytes | bytearray | memoryview) -> PlainValue:
    """Read what `packed` wrote.

    Raises:
        UnreadableMessageError: It is something else.
    """
    view = memoryview(message)
    try:
        n_header, n_blobs = (int.from_bytes(view[k * _LENGTH : (k + 1) * _LENGTH], "big") for k in (0, 1))
        start = 2 * _LENGTH + n_header
        header = json.loads(bytes(view[2 * _LENGTH : start]))
        place = start + n_blobs * _LENGTH
        blobs = []
        for k in range(n_blobs):
            size = int.from_bytes(view[start + k * _LENGTH : start + (k + 1) * _LENGTH], "big")
            blobs.append(view[place : place + size])
            place += size
        if place != len(view):
            raise ValueError(f"{len(view)} bytes, and not {place}")
        return _unmarked(header, blobs)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, EOFError, RecursionError) as error:
        raise UnreadableMessageError(f"a message between the training and a worker cannot be read: {error}") from error


def _marked(value: PlainValue, blobs: list[bytes]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("an array of objects is no plain value")
        content = io.BytesIO()
        np.save(content, value, allow_pickle=False)
        blobs.append(content.getvalue())
        return {_ARRAY: len(blobs) - 1}
    if isinstance(value, bytes):
        blobs.append(value)
        return {_BYTES: len(blobs) - 1}
    if isinstance(value, Mapping):
        if wrong := [name for name in value if not isinstance(name, str) or name.startswith("$")]:
            raise TypeError(f"{wrong[0]!r} cannot be a name in a plain value")
        return {name: _marked(each, blobs) for name, each in value.items()}
    if isinstance(value, list):
        return [_marked(each, blobs) for each in value]
    if isinstance(value, tuple):
        return {_TUPLE: [_marked(each, blobs) for each in value]}
    raise TypeError(f"{type(value).__name__} is no plain value")


def _unmarked(value: Any, blobs: list[memoryview]) -> PlainValue:
    if isinstance(value, list):
        return [_unmarked(each, blobs) for each in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        # A copy in memory of its own: aligned as every array is, and writable.
        return np.load(io.BytesIO(blobs[value[_ARRAY]]), allow_pickle=False)
    if _BYTES in value:
        return bytes(blobs[value[_BYTES]])
    if _TUPLE in value:
        return tuple(_unmarked(each, blobs) for each in value[_TUPLE])
    return {name: _unmarked(each, blobs) for name, each in value.items()}
