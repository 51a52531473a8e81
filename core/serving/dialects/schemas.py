"""JSON schemas that several dialects describe their requests and answers with."""

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

_CELL: Schema = {"type": ["number", "string", "boolean", "null"]}
ROW: Schema = {"type": "object", "description": "A value a field.", "additionalProperties": _CELL}
ROWS: Schema = {"type": "array", "items": ROW}
ANSWERS: Schema = {"type": "array", "items": {"type": "number"}}
TEXT: Schema = {"type": "string"}


def object_schema(required: list[str], **properties: Schema) -> Schema:
    """Describe an object with these properties."""
    return {"type": "object", "required": required, "properties": properties}
