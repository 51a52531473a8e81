"""The Open Inference Protocol, version 2, over REST: a tensor for each field, or a matrix if all fields are numbers.

Tensors have the shape [n] or [n, 1]; text fields are BYTES. `null` in the data of an optional field is our extension,
since JSON has no NaN, and so is the parameter `interval` of a request: with 0.9, two more outputs hold the limits of a
conformal interval of each answer, or one the set of classes. Three extensions of Triton are served: binary tensors,
classification, and the repository index.

Source: https://github.com/kserve/open-inference-protocol;
https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from typing_extensions import override

from core.escape import shown
from core.explain.conformal import Conformal
from core.json_documents import json_decoder
from core.serving.decoding import check_keys, check_utf8, spelled_as_json
from core.serving.dialects.content_types import Decode
from core.serving.dialects.dialect import Answered, Dialect, ListPath, ModelPath, Reader, ReadRequest, ServerPath
from core.serving.dialects.intervals import require_level
from core.serving.dialects.open_inference_models import (
    describe_readiness,
    describe_repository,
    describe_server,
    describe_signature,
    list_names,
    refuse_to_load,
)
from core.serving.dialects.open_inference_outputs import (
    INTERVAL,
    PLAIN,
    OutputForm,
    WantedOutput,
    form_of,
    outputs_of,
)
from core.serving.dialects.open_inference_parameters import PARAMETERS
from core.serving.dialects.open_inference_tensors import Tensor, TensorReader, decoder_for
from core.serving.dialects.schemas import TEXT, TEXTS, Schema, object_schema
from core.serving.dialects.tensors import ELEMENTS, HEADER, FramedBody
from core.serving.errors import CallerFaultError
from core.serving.signature import UNREADABLE, ServingSignature


class _Body(msgspec.Struct):
    inputs: list[Tensor]
    id: str | None = None
    outputs: list[WantedOutput] = []
    parameters: dict[str, Any] | None = None


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
        ["model_name", "outputs"],
        model_name=TEXT,
        model_version=TEXT,
        id=TEXT,
        parameters={"type": "object"},
        outputs=_TENSORS,
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
        decode = json_decoder(_Body).decode
        tensors = TensorReader(signature)

        def read(content: bytes) -> ReadRequest:
            head = _json_of(content)
            try:
                body = decode(head)
            except UNREADABLE as error:
                raise signature.explained(error, head) from None
            form = form_of(body.outputs, body.parameters, signature) if body.outputs or body.parameters else None
            inputs = body.inputs
            decoders: dict[str, Decode] = {}
            for tensor in inputs:
                if tensor.parameters is not None and (decode_texts := decoder_for(tensor, tensor.parameters)):
                    decoders[tensor.name] = decode_texts
            check_keys(head, 4 * len(inputs) + (1 if body.id is None else 2))
            if not decoders and not isinstance(content, FramedBody) and (row := tensors.one_row(inputs)) is not None:
                return ReadRequest(row, body.id, form)
            binary = _binary_parts(content, inputs) if isinstance(content, FramedBody) else {}
            return ReadRequest(tensors.rows(inputs, binary, decoders), body.id, form)

        return read

    @override
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        form: OutputForm = asked.form or PLAIN
        made, level = outputs_of(form, answered)
        content: dict[str, Any] = {
            "model_name": answered.model,
            "model_version": answered.version,
            "id": answered.request_id,
        }
        if level is not None:
            content["parameters"] = {INTERVAL: level}
        parts, outputs = [], []
        for each in made:
            output: dict[str, Any] = {"name": each.name, "datatype": each.datatype}
            if each.parameters:
                output["parameters"] = each.parameters
            output["shape"] = each.shape
            if form.is_binary:
                parts.append(each.packed())
                output["parameters"] = output.get("parameters", {}) | {"binary_data_size": len(parts[-1])}
            else:
                output["data"] = each.data
            outputs.append(output)
        head = orjson.dumps(content | {"outputs": outputs})
        return FramedBody.of(head + b"".join(parts), len(head)) if form.is_binary else head

    @override
    def require(self, asked: ReadRequest, conformal: Conformal | None) -> None:
        form: OutputForm = asked.form or PLAIN
        require_level(form.level, conformal, field=f"{PARAMETERS}.{INTERVAL}")


def _json_of(content: bytes) -> bytes:
    return content[: content.n_json] if isinstance(content, FramedBody) else content


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
