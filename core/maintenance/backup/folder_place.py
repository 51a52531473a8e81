"""Backups in a folder of this machine: files get their names by `rename`, after an fsync, under an flock."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from core.confinement import confine
from core.files import (
    UNFINISHED,
    access_error,
    create_once,
    is_occupied,
    make_folder,
    make_root,
    remove_file,
    rename,
    sync,
    write_file,
    write_new,
)
from core.lock_files import locked_within, open_lock, unlock
from core.maintenance.backup.errors import BackupBusyError
from core.maintenance.backup.place import ASIDE
from core.plain_files import open_regular
from core.state.file_lock import holder_of

_LOCK = ".lock"
_N_SYNCS = 8


class FolderPlace:
    """A folder that holds backups."""

    n_readers = 1

    def __init__(self, folder: Path) -> None:
        """Name the folder, which need not exist; no link in it leads a write elsewhere."""
        self.folder = folder
        self._staged: set[str] = set()
        if folder.is_dir():
            confine(folder)

    def __str__(self) -> str:
        return str(self.folder)

    def where(self, name: str) -> Path:
        """Return the path of a file."""
        return self.folder / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one writer; raises as `only_one` does."""
        with only_one(self.folder / _LOCK):
            yield

    def begin(self) -> bool:
        """Remove what a killed backup left; whatever has its name is whole."""
        self._staged = set()
        for left in (*self.folder.glob(f"objects/*/*{UNFINISHED}"), *self.folder.glob(f"backups/*{UNFINISHED}")):
            remove_file(left)
        return False

    def swept(self) -> None:
        """Do nothing: whatever has its name is whole."""

    def size_of(self, name: str) -> int | None:
        """Return the size of some content; None if it is not here."""
        try:
            return (self.folder / name).lstat().st_size
        except OSError:
            return None

    def set_aside(self, name: str) -> None:
        """Give damaged content another name.

        Raises:
            FileAccessError: It cannot be renamed.
        """
        try:
            rename(self.folder / name, self.folder / (name + ASIDE))
        except OSError as error:
            raise access_error(self.folder / name, "rename", error) from error

    def stage(self, name: str, content: bytes) -> None:
        """Write new content under a name of its own.

        Raises:
            FileAccessError: It cannot be written.
        """
        place = _unfinished(self.folder / name)
        try:
            make_folder(place.parent)
            write_new(place, io.BytesIO(content), durable=False)
        except OSError as error:
            raise access_error(place, "write", error) from error
        self._staged.add(name)

    def settle(self, names: Iterable[str]) -> int:
        """Make staged content durable, and give it its name.

        Raises:
            FileAccessError: It cannot be written.
        """
        places = [self.folder / name for name in names]
        try:
            with ThreadPoolExecutor(_N_SYNCS, thread_name_prefix="sync") as pool:
                list(pool.map(sync, map(_unfinished, places)))
                for place in places:
                    rename(_unfinished(place), place)
                folders = {place.parent for place in places}
                list(pool.map(sync, (*folders, *({self.folder / "objects", self.folder} if folders else ()))))
        except OSError as error:
            raise access_error(Path(error.filename or self.folder), "write", error) from error
        self._staged.clear()
        return sum(place.stat().st_size for place in places)

    def discard(self, names: Iterable[str]) -> None:
        """Remove new content, whatever its name is by now."""
        for name in names:
            with suppress(Exception):
                remove_file(_unfinished(self.folder / name))
                remove_file(self.folder / name)

    def read(self, name: str, *, most: int) -> bytes:
        """Return the first bytes of a file.

        Raises:
            OSError: It cannot be read.
        """
        place = self.folder / name
        with open_regular(_unfinished(place) if name in self._staged else place) as file:
            return file.read(most)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole and durably; raises as `write_file` does."""
        write_file(self.folder / name, content)

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder.

        Raises:
            FileAccessError: It cannot be listed.
        """
        place = self.folder / folder
        try:
            return [path.name for path in place.iterdir()] if place.is_dir() else []
        except OSError as error:
            raise access_error(place, "list", error) from error

    def objects(self) -> Mapping[str, int]:
        """Return the size of all content."""
        found = self.folder.glob("objects/??/*")
        return {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in found}

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; raises as `remove_file` does."""
        for name in names:
            remove_file(self.folder / name)

    def is_new(self, first: str) -> bool:
        """Say whether the folder is missing or holds no more than its lock, and an unfinished first file."""
        if not is_occupied(self.folder):
            return True
        others = {name for name in self.names("") if not (first in name and name.endswith(UNFINISHED))}
        return self.folder.is_dir() and others <= {_LOCK}

    def make(self, name: str, content: bytes) -> None:
        """Make the folder and its first file; of two processes, the first makes it.

        Raises:
            FileAccessError: It cannot be written.
        """
        try:
            make_root(self.folder)
        except OSError as error:
            raise access_error(self.folder, "make", error) from error
        confine(self.folder)
        create_once(self.folder / name, content)


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


def _unfinished(place: Path) -> Path:
    return place.with_name(place.name + UNFINISHED)
