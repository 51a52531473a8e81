"""The folder that holds backups: content by its hash, and one manifest for each backup.

    bondx-backups.json            what the folder is; of encrypted backups, how their key is derived
    objects/ab/abcd…              chunks of files, each written once
    backups/b-….json  b-….sha256  the manifests; of encrypted backups, sealed like the chunks

A backup counts once its manifest has its name, which is the last step. What a killed backup leaves ends in `.new`, or
is content that no manifest lists; the next backup removes both.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from core.errors import NotFoundError, UsageError
from core.escape import escaped, shown
from core.files import FolderInUseError, access_error, digest
from core.home_paths import at_home
from core.json_documents import decode_json
from core.key_derivation import KeyDerivation
from core.maintenance.backup.errors import BackupDamagedError, BackupKeyError, BackupUnreadableError, TargetInUseError
from core.maintenance.backup.folder_place import FolderPlace
from core.maintenance.backup.manifest import CHUNK_BYTES, FORMAT, BackupManifest, StoredFile, impossible_names
from core.maintenance.backup.place import BackupPlace
from core.maintenance.backup.sealing import (
    BrokenSealError,
    PlainSealer,
    Sealer,
    new_derivation,
    sealer_of,
)
from core.output_files import require_output
from core.progress import begins
from core.settings.backup_address import BackupAddress, BackupTarget

MARKER: Final = "bondx-backups.json"
_OBJECTS, _BACKUPS = "objects", "backups"
_MOST_MANIFEST_BYTES = 1 << 30
_MOST_MARKER_BYTES = 1 << 16
_NAME = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"b-[0-9]{8}T[0-9]{6}Z(?:-[0-9]{1,6})?")
ReadInput = TypeVar("ReadInput")
ReadOutput = TypeVar("ReadOutput")


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
    content: tuple[str, ...] = ()  # the names of content that is damaged or missing


class BackupRepository:
    """A place of backups, opened with its key."""

    def __init__(self, place: BackupPlace, sealer: Sealer) -> None:
        """Use `open` or `open_or_create`."""
        self.place = place
        self._sealer = sealer
        self._written: list[str] = []  # names of content that this backup was the first to write
        self._pending: set[str] = set()  # of these, what has no name yet
        self._sizes: dict[str, int] = {}  # of content that is known to be whole at this size

    @classmethod
    def open(cls, target: BackupTarget, key: bytes | None) -> "BackupRepository":
        """Open a place of backups.

        Args:
            target: The folder or the address.
            key: The key of encrypted backups.

        Raises:
            NotFoundError: It holds no backups.
            BackupKeyError: The key is missing, is another one, or the backups are not encrypted.
            BackupDamagedError: What it says about itself cannot be read.
            UsageError: The address needs a package that is not installed.
            TargetError: The file system of the address does not answer.
        """
        return cls._opened(_place_of(target), key)

    @classmethod
    def _opened(cls, place: BackupPlace, key: bytes | None) -> "BackupRepository":
        try:
            marker = decode_json(place.read(MARKER, most=_MOST_MARKER_BYTES), type=_Marker)
        except FileNotFoundError:
            raise NotFoundError(f"{place} holds no backups; `bondx backup --to {place}` makes one.") from None
        except OSError as error:
            raise access_error(Path(place.where(MARKER)), "read", error) from error
        except msgspec.DecodeError as error:
            raise BackupDamagedError(place.where(MARKER), f"cannot be read ({shown(str(error))})") from None
        if marker.format > FORMAT:
            raise UsageError(
                f"{place} was written by a newer release (format {marker.format}; this one knows {FORMAT}): use that."
            )
        return cls(place, _sealer(place, marker, key))

    @classmethod
    def open_or_create(
        cls, target: BackupTarget, key: bytes | None, *, now: datetime, option: str
    ) -> "BackupRepository":
        """Open a place of backups, and make it one if it is empty or missing.

        Args:
            target: The folder, which is in no workspace, or the address.
            key: The key that encrypts the backups; None leaves them readable.
            now: The time.
            option: How the person named it.

        Raises:
            RefusedError: It is in a workspace, or holds something else.
            BackupKeyError: The key is missing, is another one, or the backups are not encrypted.
            FileAccessError: It cannot be written.
            TargetError: The file system of the address does not answer.
            UsageError: The address needs a package that is not installed.
        """
        place = _place_of(target, option=option)
        is_made = MARKER in place.names("")
        if not is_made and not place.is_new(MARKER):
            is_made = MARKER in place.names("")  # another process may have made it in between
            if not is_made:
                raise FolderInUseError(place.folder) if isinstance(place, FolderPlace) else TargetInUseError(place)
        if not is_made:
            derivation = None if key is None else new_derivation(key)[1]
            content = msgspec.json.format(msgspec.json.encode(_Marker(created_at=now, encryption=derivation)))
            place.make(MARKER, content + b"\n")
        return cls._opened(place, key)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the place for one writer.

        Raises:
            BackupBusyError: Another process writes to it.
            CoreError: It cannot be written.
        """
        return self.place.locked()

    # Content

    def begin(self) -> None:
        """Remove what a killed backup left unfinished; with the place held."""
        self._written, self._pending = [], set()
        may_be_cut_short = self.place.begin()
        names = set(self.place.names(_BACKUPS))
        self.place.remove(
            f"{_BACKUPS}/{name}"
            for name in names
            if name.endswith(".sha256") and f"{name.removesuffix('.sha256')}.json" not in names
        )
        if may_be_cut_short:
            self._sweep()
            self.place.swept()

    def _sweep(self) -> None:
        """Remove content that no backup names; if a backup cannot be read, only what is damaged of it."""
        try:
            needed, is_known = self._needed(self.ids()), True
        except BackupDamagedError:
            needed, is_known = set(), False
        doubtful = [name for name in self._objects() if name not in needed]
        if is_known:
            self.place.remove(map(_object, doubtful))
        else:
            damage = zip(doubtful, self.each(self._damage, doubtful), strict=True)
            self.place.remove([_object(name) for name, why in damage if why])

    def _needed(self, ids: Iterable[str]) -> set[str]:
        return {chunk for backup_id in ids for file in self.read(backup_id).files for chunk in file.chunks}

    def _damage(self, name: str) -> str:
        try:
            self.get(name)
        except BackupDamagedError as error:
            return f"{error.place} {error.problem}"
        return ""

    def learn_sizes(self, files: Iterable[StoredFile]) -> None:
        """Learn how large content was when it was written and read again."""
        for file in files:
            self._sizes.update(zip(file.chunks, file.stored_sizes, strict=False))

    def sizes_of(self, chunks: Iterable[str]) -> tuple[int, ...]:
        """Return the sizes of content that this backup has written or found."""
        return tuple(self._sizes[chunk] for chunk in chunks)

    def has(self, name: str) -> bool:
        """Say whether some content is here: as large as it was written, or else read and compared with its name.

        Raises:
            CoreError: The place does not answer.
        """
        if name in self._pending:
            return True
        size = self.place.size_of(_object(name))
        if size is None or (self._sizes.get(name) != size and self._damage(name)):
            return False
        self._sizes[name] = size
        return True

    def set_aside(self, names: Iterable[str]) -> list[str]:
        """Give damaged content other names, so that the next backup writes it again; what is sound stays.

        Returns:
            How messages name what was set aside.

        Raises:
            BackupBusyError: Another process writes to the place.
            CoreError: It cannot be written.
        """
        found = []
        with self.locked():
            self.begin()
            for name in names:
                if self.place.size_of(_object(name)) is not None and self._is_damaged(name):
                    self.place.set_aside(_object(name))
                    found.append(str(self.place.where(_object(name))))
        return found

    def _is_damaged(self, name: str) -> bool:
        """Return whether the bytes of some content were read and are not its own."""
        try:
            self.get(name)
        except BackupUnreadableError:
            return False
        except BackupDamagedError:
            return True
        return False

    def put(self, content: bytes) -> str:
        """Store some content unless it is here already, and return its name; durable after `settle`.

        Raises:
            CoreError: It cannot be written.
        """
        name = self._sealer.name_of(content)
        if self.has(name):
            return name
        sealed = self._sealer.seal(name, content)
        self.place.stage(_object(name), sealed)
        self._sizes[name] = len(sealed)
        self._pending.add(name)
        self._written.append(name)
        return name

    def settle(self) -> int:
        """Make all new content durable, give it its name, and read it again.

        Returns:
            How many bytes it takes there.

        Raises:
            CoreError: It cannot be written.
            BackupDamagedError: What is read is not what was written.
        """
        names = sorted(self._pending)
        n_bytes = self.place.settle(map(_object, names))
        self._pending.clear()
        for _ in self.each(lambda name: len(self.get(name)), names):
            pass
        return n_bytes

    def discard(self) -> None:
        """Remove what this backup has written, because it failed."""
        self.place.discard(map(_object, self._written))
        self._written, self._pending = [], set()

    def each(self, read: Callable[[ReadInput], ReadOutput], these: Iterable[ReadInput]) -> Iterator[ReadOutput]:
        """Call a function that reads for each of these, as many at once as the place is worth."""
        if self.place.n_readers == 1:
            yield from map(read, these)
            return
        with ThreadPoolExecutor(self.place.n_readers, thread_name_prefix="backup-read") as pool:
            yield from pool.map(read, these)

    def get(self, name: str) -> bytes:
        """Return some content, after comparing it with its name.

        Raises:
            BackupDamagedError: It is missing, or is not what was written.
        """
        if not _NAME.fullmatch(name):
            raise BackupDamagedError(shown(name), "is no name of content")
        place = self.place.where(_object(name))
        try:
            sealed = self.place.read(_object(name), most=2 * CHUNK_BYTES)
            content = self._sealer.unseal(name, sealed, most_bytes=CHUNK_BYTES)
        except FileNotFoundError:
            raise BackupDamagedError(place, "is missing") from None
        except OSError as error:
            raise BackupUnreadableError(place, f"cannot be read ({error.strerror or error})") from None
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
        found = (name.removesuffix(".json") for name in self.place.names(_BACKUPS) if name.endswith(".json"))
        return sorted((name for name in found if _ID.fullmatch(name)), key=_order)

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
        raise NotFoundError(f"{self.place} holds no finished backup yet.")

    def write(self, manifest: BackupManifest) -> str:
        """Let a backup count, and return the SHA-256 of its manifest; all of its content is durable."""
        encoded = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
        sealed = encoded if isinstance(self._sealer, PlainSealer) else self._sealer.seal(manifest.backup_id, encoded)
        sha256 = digest(sealed)
        line = f"{sha256}  {manifest.backup_id}.json\n"  # as sha256sum -c reads it
        self.place.write(_manifest(manifest.backup_id, ".sha256"), line.encode())
        self.place.write(_manifest(manifest.backup_id), sealed)
        return sha256

    def read(self, backup_id: str) -> BackupManifest:
        """Return the manifest of a backup.

        Raises:
            NotFoundError: There is none of this id; the message lists the newest.
            BackupDamagedError: It is not what was written.
        """
        if backup_id not in (known := self.ids()):
            newest = ", ".join(known[-5:][::-1]) or "none yet"
            raise NotFoundError(f"{self.place} holds no backup {shown(backup_id)}. Newest: {newest}.")
        place = self.place.where(_manifest(backup_id))
        try:
            sealed = self.place.read(_manifest(backup_id), most=_MOST_MANIFEST_BYTES)
            said = self.place.read(_manifest(backup_id, ".sha256"), most=256)
        except OSError as error:
            where = error.filename or place
            raise BackupDamagedError(where, f"cannot be read ({error.strerror or error})") from None
        if said != f"{digest(sealed)}  {backup_id}.json\n".encode():
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
        return manifest.legible()

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
        sound = [file for file in manifest.files if file.path not in impossible]

        def problem_of(file: StoredFile) -> str:
            begins(f"{backup_id} {file.path}")
            return self._problem(file, known)

        for file, problem in zip(sound, self.each(problem_of, sound), strict=True):
            if problem:
                damage.append(f"{escaped(file.path)} cannot be restored: {escaped(problem)}")
        if damage and backup_id not in self.ids():
            raise NotFoundError(f"{backup_id} was removed while it was verified; a newer backup took its place.")
        return BackupVerdict(
            backup_id=backup_id,
            ok=not damage,
            n_files=len(manifest.files),
            n_bytes=manifest.n_bytes,
            damage=tuple(damage),
            content=tuple(sorted({chunk for file in sound for chunk in file.chunks if known.get(chunk)})),
        )

    def _problem(self, file: StoredFile, known: dict[str, str]) -> str:
        """Compare a file with its hash, chunk by chunk: with their order and number, too."""
        whole = f"{file.sha256} {file.size} {' '.join(file.chunks)}"
        if whole in known:
            return known[whole]
        hashed, size = hashlib.sha256(), 0
        for chunk in file.chunks:
            if problem := known.get(chunk):
                return problem
            try:
                content = self.get(chunk)
            except BackupDamagedError as error:
                known[chunk] = f"{error.place} {error.problem}"
                return known[chunk]
            hashed.update(content)
            size += len(content)
        is_whole = (hashed.hexdigest(), size) == (file.sha256, file.size)
        known[whole] = "" if is_whole else "its chunks do not make up its SHA-256"
        return known[whole]

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
        needed = self._needed(staying)
        # First, so that no backup counts whose content is gone.
        self.place.remove(_manifest(backup_id) for backup_id in doomed)
        self.place.remove(_manifest(backup_id, ".sha256") for backup_id in doomed)
        self.place.remove(_object(name) for name in self._objects() if name not in needed)
        return doomed

    def size(self) -> int:
        """Return how many bytes the content takes."""
        return sum(self._objects().values())

    def _objects(self) -> dict[str, int]:
        """Return the size of all content by its name."""
        found = {place.rpartition("/")[2]: size for place, size in self.place.objects().items()}
        return {name: size for name, size in found.items() if _NAME.fullmatch(name)}


def _place_of(target: BackupTarget, *, option: str = "") -> BackupPlace:
    """Return the place of a target; with the option by which a person named it, if it is to be written."""
    if isinstance(target, BackupAddress):
        from core.maintenance.backup.remote_place import RemotePlace  # rarely needed, and it imports more

        return RemotePlace(target, option=option)
    if option:
        require_output(target, option=option, follows=True)
    return FolderPlace(_resolved(target))


def _sealer(place: BackupPlace, marker: _Marker, key: bytes | None) -> Sealer:
    if marker.encryption is None:
        if key is not None:
            raise BackupKeyError(f"The backups in {place} are not encrypted: leave the key out, or name a new folder.")
        return PlainSealer()
    if key is None:
        raise BackupKeyError(
            f"The backups in {place} are encrypted: name their key with --key-file, --key-env or --key-command."
        )
    try:
        found = sealer_of(key, marker.encryption)
    except ValueError as error:
        raise BackupDamagedError(place.where(MARKER), f"cannot be used ({shown(str(error))})") from None
    if found is None:
        raise BackupKeyError(f"This is not the key of the backups in {place}: they were encrypted with another one.")
    return found


def _resolved(folder: Path) -> Path:
    try:
        return at_home(folder).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"{folder} cannot be used: {getattr(error, 'strerror', None) or error}.") from None


def _order(backup_id: str) -> tuple[str, int]:
    """Return the place of a backup among all: its second, and its number within that second."""
    _, stamp, *number = backup_id.split("-")
    return stamp, int(number[0]) if number else 1


def _object(name: str) -> str:
    return f"{_OBJECTS}/{name[:2]}/{name}"


def _manifest(backup_id: str, suffix: str = ".json") -> str:
    return f"{_BACKUPS}/{backup_id}{suffix}"
