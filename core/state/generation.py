"""A state file as a chain of complete generations: reading it, and replacing it with the next generation."""

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from core.confinement import require_inside
from core.files import PRIVATE_FILE, FileAccessError, InDoubtError, access_error, sync, write_all
from core.json_documents import decode_json
from core.plain_files import NotPlainError, open_plain, read_file
from core.state.archive import TABLE as ARCHIVE
from core.state.archive import Archive, read_archive
from core.state.document_file import DocumentFile, require_documents
from core.state.encoding import Tables, decode, fields_of, spelled_documents
from core.state.errors import DamagedFileError, NewerLayoutError, StateError, WorkspaceGoneError

LAYOUT_TABLE = "layout"
LAYOUT = 1
_IN_MEMORY_BELOW_BYTES = 1 << 20
"""The documents of a larger file stay there until somebody reads them."""


class FileSignature(NamedTuple):
    """The identity of one generation of a file, found without opening it."""

    device: int
    inode: int
    mtime_ns: int
    size: int


ABSENT = FileSignature(0, 0, 0, 0)
"""The signature of a file that does not exist yet."""


class Generation:
    """The parsed content of a file at one instant; readers share it and never change it.

    It keeps the file open, so that the inode is not reused while its signature may still be compared.
    """

    __slots__ = ("_descriptor", "_file", "archive", "recent", "signature", "tables")

    def __init__(
        self,
        signature: FileSignature,
        tables: Tables,
        descriptor: int | None,
        *,
        recent: Tables | None = None,
        archive: Archive | None = None,
        file: DocumentFile | None = None,
    ) -> None:
        """Describe a generation.

        Args:
            signature: Its identity.
            tables: All of its documents, archived or not.
            descriptor: The open file.
            recent: The documents in the file itself; by default all.
            archive: Its archive files, if there are any.
            file: The file itself, if its documents stay there until somebody reads them.
        """
        self.signature = signature
        self.tables = tables
        self.recent = tables if recent is None else recent
        self.archive = archive
        self._file = file
        self._descriptor = descriptor

    @property
    def is_spoilt(self) -> bool:
        """Whether somebody has written into a file whose documents stay there."""
        return (self._file is not None and self._file.is_spoilt) or (
            self.archive is not None and self.archive.is_spoilt
        )

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # Bound early: when the interpreter shuts down, the module's `os` may be gone before its last generation.
        if self._descriptor is not None:
            close(self._descriptor)


def previous_of(path: Path) -> Path:
    """Return the path of the previous generation."""
    return path.with_name(path.name + ".prev")


def signature_of(path: Path) -> FileSignature:
    """Look at a file with one stat call.

    Raises:
        FileAccessError: The file exists, but access is denied.
    """
    try:
        return _signature(os.stat(path))
    except FileNotFoundError:
        return ABSENT
    except OSError as error:
        raise access_error(path, "read", error) from error


def load(path: Path, *, previous: bool = False, known: Generation | None = None) -> Generation:
    """Read and parse the current generation, without any lock.

    Args:
        path: The state file.
        previous: Read its previous generation instead.
        known: A generation read earlier, whose documents are used again where they are unchanged.

    Raises:
        DamagedFileError: The file is not a complete TinyDB file, or is missing while an earlier generation exists; or
            one of its archive files is damaged or missing.
        WorkspaceGoneError: Its folder does not exist.
        FileAccessError: The operating system refuses to read it.
    """
    while True:
        before = signature_of(path)
        try:
            return _loaded(path, previous_of(path) if previous else path, known)
        except DamagedFileError:
            if signature_of(path) == before:  # else a later generation has other archive files
                raise


def _loaded(path: Path, generation_of_it: Path, known: Generation | None) -> Generation:
    try:
        generation = _read(generation_of_it, path, known)
    except ValueError as error:
        raise DamagedFileError(path, str(error), good_generation(path)) from error
    except NotPlainError as error:
        raise DamagedFileError(path, str(error.strerror), good_generation(path)) from error
    except OSError as error:
        raise access_error(path, "read", error) from error
    if generation.signature is ABSENT:
        if previous_of(path).exists():
            raise DamagedFileError(path, "it is missing", good_generation(path))
        if not path.parent.is_dir():
            raise WorkspaceGoneError(path.parent)
    return generation


def good_generation(path: Path) -> Path | None:
    """Return the file of the previous generation if it is readable and complete."""
    previous = previous_of(path)
    try:
        return previous if _read(previous, path).signature is not ABSENT else None
    except (ValueError, OSError, StateError, FileAccessError):
        return None


def replace(
    path: Path,
    encoded: bytes,
    tables: Tables,
    *,
    recent: Tables | None = None,
    archive: Archive | None = None,
    keep_previous: bool = True,
) -> Generation:
    """Replace the current generation with the next one, durably and atomically.

    Must be called with the file's lock held. After a crash at any instant, the file is one complete generation, the
    old or the new; once this returns, it is the new one even after a power cut.

    Args:
        path: The state file.
        encoded: Its next content.
        tables: The same content, parsed, with the archived documents.
        recent: The same without the archived documents; by default, there are none.
        archive: The archive files that the content lists.
        keep_previous: Keep the current generation as `.prev`; False when the current one is damaged.

    Returns:
        The new generation.

    Raises:
        DiskFullError: There was no room, and nothing was changed.
        FileAccessError: The operating system refused, and nothing was changed.
        InDoubtError: The new generation is in place, but the disk did not confirm that it stays.
    """
    new = path.with_name(path.name + ".new")
    descriptor: int | None = None
    try:
        require_inside(path)
        new.unlink(missing_ok=True)  # left by a killed process, or put there to be written into
        current = os.stat(path) if path.exists() else None
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE_FILE)
        if current is not None and stat.S_ISREG(current.st_mode):
            os.fchmod(descriptor, stat.S_IMODE(current.st_mode))
        write_all(descriptor, encoded)
        # Strictly later than the previous generation, even if the clock goes back or its ticks are coarse: with a
        # reused inode and an equal size, an equal time would hide a change from readers.
        mtime_ns = max(time.time_ns(), current.st_mtime_ns + 1 if current else 0)
        os.utime(descriptor, ns=(mtime_ns, mtime_ns))
        os.fsync(descriptor)
        signature = _signature(os.fstat(descriptor))
        if current is not None and keep_previous:
            _link_over(path, previous_of(path))
        os.rename(new, path)
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise access_error(path, "write", error) from error
    generation = Generation(signature, tables, descriptor, recent=recent, archive=archive)
    try:
        sync(path.parent)
    except OSError as error:
        raise InDoubtError(path, error.strerror or str(error)) from error
    return generation


def listed_archive(path: Path) -> dict[str, Any]:
    """Return the table of archive files of a state file, or of its previous generation; empty without one.

    Raises:
        ValueError: The file is not a complete TinyDB file.
        OSError: It cannot be read.
    """
    try:
        return decode_json(read_file(path), _ArchiveOnly).archive
    except FileNotFoundError:
        return {}
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


class _ArchiveOnly(msgspec.Struct):
    """The only table read from a file to find its archive files."""

    archive: dict[str, Any] = {}


def _read(path: Path, state_file: Path | None = None, known: Generation | None = None) -> Generation:
    try:
        file = open_plain(path)
    except FileNotFoundError:
        return Generation(ABSENT, {}, None)
    with file:
        encoded = file.read()
        descriptor = os.dup(file.fileno())
    try:
        signature = _signature(os.fstat(descriptor))
        places = (
            None if len(encoded) < _IN_MEMORY_BELOW_BYTES else _places_in(path, state_file or path, encoded, descriptor)
        )
        seen = {} if known is None else known.recent
        recent = dict(spelled_documents(encoded, seen) if places is None else places.tables)
        _require_known_layout(state_file or path, recent)
        listed = {number: fields_of(entry) for number, entry in recent.pop(ARCHIVE, {}).items()}
        if not listed:
            return Generation(signature, recent, descriptor, file=places)
        archive = read_archive(state_file or path, listed)
        return Generation(
            signature, archive.merged_with(recent), descriptor, recent=recent, archive=archive, file=places
        )
    except BaseException:
        os.close(descriptor)
        raise


def _require_known_layout(path: Path, tables: Tables) -> None:
    """Refuse a file of a later release that lays documents out in another way.

    A file without the table has layout 1, which includes archive files. A release that changes the layout so that this
    one would read too little, or lose something, writes the table.

    Raises:
        NewerLayoutError: It is such a file.
    """
    for document in tables.get(LAYOUT_TABLE, {}).values():
        found = fields_of(document).get("layout")
        if not isinstance(found, int) or found > LAYOUT:
            raise NewerLayoutError(path, found, LAYOUT)


def _places_in(path: Path, state_file: Path, encoded: bytes, descriptor: int) -> DocumentFile:
    """Find the documents of a large file: as objects, they would take ten times its size."""
    try:
        require_documents(encoded)
    except (ValueError, msgspec.MsgspecError) as error:
        decode(encoded)  # says what the damage is, in the words of every file
        raise ValueError(str(error)) from error
    return DocumentFile(
        encoded,
        os.dup(descriptor),
        lambda damage: DamagedFileError(path, damage, good_generation(state_file)),
    )


def _link_over(path: Path, name: Path) -> None:
    """Give a file a second name, replacing its earlier holder; that name always has a file."""
    link = name.with_name(name.name + ".link")
    link.unlink(missing_ok=True)  # left by a crash between the next two lines
    os.link(path, link)
    os.rename(link, name)
    link.unlink(missing_ok=True)  # a rename onto another name of the same file, as after such a crash, does nothing


def _signature(status: os.stat_result) -> FileSignature:
    return FileSignature(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
