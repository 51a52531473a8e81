"""The folder that holds backups: content by its hash, and one manifest for each backup.

    bondx-backups.json            what the folder is; of encrypted backups, how their key is derived
    objects/ab/abcd…              chunks of files, each written once
    backups/b-….json  b-….sha256  the manifests; of encrypted backups, sealed like the chunks

A backup counts once its manifest has its name, which is the last step. What a killed backup leaves ends in `.new`, or
is content that no manifest lists; the next backup removes both.
"""

import hmac
import io
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec

from core.confinement import confine
from core.errors import NotFoundError, UsageError
from core.escape import shown
from core.files import (
    UNFINISHED,
    FolderInUseError,
    access_error,
    create_once,
    digest,
    is_occupied,
    make_folder,
    make_root,
    remove_file,
    rename,
    sync,
    write_file,
    write_new,
)
from core.home_paths import at_home
from core.json_documents import decode_json
from core.key_derivation import KeyDerivation
from core.lock_files import locked_within, open_lock, unlock
from core.maintenance.backup.errors import BackupBusyError, BackupDamagedError, BackupKeyError
from core.maintenance.backup.manifest import CHUNK_BYTES, FORMAT, BackupManifest, StoredFile, impossible_names
from core.maintenance.backup.sealing import (
    BrokenSealError,
    PlainSealer,
    Sealer,
    new_derivation,
    sealer_of,
)
from core.output_files import require_output
from core.plain_files import open_regular
from core.progress import begins
from core.state.file_lock import holder_of

MARKER = "bondx-backups.json"
_OBJECTS, _BACKUPS, _LOCK = "objects", "backups", ".lock"
_MOST_MANIFEST_BYTES = 1 << 30
_MOST_MARKER_BYTES = 1 << 16
_N_SYNCS = 8
_NAME = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"b-[0-9]{8}T[0-9]{6}Z(?:-[0-9]{1,6})?")


class _Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder of backups says about itself."""

    format: int = FORMAT
    created_at: datetime
    encryption: KeyDerivation | None = None


class ListedBackup(msgspec.Struct, frozen=True, kw_only=True):
    """One backup in a list."""

    backup_id: str
    at: datetime | None = None  # None: its manifest cannot be read
    workspace: str = ""
    n_files: int = 0
    n_bytes: int = 0
    audit_sequence: int = 0
    problems: tuple[str, ...] = ()
    damage: str = ""  # what is wrong with its manifest


class BackupVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of reading a backup from its first byte to its last."""

    backup_id: str
    ok: bool
    n_files: int
    n_bytes: int
    damage: tuple[str, ...] = ()  # a sentence for each file that cannot be restored


class BackupRepository:
    """A folder of backups, opened with its key."""

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        """Use `open` or `open_or_create`."""
        self.folder = folder
        self._sealer = sealer
        self._written: list[str] = []  # names of content that this backup was the first to write
        self._pending: set[str] = set()  # of these, what has no name yet

    @classmethod
    def open(cls, folder: Path, key: bytes | None) -> "BackupRepository":
        """Open a folder of backups.

        Args:
            folder: The folder.
            key: The key of encrypted backups.

        Raises:
            NotFoundError: It holds no backups.
            BackupKeyError: The key is missing, is another one, or the backups are not encrypted.
            BackupDamagedError: What it says about itself cannot be read.
        """
        folder = _resolved(folder)
        place = folder / MARKER
        try:
            with open_regular(place) as file:
                content = file.read(_MOST_MARKER_BYTES)
            marker = decode_json(content, type=_Marker)
        except FileNotFoundError:
            raise NotFoundError(f"{folder} holds no backups; `bondx backup --to {folder}` makes one.") from None
        except OSError as error:
            raise access_error(place, "read", error) from error
        except msgspec.DecodeError as error:
            raise BackupDamagedError(place, f"cannot be read ({shown(str(error))})") from None
        if marker.format > FORMAT:
            raise UsageError(
                f"{folder} was written by a newer release (format {marker.format}; this one knows {FORMAT}): use that."
            )
        confine(folder)  # no link in it leads a write elsewhere
        return cls(folder, _sealer(folder, marker, key))

    @classmethod
    def open_or_create(cls, folder: Path, key: bytes | None, *, now: datetime, option: str) -> "BackupRepository":
        """Open a folder of backups, and make it one if it is empty or missing.

        Args:
            folder: The folder; not in a workspace.
            key: The key that encrypts the backups; None leaves them readable.
            now: The time.
            option: How the person named the folder.

        Raises:
            RefusedError: It is in a workspace, or holds something else.
            BackupKeyError: The key is missing, is another one, or the backups are not encrypted.
            FileAccessError: It cannot be written.
        """
        require_output(folder, option=option, follows=True)
        folder = _resolved(folder)
        if not (folder / MARKER).exists():
            if _holds_more_than_a_start(folder):
                raise FolderInUseError(folder)
            try:
                make_root(folder)
            except OSError as error:
                raise access_error(folder, "make", error) from error
            confine(folder)
            derivation = None if key is None else new_derivation(key)[1]
            content = msgspec.json.format(msgspec.json.encode(_Marker(created_at=now, encryption=derivation)))
            create_once(folder / MARKER, content + b"\n")
        return cls.open(folder, key)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one writer.

        Raises:
            BackupBusyError: Another process writes to it.
            FileAccessError: It cannot be written.
        """
        with only_one(self.folder / _LOCK):
            yield

    # Content

    def begin(self) -> None:
        """Forget what a killed backup left unfinished; with the folder held."""
        self._written, self._pending = [], set()
        for left in (*self.folder.glob(f"{_OBJECTS}/*/*{UNFINISHED}"), *self.folder.glob(f"{_BACKUPS}/*{UNFINISHED}")):
            remove_file(left)
        for left in self.folder.glob(f"{_BACKUPS}/*.sha256"):
            if not left.with_suffix(".json").exists():
                remove_file(left)

    def has(self, name: str) -> bool:
        """Say whether some content is here."""
        return name in self._pending or self._object(name).is_file()

    def put(self, content: bytes) -> str:
        """Store some content unless it is here already, and return its name; durable after `settle`.

        Raises:
            FileAccessError: It cannot be written.
        """
        name = self._sealer.name_of(content)
        if self.has(name):
            return name
        place = _unfinished(self._object(name))
        try:
            make_folder(place.parent)
            write_new(place, io.BytesIO(self._sealer.seal(name, content)), durable=False)
        except OSError as error:
            raise access_error(place, "write", error) from error
        self._pending.add(name)
        self._written.append(name)
        return name

    def settle(self) -> int:
        """Make all new content durable, give it its name, and read it again.

        Returns:
            How many bytes of the disk it takes.

        Raises:
            FileAccessError: It cannot be written.
            BackupDamagedError: What is read is not what was written.
        """
        names = sorted(self._pending)
        places = [self._object(name) for name in names]
        try:
            with ThreadPoolExecutor(_N_SYNCS, thread_name_prefix="sync") as pool:
                list(pool.map(sync, map(_unfinished, places)))
                for place in places:
                    rename(_unfinished(place), place)
                folders = {place.parent for place in places}
                list(pool.map(sync, (*folders, *({self.folder / _OBJECTS, self.folder} if folders else ()))))
        except OSError as error:
            raise access_error(Path(error.filename or self.folder), "write", error) from error
        self._pending.clear()
        for name in names:
            self.get(name)
        return sum(place.stat().st_size for place in places)

    def discard(self) -> None:
        """Remove what this backup has written, because it failed."""
        for name in self._written:
            with suppress(Exception):
                remove_file(_unfinished(self._object(name)))
                remove_file(self._object(name))
        self.begin()

    def get(self, name: str) -> bytes:
        """Return some content, after comparing it with its name.

        Raises:
            BackupDamagedError: It is missing, or is not what was written.
        """
        if not _NAME.fullmatch(name):
            raise BackupDamagedError(shown(name), "is no name of content")
        place = _unfinished(self._object(name)) if name in self._pending else self._object(name)
        try:
            with open_regular(place) as file:
                sealed = file.read(2 * CHUNK_BYTES)
            content = self._sealer.unseal(name, sealed, most_bytes=CHUNK_BYTES)
        except FileNotFoundError:
            raise BackupDamagedError(place, "is missing") from None
        except OSError as error:
            raise BackupDamagedError(place, f"cannot be read ({error.strerror or error})") from None
        except BrokenSealError as error:
            raise BackupDamagedError(place, f"is damaged: {error}") from None
        if not hmac.compare_digest(self._sealer.name_of(content), name):
            raise BackupDamagedError(place, "is damaged: its bytes were changed")
        return content

    def read_file(self, file: StoredFile) -> Iterator[bytes]:
        """Yield the content of a file, chunk by chunk.

        Raises:
            BackupDamagedError: It is not what was written.
        """
        for chunk in file.chunks:
            yield self.get(chunk)

    # Backups

    def ids(self) -> list[str]:
        """Return the ids of all backups, the oldest first."""
        folder = self.folder / _BACKUPS
        if not folder.is_dir():
            return []
        names = (path.name.removesuffix(".json") for path in folder.glob("*.json"))
        return sorted((name for name in names if _ID.fullmatch(name)), key=_order)

    def new_id(self, now: datetime) -> str:
        """Return an id for a backup that is made now: after all others, also if the clock was set back."""
        wanted = (f"{now:%Y%m%dT%H%M%SZ}", 1)
        if (ids := self.ids()) and _order(ids[-1]) >= wanted:
            stamp, number = _order(ids[-1])
            wanted = stamp, number + 1
        stamp, number = wanted
        return f"b-{stamp}" + (f"-{number}" if number > 1 else "")

    def newest(self) -> str:
        """Return the id of the newest backup.

        Raises:
            NotFoundError: There is none yet.
        """
        if found := self.ids():
            return found[-1]
        raise NotFoundError(f"{self.folder} holds no finished backup yet.")

    def write(self, manifest: BackupManifest) -> str:
        """Let a backup count, and return the SHA-256 of its manifest; all of its content is durable."""
        encoded = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
        sealed = encoded if isinstance(self._sealer, PlainSealer) else self._sealer.seal(manifest.backup_id, encoded)
        place = self._manifest(manifest.backup_id)
        line = f"{digest(sealed)}  {place.name}\n"  # as sha256sum -c reads it
        write_file(place.with_suffix(".sha256"), line.encode())
        return write_file(place, sealed)

    def read(self, backup_id: str) -> BackupManifest:
        """Return the manifest of a backup.

        Raises:
            NotFoundError: There is none of this id; the message lists the newest.
            BackupDamagedError: It is not what was written.
        """
        if backup_id not in (known := self.ids()):
            newest = ", ".join(known[-5:][::-1]) or "none yet"
            raise NotFoundError(f"{self.folder} holds no backup {shown(backup_id)}. Newest: {newest}.")
        place = self._manifest(backup_id)
        try:
            with open_regular(place) as file:
                sealed = file.read(_MOST_MANIFEST_BYTES)
            with open_regular(place.with_suffix(".sha256")) as file:
                said = file.read(256)
        except OSError as error:
            where = error.filename or place
            raise BackupDamagedError(where, f"cannot be read ({error.strerror or error})") from None
        if said != f"{digest(sealed)}  {place.name}\n".encode():
            raise BackupDamagedError(place, "is damaged: its SHA-256 is not that in the file beside it")
        try:
            encoded = sealed
            if not isinstance(self._sealer, PlainSealer):
                encoded = self._sealer.unseal(backup_id, sealed, most_bytes=_MOST_MANIFEST_BYTES)
            manifest = decode_json(encoded, type=BackupManifest)
        except (BrokenSealError, msgspec.DecodeError) as error:
            raise BackupDamagedError(place, f"is damaged: {shown(str(error), most=200)}") from None
        if manifest.backup_id != backup_id:
            raise BackupDamagedError(place, f"is the manifest of {shown(manifest.backup_id)}")
        return manifest

    def listed(self) -> list[ListedBackup]:
        """Return every backup, the newest first; of a damaged manifest, what is wrong with it."""
        found = []
        for backup_id in reversed(self.ids()):
            try:
                manifest = self.read(backup_id)
            except BackupDamagedError as error:
                found.append(ListedBackup(backup_id=backup_id, damage=str(error)))
                continue
            found.append(
                ListedBackup(
                    backup_id=backup_id,
                    at=manifest.at,
                    workspace=manifest.workspace,
                    n_files=len(manifest.files),
                    n_bytes=manifest.n_bytes,
                    audit_sequence=manifest.audit_sequence,
                    problems=manifest.problems,
                )
            )
        return found

    def verify(self, backup_id: str, *, whole: dict[str, str] | None = None) -> BackupVerdict:
        """Read every byte of a backup and compare it with its hashes.

        Args:
            backup_id: The backup.
            whole: Content that is known to be sound ("") or damaged (why), by name; filled for the next backup.

        Raises:
            NotFoundError: There is no such backup, or it was removed meanwhile.
        """
        known = {} if whole is None else whole
        try:
            manifest = self.read(backup_id)
        except BackupDamagedError as error:
            return BackupVerdict(backup_id=backup_id, ok=False, n_files=0, n_bytes=0, damage=(str(error),))
        impossible = impossible_names(manifest.files)
        damage = [f"{shown(path)} cannot be restored: it {problem}" for path, problem in impossible.items()]
        for file in manifest.files:
            if file.path in impossible:
                continue
            begins(f"{backup_id} {file.path}")
            problem = next(filter(None, (self._problem(chunk, known) for chunk in file.chunks)), "")
            problem = problem or self._problem_of_whole(file)
            if problem:
                damage.append(f"{file.path} cannot be restored: {problem}")
        if damage and backup_id not in self.ids():
            raise NotFoundError(f"{backup_id} was removed while it was verified; a newer backup took its place.")
        return BackupVerdict(
            backup_id=backup_id,
            ok=not damage,
            n_files=len(manifest.files),
            n_bytes=manifest.n_bytes,
            damage=tuple(damage),
        )

    def _problem(self, chunk: str, known: dict[str, str]) -> str:
        if chunk not in known:
            try:
                self.get(chunk)
                known[chunk] = ""
            except BackupDamagedError as error:
                known[chunk] = f"{error.place} {error.problem}"
        return known[chunk]

    def _problem_of_whole(self, file: StoredFile) -> str:
        """Compare the order and number of chunks with the hash of the file; one plain chunk needs no look."""
        if file.chunks == (file.sha256,):
            return ""
        import hashlib

        hashed, size = hashlib.sha256(), 0
        for content in self.read_file(file):
            hashed.update(content)
            size += len(content)
        return "" if (hashed.hexdigest(), size) == (file.sha256, file.size) else "its chunks do not make up its SHA-256"

    def prune(self, keep: int) -> list[str]:
        """Remove the oldest backups, and all content that no other backup needs; with the folder held.

        Args:
            keep: How many of the newest stay.

        Returns:
            The ids of what was removed.

        Raises:
            BackupDamagedError: A backup that stays cannot be read, so nobody knows what it needs; nothing was removed.
            FileAccessError: Something cannot be removed.
        """
        ids = self.ids()
        staying, doomed = ids[-keep:], ids[:-keep]
        needed = {chunk for backup_id in staying for file in self.read(backup_id).files for chunk in file.chunks}
        for backup_id in doomed:  # first, so that no backup counts whose content is gone
            remove_file(self._manifest(backup_id))
            remove_file(self._manifest(backup_id).with_suffix(".sha256"))
        for place in self._objects():
            if place.name not in needed:
                remove_file(place)
        return doomed

    def size(self) -> int:
        """Return how many bytes the content takes."""
        return sum(place.stat().st_size for place in self._objects())

    def _objects(self) -> Iterable[Path]:
        return (place for place in self.folder.glob(f"{_OBJECTS}/??/*") if _NAME.fullmatch(place.name))

    def _object(self, name: str) -> Path:
        return self.folder / _OBJECTS / name[:2] / name

    def _manifest(self, backup_id: str) -> Path:
        return self.folder / _BACKUPS / f"{backup_id}.json"


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold a lock file, or refuse at once.

    Raises:
        BackupBusyError: Another process holds it.
        FileAccessError: It cannot be opened.
    """
    try:
        make_folder(lock.parent)
        descriptor = open_lock(lock)
    except OSError as error:
        raise access_error(lock, "open", error) from error
    if not locked_within(descriptor, 0.0, pause_seconds=0.0):
        holder = holder_of(lock)
        os.close(descriptor)
        raise BackupBusyError(lock, holder)
    try:
        yield
    finally:
        unlock(descriptor)


def _sealer(folder: Path, marker: _Marker, key: bytes | None) -> Sealer:
    if marker.encryption is None:
        if key is not None:
            raise BackupKeyError(f"The backups in {folder} are not encrypted: leave the key out, or name a new folder.")
        return PlainSealer()
    if key is None:
        raise BackupKeyError(
            f"The backups in {folder} are encrypted: name their key with --key-file, --key-env or --key-command."
        )
    try:
        found = sealer_of(key, marker.encryption)
    except ValueError as error:
        raise BackupDamagedError(folder / MARKER, f"cannot be used ({shown(str(error))})") from None
    if found is None:
        raise BackupKeyError(f"This is not the key of the backups in {folder}: they were encrypted with another one.")
    return found


def _holds_more_than_a_start(folder: Path) -> bool:
    return is_occupied(folder) and (not folder.is_dir() or {path.name for path in folder.iterdir()} != {_LOCK})


def _resolved(folder: Path) -> Path:
    try:
        return at_home(folder).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"{folder} cannot be used: {getattr(error, 'strerror', None) or error}.") from None


def _order(backup_id: str) -> tuple[str, int]:
    """Return the place of a backup among all: its second, and its number within that second."""
    _, stamp, *number = backup_id.split("-")
    return stamp, int(number[0]) if number else 1


def _unfinished(place: Path) -> Path:
    return place.with_name(place.name + UNFINISHED)
