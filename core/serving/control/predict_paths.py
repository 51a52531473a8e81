"""OpenAPI descriptions of the paths that the framework does not serve: dialects and probes."""

from collections.abc import Sequence

from core.serving.completions.requests import MAX_CHOICES
from core.serving.dialects import DIALECTS, Dialect
from core.serving.dialects.schemas import FAULT, TEXT, Schema, object_schema
from core.serving.text_routes import COMPLETIONS, GENERATE
from core.text.sampling import MAX_NEW_TOKENS, MAX_PROMPT_CHARACTERS

_FAULTS = {
    "400": "The request is invalid; `field` names the field at fault.",
    "401": "A token is required.",
    "403": "No role of the token, or of the account, allows it.",
    "404": "Not found; the message lists the choices.",
    "409": "Changed by someone else first; the message says by whom and when, `changes` lists the fields.",
    "413": "A limit of this server is exceeded.",
    "422": "A rule or a gate forbids the request.",
    "429": "The caller has made more requests than the settings allow; `retry-after` says when to ask again.",
    "503": "The server cannot answer now; try again later.",
}
_HEADERS: list[Schema] = [
    {
        "name": "x-request-id",
        "in": "header",
        "description": "The request id, under which outcomes are reported. Generated and returned if omitted.",
        "schema": {"type": "string", "maxLength": 128},
    },
    {
        "name": "x-bondx-key",
        "in": "header",
        "description": "During a rollout, requests with the same key and a token go to the same version.",
        "schema": {"type": "string"},
    },
]


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _spoken(dialect: Dialect, schema: Schema) -> Schema:
    return {dialect.content_type.decode(): {"schema": schema}}


def _in_path(path: str) -> list[Schema]:
    names = [name for name in ("model", "version", "label") if f"{{{name}}}" in path]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def faults(*codes: str, dialect: Dialect | None = None, is_sentence: bool = False) -> Schema:
    """Describe the refusals with these statuses, in the form of a dialect, as a sentence or, by default, as JSON."""
    json = _json({"type": "string"} if is_sentence else FAULT)
    content = json if dialect is None else _spoken(dialect, dialect.refusal_schema)
    return {code: {"description": _FAULTS[code], "content": content} for code in codes}


def _predict(path: str, dialect: Dialect) -> tuple[str, Schema]:
    operation = {
        "tags": ["predictions"],
        "summary": f"Predict ({dialect.title})",
        "operationId": f"Predict{path.title().translate(str.maketrans('', '', '/{}:'))}",
        "parameters": [*_in_path(path), *_HEADERS],
        "requestBody": {"required": True, "content": _spoken(dialect, dialect.request_schema)},
        "responses": {
            "200": {"description": "The predictions.", "content": _spoken(dialect, dialect.answer_schema)},
            **faults("400", "401", "403", "404", "413", "503", dialect=dialect),
        },
    }
    return path, {"post": operation}


def _look(
    path: str,
    summary: str,
    answer: Schema | None = None,
    request: Schema | None = None,
    *,
    text: bool = False,
    method: str = "GET",
) -> tuple[str, Schema]:
    refusals = ("400", "401", "403", "404", "413", "503") if method == "POST" else ("401", "403", "404", "503")
    content = {"text/plain": {"schema": {"type": "string"}}} if text else _json(answer or {"type": "object"})
    operation = {
        "tags": ["predictions"],
        "summary": summary,
        "operationId": f"Look{path.title().translate(str.maketrans('', '', '/{}:'))}",
        "parameters": _in_path(path),
        "responses": {"200": {"description": summary, "content": content}, **faults(*refusals)},
    }
    if request is not None:
        operation["requestBody"] = {"content": _json(request)}
    return path, {method.lower(): operation}


def _write(path: str) -> tuple[str, Schema]:
    """Describe a path where a model of language writes."""
    is_completions = path == COMPLETIONS
    fault = object_schema(["error"], error={"type": "object"}) if is_completions else FAULT
    refusals = {code: _FAULTS[code] for code in ("400", "401", "403", "404", "413", "503")}
    done = "The documents; with `stream`, their pieces as server-sent events."
    operation = {
        "tags": ["texts"],
        "summary": "Write texts (completions of OpenAI)" if is_completions else "Write texts",
        "operationId": f"Write{path.title().translate(str.maketrans('', '', '/{}:'))}",
        "parameters": [*_in_path(path), _HEADERS[0]],
        "requestBody": {"required": True, "content": _json(_COMPLETION_REQUEST)},
        "responses": {
            "200": {"description": done, "content": {**_json(_COMPLETION), "text/event-stream": {"schema": TEXT}}},
            **{code: {"description": said, "content": _json(fault)} for code, said in refusals.items()},
        },
    }
    return path, {"post": operation}


_COMPLETION_REQUEST: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "model": TEXT,
        "prompt": {"type": "string", "maxLength": MAX_PROMPT_CHARACTERS},
        "max_tokens": {"type": "integer", "minimum": 1, "maximum": MAX_NEW_TOKENS},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "n": {"type": "integer", "minimum": 1, "maximum": MAX_CHOICES},
        "seed": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1},
        "stop": {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 200},
                {"type": "array", "maxItems": 4, "items": {"type": "string", "minLength": 1, "maxLength": 200}},
                {"type": "null"},
            ]
        },
        "stream": {"type": "boolean"},
        "echo": {"type": "boolean"},
        "user": TEXT,
    },
}
_COMPLETION: Schema = object_schema(
    ["id", "object", "model", "choices", "notice"],
    id=TEXT,
    object=TEXT,
    created={"type": "integer"},
    model=TEXT,
    version=TEXT,
    choices={"type": "array", "items": {"type": "object"}},
    usage={"type": "object"},
    notice={"type": "string", "description": "That the text is synthetic."},
)
_WHICH = ("{model}", "{model}/versions/{version}", "{model}/labels/{label}")


def predict_paths(dialects: Sequence[Dialect] = DIALECTS) -> Schema:
    """Describe every path of the dialects, and the probes."""
    paths = [
        _predict(dialect.predict_path.replace("{which}", which), dialect) for dialect in dialects for which in _WHICH
    ]
    paths += [_predict(dialect.only_path, dialect) for dialect in dialects if dialect.only_path]
    paths += [
        _look(path.path.replace("{which}", which), f"{path.summary} ({dialect.title})", method=path.method)
        for dialect in dialects
        for path in dialect.model_paths
        for which in _WHICH
    ]
    paths += [
        _look(
            path.path, f"{path.summary} ({dialect.title})", path.answer_schema, path.request_schema, method=path.method
        )
        for dialect in dialects
        for path in dialect.list_paths
    ]
    paths += [
        _look(path.path, f"{path.summary} ({dialect.title})") for dialect in dialects for path in dialect.server_paths
    ]
    paths += [_write(COMPLETIONS), *(_write(GENERATE.replace("{which}", which)) for which in _WHICH)]
    paths += [
        _look("/health", "Liveness of the server"),
        _look("/ready", "Readiness of every live version"),
        _look("/metrics", "Metrics in the Prometheus text format", text=True),
    ]
    return dict(paths)
