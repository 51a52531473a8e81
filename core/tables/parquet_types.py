"""The types of Parquet columns: which of them hold plain values, and the same thing stored in several types."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.tables.clock_times import CLOCK, DURATION

_OF_A_MINUTE = {"s": 60, "ms": 60_000, "us": 60_000_000, "ns": 60_000_000_000}
_OF_A_SECOND = {unit: n // 60 for unit, n in _OF_A_MINUTE.items()}


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type holds text: in one of the layouts of text, or as bytes that a writer did not call text."""
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    is_string = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return bool(is_string or is_bytes or pa.types.is_fixed_size_binary(kind))


def is_flat(kind: pa.DataType) -> bool:
    """Return whether a type holds one plain value in each cell."""
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    is_time = pa.types.is_date(kind) or pa.types.is_timestamp(kind) or is_clock_or_duration(kind)
    return bool(is_number or is_time or pa.types.is_boolean(kind) or pa.types.is_null(kind) or is_text(kind))


def is_clock_or_duration(kind: pa.DataType) -> bool:
    """Return whether a type holds times that are read as numbers."""
    return bool(pa.types.is_time(kind) or pa.types.is_duration(kind))


def as_text(cells: Any) -> Any:
    """Return text of any layout as `string`, each distinct value once where it is stored so; None if it is not text."""
    try:
        if not isinstance(cells, pa.DictionaryArray):
            return _as_string(cells)
        return pa.DictionaryArray.from_arrays(cells.indices, _as_string(cells.dictionary))
    except pa.ArrowInvalid:  # bytes that are not UTF-8
        return None


def as_numbers(cells: Any) -> tuple[Any, str]:
    """Return times of the day in minutes, as in a text file, and durations in seconds, with the name of their form."""
    kind = cells.type
    is_clock = pa.types.is_time(kind)
    n_ticks = (_OF_A_MINUTE if is_clock else _OF_A_SECOND)[kind.unit]
    whole = cells.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    values = np.asarray(pc.cast(whole, pa.float64(), safe=False).to_numpy(zero_copy_only=False)) / n_ticks
    return pa.array(values, from_pandas=True), CLOCK if is_clock else DURATION


def _as_string(cells: Any) -> Any:
    if pa.types.is_fixed_size_binary(cells.type):
        cells = cells.cast(pa.binary())
    return cells.cast(pa.string())
