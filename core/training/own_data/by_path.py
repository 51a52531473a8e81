"""Files made elsewhere, registered unchanged."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import msgspec

from core.actor import Actor
from core.errors import RefusedError
from core.plain_files import read_file
from core.registry import ModelVersion, Registry, SemanticVersion
from core.registry.errors import ModelNotFoundError
from core.registry.numbering import FIRST_VERSION, NumberPart

REPORT_NAME = "report.json"


def register_path(
    registry: Registry,
    model: str,
    path: Path,
    *,
    metadata: Mapping[str, str],
    version: str | None,
    actor: Actor,
) -> ModelVersion:
    """Register a folder or a single file.

    Args:
        registry: The registry.
        model: The name; the first version creates it.
        path: The folder or file. The figures under `metrics` of a `report.json` in it become the version's metrics.
        metadata: Stored in the lineage, and so hashed along with the files.
        version: The version number, which must be a valid next number; by default the changes decide.
        actor: Who registers the version.
    Raises:
        RefusedError: The number is not a valid next number; the message lists the valid ones.
    """
    return registry.register(
        model,
        path,
        metrics=_metrics_in(path),
        lineage={"metadata": dict(metadata)} if metadata else {},
        gates=(),
        actor=actor,
        bump=_bump_to(registry, model, version) if version else "auto",
        reads=True,
    )


def _metrics_in(path: Path) -> dict[str, float]:
    try:
        report = msgspec.json.decode(read_file(path / REPORT_NAME))
    except (OSError, msgspec.DecodeError):
        return {}
    found = report.get("metrics") if isinstance(report, dict) else None
    return {
        str(name): float(value)
        for name, value in (found.items() if isinstance(found, dict) else ())
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _bump_to(registry: Registry, model: str, version: str) -> NumberPart:
    """Find the part to raise so that the next version has the wanted number."""
    wanted = SemanticVersion.parse(version)
    try:
        taken = [SemanticVersion.parse(number) for number in registry.numbers(model)]
    except ModelNotFoundError:
        taken = []
    parts: dict[SemanticVersion, NumberPart] = (
        {max(taken).bump(part): part for part in get_args(NumberPart)} if taken else {FIRST_VERSION: "major"}
    )
    if wanted not in parts:
        standing = f"its newest version is {max(taken)}" if taken else "it has no version yet"
        choices = " or ".join(map(str, sorted(parts)))
        raise RefusedError(f"{model} cannot take version {wanted}: {standing}, so the next is {choices}.")
    return parts[wanted]
