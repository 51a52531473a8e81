"""A model server made from TensorFlow Serving's official messages and stubs: rent = 300 + 9 * area, 50 less if old.

python interop/tf_peer.py     prints its port
"""

from concurrent import futures
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

MODEL, VERSION, LABEL = "rent", 3, "stable"


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata."""

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer like a TensorFlow model: float32, shape [n, 1]."""
        require_known(request.model_spec, context)
        area, age = (tf.make_ndarray(request.inputs[name]) for name in ("area", "age"))
        if area.dtype != np.float32 or area.shape != age.shape or area.ndim != 2:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"area is {area.dtype} {area.shape}")
        rent = 300 + 9 * area - 50 * (age == b"old").astype(np.float32)
        answer = predict_pb2.PredictResponse()
        answer.model_spec.name = MODEL
        answer.model_spec.version.value = VERSION
        answer.outputs["rent"].CopyFrom(tf.make_tensor_proto(rent, dtype=tf.float32))
        return answer

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Describe the signature."""
        require_known(request.model_spec, context)
        signature = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
        shape = tf.TensorShape([None, 1]).as_proto()
        for name, dtype in (("area", tf.float32), ("age", tf.string)):
            signature.inputs[name].CopyFrom(
                meta_graph_pb2.TensorInfo(name=name, dtype=dtype.as_datatype_enum, tensor_shape=shape)
            )
        signature.outputs["rent"].CopyFrom(
            meta_graph_pb2.TensorInfo(name="rent", dtype=tf.float32.as_datatype_enum, tensor_shape=shape)
        )
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def={"serving_default": signature})
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = MODEL
        answer.model_spec.version.value = VERSION
        answer.metadata["signature_def"].Pack(signatures)
        return answer


class Model(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus."""

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the versions."""
        require_known(request.model_spec, context)
        answer = get_model_status_pb2.GetModelStatusResponse()
        status = answer.model_version_status.add(version=VERSION)
        status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        return answer


def require_known(spec: Any, context: Any) -> None:
    """Refuse a model, version or label that is not served."""
    wrong = spec.name != MODEL or (spec.HasField("version") and spec.version.value != VERSION)
    if wrong or (spec.version_label and spec.version_label != LABEL):
        context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {spec.name}")


def main() -> None:
    """Serve until killed."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Prediction(), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Model(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
