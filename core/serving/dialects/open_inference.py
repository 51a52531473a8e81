"""The Open Inference Protocol, version 2, over REST: a tensor for each field, or a matrix if all fields are numbers.

Tensors have the shape [n] or [n, 1]; text fields are BYTES. `null` in the data of an optional field is our extension,
since JSON has no NaN.

Source: https://github.com/kserve/open-inference-protocol
"""

import math
from importlib.metadata import version as version_of
from typing import Any

import msgspec
import numpy as np
import orjson
from typing_extensions import override

from core.models.scoring.fields import Field
from core.serving.decoding import check_keys
from core.serving.dialects.dialect import (
    Answered,
    Dialect,
    ModelPath,
    OfferedModel,
    Reader,
    ReadRequest,
    Reply,
    ServerPath,
    loaded,
    not_loaded,
)
from core.serving.dialects.schemas import TEXT, Schema, object_schema
from core.serving.errors import BadRequestError, CallerFaultError
from core.serving.signature import UNREADABLE, ServingSignature

_DATATYPES = {"float": "FP64", "int": "INT64", "bool": "BOOL"}
_NUMBERS = frozenset(f"{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)) | {"FP16", "FP32", "FP64"}
_ACCEPTED = {
    "float": _NUMBERS,
    "int": _NUMBERS,
    "bool": _NUMBERS | {"BOOL"},
}
_TEXT = frozenset({"BYTES"})
_ANY = _NUMBERS | _TEXT | {"BOOL"}  # of a tensor that is not a field, and is ignored


class Tensor(msgspec.Struct):
    """One input."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class _Wanted(msgspec.Struct):
    name: str


class _Body(msgspec.Struct):
    inputs: list[Tensor]
    id: str | None = None
    outputs: list[_Wanted] = []


_TENSOR: Schema = object_schema(
    ["name", "shape", "datatype", "data"],
    name=TEXT,
    shape={"type": "array", "items": {"type": "integer"}},
    datatype={"type": "string", "examples": ["FP64", "INT64", "BOOL", "BYTES"]},
    data={"type": "array", "items": {}},
)
_TENSORS: Schema = {"type": "array", "items": _TENSOR}


def _metadata(model: str, versions: list[str], signature: ServingSignature) -> dict[str, Any]:
    """Describe a model in the form of the protocol."""
    return {
        "name": model,
        "versions": versions,
        "platform": "bondx",
        "inputs": [{"name": field.name, "datatype": _datatype(field), "shape": [-1]} for field in signature.fields],
        "outputs": [{"name": signature.output, "datatype": "FP64", "shape": [-1]}],
    }


def _datatype(field: Field) -> str:
    return _DATATYPES.get(field.kind, "BYTES")


def _describe_signature(served: OfferedModel, version: str | None) -> Reply:
    found = loaded(served, version)
    if found is None:
        return not_loaded(served, version)
    return 200, _metadata(served.model, list(served.versions), found.signature)


def _describe_readiness(served: OfferedModel, version: str | None) -> Reply:
    is_ready = (served.default is not None) if version is None else version in served.versions
    return 200 if is_ready else 503, {"name": served.model, "ready": is_ready}


def _describe_server() -> dict[str, Any]:
    return {"name": "bondx", "version": version_of("bondx-console"), "extensions": ["null_values"]}


class OpenInference(Dialect):
    """Infer requests."""

    name = "open_inference"
    title = "Open Inference V2"
    predict_path = "/v2/models/{which}/infer"
    request_schema = object_schema(["inputs"], id=TEXT, inputs=_TENSORS)
    answer_schema = object_schema(
        ["model_name", "outputs"], model_name=TEXT, model_version=TEXT, id=TEXT, outputs=_TENSORS
    )
    model_paths = (
        ModelPath("/v2/models/{which}", "Signature", _describe_signature),
        ModelPath("/v2/models/{which}/ready", "Readiness", _describe_readiness),
    )
    server_paths = (
        ServerPath("/v2", "Metadata of the server", _describe_server),
        ServerPath("/v2/health/live", "Liveness of the server", same_as="/health"),
        ServerPath("/v2/health/ready", "Readiness of every live version", same_as="/ready"),
    )

    @override
    def reader(self, signature: ServingSignature) -> Reader:
        decode = msgspec.json.Decoder(_Body).decode
        accepted = {field.name: _ACCEPTED.get(field.kind, _TEXT) for field in signature.fields}

        def read(content: bytes) -> ReadRequest:
            try:
                body = decode(content)
            except UNREADABLE as error:
                raise signature.explained(error, content) from None
            for wanted in body.outputs:
                if wanted.name != signature.output:
                    raise BadRequestError(
                        f"has no output {wanted.name!a}; the only output is {signature.output}", field="outputs"
                    )
            inputs = body.inputs
            check_keys(content, 4 * len(inputs) + (1 if body.id is None else 2))
            if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].name not in accepted:
                return ReadRequest(signature.matrix(_matrix(inputs[0])), body.id)
            columns: dict[str, list[Any]] = {}
            for tensor in inputs:
                name, shape, data = tensor.name, tensor.shape, tensor.data
                is_plain = len(shape) == 1 and shape[0] == len(data) and tensor.datatype in accepted.get(name, _ANY)
                if name in columns:
                    raise CallerFaultError("is given by two tensors", field=name)
                columns[name] = data if is_plain else _column(tensor, accepted.get(name))
            return ReadRequest(signature.convert_columns(columns), body.id)

        return read

    @override
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        shape, data = [len(answered.values)], answered.values
        if isinstance(data[0], list):  # a probability for each class
            shape, data = [len(data), len(data[0])], [number for row in data for number in row]
        output = {"name": answered.output, "shape": shape, "datatype": "FP64", "data": data}
        return orjson.dumps(
            {
                "model_name": answered.model,
                "model_version": answered.version,
                "id": answered.request_id,
                "outputs": [output],
            }
        )


def _column(tensor: Tensor, accepted: frozenset[str] | None) -> list[Any]:
    """Return the values of a tensor that holds one field."""
    if accepted is not None and tensor.datatype not in accepted:
        raise BadRequestError(
            f"has the datatype {tensor.datatype!a}; the model takes {', '.join(sorted(accepted))}", field=tensor.name
        )
    shape, data = tensor.shape, tensor.data
    if len(shape) == 2 and shape[1] == 1:
        data = [value[0] if type(value) is list and len(value) == 1 else value for value in data]
    elif len(shape) != 1:
        raise BadRequestError(f"has the shape {shape}; it must be [n] or [n, 1]", field=tensor.name)
    if len(data) != shape[0]:
        raise BadRequestError(f"has {len(data)} values; its shape {shape} says {shape[0]}", field=tensor.name)
    return data


def _matrix(tensor: Tensor) -> Any:
    if tensor.datatype not in _NUMBERS:
        raise BadRequestError(f"has the datatype {tensor.datatype!a}; a matrix must hold numbers", field=tensor.name)
    try:
        cells = np.array(tensor.data, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):  # the last of a number of hundreds of digits
        raise BadRequestError("must hold numbers, in rows of the same length", field=tensor.name) from None
    if min(tensor.shape) < 0 or cells.size != math.prod(tensor.shape):
        raise BadRequestError(f"has {cells.size} values; its shape is {tensor.shape}", field=tensor.name)
    return cells.reshape(tensor.shape)
