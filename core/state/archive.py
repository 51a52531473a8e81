"""Archive files: the older documents of a state file, written once, so that a change rewrites only the recent ones.

The state file stays the one place that a change replaces: it lists its archive files in the table `archive`, and a
document in it takes precedence over an archived document of the same number. An archive file is a plain TinyDB file
named after its SHA-256. It is complete and durable before a state file names it, and it never changes, so a crash at
any instant leaves either the old list with the old files, or the new list with the new files.

In memory, an archived document is its place in the file (`core.state.document_file`) until somebody reads it.
"""

import os
import re
import threading
import weakref
from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson

from core.files import FileAccessError, access_error, digest, make_folder, remove_file, write_file
from core.json_documents import converted
from core.plain_files import NotPlainError, open_plain, read_file
from core.state.document_file import DocumentFile
from core.state.encoding import DocumentInFile, StoredTable, Tables
from core.state.errors import DamagedFileError

TABLE = "archive"
FOLDER = "archive"
_DIGITS = 16
NEWEST_BYTES = 64 << 10
"""How much of each table stays in the state file: the newest documents, which change most."""
_WORTH_BYTES = 256 << 10
_OTHER_CONTENT = "its content is not that which was written: its SHA-256 differs"
_MERGED_BELOW_BYTES = 4 << 20  # a smaller archive file is merged into the next one, so that there are few files


class ArchiveEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a state file says about one of its archive files."""

    sha256: str
    n_documents: int
    removed: dict[str, tuple[str, ...]] = {}
    """Numbers by table of the documents that are removed from this file and those before it in the list."""


class Archived(NamedTuple):
    """What moved into an archive file."""

    file: Path
    n_documents: int
    n_files: int  # archive files of the state file from now on
    content: dict[str, StoredTable]  # every document of the new file as it was before, moved or merged


class Archive:
    """The archive files of one generation of a state file, and their documents that are not removed."""

    __slots__ = ("entries", "files", "tables")

    def __init__(self, entries: dict[str, ArchiveEntry], files: dict[str, DocumentFile]) -> None:
        """Merge archive files.

        Args:
            entries: What the state file says about each, by name, the oldest first.
            files: The same files, read.
        """
        self.entries = entries
        self.files = files
        self.tables: dict[str, dict[str, DocumentInFile]] = {}
        for name, entry in entries.items():
            for table, documents in files[name].tables.items():
                self.tables.setdefault(table, {}).update(documents)
            for table, numbers in entry.removed.items():
                for number in numbers:
                    self.tables.get(table, {}).pop(number, None)

    @property
    def is_spoilt(self) -> bool:
        """Whether somebody has written into a file of it."""
        return any(file.is_spoilt for file in self.files.values())

    def without_removed(self, tables: Tables) -> "Archive":
        """Return the archive without the documents that tables lack: the very same, if there are none."""
        removed = {
            name: gone
            for name, documents in self.tables.items()
            if (gone := documents.keys() - tables.get(name, {}).keys())
        }
        if not removed:
            return self
        newest = next(reversed(self.entries))
        entry = self.entries[newest]
        listed = {
            table: tuple(sorted({*entry.removed.get(table, ()), *removed.get(table, ())}, key=int))
            for table in {**entry.removed, **removed}
        }
        return Archive({**self.entries, newest: msgspec.structs.replace(entry, removed=listed)}, self.files)

    def merged_with(self, recent: Tables) -> Tables:
        """Return all documents of a state file, archived or not, in the order of their numbers."""
        merged: Tables = {name: {} for name in recent}
        for name, documents in self.tables.items():
            if documents or name in recent:
                merged[name] = dict(documents)
        for name, table in recent.items():
            if name not in self.tables:
                merged[name] = table
                continue
            both = merged[name]
            both.update(table)
            merged[name] = {number: both[number] for number in sorted(both, key=int)}
        return merged

    def recent_of(self, tables: Tables) -> Tables:
        """Return the documents that are not in the archive as they are."""
        return {name: self._recent(table, self.tables.get(name)) for name, table in tables.items()}

    @staticmethod
    def _recent(table: StoredTable, archived: Mapping[str, DocumentInFile] | None) -> StoredTable:
        if not archived:
            return table
        return {number: document for number, document in table.items() if archived.get(number) is not document}

    def listed(self) -> dict[str, dict[str, Any]]:
        """Return the table of archive files, as the state file holds it."""
        listed: dict[str, dict[str, Any]] = msgspec.to_builtins(self.entries)
        return listed


def folder_of(state_file: Path) -> Path:
    """Return the folder of archive files beside a state file."""
    return state_file.parent / FOLDER


def read_archive(state_file: Path, listed: Mapping[str, Any]) -> Archive:
    """Read the archive files that a state file lists; a file in use already is not read again.

    Raises:
        ValueError: The list is not sound; the message describes the damage.
        DamagedFileError: An archive file is damaged or missing.
        FileAccessError: The operating system refuses to read one.
    """
    try:
        entries = converted(dict(listed), dict[str, ArchiveEntry])
    except msgspec.ValidationError as error:
        raise ValueError(f"its table {TABLE!r} does not list archive files: {error}") from error
    files = {}
    for name, entry in entries.items():
        if name != _name_of(state_file, entry.sha256):
            raise ValueError(f"its table {TABLE!r} lists {name!r}, which is not the name of its archive file")
        files[name] = _read_once(folder_of(state_file) / name, entry.sha256)
    return Archive(entries, files)


def older_documents(
    recent: Tables, *, keep: Container[str] = (), newest_bytes: int = NEWEST_BYTES, however_few: bool = False
) -> dict[str, StoredTable]:
    """Choose the documents to archive: of each table all but the newest, if that is worth a file.

    Args:
        recent: The documents in the state file itself.
        keep: Tables of which all documents stay.
        newest_bytes: How much of every other table stays.
        however_few: Choose even if they would make a small file.
    """
    older: dict[str, StoredTable] = {}
    n_bytes = 0
    for name, table in recent.items():
        n_kept = 0
        for number in () if name in keep else reversed(table):
            size = _size_of(table[number])
            if n_kept < newest_bytes:
                n_kept += size
            else:
                older.setdefault(name, {})[number] = table[number]
                n_bytes += size
    return older if however_few or n_bytes >= _WORTH_BYTES else {}


def write_archive(
    state_file: Path, before: Archive | None, moved: Mapping[str, Mapping[str, Any]], tables: Tables
) -> tuple[Archive, Archived]:
    """Write documents into a new archive file, durably, together with those of small and largely outdated files.

    Must be called with the state file's lock held. Nothing refers to the new file before the state file lists it.

    Args:
        state_file: The state file.
        before: Its present archive.
        moved: The documents by table and number.
        tables: All documents of the state file.

    Returns:
        The archive with the new file, and what was done.

    Raises:
        DiskFullError: There was no room.
        FileAccessError: The operating system refused.
    """
    kept = {} if before is None else {n: f for n, f in before.files.items() if not _is_to_merge(n, f, before, tables)}
    content: dict[str, dict[str, Any]] = {}
    for name, archived in (before.tables if before else {}).items():
        staying = [file.tables.get(name, {}) for file in kept.values()]
        table = tables.get(name, {})
        content[name] = {
            number: document
            for number, document in archived.items()
            if table.get(number) is document and not any(file.get(number) is document for file in staying)
        }
    for name, documents in moved.items():
        content[name] = {**content.get(name, {}), **documents}
    encoded = _spelled(content)
    sha256 = digest(encoded)
    name = _name_of(state_file, sha256)
    path = folder_of(state_file) / name
    make_folder(path.parent)
    for copy in (copy_of(path), path):
        write_file(copy, encoded)
    removed = {
        table: tuple(sorted(gone, key=int))
        for table in {table for file in kept.values() for table in file.tables}
        if (gone := {n for f in kept.values() for n in f.tables.get(table, ())} - tables.get(table, {}).keys())
    }
    n_documents = sum(map(len, content.values()))
    entries = {} if before is None else {n: msgspec.structs.replace(before.entries[n], removed={}) for n in kept}
    entries[name] = ArchiveEntry(sha256=sha256, n_documents=n_documents, removed=removed)
    archive = Archive(entries, {**kept, name: _read_once(path, sha256)})
    return archive, Archived(path, sum(map(len, moved.values())), len(entries), content)


def sweep(state_file: Path, *lists: Mapping[str, Any]) -> None:
    """Remove the archive files of a state file that none of its generations lists; with its lock held.

    Args:
        state_file: The state file.
        lists: The table of archive files of each generation.
    """
    listed = {name for each in lists for name in each}
    for path in folder_of(state_file).glob(f"{state_file.stem}-*.json"):
        if path.name not in listed and _is_name(state_file, path.name):
            _remove(path, copy_of(path))
    _remove(*folder_of(state_file).glob(f".{state_file.stem}-*"))  # what a killed process had not finished


def _remove(*paths: Path) -> None:
    for path in paths:
        with suppress(FileAccessError):
            remove_file(path)


def copy_of(path: Path) -> Path:
    """Return the path of the second copy of an archive file, from which a damaged one is restored."""
    return path.with_name(path.name + ".prev")


def database_of(path: Path) -> str:
    """Return the name of the database whose documents an archive file holds."""
    return path.name.rpartition("-")[0]


def archive_damage(path: Path) -> str | None:
    """Describe the damage of an archive file or of a copy of it; None if it is whole.

    Raises:
        FileAccessError: The operating system refuses to read it.
    """
    try:
        encoded = read_file(path)
    except (FileNotFoundError, NotADirectoryError):
        return "it is missing"
    except NotPlainError as error:
        return str(error.strerror)
    except OSError as error:
        raise access_error(path, "read", error) from error
    expected = path.name.removesuffix(".prev").rpartition("-")[2].removesuffix(".json")
    return None if digest(encoded)[:_DIGITS] == expected else _OTHER_CONTENT


def _is_to_merge(name: str, file: DocumentFile, archive: Archive, tables: Tables) -> bool:
    """Whether a file is small, or fewer than half of its documents are still the current ones."""
    n_live = n_bytes = 0
    for table, documents in file.tables.items():
        now = tables.get(table, {})
        n_live += sum(now.get(number) is document for number, document in documents.items())
        n_bytes += sum(document.end - document.start for document in documents.values())
    return n_bytes < _MERGED_BELOW_BYTES or 2 * n_live < archive.entries[name].n_documents


def _size_of(document: Any) -> int:
    return document.end - document.start if isinstance(document, DocumentInFile) else len(orjson.dumps(document))


def _spelled(content: Mapping[str, StoredTable]) -> bytes:
    """Spell the content of an archive file, one document at a time: together they may be large."""
    spelled = bytearray(b"{")
    for name, table in content.items():
        if table:
            spelled += (b"," if len(spelled) > 1 else b"") + orjson.dumps(name) + b":"
            opening = b"{"
            for number in sorted(table, key=int):
                document = table[number]
                spelled += opening + orjson.dumps(number) + b":"
                spelled += document.read() if isinstance(document, DocumentInFile) else orjson.dumps(document)
                opening = b","
            spelled += b"}"
    spelled += b"}\n"
    return bytes(spelled)


def _name_of(state_file: Path, sha256: str) -> str:
    return f"{state_file.stem}-{sha256[:_DIGITS]}.json"


def _is_name(state_file: Path, name: str) -> bool:
    return re.fullmatch(rf"{re.escape(state_file.stem)}-[0-9a-f]{{{_DIGITS}}}\.json", name) is not None


def _read_once(path: Path, sha256: str) -> DocumentFile:
    with _read_lock:
        file = _read_files.get((path, sha256))
        if file is None or file.is_spoilt:
            file = _read_files[path, sha256] = _read(path, sha256)
        return file


def _read(path: Path, sha256: str) -> DocumentFile:
    damage = "it is missing"
    try:
        with open_plain(path) as file:
            encoded = file.read()
            if digest(encoded) == sha256:
                descriptor = os.dup(file.fileno())
                return DocumentFile(
                    encoded,
                    descriptor,
                    lambda damage: _damaged(path, damage),
                    open_copy=lambda: _opened_if_whole(copy_of(path), sha256),
                )
        damage = _OTHER_CONTENT
    except (FileNotFoundError, NotADirectoryError):
        pass
    except NotPlainError as error:
        damage = str(error.strerror)
    except OSError as error:
        raise access_error(path, "read", error) from error
    raise _damaged(path, damage)


def _opened_if_whole(path: Path, sha256: str) -> int | None:
    try:
        with open_plain(path) as file:
            return os.dup(file.fileno()) if digest(file.read()) == sha256 else None
    except OSError:
        return None


def _damaged(path: Path, damage: str) -> DamagedFileError:
    copy = copy_of(path)
    try:
        is_good = archive_damage(copy) is None
    except FileAccessError:
        is_good = False
    return DamagedFileError(path, damage, copy if is_good else None, is_archive=True)


# Archive files never change, so one reading serves all generations that list the file.
_read_files: "weakref.WeakValueDictionary[tuple[Path, str], DocumentFile]" = weakref.WeakValueDictionary()
_read_lock = threading.Lock()
# A fork while another thread holds the lock would leave it locked in the child forever.
os.register_at_fork(before=_read_lock.acquire, after_in_parent=_read_lock.release, after_in_child=_read_lock.release)
