"""Taking a backup of a workspace while it works."""

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import CoreError, UsageError
from core.escape import is_shown_as_is, shown
from core.files import (
    UNFINISHED,
    DiskFullError,
    FileAccessError,
    access_error,
    create_private,
    digest,
    make_folder,
    remove_file,
    remove_tree,
)
from core.governance.anchors import Anchor
from core.governance.audit import require_access
from core.installed_packages import own_release
from core.json_documents import decode_json
from core.maintenance.backup.errors import BackupStoppedError
from core.maintenance.backup.folder_place import only_one
from core.maintenance.backup.history import BackupHistory
from core.maintenance.backup.instant import OpenedStore, WorkspaceInstant, instant_of, is_companion
from core.maintenance.backup.manifest import CHUNK_BYTES, BackupManifest, FileIdentity, StoredFile
from core.maintenance.backup.repository import BackupRepository
from core.maintenance.backup.result import BackupResult
from core.plain_files import open_regular, read_file, what_it_is
from core.progress import begins
from core.registry.artifacts import STAGING_NAME
from core.registry.manifest import MANIFEST_NAME, Manifest
from core.registry.records import Records
from core.sealed_files import unsealed
from core.settings.backup_address import BackupTarget
from core.settings.sealing import sealer_in_use
from core.state.workspace import Workspace
from core.telemetry.schema import connect_as_it_is
from core.training.session_files import CHECKPOINTS

_STAGING = "backup"  # below cache/
_LOCK = "backup.lock"
_ATTEMPTS = 5
_CHECKPOINT_ATTEMPTS = 100


class _RemovedMeanwhileError(Exception):
    """A version or a profile that is in the registry at the instant lost its files before they were copied."""


@dataclass
class _Progress:
    """What has been copied so far, and what could not be."""

    files: dict[str, StoredFile] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    n_unchanged: int = 0


def create_backup(
    workspace: Workspace,
    target: BackupTarget,
    key: bytes | None,
    *,
    actor: Actor,
    reason: str = "",
    keep: int | None = None,
    option: str = "--to",
    clock: Clock = utc_now,
    is_stopped: Callable[[], bool] = lambda: False,
) -> BackupResult:
    """Copy a workspace into a place of backups: all of it at one instant, or nothing.

    What the place has already is not written again. What is written is read again before the backup counts. The audit
    log records the backup.

    Args:
        workspace: The workspace; its engine may be at work.
        target: The folder or the address of backups; empty or new for the first.
        key: Encrypts the backups; None leaves them readable.
        actor: The author.
        reason: The reason, for the audit log.
        keep: How many backups stay there; None: all.
        option: How the person named the target.
        clock: The time.
        is_stopped: Asked now and then whether to give up.

    Raises:
        BackupBusyError: Another process writes a backup of this workspace, or to this place.
        BackupKeyError: The key is not that of the place.
        RefusedError: The place is in a workspace, or holds something else.
        FileAccessError: Something cannot be read or written, for lack of space or another reason.
        TargetError: The file system of the address does not answer, or refuses.
        TelemetryError: A store cannot be read.
        BackupStoppedError: `is_stopped` said so.
    """
    begun = time.monotonic()
    require_access(workspace, actor, "backup.create", clock=clock)
    history = BackupHistory(workspace, clock=clock)
    with only_one(workspace.cache_dir / _LOCK):
        repository = BackupRepository.open_or_create(target, key, now=clock(), option=option)
        with repository.locked():
            repository.begin()
            try:
                manifest, n_unchanged, held = _Creation(workspace, repository, clock, is_stopped).manifest()
                n_new_bytes = repository.settle()
            except BaseException:
                repository.discard()
                raise
            sha256 = repository.write(manifest)
            removed = () if keep is None else tuple(repository.prune(keep))
            place = repository.place
    result = BackupResult(
        backup_id=manifest.backup_id,
        folder=str(place),
        is_encrypted=key is not None,
        n_files=len(manifest.files),
        n_bytes=manifest.n_bytes,
        n_new_bytes=n_new_bytes,
        n_unchanged_files=n_unchanged,
        seconds=time.monotonic() - begun,
        held_seconds=held,
        audit_sequence=manifest.audit_sequence,
        manifest_sha256=sha256,
        problems=manifest.problems,
        left_out=manifest.left_out,
        removed=removed,
    )
    anchor = Anchor(
        at=manifest.at, workspace=manifest.workspace, sequence=manifest.audit_sequence, hash=manifest.audit_hash
    )
    try:
        history.succeeded(result, anchor, actor=actor, reason=reason)
    except (CoreError, OSError) as error:  # the backup counts nevertheless; the message must state both
        return msgspec.structs.replace(result, unaudited_because=str(error))
    return result


class _Creation:
    """One backup in the making."""

    def __init__(
        self, workspace: Workspace, repository: BackupRepository, clock: Clock, is_stopped: Callable[[], bool]
    ) -> None:
        self._workspace = workspace
        self._root = workspace.root
        self._repository = repository
        self._clock = clock
        self._is_stopped = is_stopped
        self._known = self._known_files()

    def manifest(self) -> tuple[BackupManifest, int, float]:
        """Store all content, and return its description, how many files were known, and how long changes waited."""
        for _ in range(_ATTEMPTS):
            try:
                return self._attempt()
            except _RemovedMeanwhileError:
                continue
        raise FileAccessError(
            self._workspace.artifacts_dir,
            "read",
            f"versions or profiles were removed during each of {_ATTEMPTS} attempts",
        )

    def _attempt(self) -> tuple[BackupManifest, int, float]:
        progress = _Progress()
        with instant_of(self._workspace, self._clock) as instant:
            for opened in instant.files:
                self._store(progress, opened.path, opened.stream, opened.size)
            for path, size in instant.ledgers.items():
                self._store_path(progress, path, size=size)
            self._copy_stores(progress, instant.stores)
        self._copy_folders(progress)
        self._judge_versions(progress, instant)
        self._judge_profiles(progress, instant)
        return (
            BackupManifest(
                backup_id=self._repository.new_id(instant.at),
                at=instant.at,
                workspace=str(self._root),
                host=Actor.engine().host,
                release=own_release(),
                audit_sequence=instant.audit_sequence,
                audit_hash=instant.audit_hash,
                files=tuple(progress.files[path] for path in sorted(progress.files)),
                problems=tuple(progress.problems),
                left_out=tuple(progress.left_out),
            ),
            progress.n_unchanged,
            instant.held_seconds,
        )

    def _known_files(self) -> dict[str, StoredFile]:
        """Return the files of the newest backup of this workspace, to read no unchanged file again."""
        for backup_id in reversed(self._repository.ids()):
            with suppress(CoreError):  # a damaged one: the files are read
                manifest = self._repository.read(backup_id)
                if manifest.workspace == str(self._root):
                    self._repository.learn_sizes(manifest.files)
                    return {file.path: file for file in manifest.files if file.identity is not None}
        return {}

    def _copy_stores(self, progress: _Progress, stores: Sequence[OpenedStore]) -> None:
        """Copy the SQLite stores, each as it was at the instant, through a file of its own."""
        staging = self._workspace.cache_dir / _STAGING
        try:
            if staging.exists():  # left by a killed backup
                remove_tree(staging, root=self._root)
            make_folder(staging)
            for store in stores:
                begins(f"copying {store.path}")
                copy = staging / Path(store.path).name
                if problem := _copied(store, copy):
                    progress.problems.append(f"{store.path} is damaged and was left out: {problem}")
                else:
                    with open_regular(copy) as stream:
                        self._store(progress, store.path, stream, copy.stat().st_size)
                remove_file(copy)
        except OSError as error:
            raise access_error(staging, "write", error) from error
        finally:
            with suppress(FileAccessError):
                remove_tree(staging, root=self._root)

    def _copy_folders(self, progress: _Progress) -> None:
        """Copy what is written once, or written anew as a whole folder: artifacts, data sets, reports, own files."""
        checkpoints = self._workspace.artifacts_dir / CHECKPOINTS
        skipped = {
            self._workspace.cache_dir,
            self._workspace.logs_dir,
            self._workspace.state_dir,
            self._workspace.audit_dir,
            self._workspace.artifacts_dir / STAGING_NAME,
            checkpoints,
        }
        for path, entry in _walk(self._root, skipped, progress.problems):
            if path in progress.files or _is_unfinished(entry.name):
                continue
            if not entry.is_file(follow_symlinks=False):
                self._leave_out(progress, path, entry)
            elif path.startswith("telemetry/") and is_companion(path):
                continue
            elif "/" in path:  # the files at the top were opened at the instant
                self._store_path(progress, path)
        if checkpoints.is_dir() and not checkpoints.is_symlink():
            try:
                sessions = sorted(checkpoints.iterdir())
            except OSError as error:
                progress.problems.append(f"{checkpoints} cannot be listed: {error.strerror or error}")
                sessions = []
            for session in sessions:
                if session.is_dir() and not session.is_symlink():
                    self._copy_checkpoints(progress, session)

    def _leave_out(self, progress: _Progress, path: str, entry: os.DirEntry[str]) -> None:
        kind = "a link"
        if not entry.is_symlink():
            with suppress(OSError):
                kind = what_it_is(entry.stat(follow_symlinks=False).st_mode)
        progress.left_out.append(f"{path} is {kind}")

    def _copy_checkpoints(self, progress: _Progress, session: Path) -> None:
        """Copy the checkpoints of a session as they are together; a running session replaces them every epoch."""
        for _ in range(_CHECKPOINT_ATTEMPTS):
            found: dict[str, StoredFile] = {}
            try:
                for path, entry in _walk(session, set(), progress.problems):
                    inner = session / path
                    if entry.is_file(follow_symlinks=False) and not _is_unfinished(entry.name):
                        file = self._read(inner.relative_to(self._root).as_posix())
                        found[file.path] = file
            except FileNotFoundError:
                continue
            progress.files |= found
            return
        progress.problems.append(f"the checkpoints of {session.name} changed faster than they could be copied")

    def _store_path(self, progress: _Progress, path: str, *, size: int | None = None) -> None:
        """Store a file by its name; one that is gone by now was not part of what must be there."""
        try:
            file = self._read(path, size=size)
        except FileNotFoundError:
            return
        except OSError as error:
            progress.problems.append(f"{path} cannot be read: {error.strerror or error}")
            return
        progress.n_unchanged += file is self._known.get(path)
        progress.files[path] = file

    def _read(self, path: str, *, size: int | None = None) -> StoredFile:
        with open_regular(self._root / path) as stream:
            status = os.fstat(stream.fileno())
            identity = FileIdentity(
                inode=status.st_ino, size=status.st_size, mtime_ns=status.st_mtime_ns, ctime_ns=status.st_ctime_ns
            )
            known = self._known.get(path)
            is_known = size is None and known is not None and known.identity == identity
            if known is not None and is_known and all(map(self._repository.has, known.chunks)):
                if not known.stored_sizes:  # of a release before
                    known = msgspec.structs.replace(known, stored_sizes=self._repository.sizes_of(known.chunks))
                    self._known[path] = known
                return known
            length = status.st_size if size is None else size
            return self._stored(path, stream, length, identity=identity if size is None else None)

    def _store(self, progress: _Progress, path: str, stream: BinaryIO, size: int) -> None:
        progress.files[path] = self._stored(path, stream, size)

    def _stored(self, path: str, stream: BinaryIO, size: int, *, identity: FileIdentity | None = None) -> StoredFile:
        """Store the first bytes of a file."""
        if not is_shown_as_is(path):
            raise FileAccessError(
                self._root, "back up", f"the name {shown(path)} holds characters that no file may have"
            )
        begins(path)
        hashed, chunks, n_read = hashlib.sha256(), [], 0
        try:
            while n_read < size and (content := stream.read(min(CHUNK_BYTES, size - n_read))):
                if self._is_stopped():
                    raise BackupStoppedError
                hashed.update(content)
                chunks.append(self._repository.put(content))
                n_read += len(content)
            mode = os.fstat(stream.fileno()).st_mode & 0o777
        except OSError as error:
            raise access_error(self._root / path, "read", error) from error
        if identity is not None and n_read != identity.size:
            identity = None  # it changes while it is read: looked at anew next time
        return StoredFile(
            path=path,
            size=n_read,
            sha256=hashed.hexdigest(),
            mode=mode,
            chunks=tuple(chunks),
            identity=identity,
            stored_sizes=self._repository.sizes_of(chunks),
        )

    def _judge_versions(self, progress: _Progress, instant: WorkspaceInstant) -> None:
        """Compare what was copied with what was registered.

        Raises:
            _RemovedMeanwhileError: A version or a profile is gone that the registry had at the instant.
        """
        present = {version.key for version in instant.versions}
        gone = {
            version.key
            for version in instant.versions
            if f"artifacts/{version.path}/{MANIFEST_NAME}" not in progress.files
        }
        if gone:
            now = set(Records(self._workspace).versions.all_keys())
            if gone & (present - now):
                raise _RemovedMeanwhileError
        for version in instant.versions:
            where = f"{version.model} {version.version}"
            stored = progress.files.get(f"artifacts/{version.path}/{MANIFEST_NAME}")
            if stored is None:
                progress.problems.append(f"{where}: its files are missing")
                continue
            if stored.sha256 != version.manifest_sha256:
                progress.problems.append(f"{where}: {MANIFEST_NAME} is not the registered one")
                continue
            content = self._content(stored)
            for name, registered in decode_json(content, type=Manifest).files.items():
                if how := self._difference(progress, f"artifacts/{version.path}/{name}", registered.sha256):
                    progress.problems.append(f"{where}: {name} {how}")

    def _difference(self, progress: _Progress, path: str, recorded: str) -> str:
        """Say how a copied file, or the content of a sealed one, differs from its recorded hash; empty if it does not.

        What is compared is the copy. The hash of a sealed one's content is kept with it, so that the next backup, for
        which it is unchanged, need not unseal it.
        """
        found = progress.files.get(path)
        if found is None:
            return "is missing"
        if recorded in (found.sha256, found.content_sha256):
            return ""
        try:
            file = self._root / path
            content = unsealed(self._content(found), file, sealer_in_use(file))
        except UsageError as error:
            return f"could not be compared: {error}"
        if content is None or digest(content) != recorded:
            return "differs from the recorded file"
        progress.files[path] = msgspec.structs.replace(found, content_sha256=recorded)
        return ""

    def _content(self, stored: StoredFile) -> bytes:
        """Return what was copied of a file: from the workspace while it is the same there, which is nearer."""
        with suppress(OSError):
            content = read_file(self._root / stored.path)
            if digest(content) == stored.sha256:
                return content
        return b"".join(map(self._repository.get, stored.chunks))

    def _judge_profiles(self, progress: _Progress, instant: WorkspaceInstant) -> None:
        """Compare the profiles that were made later with their records.

        Raises:
            _RemovedMeanwhileError: A profile was pruned with its version before it was copied.
        """
        records = Records(self._workspace).made_profiles
        for made in instant.made_profiles:
            path = f"artifacts/{made.path}"
            if path not in progress.files and records.find(made.key) != made:
                raise _RemovedMeanwhileError
            if how := self._difference(progress, path, made.sha256):
                progress.problems.append(f"{made.model} {made.version}: {made.path} {how}")


def _copied(store: OpenedStore, copy: Path) -> str:
    """Copy a store with SQLite's backup interface; return what is wrong with the store, if anything.

    Raises:
        FileAccessError: The copy cannot be written.
    """
    create_private(copy)
    try:
        with closing(connect_as_it_is(copy)) as target:
            target.execute("PRAGMA synchronous = OFF")  # it is read once, and removed
            store.connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE").fetchall()
            (answer,) = target.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise DiskFullError(copy, "write", "no space left on device") from error
        return str(error)
    return "" if answer == "ok" else str(answer)


def _walk(root: Path, skipped: set[Path], problems: list[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield all that is below a folder and no folder, with its relative path; no link is followed.

    A folder that cannot be listed is added to the problems.
    """
    waiting = [(root, "")]
    while waiting:
        place, prefix = waiting.pop()
        try:
            with os.scandir(place) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError as error:
            problems.append(f"{place} cannot be listed: {error.strerror or error}")
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if Path(entry.path) not in skipped and not _is_unfinished(entry.name):
                    waiting.append((Path(entry.path), f"{prefix}{entry.name}/"))
            else:
                yield prefix + entry.name, entry


def _is_unfinished(name: str) -> bool:
    """Say whether `core.files` is just writing a file or folder of this name, or a killed process was."""
    return name.startswith(".") and name.endswith(UNFINISHED)
