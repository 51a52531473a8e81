"""The Open Inference Protocol over gRPC: predictions, readiness, and descriptions of the server and its models.

Source: https://github.com/kserve/open-inference-protocol; the repository is Triton's extension
"""

from typing import Any

from core.serving.dialects.open_inference_models import (
    describe_readiness,
    describe_repository,
    describe_server,
    describe_signature,
)
from core.serving.errors import BadRequestError, UnavailableError
from core.serving.predict import Predictor
from core.serving.rpc.calls import Method, RpcAnswer, RpcCall, Services
from core.serving.rpc.infer import Infer
from core.serving.rpc.inference_messages import (
    Flag,
    Index,
    IndexRequest,
    ModelMetadata,
    ModelNamed,
    ServerMetadata,
)
from core.serving.rpc.predicting import predict_method, small_message_of
from core.serving.table import ServedModel

SERVICE = "inference.GRPCInferenceService"
_EXTENSIONS = ["classification", "model_repository"]


def inference_services(predictor: Predictor) -> Services:
    """Return the service."""

    def named(content: bytes) -> tuple[ServedModel, str | None]:
        request = small_message_of(ModelNamed, content)
        served = predictor.table.model(request.name)
        return served, served.known(request.version) if request.version else None

    def ready(_call: RpcCall, content: bytes) -> RpcAnswer:
        return _flag(describe_readiness(*named(content))[1]["ready"])

    def metadata(_call: RpcCall, content: bytes) -> RpcAnswer:
        status, found = describe_signature(*named(content))
        if status != 200:
            raise UnavailableError(found["error"])
        response = ModelMetadata(name=found["name"], versions=found["versions"], platform=found["platform"])
        for place, tensors in ((response.inputs, found["inputs"]), (response.outputs, found["outputs"])):
            for tensor in tensors:
                added = place.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
                for name, value in tensor.get("parameters", {}).items():
                    added.parameters[name].string_param = value
        return RpcAnswer(response.SerializeToString())

    def index(_call: RpcCall, content: bytes) -> RpcAnswer:
        only_ready = small_message_of(IndexRequest, content).ready
        _, entries = describe_repository(predictor.table.read_models(), b'{"ready":true}' if only_ready else b"")
        response = Index()
        for entry in entries:
            response.models.add(**entry)
        return RpcAnswer(response.SerializeToString())

    return {
        SERVICE: {
            "ModelInfer": predict_method(predictor, Infer(predictor.limits.rows)),
            "ModelReady": Method(ready),
            "ModelMetadata": Method(metadata),
            "RepositoryIndex": Method(index),
            "RepositoryModelLoad": Method(_refuse_to_load),
            "RepositoryModelUnload": Method(_refuse_to_load),
            "ServerLive": Method(lambda _call, _content: _flag(True), is_probe=True, has_message=False),
            "ServerReady": Method(
                lambda _call, _content: _flag(predictor.table.is_ready), is_probe=True, has_message=False
            ),
            "ServerMetadata": Method(_server_metadata, is_probe=True, has_message=False),
        }
    }


def _flag(value: Any) -> RpcAnswer:
    return RpcAnswer(Flag(value=bool(value)).SerializeToString())


def _server_metadata(_call: RpcCall, _content: bytes) -> RpcAnswer:
    found = describe_server()
    response = ServerMetadata(name=found["name"], version=found["version"], extensions=_EXTENSIONS)
    return RpcAnswer(response.SerializeToString())


def _refuse_to_load(_call: RpcCall, _content: bytes) -> RpcAnswer:
    raise BadRequestError(
        "The registry decides which versions are loaded: promote a version instead (bondx registry promote)."
    )
