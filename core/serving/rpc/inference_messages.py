"""The messages of the Open Inference Protocol and of gRPC's health checking, described as data.

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto;
    for RepositoryIndex Triton's grpc_service.proto; https://github.com/grpc/grpc-proto, grpc/health/v1/health.proto
"""

from core.client.message_classes import MessageFields, message_classes

_TENSOR_HEAD = ((1, "name", "string"), (2, "datatype", "string"), (3, "shape", "[int64]"))
_MESSAGES: MessageFields = {
    "Parameter": (
        (1, "bool_param", "(bool)"),
        (2, "int64_param", "(int64)"),
        (3, "string_param", "(string)"),
        (4, "double_param", "(double)"),
        (5, "uint64_param", "(uint64)"),
    ),
    "Contents": (
        (1, "bool_contents", "[bool]"),
        (2, "int_contents", "[int32]"),
        (3, "int64_contents", "[int64]"),
        (4, "uint_contents", "[uint32]"),
        (5, "uint64_contents", "[uint64]"),
        (6, "fp32_contents", "[float]"),
        (7, "fp64_contents", "[double]"),
        (8, "bytes_contents", "[bytes]"),
    ),
    "InferTensor": (*_TENSOR_HEAD, (4, "parameters", "<Parameter>"), (5, "contents", "Contents")),
    "WantedOutput": ((1, "name", "string"), (2, "parameters", "<Parameter>")),
    "InferHead": ((1, "model_name", "string"), (2, "model_version", "string")),
    "InferRequest": (
        (1, "model_name", "string"),
        (2, "model_version", "string"),
        (3, "id", "string"),
        (4, "parameters", "<Parameter>"),
        (5, "inputs", "[InferTensor]"),
        (6, "outputs", "[WantedOutput]"),
        (7, "raw_input_contents", "[bytes]"),
    ),
    "InferResponse": (
        (1, "model_name", "string"),
        (2, "model_version", "string"),
        (3, "id", "string"),
        (4, "parameters", "<Parameter>"),
        (5, "outputs", "[InferTensor]"),
        (6, "raw_output_contents", "[bytes]"),
    ),
    "Flag": ((1, "value", "bool"),),
    "ModelNamed": ((1, "name", "string"), (2, "version", "string")),
    "ServerMetadata": ((1, "name", "string"), (2, "version", "string"), (3, "extensions", "[string]")),
    "TensorMetadata": (*_TENSOR_HEAD, (4, "parameters", "<Parameter>")),  # as MLServer has it; others skip the field
    "ModelMetadata": (
        (1, "name", "string"),
        (2, "versions", "[string]"),
        (3, "platform", "string"),
        (4, "inputs", "[TensorMetadata]"),
        (5, "outputs", "[TensorMetadata]"),
    ),
    "IndexRequest": ((1, "repository_name", "string"), (2, "ready", "bool")),
    "IndexEntry": ((1, "name", "string"), (2, "version", "string"), (3, "state", "string"), (4, "reason", "string")),
    "Index": ((1, "models", "[IndexEntry]"),),
    "HealthRequest": ((1, "service", "string"),),
    "HealthResponse": ((1, "status", "int32"),),
}

_CLASSES = message_classes("bondx.inference", _MESSAGES)

InferHead = _CLASSES["InferHead"]
InferRequest = _CLASSES["InferRequest"]
InferResponse = _CLASSES["InferResponse"]
Flag = _CLASSES["Flag"]
ModelNamed = _CLASSES["ModelNamed"]
ServerMetadata = _CLASSES["ServerMetadata"]
ModelMetadata = _CLASSES["ModelMetadata"]
IndexRequest = _CLASSES["IndexRequest"]
Index = _CLASSES["Index"]
HealthRequest = _CLASSES["HealthRequest"]
HealthResponse = _CLASSES["HealthResponse"]
