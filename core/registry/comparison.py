"""Gathering what is known of two versions, for the diff of them."""

from pathlib import Path

import msgspec

from core.files import digest
from core.registry.artifacts import ArtifactStore
from core.registry.contents import ENVIRONMENT_NAME, REPORT_NAME, SIGNATURE_NAME, parsed_object
from core.registry.diff import ComparedVersion, VersionDiff, compare
from core.registry.documents import ModelVersion
from core.registry.manifest import MANIFEST_NAME, Manifest, open_regular
from core.state import Workspace
from core.tracking import Runs

SAID = (REPORT_NAME, SIGNATURE_NAME, ENVIRONMENT_NAME)


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
    said = dict.fromkeys(SAID, b"{}")
    for name in SAID:
        if listed := manifest.files.get(name):
            content = _read(folder / name, listed.sha256)
            if content is None:
                notes.append(f"{version.key}: {name} is not as registered, so it was not compared.")
            else:
                said[name] = content
    return ComparedVersion(
        version=version,
        manifest=manifest,
        report=parsed_object(said[REPORT_NAME]),
        signature=parsed_object(said[SIGNATURE_NAME]),
        environment=parsed_object(said[ENVIRONMENT_NAME]),
        run_parameters=parameters,
    )


def _read(path: Path, sha256: str) -> bytes | None:
    try:
        with open_regular(path) as file:
            content = file.read()
    except OSError:
        return None
    return content if digest(content) == sha256 else None
