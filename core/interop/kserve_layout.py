"""The files beside a model in ONNX by which Triton, MLServer and KServe serve it."""

import hashlib
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from core.errors import UsageError
from core.escape import shown
from core.files import make_folder, write_file
from core.interop.onnx_model import PREDICTION, OnnxModel

MODELS: Final = "models"
SERVICE: Final = "inferenceservice.yaml"
_SCHEMES: Final = ("s3", "gs", "hdfs", "webhdfs", "https", "http", "pvc", "hf", "oci")
_LONGEST: Final = 44  # of a service's name: KServe appends to it, and Kubernetes takes 63 characters

RUNTIME: Final = '''\
"""Serves the ONNX file of this folder with MLServer, in whose environment onnxruntime 1.24 or later must be."""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri


class OnnxRuntime(MLModel):
    """Answers through onnxruntime: numbers as doubles, NaN where one is missing; texts, empty where one is missing."""

    async def load(self) -> bool:
        uri = await get_model_uri(self._settings)
        self._session = onnxruntime.InferenceSession(uri, providers=["CPUExecutionProvider"])
        self._is_text = {each.name: each.type == "tensor(string)" for each in self._session.get_inputs()}
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {}
        for tensor in payload.inputs:
            if tensor.name not in self._is_text:
                raise InferenceError(f"{tensor.name} is not an input of the model; it takes {', '.join(self._is_text)}")
            if self._is_text[tensor.name]:
                if tensor.datatype != "BYTES":
                    raise InferenceError(f"{tensor.name} takes BYTES, not {tensor.datatype}")
                values = np.array(StringCodec.decode_input(tensor), dtype=object)
            elif tensor.datatype == "BYTES":
                raise InferenceError(f"{tensor.name} takes numbers, not BYTES")
            else:
                values = NumpyCodec.decode_input(tensor).astype(np.float64)
            feeds[tensor.name] = values.reshape(-1)
        if missing := [name for name in self._is_text if name not in feeds]:
            raise InferenceError(f"{', '.join(missing)} is missing")
        if len({len(values) for values in feeds.values()}) > 1:
            raise InferenceError("the inputs have different numbers of rows")
        (answers,) = self._session.run(None, feeds)
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output("prediction", answers)],
        )
'''


def require_storage(uri: str) -> None:
    """Refuse an address that KServe cannot fetch models from.

    Raises:
        UsageError: It has another form, or a scheme that KServe does not know.
    """
    scheme, separator, place = uri.partition("://")
    if not separator or scheme not in _SCHEMES or not place or re.search(r"\s", uri):
        raise UsageError(
            f"--storage-uri {shown(uri)} is no address of KServe's storage: give one such as pvc://CLAIM/PATH or "
            f"s3://BUCKET/PATH ({', '.join(_SCHEMES)})."
        )


def write_layout(
    folder: Path, onnx: OnnxModel, *, model: str, version: str, manifest_sha256: str, storage_uri: str
) -> None:
    """Write the files into a folder.

    Args:
        folder: An empty one.
        onnx: The model.
        model: Its name.
        version: Its number.
        manifest_sha256: The hash of the version's manifest.
        storage_uri: Where the folder `models` will be for KServe.
    """
    import yaml

    own = folder / MODELS / model
    make_folder(own / "1")
    write_file(own / "1" / "model.onnx", onnx.content, durable=False)
    write_file(own / "config.pbtxt", _triton(model, onnx).encode(), durable=False)
    settings = msgspec.json.format(msgspec.json.encode(_mlserver(model, version, onnx)), indent=2)
    write_file(own / "model-settings.json", settings + b"\n", durable=False)
    write_file(own / "bondx_onnx.py", RUNTIME.encode(), durable=False)
    service = inference_service(model, version, manifest_sha256, storage_uri)
    write_file(folder / SERVICE, yaml.safe_dump(service, sort_keys=False).encode(), durable=False)


def inference_service(model: str, version: str, manifest_sha256: str, storage_uri: str) -> dict[str, Any]:
    """Return KServe's `InferenceService` of a version, served by Triton over the Open Inference Protocol."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": service_name(model),
            "annotations": {
                "bondx/model": model,
                "bondx/version": version,
                "bondx/manifest-sha256": manifest_sha256,
            },
        },
        "spec": {
            "predictor": {
                "model": {
                    "modelFormat": {"name": "onnx", "version": "1"},
                    "protocolVersion": "v2",
                    "runtime": "kserve-tritonserver",
                    "storageUri": storage_uri,
                }
            }
        },
    }


def service_name(model: str) -> str:
    """Return the name of a service: what Kubernetes allows of the model's, with a hash if that is not all.

    >>> service_name("rent"), service_name("Rent_2.b")
    ('rent', 'rent-2-b-8c505003')
    """
    name = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    name = (name if name[:1].isalpha() else f"model-{name}".strip("-"))[:_LONGEST].strip("-")
    return name if name == model else f"{name}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"


def default_storage(model: str, version: str) -> str:
    """Return where models are looked for unless somebody says: a persistent volume claim of a usual name."""
    return f"pvc://bondx-models/{model}/{version}/{MODELS}"


def _mlserver(model: str, version: str, onnx: OnnxModel) -> dict[str, Any]:
    return {
        "name": model,
        "implementation": "bondx_onnx.OnnxRuntime",
        "platform": "onnx",
        "inputs": [
            {"name": each.name, "datatype": "BYTES" if each.is_text else "FP64", "shape": [-1]} for each in onnx.inputs
        ],
        "outputs": [{"name": PREDICTION, "datatype": "FP64", "shape": _shape(onnx)}],
        "parameters": {"uri": "./1/model.onnx", "version": version},
    }


def _triton(model: str, onnx: OnnxModel) -> str:
    """Return `config.pbtxt`; batches of every size come as one request, since rows are the only dimension."""
    inputs = [(each.name, "TYPE_STRING" if each.is_text else "TYPE_FP64", [-1]) for each in onnx.inputs]
    lines = [f"name: {_quoted(model)}", 'backend: "onnxruntime"', "max_batch_size: 0"]
    for kind, tensors in (("input", inputs), ("output", [(PREDICTION, "TYPE_FP64", _shape(onnx))])):
        for name, data_type, shape in tensors:
            dims = ", ".join(map(str, shape))
            lines += [f"{kind} {{", f"  name: {_quoted(name)}", f"  data_type: {data_type}", f"  dims: [ {dims} ]", "}"]
    return "\n".join(lines) + "\n"


def _shape(onnx: OnnxModel) -> list[int]:
    return [-1] if onnx.n_outputs == 1 else [-1, onnx.n_outputs]


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
