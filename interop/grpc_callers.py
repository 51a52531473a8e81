"""Ask our gRPC server with one client of another project, and print its answers as JSON.

python interop/grpc_callers.py CLIENT ADDRESS MODEL ROWS     CLIENT: triton, kserve, mlserver or tensorflow
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

TYPES = {"area": (np.int64, "INT64"), "floor": (np.int64, "INT64"), "age": (np.object_, "BYTES")}


def triton(address: str, model: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Ask with Triton's client, which sends raw contents."""
    import tritonclient.grpc as client

    with client.InferenceServerClient(address) as server:
        assert server.is_server_live()
        assert server.is_server_ready()
        assert server.is_model_ready(model)
        inputs = []
        for name, (kind, datatype) in TYPES.items():
            tensor = client.InferInput(name, [len(rows)], datatype)
            tensor.set_data_from_numpy(np.array([row[name] for row in rows], dtype=kind))
            inputs.append(tensor)
        answer = server.infer(model, inputs, request_id="from-triton")
        described = server.get_model_metadata(model)
        return {
            "id": answer.get_response().id,
            "values": answer.as_numpy("prediction").tolist(),
            "inputs": sorted(one.name for one in described.inputs),
            "repository": [(one.name, one.state) for one in server.get_model_repository_index().models],
            "server": server.get_server_metadata().name,
        }


def kserve(address: str, model: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Ask with KServe's client, once with contents and once with raw contents."""
    from kserve import InferenceGRPCClient, InferInput, InferRequest

    async def asked() -> dict[str, Any]:
        client = InferenceGRPCClient(address)
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready(model)
        found: dict[str, Any] = {}
        for form, is_raw in (("values", False), ("raw values", True)):
            inputs = []
            for name, (kind, datatype) in TYPES.items():
                tensor = InferInput(name, [len(rows)], datatype)
                column = np.array([row[name] for row in rows], dtype=kind)
                tensor.set_data_from_numpy(column, binary_data=is_raw)
                inputs.append(tensor)
            answer = await client.infer(InferRequest(model, inputs, request_id="from-kserve"))
            found |= {form: answer.outputs[0].as_numpy().reshape(-1).tolist(), "id": answer.id}
        return found

    return asyncio.run(asked())


def mlserver(address: str, model: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Ask with MLServer's own messages and stub."""
    import grpc
    from mlserver.grpc import dataplane_pb2 as messages
    from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub

    places = {"INT64": "int64_contents", "BYTES": "bytes_contents"}
    request = messages.ModelInferRequest(model_name=model, id="from-mlserver")
    for name, (_, datatype) in TYPES.items():
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[len(rows)])
        values = [row[name].encode() if datatype == "BYTES" else row[name] for row in rows]
        getattr(tensor.contents, places[datatype]).extend(values)
    with grpc.insecure_channel(address) as channel:
        answer = GRPCInferenceServiceStub(channel).ModelInfer(request)
    return {"id": answer.id, "values": list(answer.outputs[0].contents.fp64_contents)}


def tensorflow(address: str, model: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Ask with TensorFlow Serving's official messages and stubs."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

    with grpc.insecure_channel(address) as channel:
        predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.version_label = model, "production"
        for name, (kind, _) in TYPES.items():
            column = np.array([row[name] for row in rows], dtype=kind)
            request.inputs[name].CopyFrom(tf.make_tensor_proto(column))
        answer = predictions.Predict(request)
        about = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        about.model_spec.name = model
        signatures = get_model_metadata_pb2.SignatureDefMap()
        predictions.GetModelMetadata(about).metadata["signature_def"].Unpack(signatures)
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = model
        states = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status).model_version_status
    return {
        "values": tf.make_ndarray(answer.outputs["prediction"]).tolist(),
        "version": answer.model_spec.version.value,
        "inputs": sorted(signatures.signature_def["serving_default"].inputs),
        "states": [[one.version, get_model_status_pb2.ModelVersionStatus.State.Name(one.state)] for one in states],
    }


CLIENTS: dict[str, Callable[[str, str, list[dict[str, Any]]], dict[str, Any]]] = {
    "triton": triton,
    "kserve": kserve,
    "mlserver": mlserver,
    "tensorflow": tensorflow,
}

if __name__ == "__main__":
    name, address, model, rows = sys.argv[1:]
    print(json.dumps(CLIENTS[name](address, model, json.loads(rows))))
