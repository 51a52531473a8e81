"""The class of each column: as the settings have it now, and as it was recorded with a version."""

from collections.abc import Iterable

import msgspec

from core.settings.protection import ProtectionSettings, Sensitivity
from core.tables.signature import TableSignature


class ClassifiedColumn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column and its class.

    Attributes:
        name: The column.
        sensitivity: Its class as the settings have it now.
        by: The pattern that says so; empty where none does.
        recorded: Its class when the version was made; None if nothing was classified then.
    """

    name: str
    sensitivity: Sensitivity
    by: str = ""
    recorded: Sensitivity | None = None


def classified(signature: TableSignature, protection: ProtectionSettings) -> TableSignature:
    """Record the class of each column of a table in its signature; nothing if the settings classify no column.

    Args:
        signature: The inputs and outputs of a model; also columns that it does not read are recorded.
        protection: The settings.
    """
    if not protection.classifies:
        return signature
    classes = {name: protection.sensitivity_of(name) for name in columns_of(signature)}
    return msgspec.structs.replace(signature, sensitivity=classes)


def classified_columns(
    columns: Iterable[str], protection: ProtectionSettings, signature: TableSignature | None = None
) -> tuple[ClassifiedColumn, ...]:
    """List columns with their classes.

    Args:
        columns: Their names.
        protection: The settings.
        signature: Of a version that reads them, if the classes recorded with it are to be listed, too.
    """
    recorded = (signature.sensitivity if signature is not None else None) or {}
    return tuple(
        ClassifiedColumn(
            name=name,
            sensitivity=sensitivity,
            by=next((pattern for each, pattern in protection.matching(name) if each is sensitivity), ""),
            recorded=recorded.get(name),
        )
        for name in columns
        for sensitivity in [protection.sensitivity_of(name)]
    )


def columns_of(signature: TableSignature) -> tuple[str, ...]:
    """Return all columns of the table that a signature names: those that the model reads first."""
    others = (signature.target, signature.group, signature.time, *(each.name for each in signature.ignored))
    return tuple(dict.fromkeys((*signature.names, *(name for name in others if name is not None))))
