"""Descriptions of models in the Open Inference Protocol: tensors, readiness, and the repository of all models.

Source: https://github.com/kserve/open-inference-protocol; the repository is Triton's extension,
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
import orjson

from core.installed_packages import own_release
from core.json_documents import decode_json
from core.models.scoring.fields import Field
from core.serving.dialects.dialect import OfferedModel, Reply, State, loaded, not_loaded
from core.serving.errors import BadRequestError
from core.serving.signature import UNREADABLE, ServingSignature

_STATES = {
    State.LOADED: "READY",
    State.LOADING: "LOADING",
    State.FAILED: "UNAVAILABLE",
    State.RESTING: "UNAVAILABLE",
}
_DATATYPES = {"float": "FP64", "int": "INT64", "bool": "BOOL"}


class _IndexRequest(msgspec.Struct):
    ready: bool = False


def _metadata(model: str, versions: list[str], signature: ServingSignature) -> dict[str, Any]:
    """Describe a model in the form of the protocol."""
    output: dict[str, Any] = {"name": signature.output, "datatype": "FP64", "shape": signature.output_shape}
    if signature.classes:
        output["parameters"] = class_names(signature)
    if signature.writes_texts:
        return _texts_metadata(model, versions, signature)
    return {
        "name": model,
        "versions": versions,
        "platform": "bondx",
        "inputs": [{"name": field.name, "datatype": _datatype(field), "shape": [-1]} for field in signature.fields],
        "outputs": [output],
    }


def _texts_metadata(model: str, versions: list[str], signature: ServingSignature) -> dict[str, Any]:
    """Describe a model of language: one prompt, and a text for each choice; infer answers rows, so a path is named."""
    path = {"path": f"/api/v1/generate/{quote(model, safe='')}"}
    inputs = [{"name": field.name, "datatype": "BYTES", "shape": [1]} for field in signature.fields]
    output = {"name": signature.output, "datatype": "BYTES", "shape": signature.output_shape, "parameters": path}
    return {"name": model, "versions": versions, "platform": "bondx", "inputs": inputs, "outputs": [output]}


def class_names(signature: ServingSignature) -> dict[str, str]:
    """Name the classes in the order of their probabilities.

    A parameter of the protocol is a text, a number or a flag, so the list is a JSON text.
    """
    return {"classes": orjson.dumps(signature.classes).decode()}


def _datatype(field: Field) -> str:
    return _DATATYPES.get(field.kind, "BYTES")


def describe_signature(served: OfferedModel, version: str | None) -> Reply:
    """Return the tensors of a model."""
    found = loaded(served, version)
    if found is None:
        return not_loaded(served, version)
    return 200, _metadata(served.model, list(served.versions), found.signature)


def describe_readiness(served: OfferedModel, version: str | None) -> Reply:
    """Return whether a model, or one version, answers; if not, why."""
    why = served.why_not_ready(version)
    content = {"name": served.model, "ready": why is None}
    return (200, content) if why is None else (503, {**content, "reason": why})


def describe_server() -> dict[str, Any]:
    """Return the metadata of the server."""
    return {
        "name": "bondx",
        "version": own_release(),
        "extensions": ["binary_tensor_data", "classification", "model_repository", "null_values"],
    }


def list_names(models: Mapping[str, OfferedModel], _content: bytes) -> Reply:
    """List the names of the models, as KServe's servers do.

    Source: kserve/protocol/rest/v2_endpoints.py of https://github.com/kserve/kserve, `ListModelsResponse`
    """
    return 200, {"models": list(models)}


def describe_repository(models: Mapping[str, OfferedModel], content: bytes) -> Reply:
    """List every registered version with its state: READY; or LOADING or UNAVAILABLE, with the reason.

    Raises:
        BadRequestError: The request has the wrong form.
    """
    try:
        only_ready = decode_json(content, _IndexRequest).ready if content.strip() else False
    except UNREADABLE as error:
        raise BadRequestError(f"The request has the wrong form: {error}.") from None
    entries = []
    for served in models.values():
        for number in served.registered:
            state = served.state(number)
            reason = served.failures[number] if state is State.FAILED else state.value
            if state is State.LOADED or not only_ready:
                entries.append({"name": served.model, "version": number, "state": _STATES[state], "reason": reason})
    return 200, entries


def refuse_to_load(served: OfferedModel, version: str | None) -> Reply:
    """Refuse to load or unload a version on request.

    Raises:
        BadRequestError: Always.
    """
    raise BadRequestError(
        f"The registry decides which versions of {served.model} are loaded: promote a version instead "
        f"(bondx registry promote, or POST /api/v1/models/{served.model}/moves)."
    )
