"""The files of an artifact that say something about it: report, signature, environment."""

from pathlib import Path
from typing import Any

import msgspec

from core.registry.manifest import open_regular

REPORT_NAME = "report.json"
SIGNATURE_NAME = "signature.json"
ENVIRONMENT_NAME = "environment.json"


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is none, or where the file is something else."""
    try:
        with open_regular(path) as file:
            return parsed_object(file.read())
    except OSError:
        return {}


def parsed_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object; empty where the bytes are something else."""
    try:
        found = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def importances(report: dict[str, Any]) -> dict[str, Any]:
    """Return what a report says of how much each feature counts, by feature."""
    found = report.get("feature_importance", report.get("importances"))
    return found if isinstance(found, dict) else {}
