"""Log files that only their owner reads, rotated by any of the processes that write to them."""

import errno
import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from typing_extensions import override

from core.confinement import require_inside
from core.files import open_to_write
from core.lock_files import locked_within, unlock
from core.log_lines import FORMAT, LogLines


class LogFile(RotatingFileHandler):
    """A rotated log file with the mode 0600, to which several processes may write.

    A write error is ignored, as a full disk would print one for each line.
    """

    def __init__(self, file: os.PathLike[str], *, max_bytes: int, n_kept: int, form: str = FORMAT) -> None:
        super().__init__(file, maxBytes=max_bytes, backupCount=n_kept, encoding="utf-8", delay=True)
        self.setFormatter(LogLines(form))

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._was_rotated():
            self._close_stream()
        super().emit(record)

    @override
    def doRollover(self) -> None:
        """Rotate, unless another process does so now or has just done it."""
        with suppress(OSError), _only_one_rotates(os.path.dirname(self.baseFilename)):
            if self._was_rotated():
                self._close_stream()
            else:
                require_inside(Path(self.baseFilename), follows=False)
                super().doRollover()
        if self.stream is None:
            self.stream = self._open()

    def _was_rotated(self) -> bool:
        """Whether another process has given the open file its rotated name."""
        if self.stream is None:
            return False
        try:
            here, named = os.fstat(self.stream.fileno()), os.stat(self.baseFilename)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return (here.st_dev, here.st_ino) != (named.st_dev, named.st_ino)

    def _close_stream(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()

    @override
    def _open(self) -> io.TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return open_to_write(Path(path), flags)

        stream = open(self.baseFilename, self.mode, encoding=self.encoding, opener=private)  # noqa: SIM115 - closed by the handler
        assert isinstance(stream, io.TextIOWrapper)
        return stream

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        pass


@contextmanager
def _only_one_rotates(folder: str) -> Iterator[None]:
    """Lock the folder of a log, without waiting.

    Raises:
        OSError: Another process rotates a log of this folder now.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not locked_within(descriptor, 0, pause_seconds=0):
            raise BlockingIOError(errno.EWOULDBLOCK, "another process rotates", folder)
        yield
    finally:
        unlock(descriptor)
