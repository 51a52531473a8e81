"""The tensors of an Open Inference request, and the rows that they hold: one reading, in JSON, bytes and protobuf.

A tensor is held to the type and the shape that it declares. Text fields are BYTES; a field has the shape [n] or [n, 1],
and a model of numbers alone also takes one matrix, its columns in the order of the fields.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from core.escape import shown
from core.models.scoring.fields import Rows
from core.serving.dialects.content_types import Decode, decoder_of
from core.serving.dialects.tensors import ELEMENTS, Element
from core.serving.errors import BadRequestError, CallerFaultError
from core.serving.signature import OpenSignature, ServingSignature

_NUMBERS = {name: element for name, element in ELEMENTS.items() if name not in ("BOOL", "BYTES")}
_TEXT = {"BYTES": ELEMENTS["BYTES"]}
_ACCEPTED: dict[str, dict[str, Element]] = {
    "float": _NUMBERS,
    "int": _NUMBERS,
    "bool": _NUMBERS | {"BOOL": ELEMENTS["BOOL"]},
}
_ONE_ROW = ([1], [1, 1])
MOST_RANK = 8


class InputParameters(msgspec.Struct):
    """What a request says of an input beside its values."""

    binary_data_size: int | None = None
    shared_memory_region: str | None = None
    content_type: str | None = None


class Tensor(msgspec.Struct):
    """One input."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: InputParameters | None = None


class SharesMemory(Protocol):
    """What a request says of a tensor that may lie in memory shared with its caller."""

    @property
    def shared_memory_region(self) -> str | None:
        """The name of the memory."""


class TensorReader:
    """Reads the tensors of requests to a model with one signature."""

    def __init__(self, signature: ServingSignature) -> None:
        self._signature = signature
        self._accepted = {field.name: _ACCEPTED.get(field.kind, _TEXT) for field in signature.fields}
        self._is_open = isinstance(signature, OpenSignature)
        self._plain = {
            (name, element.name): element.plain for name, takes in self._accepted.items() for element in takes.values()
        }

    def takes(self, name: str) -> dict[str, Element]:
        """Return the element types that a tensor may have; a name that is no field stands for a matrix."""
        if self._is_open:
            return ELEMENTS
        return self._accepted.get(name, _NUMBERS)

    def one_row(self, inputs: Sequence[Tensor]) -> Rows | None:
        """Read the most frequent request, a row in order; None leaves any other, and each refusal, to `rows`."""
        cells: dict[str, Any] = {}
        for tensor in inputs:
            name, data = tensor.name, tensor.data
            limits = self._plain.get((name, tensor.datatype))
            if limits is None or data is None or len(data) != 1 or tensor.shape not in _ONE_ROW:
                return None
            kinds, low, high = limits
            value = data[0]
            is_plain = value.__class__ in kinds and (low is None or low <= value <= high)
            if not is_plain and value is not None:  # the fields know whether a value may be missing
                return None
            cells[name] = value
        return self._signature.convert_one(cells) if len(cells) == len(inputs) else None

    def rows(self, inputs: Sequence[Tensor], binary: Mapping[str, bytes], decoders: Mapping[str, Decode]) -> Rows:
        """Read any tensors.

        Args:
            inputs: The tensors.
            binary: The values of those that are given as bytes, by name.
            decoders: What decodes the texts of those whose texts stand for other values, by name.
        Raises:
            BadRequestError: They are not rows of the model.
        """
        accepted = self._accepted
        for tensor in inputs:
            check_rank(tensor.name, len(tensor.shape))
        if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].name not in accepted and not self._is_open:
            return _matrix(inputs[0], self._signature, binary)
        columns: dict[str, list[Any]] = {}
        for tensor in inputs:
            name, shape, data = tensor.name, tensor.shape, tensor.data
            if name in columns:
                raise CallerFaultError("is given by two tensors", field=name)
            takes = ELEMENTS if self._is_open else accepted.get(name)
            if takes is None:
                raise BadRequestError(f"is not a tensor of the model; it takes {', '.join(accepted)}", field=name)
            element = (_TEXT if name in decoders else takes).get(tensor.datatype)
            if element is None:
                problem = f"has the datatype {shown(tensor.datatype)}; the model takes {', '.join(sorted(takes))}"
                raise BadRequestError(problem, field=name)
            if data is not None and len(shape) == 1 and shape[0] == len(data) and not (binary or decoders):
                columns[name] = element.values(data, name)
                continue
            if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
                raise BadRequestError(f"has the shape {shape}; it must be [n] or [n, 1]", field=name)
            values = _values(tensor, element, binary)
            columns[name] = decoders[name](values, name) if name in decoders else values
        return self._signature.convert_columns(columns)


def check_rank(name: str, rank: int) -> None:
    """Refuse a shape that no refusal could quote.

    Raises:
        CallerFaultError: It has too many sizes.
    """
    if rank > MOST_RANK:
        raise CallerFaultError(f"has a shape of {rank:,} sizes; it must be [n] or [n, 1]", field=name)


def decoder_for(tensor: Tensor, asked: InputParameters) -> Decode | None:
    """Return what decodes the texts of a tensor, if they stand for other values; refuse what is not supported."""
    refuse_shared_memory(asked, tensor.name)
    return decoder_of(asked.content_type, tensor.datatype, tensor.name)


def refuse_shared_memory(asked: SharesMemory, name: str) -> None:
    """Refuse a tensor that lies in shared memory."""
    if asked.shared_memory_region is not None:
        raise CallerFaultError("asks for shared memory, which is not supported; send the data themselves", field=name)


def _values(tensor: Tensor, element: Element, binary: Mapping[str, bytes]) -> list[Any]:
    """Return the values of a tensor in row order, in JSON (flat or nested) or from bytes."""
    shape, name = tensor.shape, tensor.name
    if min(shape, default=0) < 0:
        raise CallerFaultError(f"has the shape {shape}; sizes are not negative", field=name)
    n = math.prod(shape)
    if name in binary:
        return element.unpacked(binary[name], n, name)
    if tensor.data is None:
        raise CallerFaultError(
            "has no data; binary data need binary_data_size and the header Inference-Header-Content-Length", field=name
        )
    data = tensor.data
    if len(shape) == 2 and data and type(data[0]) is list:
        if len(data) != shape[0] or any(type(row) is not list or len(row) != shape[1] for row in data):
            raise CallerFaultError(f"has data of another shape than {shape}", field=name)
        data = [value for row in data for value in row]
    if len(data) != n:
        raise CallerFaultError(f"has {len(data)} values; its shape {shape} says {n}", field=name)
    return element.values(data, name)


def _matrix(tensor: Tensor, signature: ServingSignature, binary: Mapping[str, bytes]) -> Rows:
    element = _NUMBERS.get(tensor.datatype)
    if element is None:
        raise BadRequestError(
            f"has the datatype {shown(tensor.datatype)}; a matrix must hold numbers", field=tensor.name
        )
    return signature.matrix(_values(tensor, element, binary), tensor.shape)
