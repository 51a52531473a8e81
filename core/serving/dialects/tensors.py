"""The element types of the Open Inference Protocol: values from JSON, values from bytes, and bytes from answers.

A tensor is held to the type it declares: 300 is no INT8, and a number in an FP32 tensor is the number that 32 bits
hold, so that the same tensor gets the same answer as JSON and as bytes.

Source: https://github.com/kserve/open-inference-protocol; the binary form is Triton's extension,
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.serving.errors import CallerFaultError

HEADER = b"inference-header-content-length"
_MAX_SHOWN = 40
_LENGTH = _BITS = struct.Struct("<I")
_SINGLE = struct.Struct("<f")


class FramedBody(bytes):
    """A JSON object, followed by the bytes of tensors.

    Attributes:
        n_json: The length of the object.
    """

    n_json: int

    @classmethod
    def of(cls, content: bytes, n_json: int) -> "FramedBody":
        """Frame a body."""
        framed = cls(content)
        framed.n_json = n_json
        return framed


def framing(body: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header fields of a framed body: its type, and where the bytes of tensors begin."""
    assert isinstance(body, FramedBody)
    return (b"content-type", b"application/octet-stream"), (HEADER, b"%d" % body.n_json)


class Element(NamedTuple):
    """One element type."""

    name: str
    kinds: frozenset[type]  # of its values in JSON
    low: float = 0.0
    high: float = 0.0
    dtype: str = ""  # of its bytes; texts have none, and no limits
    stored: Callable[[float], float] | None = None  # rounds a number to the bits of the type

    @property
    def plain(self) -> tuple[frozenset[type], Any, Any] | None:
        """The types and the limits of values that need no conversion; None for a type that rounds its numbers."""
        if self.stored is not None:
            return None
        return (self.kinds, self.low, self.high) if self.dtype else (self.kinds, None, None)

    def values(self, data: list[Any], tensor: str) -> list[Any]:
        """Check the values of a JSON array.

        Raises:
            CallerFaultError: A value is not of this type.
        """
        if self.stored is None:
            if len(data) == 1:  # one row, the most frequent request
                value = data[0]
                if type(value) in self.kinds and (not self.dtype or self.low <= value <= self.high):
                    return data
            elif set(map(type, data)) <= self.kinds and (
                not self.dtype or not data or (self.low <= min(data) and max(data) <= self.high)
            ):
                return data
        return [self._value(value, tensor) for value in data]

    def _value(self, value: Any, tensor: str) -> Any:
        if value is None:  # our extension: JSON has no NaN
            return None
        if type(value) is float and float not in self.kinds and value.is_integer():
            value = int(value)  # JSON does not distinguish 8.0 from 8
        if type(value) not in self.kinds:
            expected = _EXPECTED[self.kinds]
            raise CallerFaultError(
                f"expected {expected}, got {_kind(value)}; its datatype is {self.name}", field=tensor
            )
        try:
            if not self.dtype or self.low <= value <= self.high:
                return value if self.stored is None else self.stored(value)
        except OverflowError:
            pass
        shown = str(value) if len(str(value)) <= _MAX_SHOWN else f"{str(value)[:_MAX_SHOWN]}…"
        limits = f"(>= {self.low}, <= {self.high})"
        raise CallerFaultError(f"must hold numbers of {self.name} {limits}; {shown} is not", field=tensor)

    def unpacked(self, content: bytes, n: int, tensor: str) -> list[Any]:
        """Read the values of a tensor from its bytes; NaN is a missing value.

        Args:
            content: The bytes.
            n: The number of elements, from the shape.
            tensor: The name of the tensor.
        Raises:
            CallerFaultError: The bytes are not this many values of this type.
        """
        if self.kinds is _TEXT:
            return _unpacked_texts(content, n, tensor)
        dtype = np.dtype(self.dtype)
        if len(content) != n * dtype.itemsize:
            raise CallerFaultError(
                f"has {len(content)} bytes; {n} values of {self.name} take {n * dtype.itemsize}", field=tensor
            )
        array = np.frombuffer(content, dtype)
        if self.kinds is _FLAG:
            if (array > 1).any():
                raise CallerFaultError("has a byte other than 0 and 1, which is no BOOL", field=tensor)
            return [value == 1 for value in array.tolist()]
        if self.kinds is _WHOLE:
            whole: list[Any] = array.tolist()
            return whole
        if self.name == "BF16":  # the upper half of a 32-bit number
            array = (array.astype(np.uint32) << 16).view(np.float32)
        if np.isinf(array).any():
            raise CallerFaultError("holds an infinite number", field=tensor)
        return [None if value != value else value for value in array.tolist()]


def packed_numbers(values: Sequence[float]) -> bytes:
    """Return the bytes of an FP64 tensor."""
    return struct.pack(f"<{len(values)}d", *values)


def packed_texts(values: Sequence[str]) -> bytes:
    """Return the bytes of a BYTES tensor: each text after its length.

    >>> packed_texts(["ab"])
    b'\\x02\\x00\\x00\\x00ab'
    """
    parts = [text.encode() for text in values]
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def _unpacked_texts(content: bytes, n: int, tensor: str) -> list[Any]:
    texts: list[Any] = []
    at = 0
    while at < len(content) and len(texts) < n:
        begin = at + _LENGTH.size
        at = begin + _LENGTH.unpack_from(content, at)[0] if begin <= len(content) else len(content) + 1
        if at > len(content):
            raise CallerFaultError(f"ends within element {len(texts)}", field=tensor)
        try:
            texts.append(content[begin:at].decode())
        except UnicodeDecodeError:
            raise CallerFaultError(f"is not UTF-8 in element {len(texts)}", field=tensor) from None
    if len(texts) != n or at != len(content):
        more = "" if at == len(content) else " and more bytes"
        raise CallerFaultError(f"has {len(texts)} elements{more}; its shape says {n}", field=tensor)
    return texts


def _rounding(form: str) -> Callable[[float], float]:
    pack = struct.Struct(form)
    return lambda value: float(pack.unpack(pack.pack(value))[0])


def _stored_as_bf16(value: float) -> float:
    """Round to the upper half of a 32-bit number, to even.

    >>> _stored_as_bf16(1.01)
    1.0078125
    """
    bits = int(_BITS.unpack(_SINGLE.pack(value))[0])
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return float(_SINGLE.unpack(_BITS.pack(bits))[0])


def _kind(value: Any) -> str:
    kind = type(value).__name__
    return {"list": "array", "dict": "object"}.get(kind, kind)


_WHOLE: frozenset[type] = frozenset({int})
_NUMBER: frozenset[type] = frozenset({int, float})
_FLAG: frozenset[type] = frozenset({bool, int})
_TEXT: frozenset[type] = frozenset({str})
_EXPECTED = {_WHOLE: "a whole number", _NUMBER: "float", _FLAG: "bool", _TEXT: "str"}

ELEMENTS: dict[str, Element] = {
    element.name: element
    for element in (
        Element("BOOL", _FLAG, 0, 1, "u1"),
        *(Element(f"INT{n}", _WHOLE, -(2 ** (n - 1)), 2 ** (n - 1) - 1, f"<i{n // 8}") for n in (8, 16, 32, 64)),
        *(Element(f"UINT{n}", _WHOLE, 0, 2**n - 1, f"<u{n // 8}") for n in (8, 16, 32, 64)),
        Element("FP16", _NUMBER, -65504.0, 65504.0, "<f2", _rounding("<e")),
        Element("BF16", _NUMBER, -3.38953139e38, 3.38953139e38, "<u2", _stored_as_bf16),
        Element("FP32", _NUMBER, -3.40282347e38, 3.40282347e38, "<f4", _rounding("<f")),
        Element("FP64", _NUMBER, -sys.float_info.max, sys.float_info.max, "<f8"),
        Element("BYTES", _TEXT),
    )
}
