"""Making a workspace of a backup: in a folder beside the wanted one, verified there, and renamed only then.

A whole restoration continues the audit log of the backup, keys included, with a record of itself. The restoration of
one model begins a new log, whose first record names the backup and its position in the old log.

Whoever wrote a backup may have named commands in its settings: they are restored and not read. The key of sealed files
comes from the person who restores.
"""

import io
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import NotFoundError, RefusedError, UsageError
from core.escape import escaped, shown
from core.files import (
    FolderInUseError,
    abandoned_folders,
    create_once,
    is_occupied,
    make_folder,
    remove_abandoned,
    remove_file,
    remove_tree,
    write_folder,
    write_new,
)
from core.governance.audit import audited
from core.governance.audit_log import AuditLog
from core.maintenance.backup.errors import BackupDamagedError, ImpossibleNameError
from core.maintenance.backup.instant import is_store
from core.maintenance.backup.manifest import BackupManifest, StoredFile, impossible_names
from core.maintenance.backup.repository import BackupRepository
from core.output_files import require_output
from core.progress import begins
from core.registry import Registry
from core.registry.documents import MADE_PROFILES, ModelVersion
from core.registry.manifest import check
from core.registry.records import DATABASE as REGISTRY
from core.registry.records import Records
from core.sealed_files import SealedFileError
from core.settings.sealing import NO_KEY_NAMED, SEALED_WITH_ANOTHER, opened_by_key
from core.state.encoding import StoredDocument, fields_of, plain
from core.state.filesystem import require_local
from core.state.generation import load
from core.state.workspace import SETTINGS_NAME, Workspace
from core.telemetry import check as check_store

_OLD = ".of-the-backup"
RESTORING: Final = ".bondx-restoring"
_OWNERS_RIGHTS = 0o700
_OF_A_MODEL: Final = (
    *("models", "versions", "transitions", "move_packs", "pruned", "quarantine", "aliases", "approvals"),
    MADE_PROFILES,
)
RECORDED_IN: Final = "sessions"  # the database beside whose documents a restoration is recorded


class RestoreResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a restoration has made."""

    workspace: str
    backup_id: str
    model: str | None  # None: the whole workspace
    n_files: int
    n_bytes: int
    n_versions: int
    n_uncompared: int = 0  # versions with sealed files that no key was named for, so that they are restored as they are
    n_records: int  # verified records of the audit log
    seconds: float
    problems: tuple[str, ...] = ()  # what was missing or damaged already when the backup was taken


def restore_workspace(
    repository: BackupRepository,
    backup_id: str,
    target: Path,
    *,
    actor: Actor,
    reason: str = "",
    sealed_key: bytes | None = None,
    clock: Clock = utc_now,
    option: str = "--workspace",
) -> RestoreResult:
    """Restore a whole workspace into an empty or new folder: all of it, verified, or nothing.

    Args:
        repository: The backups.
        backup_id: The backup.
        target: The folder.
        actor: The author, for the audit log of the restored workspace.
        reason: The reason, likewise.
        sealed_key: Opens the sealed files of versions; without it they are restored and not compared.
        clock: The time.
        option: How the person named the folder.

    Raises:
        FolderInUseError: The folder is not empty.
        NotFoundError: There is no such backup.
        BackupDamagedError: A byte of the backup is not what was written, or what was restored does not verify.
        SealedFileError: Versions are sealed with another key.
        FileAccessError: The folder cannot be written.
    """
    begun = time.monotonic()
    manifest = _sound_manifest(repository, backup_id)
    verified: list[int] = []

    def fill(folder: Path) -> None:
        _write(repository, manifest.files, folder)
        with opened_by_key(folder, sealed_key):
            workspace = Workspace.open(folder)
            verified.extend(_verify(workspace, manifest))
            with audited(workspace, RECORDED_IN, actor=actor, reason=reason, clock=clock) as change:
                change.record("workspace.restore", manifest.workspace, after=_origin(manifest))

    _into(target, fill, option)
    n_versions, n_uncompared, n_records = verified
    return RestoreResult(
        workspace=str(target),
        backup_id=backup_id,
        model=None,
        n_files=len(manifest.files),
        n_bytes=manifest.n_bytes,
        n_versions=n_versions,
        n_uncompared=n_uncompared,
        n_records=n_records,
        seconds=time.monotonic() - begun,
        problems=manifest.problems,
    )


def restore_model(
    repository: BackupRepository,
    backup_id: str,
    model: str,
    target: Path,
    *,
    actor: Actor,
    reason: str = "",
    sealed_key: bytes | None = None,
    clock: Clock = utc_now,
    option: str = "--workspace",
) -> RestoreResult:
    """Restore one model with all of its versions into an empty or new folder, which becomes a workspace of its own.

    Its stages, aliases, approvals and moves come with it, and the settings and the policy; sessions, runs and telemetry
    do not.

    Args:
        repository: The backups.
        backup_id: The backup.
        model: The model.
        target: The folder.
        actor: The author, for the audit log of the new workspace.
        reason: The reason, likewise.
        sealed_key: Opens the sealed files of versions; without it they are restored and not compared.
        clock: The time.
        option: How the person named the folder.

    Raises:
        FolderInUseError: The folder is not empty.
        NotFoundError: There is no such backup, or no such model in it.
        BackupDamagedError: A byte of the backup is not what was written, or what was restored does not verify.
        SealedFileError: Versions are sealed with another key.
        FileAccessError: The folder cannot be written.
    """
    begun = time.monotonic()
    manifest = _sound_manifest(repository, backup_id)
    files = {file.path: file for file in manifest.files}
    written: list[StoredFile] = []
    versions: list[ModelVersion] = []
    uncompared: list[str] = []

    def fill(folder: Path) -> None:
        old = folder / _OLD
        _write(repository, (file for file in manifest.files if file.path.startswith("state/")), old)
        tables = load(old / "state" / f"{REGISTRY}.json").tables
        known = sorted(str(fields_of(document)["model"]) for document in tables.get("models", {}).values())
        if model not in known:
            names = escaped(", ".join(known)) or "none"
            raise NotFoundError(f"{backup_id} holds no model {shown(model)}. Models: {names}.")
        written.extend(_files_of(model, files))
        _write(repository, written, folder)
        with opened_by_key(folder, sealed_key):
            workspace = Workspace.open(folder)
            with audited(workspace, REGISTRY, actor=actor, reason=reason, clock=clock) as change:
                for name in _OF_A_MODEL:
                    if documents := _documents_of(model, tables.get(name, {}), name):
                        change.db.storage.write_table(name, documents)
                change.record("model.restore", model, after=_origin(manifest))
            remove_tree(old, root=folder)
            versions.extend(Records(workspace).versions.all())
            uncompared.extend(_require_versions(workspace, versions, manifest))
            _require_profiles(workspace, manifest)
            _require_log(workspace, manifest)

    _into(target, fill, option)
    return RestoreResult(
        workspace=str(target),
        backup_id=backup_id,
        model=model,
        n_files=len(written),
        n_bytes=sum(file.size for file in written),
        n_versions=len(versions),
        n_uncompared=len(uncompared),
        n_records=1,
        seconds=time.monotonic() - begun,
        problems=tuple(problem for problem in manifest.problems if problem.startswith(f"{model} ")),
    )


def _into(target: Path, fill: Callable[[Path], None], option: str) -> None:
    """Fill a folder that exists only once it is filled."""
    try:
        if is_occupied(target):
            raise FolderInUseError(target)
    except OSError as error:
        raise UsageError(f"{option} {target} cannot be used: {error.strerror or error}.") from None
    require_output(target, option=option)
    require_local(target)

    def fill_marked(folder: Path) -> None:
        create_once(folder / RESTORING, b"A backup is being restored here; if its process is gone, remove it\n")
        fill(folder)
        remove_file(folder / RESTORING)

    remove_killed_restorations(target.parent)
    write_folder(target, fill_marked)


def killed_restorations(parent: Path) -> list[Path]:
    """Return the folders below a folder in which killed restorations left what they had decrypted."""
    try:
        return abandoned_folders(parent, RESTORING)
    except OSError:  # it is not there, or not ours to list
        return []


def remove_killed_restorations(parent: Path) -> list[Path]:
    """Remove them, and return those that are gone."""
    return [folder for folder in killed_restorations(parent) if remove_abandoned(folder)]


def _write(repository: BackupRepository, files: Iterable[StoredFile], folder: Path) -> None:
    """Write files below a folder, each compared with its hash; `write_folder` makes them durable.

    Raises:
        BackupDamagedError: A file is not what was written.
        OSError: It cannot be written.
    """

    def write_one(file: StoredFile) -> None:
        begins(f"restoring {file.path}")
        place = folder / file.path
        make_folder(place.parent)
        content = io.BufferedReader(_Chunks(repository, file))
        sha256, size = write_new(place, content, mode=file.mode & _OWNERS_RIGHTS, durable=False)
        if (sha256, size) != (file.sha256, file.size):
            raise BackupDamagedError(file.path, "is not what was backed up: its SHA-256 differs")

    for _ in repository.each(write_one, files):
        pass


def _sound_manifest(repository: BackupRepository, backup_id: str) -> BackupManifest:
    """Read the manifest of a backup whose every name can be restored.

    Raises:
        BackupDamagedError: It is not what was written, or names a file that cannot be.
        NotFoundError: There is no such backup.
    """
    manifest = repository.read(backup_id)
    for path, problem in impossible_names(manifest.files).items():
        raise ImpossibleNameError(path, problem)
    return manifest


class _Chunks(io.RawIOBase):
    """The content of a stored file as a stream."""

    def __init__(self, repository: BackupRepository, file: StoredFile) -> None:
        self._chunks = repository.read_file(file)
        self._ahead = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ahead:
            if (content := next(self._chunks, None)) is None:
                return 0
            self._ahead = memoryview(content)
        n = min(len(buffer), len(self._ahead))
        buffer[:n], self._ahead = self._ahead[:n], self._ahead[n:]
        return n


def _verify(workspace: Workspace, manifest: BackupManifest) -> tuple[int, int, int]:
    """Verify a restored workspace: its log, its documents, its stores, its versions.

    Returns:
        The number of versions, of those that are sealed and were not compared, and of records of the audit log.

    Raises:
        BackupDamagedError: Something does not verify that was sound when it was backed up.
    """
    n_records = _require_log(workspace, manifest)
    for file in manifest.files:
        if file.path.startswith("telemetry/") and (problem := _store_problem(workspace.root / file.path)):
            raise BackupDamagedError(file.path, f"is damaged: {problem}")
    versions = Records(workspace).versions.all()
    uncompared = _require_versions(workspace, versions, manifest)
    _require_profiles(workspace, manifest)
    return len(versions), len(uncompared), n_records


def _store_problem(file: Path) -> str | None:
    return check_store(file) if is_store(file) else None


def _require_log(workspace: Workspace, manifest: BackupManifest) -> int:
    begins("verifying the audit log")
    verdict = AuditLog(workspace).verify()
    if not verdict.ok:
        raise BackupDamagedError(manifest.backup_id, f"does not verify: {verdict.reason}")
    return verdict.n_records


def _require_versions(workspace: Workspace, versions: Iterable[ModelVersion], manifest: BackupManifest) -> list[str]:
    """Refuse a version that differs from the registered one, unless it did when the backup was taken.

    Returns:
        The versions with sealed files that could not be compared, since no key was named.

    Raises:
        BackupDamagedError: One differs.
        SealedFileError: One is sealed with another key than the one that was named.
    """
    uncompared = []
    for version in versions:
        begins(f"verifying {version.model} {version.version}")
        if version.path != version.key:  # it could name any folder of this machine
            raise BackupDamagedError(version.key, f"has its files at {version.path}, and not below its own name")
        found = check(workspace.artifacts_dir / version.path, version.manifest_sha256)
        problems = [problem for problem in found if NO_KEY_NAMED not in problem]
        if len(problems) < len(found):
            uncompared.append(version.key)
        _require_named_key(version.key, problems)
        was_damaged = any(problem.startswith(f"{version.model} {version.version}:") for problem in manifest.problems)
        if problems and not was_damaged:
            raise BackupDamagedError(version.key, f"is not what was registered: {problems[0]}")
    return uncompared


def _require_profiles(workspace: Workspace, manifest: BackupManifest) -> None:
    """Refuse a profile that differs from its record, unless it did when the backup was taken."""
    for found in Registry(workspace).profile_problems():
        if found.is_orphan or NO_KEY_NAMED in found.problem:
            continue
        name = found.file.relative_to(workspace.artifacts_dir).as_posix()
        _require_named_key(name, [found.problem])
        if not any(name in problem for problem in manifest.problems):
            raise BackupDamagedError(name, f"is not what was recorded: {found.problem}")


def _require_named_key(name: str, problems: list[str]) -> None:
    """Tell another key from damage.

    Raises:
        SealedFileError: A file is sealed with another key than the one that was named.
    """
    if any(SEALED_WITH_ANOTHER in problem for problem in problems):
        raise SealedFileError(
            f"{shown(name)} is sealed {SEALED_WITH_ANOTHER} than the one that was named. Name that of the workspace "
            "that was backed up, or none: the versions are restored without comparing them then."
        )


def _origin(manifest: BackupManifest) -> dict[str, Any]:
    return {
        "backup": manifest.backup_id,
        "at": manifest.at,
        "workspace": manifest.workspace,
        "host": manifest.host,
        "record": manifest.audit_sequence,
        "hash": manifest.audit_hash,
    }


def _files_of(model: str, files: Mapping[str, StoredFile]) -> list[StoredFile]:
    """Return the files of a model, and the settings and policies beside them."""
    beside = [file for path, file in files.items() if "/" not in path and path.endswith(".yaml")]
    if SETTINGS_NAME not in files:
        raise RefusedError(f"The backup holds no {SETTINGS_NAME}, so it is no backup of a workspace.")
    return beside + [file for path, file in files.items() if path.startswith(f"artifacts/{model}/")]


def _documents_of(model: str, table: Mapping[str, StoredDocument], name: str) -> dict[str, Any]:
    """Return the documents about a model, as they were, with new numbers."""
    found = (fields_of(document) for document in table.values())
    mine = [fields for fields in found if fields.get("model") == model]
    return {str(number): plain(dict(fields), f"{name} {number}") for number, fields in enumerate(mine, start=1)}
