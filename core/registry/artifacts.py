"""Artifact folders on disk: staged apart, made durable, then put in place by one rename.

A process killed at any instant leaves either nothing at `artifacts/<model>/<version>/` or the complete folder. Its
leftovers in the staging area differ from a copy in progress by their lock, which was released when the process died.

Where the settings have artifacts sealed, all files but the manifest are, whose hashes are those of the contents. Copies
to load a sealed version from are plain, and lie in memory where the system has a folder of it.
"""

import errno
import fcntl
import io
import logging
import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec

from core.confinement import link_on_the_way
from core.escape import is_shown_as_is, shown
from core.files import (
    FileAccessError,
    access_error,
    digest,
    make_folder,
    new_folder,
    remove_tree,
    rename,
    sync,
    write_file,
    write_new,
)
from core.json_documents import decode_json
from core.plain_files import open_regular
from core.progress import begins
from core.registry.card import CARD_NAME
from core.registry.errors import ArtifactRefusedError, ChangedFileError, CopyFailedError, InvalidNameError
from core.registry.manifest import MANIFEST_NAME, Manifest, ManifestFile, walk
from core.registry.numbering import SemanticVersion, checked_model_name
from core.sealed_files import FileSealer, UnreadableContentError, is_sealed, seal
from core.settings.sealing import opened_content, read_content

log = logging.getLogger(__name__)

STAGING_NAME = ".staging"
MEMORY_FOLDER = Path("/dev/shm")  # of Linux; its files are gone with the power
RESERVED = frozenset({MANIFEST_NAME, CARD_NAME})
_READ_ONLY = 0o400
PICKLED = frozenset({".pkl", ".pickle", ".joblib", ".dill"})


class StagedArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """A complete, durable copy without a version number yet."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str


class ArtifactStore:
    """The folder `artifacts/` of a workspace."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, model: str, version: str) -> Path:
        """Return the path of a version's artifact, whether or not it exists."""
        return self.root / checked_model_name(model) / str(SemanticVersion.parse(version))

    def published(self) -> Iterator[tuple[str, str]]:
        """Yield the model and number of every version folder on disk, sorted."""
        for model in sorted(self._folders_to_sweep(self.root)):
            with suppress(InvalidNameError):
                numbers = _version_numbers(self._folders_to_sweep(self.root / checked_model_name(model)))
                yield from ((model, str(version)) for version in numbers)

    def numbers(self, model: str) -> list[SemanticVersion]:
        """Return the version numbers of this model's folders, ascending."""
        return _version_numbers(self._folders(self.root / checked_model_name(model)))

    @contextmanager
    def staged(self, source: Path, additions: Mapping[str, bytes]) -> Iterator[StagedArtifact]:
        """Copy a folder, or one file, into the staging area with its manifest, and sync it to disk.

        Leaving the context removes the copy, unless `publish` has taken it.

        Args:
            source: The folder whose plain files become the artifact, or the one file that becomes it.
            additions: Further files by name, used for names that the source lacks.
        Raises:
            ArtifactRefusedError: The source holds something an artifact must not hold, or the copy failed.
        """
        try:
            place, names = _contents(source)
        except OSError as error:
            raise ArtifactRefusedError(f"{source} cannot be read: {error.strerror or error}.") from error
        try:
            folder, lock = self._new_staging_folder()
        except OSError as error:
            raise ArtifactRefusedError(f"{self.root} cannot be written: {error.strerror or error}.") from error
        try:
            try:
                files = {name: _copy(opened_content(place / name), folder / name, part="copying") for name in names}
                for name in additions.keys() - files.keys():
                    files[name] = _write(additions[name], folder / name)
                manifest = Manifest(files=files)
                content = manifest.to_bytes()
                _write(content, folder / MANIFEST_NAME)
                for place in {(folder / name).parent for name in files} | {folder}:
                    sync(place)
            except OSError as error:
                raise ArtifactRefusedError(f"{source} could not be copied: {error.strerror or error}.") from error
            yield StagedArtifact(folder=folder, manifest=manifest, manifest_sha256=digest(content))
        finally:
            with suppress(FileAccessError):
                remove_tree(folder, root=self.root.parent)
            os.close(lock)

    @staticmethod
    def seal(staged: StagedArtifact, sealer: FileSealer) -> None:
        """Seal the files of a staged copy; its manifest, which has the hashes of their contents, stays as it is.

        Raises:
            FileAccessError: A file cannot be written.
            OSError: A file cannot be read.
        """
        for name in staged.manifest.files:
            begins(f"sealing {name}")
            path = staged.folder / name
            write_file(path, seal(read_content(path), sealer), mode=_READ_ONLY)

    def rewrite(self, path: Path, content: bytes) -> None:
        """Replace a file of a version, sealed or not: what a killed process leaves lies in the staging area.

        Raises:
            FileAccessError: It cannot be written.
        """
        try:
            folder, lock = self._new_staging_folder()
            try:
                write_new(folder / path.name, io.BytesIO(content), mode=_READ_ONLY)
                rename(folder / path.name, path)
                sync(path.parent)
            finally:
                _remove_private_folder(folder, lock, root=self.root.parent)
        except OSError as error:
            raise access_error(path, "write", error) from error

    def publish(self, staged: StagedArtifact, model: str, version: str) -> None:
        """Rename a staged copy to its permanent place; the caller holds the registry's database lock.

        Raises:
            ArtifactRefusedError: The target exists, or cannot be reached.
        """
        target = self.folder(model, version)
        try:
            make_folder(target.parent)
            if target.parent.is_symlink():
                raise ArtifactRefusedError(
                    f"{target.parent} is a symbolic link; versions are put into plain folders only."
                )
            if target.exists():  # a rename would silently replace an empty folder
                raise ArtifactRefusedError(f"{target} already exists.")
            rename(staged.folder, target)
            sync(target.parent)
            sync(self.root)
        except OSError as error:
            raise ArtifactRefusedError(f"{target} could not be moved into place: {error.strerror or error}.") from error

    @contextmanager
    def copied(self, model: str, version: str, manifest_sha256: str) -> Iterator[Path]:
        """Copy a version's files to a private folder, hashed on the way; it is removed with the context.

        What is read from the copy is what was hashed, whatever happens to the version's own folder meanwhile.

        Args:
            model: The model.
            version: Its version.
            manifest_sha256: The hash of its manifest in the registry's database.
        Raises:
            ChangedFileError: A file differs from the registered one.
            CopyFailedError: The copy cannot be written.
        """
        source = self.folder(model, version)
        with ExitStack() as made:
            manifest = _read_manifest(source, manifest_sha256)
            files = decode_json(manifest, type=Manifest)
            folder = self._private_folder(made, files.n_bytes if _has_sealed(source, files) else None)
            try:
                _copy(io.BytesIO(manifest), folder / MANIFEST_NAME, durable=False)
            except OSError as error:
                raise CopyFailedError(folder, error) from error
            for name, expected in files.files.items():
                try:
                    content = opened_content(source / name)
                except OSError as error:
                    raise ChangedFileError(f"{name} cannot be read ({error.strerror or error})") from error
                try:
                    found = _copy(content, folder / name, durable=False, part="checking")
                except UnreadableContentError as error:
                    raise ChangedFileError(f"{name} cannot be read ({error.strerror})") from error
                except OSError as error:
                    raise CopyFailedError(folder, error) from error
                if found != expected:
                    raise ChangedFileError(f"{name} was changed")
            yield folder

    def _private_folder(self, made: ExitStack, n_sealed: int | None) -> Path:
        """Make a folder that is removed with the context; of a read-only volume, among the machine's temporary files.

        Args:
            made: The context.
            n_sealed: How many bytes of sealed files will lie in it, in memory if that has room; None: none will.
        Raises:
            CopyFailedError: There is no place for it.
        """
        if n_sealed is not None:
            try:
                if n_sealed <= _free_bytes(MEMORY_FOLDER) // 2:
                    folder, lock = _locked_folder(MEMORY_FOLDER, self._memory_prefix())
                    made.callback(_remove_private_folder, folder, lock, root=MEMORY_FOLDER)
                    return folder
                problem = "it has no room"
            except OSError as error:
                problem = error.strerror or str(error)
            log.warning("a sealed version is copied to the disk to be loaded: %s: %s", MEMORY_FOLDER, problem)
        try:
            folder, lock = self._new_staging_folder()
        except OSError as error:
            if error.errno != errno.EROFS:
                raise CopyFailedError(self.root, error) from error
        else:
            made.callback(_remove_private_folder, folder, lock, root=self.root.parent)
            return folder
        import tempfile

        try:
            return Path(made.enter_context(tempfile.TemporaryDirectory(prefix="bondx-")))
        except OSError as error:
            raise CopyFailedError("a temporary folder", error) from error

    def _memory_prefix(self) -> str:
        return f"bondx-{digest(os.fsencode(os.path.realpath(self.root)))[:16]}-"

    def manifest(self, model: str, version: str, manifest_sha256: str) -> Manifest:
        """Return the hashes of a version's files, as they were registered.

        Raises:
            ChangedFileError: The manifest is missing, or is not the registered manifest.
        """
        return decode_json(_read_manifest(self.folder(model, version), manifest_sha256), type=Manifest)

    def names(self, model: str, version: str, manifest_sha256: str) -> frozenset[str]:
        """Return the names of a version's files, as they were registered; raises as `manifest` does."""
        return frozenset(self.manifest(model, version, manifest_sha256).files)

    def contents(self, model: str, version: str, manifest_sha256: str, names: Collection[str]) -> dict[str, bytes]:
        """Return some files of a version, hashed as they are read; names that it does not have are left out.

        Raises:
            ChangedFileError: A file, or the manifest, differs from the registered one.
        """
        source, found = self.folder(model, version), {}
        files = self.manifest(model, version, manifest_sha256).files
        for name in files.keys() & set(names):
            try:
                content = read_content(source / name)
            except OSError as error:
                raise ChangedFileError(f"{name} cannot be read ({error.strerror or error})") from error
            if digest(content) != files[name].sha256:
                raise ChangedFileError(f"{name} was changed")
            found[name] = content
        return found

    @contextmanager
    def claimed(self, model: str, version: str) -> Iterator[bool]:
        """Yield whether a version folder may be judged: not while a process is registering it."""
        try:
            lock = _lock_folder(self.folder(model, version))
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            os.close(lock)

    def withdraw(self, model: str, version: str) -> str:
        """Remove the folder of a version without a record; return why it stays, if it does."""
        doomed = self.root / STAGING_NAME / f"withdrawn-{secrets.token_hex(8)}"
        folder = self.folder(model, version)
        if link := self._link_to(folder) or self._link_to(doomed):
            why = f"{link} is a link, and may lead to files of others"
            log.warning("not deleted: %s: %s", folder, why)
            return why
        try:
            rename(folder, doomed)
            remove_tree(doomed, root=self.root.parent)
        except FileNotFoundError:
            pass
        except OSError as error:
            return f"{folder} cannot be moved aside: {error.strerror or error}"
        except FileAccessError as error:
            return str(error)
        return ""

    def clear_staging(self) -> int:
        """Remove the copies that killed processes left in the staging area, and return their number."""
        n_removed = 0
        for folder in self._left_in_memory():
            n_removed += _remove_if_left(folder, root=MEMORY_FOLDER)
        if link := self._link_to(self.root / STAGING_NAME):
            log.warning("not cleared: %s is a link, and may lead to files of others", link)
            return n_removed
        for name in self._folders_to_sweep(self.root / STAGING_NAME):
            n_removed += _remove_if_left(self.root / STAGING_NAME / name, root=self.root.parent)
        return n_removed

    def _left_in_memory(self) -> Iterator[Path]:
        """Yield the folders of copies of this workspace that this account made in memory."""
        with suppress(OSError):
            for folder in MEMORY_FOLDER.glob(f"{self._memory_prefix()}*"):
                if folder.lstat().st_uid == os.geteuid():
                    yield folder

    def _link_to(self, folder: Path) -> Path | None:
        return link_on_the_way(folder, root=self.root.parent)  # `artifacts/` itself may be a link, too

    def _new_staging_folder(self) -> tuple[Path, int]:
        area = self.root / STAGING_NAME
        make_folder(area)
        return _locked_folder(area)

    def _folders_to_sweep(self, place: Path) -> list[str]:
        """Return the folders in a place; none, with a line in the log, of one that cannot be listed."""
        try:
            return self._folders(place)
        except OSError as error:
            log.warning("not swept: %s cannot be listed (%s)", place, error.strerror or error)
            return []

    @staticmethod
    def _folders(place: Path) -> list[str]:
        if place.is_symlink() or not place.is_dir():
            return []
        with os.scandir(place) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _locked_folder(area: Path, prefix: str = "") -> tuple[Path, int]:
    while True:
        folder = area / f"{prefix}{secrets.token_hex(8)}"
        new_folder(folder)
        with suppress(OSError):  # a sweep saw the folder before it was locked, and took it for an orphan
            lock = _lock_folder(folder)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove_private_folder(folder: Path, lock: int, *, root: Path) -> None:
    with suppress(FileAccessError):
        remove_tree(folder, root=root)
    os.close(lock)


def _remove_if_left(folder: Path, *, root: Path) -> bool:
    """Remove a folder that no process holds; return whether it is gone."""
    try:
        lock = _lock_folder(folder)
    except OSError:
        return False
    try:
        remove_tree(folder, root=root)
    except FileAccessError:
        return False
    finally:
        os.close(lock)
    return True


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _has_sealed(folder: Path, manifest: Manifest) -> bool:
    """Whether a file of an artifact is sealed; one that cannot be read is told of when it is copied."""
    for name in manifest.files:
        with suppress(OSError):
            if is_sealed(folder / name):
                return True
    return False


def _version_numbers(names: Iterable[str]) -> list[SemanticVersion]:
    """Return the names that are version numbers, ascending."""
    numbers = []
    for name in names:
        with suppress(InvalidNameError):
            numbers.append(SemanticVersion.parse(name))
    return sorted(numbers)


def _contents(source: Path) -> tuple[Path, list[str]]:
    """Return a folder and the files in it that become an artifact, each checked."""
    if source.is_file() and not source.is_symlink():
        return source.parent, [_checked(source.name, source.parent)]
    if not source.is_dir():
        wrong = "is neither a folder nor a plain file" if os.path.lexists(source) else "does not exist"
        raise ArtifactRefusedError(f"{source} {wrong}.")
    names = []
    for name, entry in walk(source):
        if entry.is_symlink():
            raise ArtifactRefusedError(f"{name} is a symbolic link; an artifact holds plain files only.")
        if not entry.is_file(follow_symlinks=False):
            raise ArtifactRefusedError(f"{name} is neither a file nor a folder; an artifact holds plain files only.")
        names.append(_checked(name, source))
    if not names:
        raise ArtifactRefusedError(f"{source} holds no files.")
    return source, names


def _checked(name: str, place: Path) -> str:
    if not is_shown_as_is(name):  # control characters, and bytes that are not UTF-8
        raise ArtifactRefusedError(f"{shown(name)} cannot be written in a manifest; rename the file.")
    if PurePosixPath(name).suffix.lower() in PICKLED:
        raise ArtifactRefusedError(f"{name} is a pickle, which is code; save LightGBM text, skops, npz or JSON.")
    if name in RESERVED:
        raise ArtifactRefusedError(f"{name} is written by the registry itself; register a copy of {place} without it.")
    return name


def _read_manifest(folder: Path, manifest_sha256: str) -> bytes:
    try:
        with open_regular(folder / MANIFEST_NAME) as file:
            content = file.read()
    except OSError as error:
        raise ChangedFileError(f"{MANIFEST_NAME} is missing or cannot be read") from error
    if digest(content) != manifest_sha256:
        raise ChangedFileError(f"{MANIFEST_NAME} was changed")
    return content


def _copy(content: BinaryIO, target: Path, *, durable: bool = True, part: str = "") -> ManifestFile:
    if part:
        begins(f"{part} {target.name}")
    make_folder(target.parent)
    with content:
        sha256, size = write_new(target, content, mode=_READ_ONLY, durable=durable)
    return ManifestFile(sha256=sha256, size=size)


def _write(content: bytes, target: Path) -> ManifestFile:
    return _copy(io.BytesIO(content), target)


def _lock_folder(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
