"""Schemas of our structs, for the OpenAPI document."""

from typing import TYPE_CHECKING, Any

import msgspec
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition
from typing_extensions import override

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator
    from litestar.openapi.spec import Schema


class StructSchemas(OpenAPISchemaPlugin):
    """Describes msgspec structs; the framework's own plugin requires hashable defaults, and ours include dicts."""

    @override
    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return not field_definition.is_union and field_definition.is_subclass_of(msgspec.Struct)

    @override
    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: "SchemaCreator") -> "Schema":
        hints = field_definition.get_type_hints(include_extras=True, resolve_generics=True)
        fields = msgspec.structs.fields(field_definition.type_)
        return schema_creator.create_component_schema(
            field_definition,
            required=sorted(
                field.encode_name
                for field in fields
                if field.required or _is_always_written(field_definition.type_, field)
            ),
            property_fields={
                field.encode_name: FieldDefinition.from_annotation(hints[field.name], name=field.encode_name)
                for field in fields
            },
        )


def _is_always_written(struct: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> bool:
    """Whether a document is never without a field that has a default: msgspec leaves out no value of a factory."""
    made_by = field.default_factory
    is_made = made_by is not msgspec.NODEFAULT and made_by not in (list, dict, set)
    return is_made and struct.__struct_config__.omit_defaults


def tuples_spelled(schema: Any) -> Any:
    """Spell tuples of a fixed length as JSON Schema 2020-12 does: the framework still lists their types as `items`.

    >>> tuples_spelled({"type": "array", "items": [{"type": "integer"}, {"type": "number"}]})
    {'type': 'array', 'prefixItems': [{'type': 'integer'}, {'type': 'number'}], 'minItems': 2, 'maxItems': 2}
    """
    if isinstance(schema, list):
        return [tuples_spelled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    spelled = {key: tuples_spelled(value) for key, value in schema.items()}
    if isinstance(types := spelled.get("items"), list):
        del spelled["items"]
        spelled |= {"prefixItems": types, "minItems": len(types), "maxItems": len(types)}
    return spelled
