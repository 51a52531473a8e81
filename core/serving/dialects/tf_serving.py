"""The REST form of TensorFlow Serving's predict API.

Row format is `{"instances": [{name: value, …}, …]}`, answered with `predictions`; column format is
`{"inputs": {name: [value, …], …}}`, answered with `outputs`. A model here has one output, so both are plain lists, as
in TensorFlow Serving: of numbers or, for three or more classes, of lists of probabilities.

An instance may also be the list of its values, in the order in which the metadata lists the inputs, and a model with
one input takes plain values: KServe's V1 clients send both. `{"b64": …}` stands for a text, as its bytes in base 64.

Source: https://www.tensorflow.org/tfx/serving/api_rest; for the list of models
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from typing_extensions import override

from core.escape import shown
from core.json_documents import converted, json_decoder
from core.models.scoring.fields import Field
from core.serving.decoding import check_keys
from core.serving.dialects.dialect import (
    Answered,
    Dialect,
    ListPath,
    ModelPath,
    OfferedModel,
    Reader,
    ReadRequest,
    Reply,
    State,
    loaded,
    not_loaded,
)
from core.serving.dialects.schemas import ANSWERS, CELL, ROW, TEXT, TEXTS, object_schema
from core.serving.errors import BadRequestError
from core.serving.signature import UNREADABLE, ServingSignature

SIGNATURE = "serving_default"
_STATES = {
    State.RESTING: "START",  # known, and nothing has been done for it
    State.LOADING: "LOADING",
    State.LOADED: "AVAILABLE",
    State.FAILED: "END",  # an error ended it
}
"""Source: tensorflow_serving/apis/get_model_status.proto, `ModelVersionStatus.State`."""

_DTYPES = {"float": "DT_DOUBLE", "int": "DT_INT64", "bool": "DT_BOOL"}


def _metadata(model: str, version: str, signature: ServingSignature) -> dict[str, Any]:
    """Describe a version in the form of a TensorFlow Serving servable."""

    def tensor(name: str, dtype: str, sizes: list[int]) -> dict[str, Any]:
        shape = {"dim": [{"size": str(size), "name": ""} for size in sizes], "unknown_rank": False}
        return {"dtype": dtype, "tensor_shape": shape, "name": name}

    inputs = {field.name: tensor(field.name, _dtype(field), [-1]) for field in signature.fields}
    kind = "DT_STRING" if signature.writes_texts else "DT_DOUBLE"
    definition = {
        "inputs": inputs,
        "outputs": {signature.output: tensor(signature.output, kind, signature.output_shape)},
        "method_name": method_of(signature),
        "defaults": {},
    }
    metadata: dict[str, Any] = {
        "signature_def": {
            "@type": "type.googleapis.com/tensorflow.serving.SignatureDefMap",
            "signature_def": {SIGNATURE: definition},
        }
    }
    if signature.classes:  # `metadata` is a map of messages by name, of which the protocol defines only the first
        metadata["classes"] = {"@type": "type.googleapis.com/google.protobuf.ListValue", "value": signature.classes}
    return {"model_spec": {"name": model, "signature_name": "", "version": version}, "metadata": metadata}


def method_of(signature: ServingSignature) -> str:
    """Name the method of the only signature: a model of language refuses to predict rows, and texts have own paths."""
    return "bondx/generate" if signature.writes_texts else "tensorflow/serving/predict"


def _version_status(served: OfferedModel, version: str) -> dict[str, Any]:
    """Describe the state of one version, with the error of one that has failed."""
    state = served.state(version)
    message = served.failures[version] if state is State.FAILED else ""
    status = {"error_code": "UNKNOWN" if message else "OK", "error_message": message}
    return {"version": version, "state": _STATES[state], "status": status}


def _describe_states(served: OfferedModel, version: str | None) -> Reply:
    content = _states_of(served, version)
    # KServe's V1 clients ask on the same path and look at the status; one version is described whatever its state.
    return 200 if content["ready"] or version is not None else 503, content


def _states_of(served: OfferedModel, version: str | None = None) -> dict[str, Any]:
    """Describe the versions that something has been done for, or one version; and why nothing answers, if so."""
    numbers = [number for number in served.registered if served.state(number) is not State.RESTING]
    states = [_version_status(served, number) for number in (numbers if version is None else [version])]
    why = served.why_not_ready(version)
    content = {"model_version_status": states, "name": served.model, "ready": why is None}
    return content if why is None else {**content, "reason": why}


def _describe_signature(served: OfferedModel, version: str | None) -> Reply:
    found = loaded(served, version)
    if found is None:
        return not_loaded(served, version)
    return 200, _metadata(served.model, found.version, found.signature)


def _list_models(models: Mapping[str, OfferedModel], _content: bytes) -> Reply:
    """List the models: their names, for KServe's V1 clients; then each as its own path describes it."""
    return 200, {"models": list(models), "model_status": [_states_of(served) for served in models.values()]}


def _dtype(field: Field) -> str:
    return _DTYPES.get(field.kind, "DT_STRING")


_VERSION_STATUS = object_schema(
    ["version", "state", "status"],
    version=TEXT,
    state={"type": "string", "enum": list(_STATES.values())},
    status=object_schema(["error_code", "error_message"], error_code=TEXT, error_message=TEXT),
)
_STATUS = object_schema(
    ["name", "ready", "model_version_status"],
    name=TEXT,
    ready={"type": "boolean"},
    reason=TEXT | {"description": "Why the model does not answer, if it does not."},
    model_version_status={"type": "array", "items": _VERSION_STATUS},
)


class TfServing(Dialect):
    """Row and column format."""

    name = "tf_serving"
    title = "TensorFlow Serving"
    predict_path = "/v1/models/{which}:predict"
    request_schema = object_schema(
        [],
        instances={
            "type": "array",
            "items": {"anyOf": [ROW, {"type": "array", "items": CELL}, CELL]},
            "description": "Rows by name; or lists in the order of the inputs; or values of the only input.",
        },
        inputs={"type": "object"},
        signature_name=TEXT,
    )
    answer_schema = object_schema([], predictions=ANSWERS, outputs=ANSWERS)
    model_paths = (
        ModelPath("/v1/models/{which}", "State of the versions", _describe_states),
        ModelPath("/v1/models/{which}/metadata", "Signature", _describe_signature),
    )
    list_paths = (
        ListPath(
            "/v1/models",
            "The models, with the states of their versions",
            _list_models,
            object_schema(["models", "model_status"], models=TEXTS, model_status={"type": "array", "items": _STATUS}),
        ),
    )

    @override
    def reader(self, signature: ServingSignature) -> Reader:
        body: Any = msgspec.defstruct(
            "Body",
            [
                ("instances", list[signature.row] | msgspec.UnsetType, msgspec.UNSET),  # type: ignore[name-defined]
                ("inputs", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET),
                ("signature_name", str, SIGNATURE),
                ("interval", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET),
            ],
        )
        decode = json_decoder(body).decode
        columns = json_decoder(signature.columns).decode

        def plain(inputs: msgspec.Raw) -> Any:
            try:
                return msgspec.json.decode(inputs)
            except UNREADABLE as error:
                raise signature.explained(error, bytes(inputs)) from None

        def decoded(content: bytes) -> Any:
            try:
                try:
                    return decode(content)
                except msgspec.ValidationError:
                    return converted(_rows_by_name(msgspec.json.decode(content), signature), body)
            except UNREADABLE as error:
                raise signature.explained(error, content) from None

        def read(content: bytes) -> ReadRequest:
            asked = decoded(content)
            if asked.signature_name not in ("", SIGNATURE):
                raise BadRequestError(
                    f"is {shown(asked.signature_name)}; the only signature is {SIGNATURE}", field="signature_name"
                )
            if asked.interval is not msgspec.UNSET:
                raise BadRequestError(
                    "has no place in TensorFlow Serving's answers: ask /api/v1/predict or /v2 for intervals",
                    field="interval",
                )
            if (asked.instances is msgspec.UNSET) == (asked.inputs is msgspec.UNSET):
                raise BadRequestError("The request requires either `instances` (rows) or `inputs` (columns).")
            if asked.inputs is msgspec.UNSET:
                check_keys(content, signature.n_keys(asked.instances) + 1)
                return ReadRequest(signature.from_rows(asked.instances), form="predictions")
            try:
                named = columns(asked.inputs)
                check_keys(content, signature.n_keys([named]) + 1)
                rows = signature.from_columns(named)
            except msgspec.ValidationError:  # scalars, or one value a row in a list of its own: tensors of other ranks
                check_keys(content, 0)
                rows = signature.convert_columns(_flat(plain(asked.inputs), signature))
            return ReadRequest(rows, form="outputs")

        return read

    @override
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        return orjson.dumps({asked.form: answered.values})


def _rows_by_name(asked: Any, signature: ServingSignature) -> Any:
    """Bring other forms of `instances` into that of rows by name: lists, values of the only input, texts in base 64."""
    instances = asked.get("instances") if isinstance(asked, dict) else None
    if not isinstance(instances, list):
        return asked
    names = [field.name for field in signature.fields]
    rows = []
    for number, instance in enumerate(instances):
        is_value = not isinstance(instance, dict | list) or _is_b64(instance)
        values = [instance] if len(names) == 1 and is_value else instance
        if isinstance(values, list):
            if len(values) != len(names):
                raise BadRequestError(
                    f"has {len(values)} values; the model takes {len(names)}: {', '.join(names)}",
                    field=f"instances[{number}]",
                )
            values = dict(zip(names, values, strict=True))
        rows.append(_with_texts(values, signature) if isinstance(values, dict) else values)
    return asked | {"instances": rows}


def _is_b64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _with_texts(values: Mapping[str, Any], signature: ServingSignature) -> dict[str, Any]:
    """Replace every `{"b64": …}` in the fields of a model; fields that it does not read stay as they are."""
    read = {field.name for field in signature.fields}
    return {name: _texts(value, name) if name in read or signature.is_open else value for name, value in values.items()}


def _texts(value: Any, field: str) -> Any:
    """Replace every `{"b64": …}` in a value by the text that it stands for."""
    if isinstance(value, list):
        return [_texts(each, field) for each in value]
    if not _is_b64(value):
        return value
    try:
        return base64.b64decode(value["b64"], validate=True).decode()
    except (TypeError, ValueError, binascii.Error):  # includes UnicodeDecodeError
        raise BadRequestError(
            'holds a b64 that is not a text: it must be {"b64": UTF-8 in base 64}', field=field
        ) from None


def _flat(inputs: Any, signature: ServingSignature) -> Mapping[str, list[Any]]:
    if not isinstance(inputs, dict):
        raise BadRequestError("must be an object of columns by name", field="inputs")
    flat: dict[str, list[Any]] = {}
    for name, values in _with_texts(inputs, signature).items():
        column = values if isinstance(values, list) else [values]
        flat[name] = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in column]
    return flat
