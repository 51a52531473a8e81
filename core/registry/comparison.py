"""Gathering what is known of two versions, for the diff of them."""

from pathlib import Path
from typing import Any

import msgspec

from core.registry.artifacts import ArtifactStore
from core.registry.diff import ComparedVersion, VersionDiff, compare
from core.registry.documents import ModelVersion
from core.registry.manifest import MANIFEST_NAME, Manifest, digest, open_regular
from core.state import Workspace
from core.tracking import Runs

REPORT_NAME = "report.json"


def compare_versions(workspace: Workspace, store: ArtifactStore, a: ModelVersion, b: ModelVersion) -> VersionDiff:
    """Lay two versions side by side; what of their files is not as registered is left out, and said."""
    notes: list[str] = []
    before, after = (_gather(workspace, store, version, notes) for version in (a, b))
    return compare(before, after, tuple(notes))


def _gather(workspace: Workspace, store: ArtifactStore, version: ModelVersion, notes: list[str]) -> ComparedVersion:
    run = Runs(workspace).find(version.run_id) if version.run_id else None
    parameters = run.parameters if run else {}
    folder = store.folder(version.model, version.version)
    content = _read(folder / MANIFEST_NAME, version.manifest_sha256)
    if content is None:
        notes.append(f"{version.key}: {MANIFEST_NAME} is not as registered, so its files were not compared.")
        return ComparedVersion(version=version, run_parameters=parameters)
    manifest = msgspec.json.decode(content, type=Manifest)
    report: Any = {}
    if listed := manifest.files.get(REPORT_NAME):
        content = _read(folder / REPORT_NAME, listed.sha256)
        if content is None:
            notes.append(f"{version.key}: {REPORT_NAME} is not as registered, so it was not compared.")
        else:
            report = _parsed(content)
    return ComparedVersion(
        version=version,
        manifest=manifest,
        report=report if isinstance(report, dict) else {},
        run_parameters=parameters,
    )


def _read(path: Path, sha256: str) -> bytes | None:
    try:
        with open_regular(path) as file:
            content = file.read()
    except OSError:
        return None
    return content if digest(content) == sha256 else None


def _parsed(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {}
