"""The messages of TensorFlow Serving that a client needs, described as data; TensorFlow is not.

They live in a pool of their own, so that TensorFlow's own messages of the same form may be loaded beside them.

Source: tensorflow_serving/apis/{model,predict,get_model_status,get_model_metadata}.proto and
    tensorflow/core/framework/{tensor,tensor_shape}.proto, tensorflow/core/protobuf/meta_graph.proto
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "bondx.tf"
_Field = descriptor_pb2.FieldDescriptorProto

# message -> (number, name, type); a type in angle brackets is a map by string, one in square brackets is repeated.
_MESSAGES: Mapping[str, Sequence[tuple[int, str, str]]] = {
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
        (16, "uint32_val", "[uint32]"),
        (17, "uint64_val", "[uint64]"),
    ),
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
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "uint64": _Field.TYPE_UINT64,
    "uint32": _Field.TYPE_UINT32,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="bondx_tf.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for number, name, kind in fields:
            bare = kind.strip("[]<>")
            if kind.startswith("<"):
                # On the wire a map is repeated entries of key and value; the descriptor names their message.
                entry = described.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
                entry.options.map_entry = True
                _add_field(entry, 1, "key", "string", repeated=False)
                _add_field(entry, 2, "value", bare, repeated=False)
                bare = f"{message}.{entry.name}"
            _add_field(described, number, name, bare, repeated=kind[0] in "[<")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


def _add_field(described: Any, number: int, name: str, kind: str, *, repeated: bool) -> None:
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    if kind in _SCALARS:
        described.field.add(name=name, number=number, label=label, type=_SCALARS[kind])
    else:
        described.field.add(
            name=name, number=number, label=label, type=_Field.TYPE_MESSAGE, type_name=f".{_PACKAGE}.{kind}"
        )


_CLASSES = _build()

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
