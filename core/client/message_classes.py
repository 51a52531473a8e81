"""Classes of protobuf messages from a description of their fields: no generated code, and no files of a protocol.

Each protocol gets a pool of its own, so that the official messages of the same form may be loaded beside them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MessageFields = Mapping[str, Sequence[tuple[int, str, str]]]
"""Message -> (number, name, type).

A type in angle brackets is a map by text, one in square brackets is repeated, and those in round brackets are the
choices of one field. A type that is no scalar is another message.
"""

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "uint64": _Field.TYPE_UINT64,
    "uint32": _Field.TYPE_UINT32,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
CHOICE = "choice"
"""The name under which a message tells which of its choices is set."""


def message_classes(package: str, messages: MessageFields) -> dict[str, Any]:
    """Build the classes.

    Args:
        package: Of the messages; any name, since the wire does not carry it.
        messages: Their fields.
    Returns:
        The class of each message by name.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for message, fields in messages.items():
        described = file.message_type.add(name=message)
        if any(kind.startswith("(") for _, _, kind in fields):
            described.oneof_decl.add(name=CHOICE)
        for number, name, kind in fields:
            bare = kind.strip("[]<>()")
            if kind.startswith("<"):
                # On the wire a map is repeated entries of key and value; the descriptor names their message.
                entry = described.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
                entry.options.map_entry = True
                _add_field(entry, 1, "key", "string", package)
                _add_field(entry, 2, "value", bare, package)
                bare = f"{message}.{entry.name}"
            field = _add_field(described, number, name, bare, package)
            if kind[0] in "[<":
                field.label = _Field.LABEL_REPEATED
            elif kind.startswith("("):
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


def _add_field(described: Any, number: int, name: str, kind: str, package: str) -> Any:
    field = described.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{package}.{kind}"
    return field
