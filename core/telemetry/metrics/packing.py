"""The bytes of a scrape and of a block: columns whose bytes lie apart by place, so that zlib finds what repeats."""

import zlib
from typing import TypeAlias

import numpy as np

from core.arrays import FloatArray, IntArray, Unsigned32Array, Unsigned64Array

SeriesIds: TypeAlias = Unsigned32Array
SampleValues: TypeAlias = FloatArray
SampleTimes: TypeAlias = IntArray

_SCRAPE_LEVEL = 1  # every few seconds
_BLOCK_LEVEL = 6  # once an hour


def pack_scrape(ids: SeriesIds, values: SampleValues) -> bytes:
    """Pack one scrape: the ids of its series, shape (n,), ascending, and their values, shape (n,)."""
    steps = np.diff(ids, prepend=np.uint32(0))
    return zlib.compress(_apart(steps) + _apart(values.view(np.uint64)), _SCRAPE_LEVEL)


def unpack_scrape(body: bytes) -> tuple[SeriesIds, SampleValues]:
    """Return the ids and the values of a scrape.

    Raises:
        ValueError: The bytes are no scrape.
    """
    try:
        raw = zlib.decompress(body)
    except zlib.error as error:
        raise ValueError(f"a scrape cannot be unpacked: {error}") from error
    n, rest = divmod(len(raw), 12)
    if rest:
        raise ValueError("a scrape cannot be unpacked: its length is wrong")
    steps = _together(raw[: 4 * n], np.dtype(np.uint32))
    return np.cumsum(steps, dtype=np.uint32), _together(raw[4 * n :], np.dtype(np.uint64)).view(np.float64)


def pack_values(values: SampleValues) -> bytes:
    """Pack the values of one series, shape (n,): each as its difference in bits from the one before."""
    bits = values.view(np.uint64)
    changes = bits.copy()
    changes[1:] ^= bits[:-1]
    return zlib.compress(_apart(changes), _BLOCK_LEVEL)


def unpack_values(body: bytes) -> SampleValues:
    """Return the values of one series, shape (n,).

    Raises:
        ValueError: The bytes are no such values.
    """
    changes = _together(_inflated(body), np.dtype(np.uint64))
    return np.bitwise_xor.accumulate(changes).view(np.float64)


def pack_times(at_ms: SampleTimes) -> bytes:
    """Pack the times of the scrapes of a block, shape (n,)."""
    return zlib.compress(_apart(np.diff(at_ms, prepend=0).view(np.uint64)), _BLOCK_LEVEL)


def unpack_times(body: bytes) -> SampleTimes:
    """Return the times of the scrapes of a block, shape (n,).

    Raises:
        ValueError: The bytes are no such times.
    """
    return np.cumsum(_together(_inflated(body), np.dtype(np.uint64)).view(np.int64))


def _inflated(body: bytes) -> bytes:
    try:
        raw = zlib.decompress(body)
    except zlib.error as error:
        raise ValueError(f"a block cannot be unpacked: {error}") from error
    if len(raw) % 8:
        raise ValueError("a block cannot be unpacked: its length is wrong")
    return raw


def _apart(numbers: Unsigned32Array | Unsigned64Array) -> bytes:
    return np.ascontiguousarray(numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize).T).tobytes()


def _together(raw: bytes, kind: "np.dtype[np.uint32] | np.dtype[np.uint64]") -> Unsigned64Array:
    planes = np.frombuffer(raw, np.uint8).reshape(kind.itemsize, len(raw) // kind.itemsize)
    numbers: Unsigned64Array = np.ascontiguousarray(planes.T).reshape(-1).view(kind)
    return numbers
