"""Reading plain files, and telling whether they changed: no pipe, device or broken link is opened and waited for."""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

Signatures: TypeAlias = tuple[tuple[str, tuple[int, ...] | None], ...]
"""What tells files from what they were, by name; None of a file that is missing."""
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotPlainError(OSError):
    """Something else has the name of a file: a folder, a pipe, a device, or a link that leads nowhere."""


def what_it_is(mode: int) -> str:
    """Name the kind of a file by its mode, as `os.stat` returns it: a file, a folder, a named pipe …"""
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "a file")


def open_plain(path: Path, *, follow_links: bool = True) -> BinaryIO:
    """Open a plain file for reading; every file that another program may have written is opened here.

    Opening a pipe would block without end, and reading a device would never end, so neither is read.

    Args:
        path: The file.
        follow_links: Whether it may be a symbolic link to a plain file.
    Raises:
        FileNotFoundError: There is nothing of this name.
        NotPlainError: It is something else, or a link that leads nowhere.
        OSError: It cannot be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags if follow_links else flags | os.O_NOFOLLOW)
    except FileNotFoundError:
        if follow_links and path.is_symlink():
            raise NotPlainError(errno.ENOLINK, f"it is a link to {os.readlink(path)}, which does not exist") from None
        raise
    except OSError as error:
        if error.errno == errno.ELOOP and (follow_links or path.is_symlink()):
            what = "a link that leads to itself" if follow_links else "a link, not a plain file"
            raise NotPlainError(errno.ELOOP, f"it is {what}") from None
        raise
    try:
        require_plain_descriptor(descriptor)
    except NotPlainError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def require_plain(path: Path) -> None:
    """Refuse everything but a plain file, without opening it; a missing file passes.

    Raises:
        NotPlainError: It is something else.
        OSError: It cannot be examined.
    """
    with suppress(FileNotFoundError):
        _require_plain_mode(os.stat(path).st_mode)


def require_plain_descriptor(descriptor: int) -> None:
    """Refuse everything but a plain file, as opened without blocking.

    Raises:
        NotPlainError: It is something else.
    """
    _require_plain_mode(os.fstat(descriptor).st_mode)


def open_regular(path: Path) -> BinaryIO:
    """Open a plain file that is not a link; raises as `open_plain` does."""
    return open_plain(path, follow_links=False)


def read_file(path: Path, *, most: int = -1) -> bytes:
    """Return the bytes of a plain file; raises as `open_plain` does.

    Args:
        path: The file.
        most: How many bytes it may have: of a larger file only one more is read, by which the caller sees it.
    """
    with open_plain(path) as file:
        return file.read(most + 1) if most >= 0 else file.read()


def signatures_of(files: Iterable[Path]) -> Signatures:
    """Return what differs once a file of these has another content, mode or owner, at the price of a `stat()` of each.

    Args:
        files: The files; one that is missing has no signature.
    """
    return tuple((str(file), _signature_of(file)) for file in files)


def _signature_of(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    # An editor, `rsync` or `chmod` may leave the size and the time of the content; the time of the status moves all the
    # same.
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _require_plain_mode(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise NotPlainError(errno.EINVAL, f"it is {what_it_is(mode)}, not a plain file")
