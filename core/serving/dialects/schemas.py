"""JSON schemas that several dialects share in the descriptions of requests and answers."""

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

CELL: Schema = {"type": ["number", "string", "boolean", "null"]}
ROW: Schema = {"type": "object", "description": "One value for each field.", "additionalProperties": CELL}
ROWS: Schema = {"type": "array", "items": ROW}
ANSWER: Schema = {
    "description": "A number, or a probability for each of three or more classes.",
    "anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}],
}
ANSWERS: Schema = {"type": "array", "items": ANSWER}
TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}


def object_schema(required: list[str], **properties: Schema) -> Schema:
    """Describe an object with these properties."""
    return {"type": "object", "required": required, "properties": properties}


FAULT: Schema = object_schema(
    ["error", "status"],
    error=TEXT,
    status={"type": "integer"},
    field=TEXT,
    changes={
        "type": "object",
        "description": "Of a conflict: for each field, the expected value and the current value.",
        "additionalProperties": {"type": "array", "items": {}},
    },
)
