"""The form in which sampled rows are stored: some rows of one version together, column by column, compressed."""

import zlib
from typing import Any, NamedTuple

import msgspec

from core.json_documents import decode_msgpack
from core.packed_documents import unpacked
from core.telemetry.errors import TelemetryError

MOST_BYTES = 256 << 20  # of one batch once it is unpacked
_LEVEL = 1

LoggedCell = float | str | bool | None


class FeatureBatch(NamedTuple):
    """Some rows that one version answered."""

    model: str
    version: str
    at: tuple[float, ...]  # by row, seconds since 1970
    requests: tuple[str, ...]  # by row, the id under which its prediction is recorded
    columns: dict[str, list[LoggedCell]]  # the fields of the rows, without the masked ones
    predictions: list[Any]  # by row a number, or the probabilities of the classes


class _Stored(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    at: tuple[float, ...]
    requests: tuple[str, ...]
    columns: dict[str, list[LoggedCell]]
    predictions: list[float | list[float]]


_ENCODER = msgspec.msgpack.Encoder()


def packed_batch(batch: FeatureBatch) -> bytes:
    """Return the bytes of a batch."""
    stored = _Stored(batch.at, batch.requests, batch.columns, batch.predictions)
    return zlib.compress(_ENCODER.encode(stored), _LEVEL)


def unpacked_batch(model: str, version: str, content: bytes) -> FeatureBatch:
    """Read the bytes of a batch strictly.

    Raises:
        TelemetryError: They are damaged.
    """
    try:
        found = decode_msgpack(unpacked(content, MOST_BYTES), _Stored)
    except (zlib.error, msgspec.DecodeError) as error:
        raise TelemetryError(f"Logged features of {model} {version} are damaged ({error}).") from error
    n_rows = len(found.requests)
    if any(len(each) != n_rows for each in (found.at, found.predictions, *found.columns.values())):
        raise TelemetryError(f"Logged features of {model} {version} have columns of different lengths.")
    return FeatureBatch(model, version, found.at, found.requests, found.columns, found.predictions)
