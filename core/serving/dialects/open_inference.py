"""The Open Inference Protocol, version 2, over REST: a tensor for each field, or a matrix if all fields are numbers.

Tensors have the shape [n] or [n, 1]; text fields are BYTES. `null` in the data of an optional field is our extension,
since JSON has no NaN. Three extensions of Triton are served: binary tensors, classification, and the repository index.

Source: https://github.com/kserve/open-inference-protocol;
https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import orjson
from typing_extensions import override

from core.escape import shown
from core.models.scoring.fields import Rows
from core.serving.decoding import check_keys, check_utf8, spelled_as_json
from core.serving.dialects.content_types import Decode, check_content_type, decoder_of
from core.serving.dialects.dialect import Answered, Dialect, ListPath, ModelPath, Reader, ReadRequest, ServerPath
from core.serving.dialects.open_inference_models import (
    class_names,
    describe_readiness,
    describe_repository,
    describe_server,
    describe_signature,
    list_names,
    refuse_to_load,
)
from core.serving.dialects.schemas import TEXT, TEXTS, Schema, object_schema
from core.serving.dialects.tensors import ELEMENTS, HEADER, Element, FramedBody, packed_numbers, packed_texts
from core.serving.errors import BadRequestError, CallerFaultError
from core.serving.signature import UNREADABLE, OpenSignature, ServingSignature

_NUMBERS = {name: element for name, element in ELEMENTS.items() if name not in ("BOOL", "BYTES")}
_TEXT = {"BYTES": ELEMENTS["BYTES"]}
_ACCEPTED: dict[str, dict[str, Element]] = {
    "float": _NUMBERS,
    "int": _NUMBERS,
    "bool": _NUMBERS | {"BOOL": ELEMENTS["BOOL"]},
}


class _InputParameters(msgspec.Struct):
    binary_data_size: int | None = None
    shared_memory_region: str | None = None
    content_type: str | None = None


class Tensor(msgspec.Struct):
    """One input."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: _InputParameters | None = None


class _OutputParameters(msgspec.Struct, frozen=True):
    binary_data: bool | None = None
    classification: int | None = None
    shared_memory_region: str | None = None
    content_type: str | None = None


class _Wanted(msgspec.Struct):
    name: str
    parameters: _OutputParameters = _OutputParameters()


class _RequestParameters(msgspec.Struct):
    binary_data_output: bool = False
    content_type: str | None = None


class _Body(msgspec.Struct):
    inputs: list[Tensor]
    id: str | None = None
    outputs: list[_Wanted] = []
    parameters: _RequestParameters | None = None


class _Form(NamedTuple):
    """How the output is to be sent, unless as plain JSON."""

    is_binary: bool = False
    n_classes: int = 0  # the likeliest classes as texts instead of the numbers


_TENSOR: Schema = object_schema(
    ["name", "shape", "datatype"],
    name=TEXT,
    shape={"type": "array", "items": {"type": "integer"}},
    datatype={"type": "string", "enum": list(ELEMENTS)},
    data={"type": "array", "items": {}},
    parameters={"type": "object"},
)
_TENSORS: Schema = {"type": "array", "items": _TENSOR}
_ENTRY: dict[str, Schema] = {"name": TEXT, "version": TEXT, "state": TEXT, "reason": TEXT}
_WANTED: Schema = {"type": "array", "items": object_schema(["name"], name=TEXT, parameters={"type": "object"})}


class OpenInference(Dialect):
    """Infer requests."""

    name = "open_inference"
    title = "Open Inference V2"
    predict_path = "/v2/models/{which}/infer"
    request_schema = object_schema(["inputs"], id=TEXT, inputs=_TENSORS, outputs=_WANTED, parameters={"type": "object"})
    answer_schema = object_schema(
        ["model_name", "outputs"], model_name=TEXT, model_version=TEXT, id=TEXT, outputs=_TENSORS
    )
    model_paths = (
        ModelPath("/v2/models/{which}", "Signature", describe_signature),
        ModelPath("/v2/models/{which}/ready", "Readiness", describe_readiness),
        ModelPath("/v2/repository/models/{which}/load", "Refused", refuse_to_load, method="POST"),
        ModelPath("/v2/repository/models/{which}/unload", "Refused", refuse_to_load, method="POST"),
    )
    server_paths = (
        ServerPath("/v2", "Metadata of the server", describe_server),
        ServerPath("/v2/health/live", "Liveness of the server", same_as="/health"),
        ServerPath("/v2/health/ready", "Readiness of every live version", same_as="/ready"),
    )

    list_paths = (
        ListPath("/v2/models", "Names of the models", list_names, object_schema(["models"], models=TEXTS)),
        ListPath(
            "/v2/repository/index",
            "Every registered version",
            describe_repository,
            {"type": "array", "items": object_schema(["name", "version", "state", "reason"], **_ENTRY)},
            object_schema([], ready={"type": "boolean"}),
            method="POST",
        ),
    )

    @override
    def framed(self, headers: Mapping[bytes, bytes], content: bytes) -> bytes:
        length = headers.get(HEADER)
        if length is None:
            return content
        if not length.isdigit() or len(length) > 18 or int(length) > len(content):
            raise CallerFaultError(
                f"The header Inference-Header-Content-Length is {shown(length.decode('latin-1'))}; "
                f"it must be the length of the JSON object, at most the {len(content)} bytes of the body."
            )
        return FramedBody.of(content, int(length))

    @override
    def check(self, content: bytes) -> None:
        check_utf8(_json_of(content))

    @override
    def spelled(self, content: bytes) -> bytes | None:
        head = spelled_as_json(_json_of(content))
        if head is None or not isinstance(content, FramedBody):
            return head
        return FramedBody.of(head + content[content.n_json :], len(head))

    @override
    def reader(self, signature: ServingSignature) -> Reader:
        decode = msgspec.json.Decoder(_Body).decode
        accepted = {field.name: _ACCEPTED.get(field.kind, _TEXT) for field in signature.fields}
        is_open = isinstance(signature, OpenSignature)
        plain = {(name, element.name): element.plain for name, takes in accepted.items() for element in takes.values()}

        def one_row(inputs: list[Tensor]) -> Rows | None:
            """Read the most frequent request, a row in order; None leaves any other, and each refusal, to the rest."""
            cells: dict[str, Any] = {}
            for tensor in inputs:
                name, data = tensor.name, tensor.data
                limits = plain.get((name, tensor.datatype))
                if limits is None or data is None or len(data) != 1 or tensor.shape not in _ONE_ROW:
                    return None
                kinds, low, high = limits
                value = data[0]
                is_plain = value.__class__ in kinds and (low is None or low <= value <= high)
                if not is_plain and value is not None:  # the fields know whether a value may be missing
                    return None
                cells[name] = value
            return signature.convert_one(cells) if len(cells) == len(inputs) else None

        def read(content: bytes) -> ReadRequest:
            head = _json_of(content)
            try:
                body = decode(head)
            except UNREADABLE as error:
                raise signature.explained(error, head) from None
            form = _form(body, signature) if body.outputs or body.parameters else None
            inputs = body.inputs
            decoders: dict[str, Decode] = {}
            for tensor in inputs:
                if tensor.parameters is not None and (decode_texts := _decoder(tensor, tensor.parameters)):
                    decoders[tensor.name] = decode_texts
            check_keys(head, 4 * len(inputs) + (1 if body.id is None else 2))
            if not decoders and not isinstance(content, FramedBody) and (row := one_row(inputs)) is not None:
                return ReadRequest(row, body.id, form)
            binary = _binary_parts(content, inputs) if isinstance(content, FramedBody) else {}
            if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].name not in accepted and not is_open:
                return ReadRequest(_matrix(inputs[0], signature, binary), body.id, form)
            columns: dict[str, list[Any]] = {}
            for tensor in inputs:
                name, shape, data = tensor.name, tensor.shape, tensor.data
                if name in columns:
                    raise CallerFaultError("is given by two tensors", field=name)
                takes = ELEMENTS if is_open else accepted.get(name)
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
            return ReadRequest(signature.convert_columns(columns), body.id, form)

        return read

    @override
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        signature, data = answered.signature, answered.values
        form: _Form = asked.form or _PLAIN
        shape = [len(data)]
        output: dict[str, Any] = {"name": signature.output, "datatype": "FP64"}
        if form.n_classes:
            ranked = [_ranked(row, signature.classes, form.n_classes) for row in data]
            output["datatype"], shape = "BYTES", [len(data), len(ranked[0])]
            data = [text for row in ranked for text in row]
        elif isinstance(data[0], list):  # a probability for each class
            shape, data = [len(data), len(data[0])], [number for row in data for number in row]
            output["parameters"] = class_names(signature)
        output["shape"] = shape
        content = {
            "model_name": answered.model,
            "model_version": answered.version,
            "id": answered.request_id,
            "outputs": [output],
        }
        if not form.is_binary:
            output["data"] = data
            return orjson.dumps(content)
        tail = packed_texts(data) if form.n_classes else packed_numbers(data)
        output["parameters"] = output.get("parameters", {}) | {"binary_data_size": len(tail)}
        head = orjson.dumps(content)
        return FramedBody.of(head + tail, len(head))


_PLAIN = _Form()
_ONE_ROW = ([1], [1, 1])


def _json_of(content: bytes) -> bytes:
    return content[: content.n_json] if isinstance(content, FramedBody) else content


def _form(body: _Body, signature: ServingSignature) -> _Form:
    """Read how the output is to be sent."""
    if body.parameters is not None:
        check_content_type(body.parameters.content_type, "parameters")
    form = _Form(body.parameters is not None and body.parameters.binary_data_output)
    for wanted in body.outputs:
        if wanted.name != signature.output:
            raise BadRequestError(
                f"has no output {shown(wanted.name)}; the only output is {signature.output}", field="outputs"
            )
        asked = wanted.parameters
        _refuse_shared_memory(asked, wanted.name)
        check_content_type(asked.content_type, wanted.name)
        n_classes = asked.classification or 0
        if n_classes < 0 or (n_classes and not signature.classes):
            raise BadRequestError(
                f"asks for {n_classes} classes; the model has {len(signature.classes) or 'none'}", field="outputs"
            )
        form = _Form(form.is_binary if asked.binary_data is None else asked.binary_data, n_classes)
    return form


def _decoder(tensor: Tensor, asked: _InputParameters) -> Decode | None:
    """Return what decodes the texts of a tensor, if they stand for other values; refuse what is not supported."""
    _refuse_shared_memory(asked, tensor.name)
    return decoder_of(asked.content_type, tensor.datatype, tensor.name)


def _refuse_shared_memory(asked: _InputParameters | _OutputParameters, name: str) -> None:
    if asked.shared_memory_region is not None:
        raise CallerFaultError("asks for shared memory, which is not supported; send the data themselves", field=name)


def _ranked(answer: Any, classes: tuple[str, ...], n: int) -> list[str]:
    """Return the likeliest classes of a row, as `value:index:label`."""
    probabilities = answer if isinstance(answer, list) else [1.0 - answer, answer]
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])[:n]
    return [f"{probabilities[index]:f}:{index}:{classes[index]}" for index in order]


def _binary_parts(content: FramedBody, inputs: list[Tensor]) -> dict[str, bytes]:
    """Cut the bytes behind the JSON object into those of each tensor."""
    at = content.n_json
    parts: dict[str, bytes] = {}
    for tensor in inputs:
        size = tensor.parameters.binary_data_size if tensor.parameters is not None else None
        if size is None:
            continue
        if tensor.data is not None:
            raise CallerFaultError("has both data and binary_data_size; give one of them", field=tensor.name)
        if not 0 <= size <= len(content) - at:
            raise CallerFaultError(
                f"has a binary_data_size of {size}; {len(content) - at} bytes are left", field=tensor.name
            )
        parts[tensor.name] = content[at : at + size]
        at += size
    if at != len(content):
        raise CallerFaultError(f"The body has {len(content) - at} bytes that belong to no tensor.")
    return parts


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
