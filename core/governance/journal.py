"""The file `audit/audit.jsonl`: appended under a lock and fsynced, read from either end."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.confinement import LeadsOutError
from core.files import access_error, new_folder, open_to_write, sync, write_all, write_new
from core.lock_files import open_lock, unlock
from core.plain_files import open_plain
from core.state.file_lock import wait_for_lock

_BLOCK = 1 << 16
_LONGEST = 1 << 20  # bytes of a line that is read in blocks; what is longer comes in parts, none of which is a record


class Journal:
    """An append-only file of lines, safe for several processes and threads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._folder = file.parent
        self._lock_file = self._folder / ".audit.lock"

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Lock the log: exclusively to append, shared to read.

        Raises:
            LockHeldError: Others have not released it in time; the message names the holder.
            FileAccessError: The folder or the lock file is a link that leads out of the workspace.
            OSError: The lock file can be neither opened nor created.
        """
        if not self._folder.is_dir():
            with suppress(FileExistsError):
                new_folder(self._folder)  # without its parents: a lost workspace stays lost
        # A descriptor of its own per use, so that flock also keeps the threads of one process apart.
        try:
            descriptor = open_lock(self._lock_file)
        except LeadsOutError as error:
            raise access_error(self.file, "read" if shared else "write", error) from error
        try:
            wait_for_lock(descriptor, self._lock_file, shared=shared)
            yield
        finally:
            unlock(descriptor)

    @property
    def files(self) -> tuple[Path, Path]:
        """The files that an append writes: the log, and its lock."""
        return self.file, self._lock_file

    def make_folder(self) -> None:
        """Make the folder of the file, durably, if it does not exist yet."""
        if not self._folder.exists():
            with suppress(FileExistsError):
                new_folder(self._folder)
            sync(self._folder.parent)

    def size(self) -> int:
        """Return the size in bytes; 0 if there is no file yet."""
        try:
            return self.file.stat().st_size
        except FileNotFoundError:
            return 0

    def lines(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the lines between two offsets, newlines included; the last may lack its own."""
        if start >= end:
            return
        with open_plain(self.file) as file:
            file.seek(start)
            position = start
            for line in file:
                position += len(line)
                yield line if position <= end else line[: end - position]
                if position >= end:
                    return

    def lines_in_blocks(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the same as `lines`, but keep the file closed between blocks, and part a line that is too long."""
        while start < end:
            with open_plain(self.file) as file:
                file.seek(start)
                block, n_bytes = [], 0
                while n_bytes < _BLOCK and (line := file.readline(_LONGEST)):
                    block.append(line)
                    n_bytes += len(line)
            for line in block:
                yield line if start + len(line) <= end else line[: end - start]
                start += len(line)
                if start >= end:
                    return
            if not block:
                return

    def ends_with(self, hash_: str, start: int, size: int) -> bool:
        """Say whether a whole line that carries a hash lies exactly between two offsets."""
        if size == 0:
            return True
        if not 0 <= start < size <= self.size():
            return False
        with open_plain(self.file) as file:
            file.seek(start)
            line = file.read(size - start)
        return line.endswith(f'"hash":"{hash_}"}}\n'.encode()) and line.count(b"\n") == 1

    def append(self, lines: bytes) -> int:
        """Append complete lines and make them durable; a failed write leaves nothing behind.

        Returns:
            The offset at which they begin.
        """
        is_new = not self.file.exists()
        descriptor = open_to_write(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # evidence: leave it unchanged
                lines = b"\n" + lines
            try:
                write_all(descriptor, lines)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
            if is_new:
                sync(self._folder)
            return size + lines.startswith(b"\n")
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Make durable the lines of another process that may have died before syncing."""
        sync(self.file)

    def set_aside(self, offset: int) -> Path:
        """Move all bytes from an offset on into a separate file, and end the log there."""
        with open_plain(self.file) as file:
            file.seek(offset)
            torn = file.read()
        number = 1
        while (aside := self._folder / f"torn-{offset}-{number}.part").exists():
            number += 1
        write_new(aside, io.BytesIO(torn))
        sync(self._folder)
        descriptor = open_to_write(self.file, os.O_RDWR)
        try:
            os.ftruncate(descriptor, offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return aside

    def first_offset(self, is_beyond: Callable[[bytes], bool | None]) -> int:
        """Find by bisection the first line that is beyond a limit; all later lines must be beyond it, too.

        Args:
            is_beyond: Says whether a line is beyond the limit; None for an unreadable line, which is skipped.

        Returns:
            The offset of that line; the size of the file if there is none.
        """
        low, high = 0, self.size()  # every line that begins before `low` is not beyond, every one from `high` on is
        if high == 0:
            return 0
        with open_plain(self.file) as file:
            while low < high:
                middle = (low + high) // 2
                file.seek(max(middle - 1, low))
                if middle > low:
                    file.readline()  # the rest of a line that began before the middle
                begin = file.tell()
                answer = None
                while begin < high and (answer := is_beyond(line := file.readline())) is None and line:
                    begin = file.tell()
                if begin >= high or answer is None:
                    high = middle  # no readable line begins between the middle and the end
                elif answer:
                    high = begin
                else:
                    low = file.tell()
        return low

    def last_lines(self, n: int, *, end: int | None = None) -> list[bytes]:
        """Return the last lines, oldest first, reading no more of the file than they need.

        Args:
            n: The maximum number of lines.
            end: The start of a line: ignore it and all following lines.
        """
        size = self.size() if end is None else end
        if n <= 0 or size == 0:
            return []
        with open_plain(self.file) as file:
            tail, position = b"", size
            while position > 0 and tail.count(b"\n") <= n:
                step = min(_BLOCK, position)
                position -= step
                file.seek(position)
                tail = file.read(step) + tail
        return [line + b"\n" for line in tail.removesuffix(b"\n").split(b"\n")[-n:]]
