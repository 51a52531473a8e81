"""Samples packed into chunks: (µs since the start of the chunk, value), eight bytes each."""

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

_SAMPLE = struct.Struct("<If")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
MAX_VALUE = 3.4028234e38
"""The largest value a chunk can hold, a 32-bit float."""


def to_us(at: datetime) -> int:
    """Convert an instant to microseconds since 1970.

    Raises:
        TypeError: The datetime is naive, so its instant is unknown.
    """
    return (at - _EPOCH) // _MICROSECOND


def from_us(at_us: int) -> datetime:
    """Convert microseconds since 1970 back to an instant in UTC."""
    return _EPOCH + at_us * _MICROSECOND


def pack(start_us: int, samples: Iterable[tuple[int, float]]) -> bytes:
    """Pack samples (µs since 1970, value) that lie less than a minute after the start."""
    return b"".join(_SAMPLE.pack(at_us - start_us, value) for at_us, value in samples)


def unpack(start_us: int, packed: bytes) -> Iterator[tuple[int, float]]:
    """Yield (µs since 1970, value), in the order in which the samples came."""
    return ((start_us + offset_us, value) for offset_us, value in _SAMPLE.iter_unpack(packed))
