"""Durable files: complete or absent, synced before success is reported, and hashed in one way.

The functions that put a file or folder in its place (`write_file`, `write_folder`, `create_once`) raise
`FileAccessError` if the operating system refuses, `DiskFullError` for a full disk, and `InDoubtError` if the change is
in place and the disk did not confirm it. The single steps (`sync`, `write_all`, `write_new`) raise `OSError`, for
callers with their own sequence and errors.

Everything here keeps the rule of links of `core.confinement`, and nothing else in the tree writes or removes files by
itself (`tests/core/test_files.py`): below a workspace, no link is followed out of it.
"""

import errno
import fcntl
import os
import re
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from glob import escape
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from core.confinement import is_root, require_inside
from core.errors import CoreError, RefusedError
from core.plain_files import open_plain, require_plain, require_plain_descriptor

UNFINISHED = ".new"
"""The suffix of incomplete files and folders, which get their own name once they are complete."""
ABANDONED_SECONDS = 3_600.0
"""Nobody takes as long from one entry of a folder to the next: what is older was left by a killed process.

The writer of a folder holds a lock on it, so nobody waits for this where the file system has locks."""
_FOLDER_OF_WRITER = re.compile(r"\.(.+)\.[0-9]+-[0-9]+\.new", re.DOTALL)
_OLD = f".old{UNFINISHED}"

PRIVATE_FILE = 0o600
"""The mode of a file for its owner alone; the umask can only take bits away."""
PRIVATE_FOLDER = 0o700

_CHUNK_BYTES = 1 << 20
_N_SYNCS = 8


class FileAccessError(CoreError):
    """The operating system refused to read or write a file, which stays as it was."""

    def __init__(self, path: Path, action: str, reason: str) -> None:
        self.path = path
        # Other changes of the same command may have been made before: the sentence is about this one alone.
        kept = "" if action == "read" else " This change was not made."
        super().__init__(f"Cannot {action} {path}: {reason}.{kept}")


class DiskFullError(FileAccessError):
    """There was no space for the next content; the current content is kept."""

    def __init__(self, path: Path, action: str, reason: str) -> None:
        super().__init__(path, action, f"{reason.lower()}; free some space and try again")


class FolderInUseError(RefusedError):
    """The folder already contains files that would be lost."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is not empty. Choose another folder, or empty this one.")


class InDoubtError(CoreError):
    """The change is in place, but the disk did not confirm that it would survive a power cut."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(
            f"{path} was replaced, but its folder could not be made durable ({reason}). The change is in doubt: it is "
            "visible now and may be gone after a power cut. Check the disk, and check the file before you retry."
        )


def access_error(path: Path, action: str, error: OSError) -> FileAccessError:
    """Turn an error of the operating system into one of ours."""
    kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else FileAccessError
    return kind(path, action, error.strerror or str(error))


def sha256_of(file: Path | BinaryIO) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal, reading a piece at a time.

    Args:
        file: Its path, or the file itself, opened for reading; its remaining bytes are hashed.
    Raises:
        OSError: It cannot be read.
    """
    import hashlib  # not before the console's first frame, as below

    if isinstance(file, Path):
        with open_plain(file) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # any binary file will do


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    import hashlib

    return hashlib.sha256(content).hexdigest()


# Single steps


def sync(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, survive a power cut.

    Raises:
        OSError: The disk did not confirm.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes) -> None:
    """Write every byte, however many system calls that takes.

    Raises:
        OSError: Not all of it could be written.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_durably(descriptor: int, content: bytes) -> None:
    """Write every byte into an open file, and wait until it is on disk.

    Raises:
        OSError: Not all of it could be written, or the disk did not confirm.
    """
    write_all(descriptor, content)
    os.fsync(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder that no other account can enter, and its missing parents likewise; an existing one stays as it is.

    Raises:
        OSError: It could not be made, or it is or is below a workspace that is gone: a writer that outlives its
            workspace does not leave the start of another one in its place. `make_root` begins one.
    """
    if path.is_dir():
        return
    if is_root(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    make_folder(path.parent)
    require_inside(path)
    path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def make_root(path: Path) -> None:
    """Make the folder of a workspace or of backups itself, and its missing parents, all durably, unless it exists.

    Raises:
        OSError: It could not be made, or something else has its name.
    """
    if path.is_dir():
        return
    _make_durable_folder(path.parent)
    try:
        new_folder(path)
    except FileExistsError:
        if not path.is_dir():  # something else has the name; a folder is what another process made at the same time
            raise
    sync(path.parent)


def new_folder(path: Path) -> None:
    """Make a folder that no other account can enter, in an existing folder.

    Raises:
        OSError: It exists, or could not be made.
    """
    require_inside(path, follows=False)
    path.mkdir(mode=PRIVATE_FOLDER)


def is_occupied(folder: Path) -> bool:
    """Return whether something stands where an empty or a new folder is wanted."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def create_private(path: Path) -> None:
    """Create an empty file for its owner alone, unless one exists, for a library that opens it by its name.

    An existing file is not opened: closing it would give up the locks that this process holds on it.

    Raises:
        OSError: It could not be created, or something else than a plain file has the name.
    """
    require_inside(path)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE))
    except FileExistsError:
        require_plain(path)


def open_to_write(path: Path, flags: int) -> int:
    """Open a file for its owner alone, to write into it in place, and return its descriptor.

    A pipe that nobody reads does not block it; the caller looks at what was opened.

    Args:
        path: The file.
        flags: Of `os.open`; `O_CREAT` makes a missing file.
    Raises:
        OSError: It cannot be opened.
    """
    require_inside(path)
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE_FILE)


def rename(path: Path, name: Path) -> None:
    """Give a file or folder another name; a file of that name is replaced.

    Raises:
        OSError: It could not be renamed.
    """
    for place in (path, name):
        require_inside(place, follows=False)
    os.rename(path, name)


def give_second_name(path: Path, name: Path) -> None:
    """Give a file, or a link itself, a second name.

    Raises:
        OSError: The name is taken, or it could not be given.
    """
    for place in (path, name):
        require_inside(place, follows=False)
    os.link(path, name, follow_symlinks=False)


def write_new(path: Path, content: BinaryIO, *, mode: int = PRIVATE_FILE, durable: bool = True) -> tuple[str, int]:
    """Copy into a new file, and sync it if it is to be durable.

    The written bytes are hashed, so a source that changes meanwhile cannot differ from its hash. Only the descriptor
    used here can write: the mode may be read-only.

    Returns:
        SHA-256 and size of the written file.
    Raises:
        OSError: The file already exists, which then stays as it is, or could not be written, and is gone again.
    """
    import hashlib

    require_inside(path, follows=False)
    hashed, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        while chunk := content.read(_CHUNK_BYTES):
            write_all(descriptor, chunk)
            hashed.update(chunk)
            size += len(chunk)
        if durable:
            os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):  # and nobody else's file of this name
                path.unlink()
        raise
    finally:
        os.close(descriptor)
    return hashed.hexdigest(), size


def takes_another(file: Path) -> bool:
    """Try whether the folder of a file takes another file of its size, which is removed again.

    Args:
        file: The file whose next content could not be written.
    """
    trial = file.with_name(f"{file.name}.trial-{os.getpid()}")
    try:
        n_bytes = file.stat().st_size if file.exists() else 1
        write_new(trial, BytesIO(b"\0" * n_bytes), durable=False)
        trial.unlink(missing_ok=True)
    except (OSError, CoreError):
        return False
    return True


# Whole files and folders


def write_file(path: Path, content: bytes, *, mode: int = PRIVATE_FILE, durable: bool = True) -> str:
    """Replace a file atomically: readers see the old content or the new, also after a crash.

    Args:
        path: The file; its folder is created if missing.
        content: The whole content.
        mode: Its permissions.
        durable: Whether it must survive a power cut once this returns. False for files that can be regenerated, and
            inside `write_folder`, which syncs all files together.
    Returns:
        SHA-256 of the content.
    Raises:
        FileAccessError: It could not be written, for lack of space or another reason; nothing was changed.
        InDoubtError: It is in place, but the disk did not confirm that it stays.
    """
    unfinished = _beside(path)
    try:
        require_inside(path, follows=False)
        _make_durable_folder(path.parent) if durable else make_folder(path.parent)
        _write_unfinished(unfinished, content, mode=mode, durable=durable)
        os.replace(unfinished, path)
    except OSError as error:
        _remove(unfinished)
        raise access_error(path, "write", error) from error
    if durable:
        _confirm(path)
    return digest(content)


def append_line(path: Path, line: str) -> None:
    """Append one line to a file, and make it durable; the file is made if there is none.

    A line that a crash cut short stays a line of its own.

    Raises:
        OSError: It cannot be written, or is no plain file.
    """
    # A pipe that nobody reads would block an open for writing alone.
    descriptor = open_to_write(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        require_plain_descriptor(descriptor)
        size = os.fstat(descriptor).st_size
        is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        write_all(descriptor, b"\n" * is_torn + line.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_end(path: Path, offset: int, content: bytes) -> None:
    """Replace the end of a file from an offset on, and make it durable; the file is made if there is none.

    A crash leaves the bytes before the offset, and possibly a part of the content.

    Raises:
        FileAccessError: It could not be written, for lack of space or another reason.
        InDoubtError: It is in place, but the disk did not confirm that it stays.
    """
    is_new = not path.exists()
    try:
        _make_durable_folder(path.parent)
        descriptor = open_to_write(path, os.O_RDWR | os.O_CREAT)
        try:
            require_plain_descriptor(descriptor)
            if os.fstat(descriptor).st_size > offset:
                os.ftruncate(descriptor, offset)
            os.lseek(descriptor, offset, os.SEEK_SET)
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise access_error(path, "write", error) from error
    if is_new:
        _confirm(path)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there; of a link, the link itself.

    Raises:
        FileAccessError: It could not be removed.
    """
    try:
        require_inside(path, follows=False)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise access_error(path, "remove", error) from error


def remove_tree(path: Path, *, root: Path) -> None:
    """Remove a folder below a root with all it holds; no link is followed, neither on the way to it nor inside.

    Each folder on the way is opened from the one above it, so that none can be swapped for a link meanwhile.

    Raises:
        FileAccessError: It could not be removed whole, or a component of its path below the root is a link.
    """
    import shutil

    *parents, name = path.relative_to(root).parts
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        descriptor = os.open(root, flags)
        try:
            for parent in parents:
                inner = os.open(parent, flags | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            shutil.rmtree(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise access_error(path, "remove", error) from error


def create_once(path: Path, content: bytes, *, mode: int = PRIVATE_FILE) -> bool:
    """Create a complete file, or none, unless it exists: of two processes, the first creates it.

    Returns:
        Whether this call created the file.
    Raises:
        FileAccessError: It could not be written; nothing was changed.
        InDoubtError: It is in place, but the disk did not confirm that it stays.
    """
    unfinished = _beside(path)
    try:
        require_inside(path, follows=False)
        _make_durable_folder(path.parent)
        _write_unfinished(unfinished, content, mode=mode)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return False
    except OSError as error:
        raise access_error(path, "write", error) from error
    finally:
        _remove(unfinished)
    _confirm(path)
    return True


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Replace a folder atomically; the old folder is removed only afterwards.

    Args:
        path: The folder.
        fill: Writes the files into the folder that it receives.
    Raises:
        FileAccessError: It could not be written; the old folder is kept.
        InDoubtError: It is in place, but the disk did not confirm that it stays.
    """
    unfinished = _beside(path)
    lock = None
    try:
        require_inside(path, follows=False)
        _make_durable_folder(path.parent)
        _remove(unfinished)
        _sweep_beside(path)
        lock = _made_and_locked(unfinished)
        fill(unfinished)
        _make_private(unfinished)
        _sync_tree(unfinished)
        _exchange(unfinished, path)
    except BaseException as error:
        _remove(unfinished)
        if isinstance(error, OSError):
            raise access_error(path, "write", error) from error
        raise
    finally:
        if lock is not None:
            os.close(lock)
    _confirm(path)


def abandoned_folders(parent: Path, mark: str) -> list[Path]:
    """Return what killed writers of whole folders left in a folder, of those that hold a file of a name.

    Raises:
        OSError: The folder cannot be listed.
    """
    return [
        place
        for place in sorted(parent.iterdir())
        if _FOLDER_OF_WRITER.fullmatch(place.name)
        and place.is_dir()
        and not place.is_symlink()
        and os.path.lexists(place / mark)
        and _is_known_abandoned(place)
    ]


def remove_abandoned(folder: Path) -> bool:
    """Remove a folder that `abandoned_folders` found; return whether nobody writes it, and it is gone."""
    if not _is_known_abandoned(folder):
        return False
    _remove(folder)
    return not os.path.lexists(folder)


def _make_durable_folder(path: Path) -> None:
    """Make a folder and its missing parents, of which each has a name that survives a power cut."""
    missing = list(takewhile(lambda folder: not folder.is_dir(), (path, *path.parents)))
    make_folder(path)
    for folder in missing:
        sync(folder.parent)


def _write_unfinished(path: Path, content: bytes, *, mode: int = PRIVATE_FILE, durable: bool = True) -> None:
    path.unlink(missing_ok=True)  # left by a killed process whose number is ours now
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, content)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(unfinished: Path, path: Path) -> None:
    """Give a folder its name, replacing any current holder."""
    if not os.path.lexists(path):
        unfinished.rename(path)
        return
    old = unfinished.with_name(unfinished.name.removesuffix(UNFINISHED) + _OLD)
    path.rename(old)
    try:
        unfinished.rename(path)
    except OSError:
        old.rename(path)
        raise
    _remove(old)


def _sweep_beside(path: Path) -> None:
    """Remove what killed writers of a folder left beside it; a former one that was just moved aside is put back."""
    left_there = path.parent.glob(f".{escape(path.name)}.*-*{UNFINISHED}")
    for left in sorted(left_there, key=lambda place: not place.name.endswith(_OLD)):  # before what tells its writer
        with suppress(FileNotFoundError):  # another writer of the folder sweeps, too
            if not _is_abandoned(left):
                continue
            if left.name.endswith(_OLD) and not os.path.lexists(path):
                left.rename(path)
            else:
                _remove(left)


def _made_and_locked(folder: Path) -> int | None:
    """Make a folder that this process alone writes, and lock it; return the descriptor, whose end is that of the lock.

    A file system without locks gives none: there, age alone tells what was left.
    """
    while True:
        folder.mkdir(mode=PRIVATE_FOLDER)
        lock = None
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), os.lstat(folder)):
                return lock
        except (BlockingIOError, FileNotFoundError):  # somebody sweeps, who took it for an abandoned one
            time.sleep(0.01)
        except OSError:
            if lock is not None:
                os.close(lock)
            return None
        if lock is not None:
            os.close(lock)
        _remove(folder)


def _is_abandoned(left: Path) -> bool:
    """Say whether nobody writes an unfinished folder or file any more; raises FileNotFoundError once it is gone."""
    status = left.lstat()
    locked = left
    if left.name.endswith(_OLD):  # its writer holds the lock of what takes its place
        locked = left.with_name(left.name.removesuffix(_OLD) + UNFINISHED)
    if stat.S_ISDIR(status.st_mode) and locked.is_dir():
        lock = os.open(locked, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
        else:
            return True
        finally:
            os.close(lock)
    return time.time() - status.st_ctime >= ABANDONED_SECONDS


def _is_known_abandoned(left: Path) -> bool:
    with suppress(OSError):  # gone meanwhile, or not ours to open
        return _is_abandoned(left)
    return False


def _make_private(folder: Path) -> None:
    """Take every right from other accounts, whatever the umask of the program that filled the folder."""
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)


def _sync_tree(folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor  # an import of 5 ms, kept out of the console's start

    with ThreadPoolExecutor(_N_SYNCS, thread_name_prefix="sync") as pool:  # the disk syncs several files together
        list(pool.map(sync, (folder, *folder.rglob("*"))))  # raises what any of them raised


def _confirm(path: Path) -> None:
    try:
        sync(path.parent)
    except OSError as error:
        raise InDoubtError(path, error.strerror or str(error)) from error


def _beside(path: Path) -> Path:
    """Return a hidden temporary name, different for every writer in every process."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{UNFINISHED}")


def _remove(path: Path) -> None:
    with suppress(OSError):
        require_inside(path, follows=False)
        if path.is_dir() and not path.is_symlink():
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
