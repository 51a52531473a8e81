"""Which part of the number a new version raises, by its differences from the version before it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from core.registry.contents import REPORT_NAME, SIGNATURE_NAME, read_object, unopened_file
from core.registry.numbering import NumberPart

_SETTINGS = ("parameters", "settings_sha256", "algorithm", "chosen", "request")  # of the lineage
_SINCE = re.compile(r"the (?P<changed>.+) changed since (?P<version>\S+)|fitted again.* since (?P<refitted>\S+)")
_NAMES = ("name", "column")
_KINDS = ("type", "kind", "dtype", "datatype")


class Makeup(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of a version that decide its number."""

    interface: Any  # a caller's inputs and outputs; None if the artifact does not say
    data: Any
    parameters: Any
    unopened: str = ""  # a file of it that cannot be opened, so that the others do not say everything

    @classmethod
    def of(cls, folder: Path, lineage: Mapping[str, Any]) -> "Makeup":
        """Read an artifact's folder, or the folder it will be made from, and its lineage."""
        report = read_object(folder / REPORT_NAME)
        settings = {name: lineage[name] for name in _SETTINGS if name in lineage}
        return cls(
            interface=_interface(read_object(folder / SIGNATURE_NAME), report),
            data=lineage.get("data"),
            parameters=(settings, report.get("parameters")),
            unopened=unopened_file(folder, (REPORT_NAME, SIGNATURE_NAME)),
        )


def part_to_raise(before: Makeup, after: Makeup) -> tuple[NumberPart, str]:
    """Decide which part of the number a successor raises, and say why.

    Returns:
        `major` if callers must change what they send or read, `minor` if it learned from other data or with other
        parameters, `patch` for the same model fitted again; and the reason.
    """
    if unopened := before.unopened or after.unopened:
        return "major", f"{unopened} cannot be opened, so the schema was not compared"
    if before.interface != after.interface:
        return "major", "the schema changed"
    changed = [name for name in ("data", "parameters") if getattr(before, name) != getattr(after, name)]
    if changed:
        return "minor", f"the {' and '.join(changed)} changed"
    return "patch", "fitted again: same schema, data and parameters"


def bump_record(part: NumberPart, why: str, version: str) -> str:
    """Return the record of which part of the number was raised, why, and since which version."""
    return f"{part}: {why} since {version}"


def changes_named(record: str, version: str) -> tuple[str, ...]:
    """Return the changes since a version that such a record names; none if it names another version.

    >>> changes_named("minor: the data and parameters changed since 1.0.0", "1.0.0")
    ('data', 'parameters')
    >>> changes_named("patch: fitted again: same schema, data and parameters since 1.0.0", "1.0.0")
    ('refit',)
    >>> changes_named("major: the schema changed since 1.1.0", "1.0.0")
    ()
    """
    found = _SINCE.search(record)
    if found is None or version not in (found["version"], found["refitted"]):
        return ()
    return tuple(found["changed"].split(" and ")) if found["changed"] else ("refit",)


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the differences between two lineages: data, parameters, both, or neither as far as they show."""
    settings = any(before.get(name) != after.get(name) for name in _SETTINGS)
    differs = {"data": before.get("data") != after.get("data"), "parameters": settings}
    return tuple(name for name, is_other in differs.items() if is_other)


def _interface(signature: Mapping[str, Any], report: Mapping[str, Any]) -> Any:
    if not signature:
        features = report.get("features")
        return features if isinstance(features, list) else None
    return {
        key: [_column(entry) for entry in value] if isinstance(value, list) else value
        for key, value in signature.items()
        if key in ("task", "target", "classes", "columns", "inputs", "outputs")
    }


def _column(entry: Any) -> Any:
    """Reduce a column to its name and kind: ranges and levels come from the data and do not change the interface."""
    if not isinstance(entry, Mapping):
        return entry
    name = next((entry[key] for key in _NAMES if key in entry), None)
    kind = next((entry[key] for key in _KINDS if key in entry), None)
    return name, "number" if kind == "integer" else kind  # a wider number is the same interface
