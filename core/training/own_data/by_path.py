"""Files made elsewhere, taken in as they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import msgspec

from core.actor import Actor
from core.errors import RefusedError
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
        registry: Where.
        model: The name; the first version makes it known.
        path: What to register. The figures under `metrics` of a `report.json` in it are the version's.
        metadata: Kept in the lineage, and so hashed along with the files.
        version: The number to give it, which must be a next one; by default what has changed decides.
        actor: Who registers.
    Raises:
        RefusedError: The number is none that comes next; those that do are named.
    """
    return registry.register(
        model,
        path,
        metrics=_metrics_in(path),
        lineage={"metadata": dict(metadata)} if metadata else {},
        gates=(),
        actor=actor,
        bump=_bump_to(registry, model, version) if version else "auto",
    )


def _metrics_in(path: Path) -> dict[str, float]:
    try:
        report = msgspec.json.decode((path / REPORT_NAME).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    found = report.get("metrics") if isinstance(report, dict) else None
    return {
        str(name): float(value)
        for name, value in (found.items() if isinstance(found, dict) else ())
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _bump_to(registry: Registry, model: str, version: str) -> NumberPart:
    """Find the part to raise so that the next version is the one wanted."""
    wanted = SemanticVersion.parse(version)
    try:
        taken = [SemanticVersion.parse(found.version) for found in registry.versions(model)]
    except ModelNotFoundError:
        taken = []
    parts: dict[SemanticVersion, NumberPart] = (
        {max(taken).bump(part): part for part in get_args(NumberPart)} if taken else {FIRST_VERSION: "major"}
    )
    if wanted not in parts:
        standing = f"its newest version is {max(taken)}" if taken else "it has no version yet"
        choices = " or ".join(map(str, sorted(parts)))
        raise RefusedError(f"{model} cannot get the number {wanted}: {standing}, so the next is {choices}.")
    return parts[wanted]
