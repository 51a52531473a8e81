"""Calls to a gRPC server as any client makes them, with messages made from values."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc

from core.client.tf_messages import PredictRequest, PredictResponse
from core.client.tf_tensors import from_tensor, guessed_type, to_tensor
from core.serving.rpc.inference_messages import InferRequest
from tests.waiting import PATIENCE_SECONDS

PREDICT = "/tensorflow.serving.PredictionService/Predict"
TF = "/tensorflow.serving."
V2 = "/inference.GRPCInferenceService/"
HEALTH = "/grpc.health.v1.Health/Check"


class Heard(NamedTuple):
    """The answer to a call, or its refusal."""

    code: grpc.StatusCode
    said: str
    content: bytes
    fields: Mapping[str, str]


class Caller:
    """A client of one server, with a connection of its own if it is told so: the library shares them, and back-offs."""

    def __init__(self, port: int, token: str | None = None, *, is_alone: bool = False) -> None:
        options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", int(is_alone))]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self._token = token

    def ask(self, method: str, content: bytes = b"", **fields: str) -> Heard:
        metadata = [(name.replace("_", "-"), value) for name, value in fields.items()]
        if self._token is not None:
            metadata.append(("authorization", f"Bearer {self._token}"))
        call = self.channel.unary_unary(method)
        try:
            answer, told = call.with_call(content, metadata=metadata, timeout=PATIENCE_SECONDS)
        except grpc.RpcError as error:
            return Heard(error.code(), error.details() or "", b"", dict(error.trailing_metadata() or ()))
        return Heard(told.code(), "", answer, dict(told.trailing_metadata()))

    def predict(self, model: str, rows: list[dict[str, Any]], **fields: str) -> list[Any]:
        heard = self.ask(PREDICT, tf_request(model, rows), **fields)
        assert heard.code is grpc.StatusCode.OK, heard
        return tf_values(heard.content)

    def close(self) -> None:
        self.channel.close()


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def without_missing_texts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out rows that a tensor of TensorFlow cannot express."""
    texts = {name for row in rows for name, value in row.items() if isinstance(value, str)}
    return [row for row in rows if all(row[name] is not None for name in texts)]


def tf_request(model: str, rows: list[dict[str, Any]], **spec: str) -> bytes:
    request = PredictRequest()
    request.model_spec.name = model
    for name, value in spec.items():
        setattr(request.model_spec, name, value)
    for name, values in columns_of(rows).items():
        request.inputs[name].CopyFrom(to_tensor(name, values, guessed_type(name, values), (len(values),)))
    content: bytes = request.SerializeToString()
    return content


def tf_values(content: bytes) -> list[Any]:
    (output,) = PredictResponse.FromString(content).outputs.values()
    return from_tensor(output)


_PLACES = {
    bool: ("BOOL", "bool_contents"),
    int: ("INT64", "int64_contents"),
    float: ("FP64", "fp64_contents"),
    str: ("BYTES", "bytes_contents"),
}


def v2_request(model: str, rows: list[dict[str, Any]], **more: str) -> bytes:
    request = InferRequest(model_name=model, **more)
    for name, values in columns_of(rows).items():
        kinds = {type(value) for value in values if value is not None}
        kind = float if kinds == {int, float} or not kinds else kinds.pop()
        datatype, place = _PLACES[kind]
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[len(values)])
        if kind is str and None in values:  # as MLServer's clients write it: each element is a value as JSON
            tensor.parameters["content_type"].string_param = "pd_json"
            given = [json.dumps(value).encode() for value in values]
        else:
            given = [value.encode() if kind is str else math.nan if value is None else value for value in values]
        getattr(tensor.contents, place).extend(given)
    content: bytes = request.SerializeToString()
    return content
