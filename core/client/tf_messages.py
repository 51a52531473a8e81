"""The messages of TensorFlow Serving that client and server need, described as data; TensorFlow is not needed.

Source: tensorflow_serving/apis/{model,predict,get_model_status,get_model_metadata}.proto and
    tensorflow/core/framework/{tensor,tensor_shape}.proto, tensorflow/core/protobuf/meta_graph.proto
"""

from core.client.message_classes import MessageFields, message_classes

_MESSAGES: MessageFields = {
    "Number": ((1, "value", "int64"),),
    "ModelSpec": (
        (1, "name", "string"),
        (2, "version", "Number"),
        (3, "signature_name", "string"),
        (4, "version_label", "string"),
    ),
    "Dim": ((1, "size", "int64"), (2, "name", "string")),
    "TensorShape": ((2, "dim", "[Dim]"), (3, "unknown_rank", "bool")),
    "Tensor": (
        (1, "dtype", "int32"),
        (2, "tensor_shape", "TensorShape"),
        (4, "tensor_content", "bytes"),
        (5, "float_val", "[float]"),
        (6, "double_val", "[double]"),
        (7, "int_val", "[int32]"),
        (8, "string_val", "[bytes]"),
        (10, "int64_val", "[int64]"),
        (11, "bool_val", "[bool]"),
        (13, "half_val", "[int32]"),
        (16, "uint32_val", "[uint32]"),
        (17, "uint64_val", "[uint64]"),
    ),
    # The head of each request, which names the model: the rest of a large request is read by a worker.
    "SpecRequest": ((1, "model_spec", "ModelSpec"),),
    "PredictRequest": ((1, "model_spec", "ModelSpec"), (2, "inputs", "<Tensor>"), (3, "output_filter", "[string]")),
    "PredictResponse": ((1, "outputs", "<Tensor>"), (2, "model_spec", "ModelSpec")),
    "GetModelStatusRequest": ((1, "model_spec", "ModelSpec"),),
    "Status": ((1, "error_code", "int32"), (2, "error_message", "string")),
    "ModelVersionStatus": ((1, "version", "int64"), (2, "state", "int32"), (3, "status", "Status")),
    "GetModelStatusResponse": ((1, "model_version_status", "[ModelVersionStatus]"),),
    "GetModelMetadataRequest": ((1, "model_spec", "ModelSpec"), (2, "metadata_field", "[string]")),
    "Any": ((1, "type_url", "string"), (2, "value", "bytes")),
    "GetModelMetadataResponse": ((1, "model_spec", "ModelSpec"), (2, "metadata", "<Any>")),
    "TensorInfo": ((1, "name", "string"), (2, "dtype", "int32"), (3, "tensor_shape", "TensorShape")),
    "SignatureDef": ((1, "inputs", "<TensorInfo>"), (2, "outputs", "<TensorInfo>"), (3, "method_name", "string")),
    "SignatureDefMap": ((1, "signature_def", "<SignatureDef>"),),
}

_CLASSES = message_classes("bondx.tf", _MESSAGES)

SpecRequest = _CLASSES["SpecRequest"]
ModelSpec = _CLASSES["ModelSpec"]
TensorMessage = _CLASSES["Tensor"]
PredictRequest = _CLASSES["PredictRequest"]
PredictResponse = _CLASSES["PredictResponse"]
GetModelStatusRequest = _CLASSES["GetModelStatusRequest"]
GetModelStatusResponse = _CLASSES["GetModelStatusResponse"]
GetModelMetadataRequest = _CLASSES["GetModelMetadataRequest"]
GetModelMetadataResponse = _CLASSES["GetModelMetadataResponse"]
SignatureDef = _CLASSES["SignatureDef"]
SignatureDefMap = _CLASSES["SignatureDefMap"]
