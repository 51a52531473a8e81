"""The paths that the framework does not serve, as it would describe them."""

from typing import Any

Schema = dict[str, Any]

_NUMBER_OR_TEXT: Schema = {"type": ["number", "string", "boolean", "null"]}
_ROW: Schema = {"type": "object", "description": "A value a field.", "additionalProperties": _NUMBER_OR_TEXT}
_ANSWERS: Schema = {"type": "array", "items": {"type": "number"}}
_FAULT: Schema = {
    "type": "object",
    "required": ["error", "status"],
    "properties": {
        "error": {"type": "string"},
        "status": {"type": "integer"},
        "field": {"type": "string"},
        "changes": {
            "type": "object",
            "description": "Of a conflict: by field, as it was seen and as it is now.",
            "additionalProperties": {"type": "array", "items": {}},
        },
    },
}
_TENSOR: Schema = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string", "examples": ["FP64", "INT64", "BOOL", "BYTES"]},
        "data": {"type": "array", "items": {}},
    },
}
_FAULTS = {
    "400": "The request is wrong; `field` names what.",
    "401": "A token is needed.",
    "403": "The token's role does not suffice.",
    "404": "There is no such thing; the sentence lists what there is.",
    "409": "Somebody else has changed it meanwhile; the sentence says who and when, `changes` what.",
    "413": "Over a limit of this server.",
    "422": "Understood, and a rule or a gate forbids it.",
    "503": "Cannot be answered just now.",
}
_HEADERS: list[Schema] = [
    {
        "name": "x-request-id",
        "in": "header",
        "description": "Names the request; outcomes are reported under it. Made up and returned if left out.",
        "schema": {"type": "string", "maxLength": 128},
    },
    {
        "name": "x-bondx-key",
        "in": "header",
        "description": "During a rollout, requests of one key go to the same version.",
        "schema": {"type": "string"},
    },
]


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _in_path(path: str) -> list[Schema]:
    names = [name for name in ("model", "version", "label") if f"{{{name}}}" in path]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def faults(*codes: str) -> Schema:
    """Describe the answers of these statuses."""
    return {code: {"description": _FAULTS[code], "content": _json(_FAULT)} for code in codes}


def _predict(path: str, dialect: str, body: Schema, answer: Schema) -> tuple[str, Schema]:
    operation = {
        "tags": ["predictions"],
        "summary": f"Predict ({dialect})",
        "operationId": f"Predict{path.title().translate(str.maketrans('', '', '/{}:'))}",
        "parameters": [*_in_path(path), *_HEADERS],
        "requestBody": {"required": True, "content": _json(body)},
        "responses": {
            "200": {"description": "The answers.", "content": _json(answer)},
            **faults("400", "401", "403", "404", "413", "503"),
        },
    }
    return path, {"post": operation}


def _look(path: str, summary: str, *, text: bool = False) -> tuple[str, Schema]:
    content = {"text/plain": {"schema": {"type": "string"}}} if text else _json({"type": "object"})
    operation = {
        "tags": ["predictions"],
        "summary": summary,
        "operationId": f"Look{path.title().translate(str.maketrans('', '', '/{}:'))}",
        "parameters": _in_path(path),
        "responses": {"200": {"description": summary, "content": content}, **faults("401", "403", "404", "503")},
    }
    return path, {"get": operation}


_WHICH = ("{model}", "{model}/versions/{version}", "{model}/labels/{label}")
_TF_BODY = _object([], instances={"type": "array", "items": _ROW}, inputs={"type": "object"})
_TF_ANSWER = _object([], predictions=_ANSWERS, outputs=_ANSWERS)
_V2_BODY = _object(["inputs"], id={"type": "string"}, inputs={"type": "array", "items": _TENSOR})
_V2_ANSWER = _object(
    ["model_name", "outputs"],
    model_name={"type": "string"},
    model_version={"type": "string"},
    id={"type": "string"},
    outputs={"type": "array", "items": _TENSOR},
)
_ROWS_BODY = _object([], row=_ROW, rows={"type": "array", "items": _ROW}, request_id={"type": "string"})
_ROWS_ANSWER = _object(
    ["model", "version", "request_id"],
    model={"type": "string"},
    version={"type": "string"},
    request_id={"type": "string"},
    prediction={"type": "number"},
    predictions=_ANSWERS,
)

PREDICT_PATHS: Schema = dict(
    [
        *(_predict(f"/api/v1/predict/{which}", "JSON rows", _ROWS_BODY, _ROWS_ANSWER) for which in _WHICH),
        *(_predict(f"/v1/models/{which}:predict", "TensorFlow Serving", _TF_BODY, _TF_ANSWER) for which in _WHICH),
        *(_predict(f"/v2/models/{which}/infer", "Open Inference V2", _V2_BODY, _V2_ANSWER) for which in _WHICH),
        *(_look(f"/v1/models/{which}", "State of the versions (TensorFlow Serving)") for which in _WHICH),
        *(_look(f"/v1/models/{which}/metadata", "Signature (TensorFlow Serving)") for which in _WHICH),
        *(_look(f"/v2/models/{which}", "Signature (Open Inference V2)") for which in _WHICH),
        *(_look(f"/v2/models/{which}/ready", "Whether it answers (Open Inference V2)") for which in _WHICH),
        _look("/health", "Whether the server runs"),
        _look("/ready", "Whether every live version answers"),
        _look("/v2", "The server (Open Inference V2)"),
        _look("/v2/health/live", "Whether the server runs (Open Inference V2)"),
        _look("/v2/health/ready", "Whether every live version answers (Open Inference V2)"),
        _look("/metrics", "Metrics in Prometheus' text format", text=True),
    ]
)
