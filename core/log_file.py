"""Log files that only their owner reads, and log lines that no logged text can break or colour."""

import io
import logging
import os
from logging.handlers import RotatingFileHandler

from typing_extensions import override

from core.escape import escaped
from core.files import PRIVATE_FILE

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class LogLines(logging.Formatter):
    """One line for each message, whatever text is in it; a traceback follows on lines of its own."""

    def __init__(self, form: str = FORMAT) -> None:
        super().__init__(form)

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = escaped(record.message)
        return super().formatMessage(record)

    @override
    def formatException(self, ei: object) -> str:
        return escaped(super().formatException(ei), keep="\n")  # type: ignore[arg-type]  # as the base class has it


class LogFile(RotatingFileHandler):
    """A rotated log file with the mode 0600; a write error is ignored, as a full disk would print one for each line."""

    def __init__(self, file: os.PathLike[str], *, max_bytes: int, n_kept: int) -> None:
        super().__init__(file, maxBytes=max_bytes, backupCount=n_kept, encoding="utf-8", delay=True)
        self.setFormatter(LogLines())

    @override
    def _open(self) -> io.TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE_FILE)

        stream = open(self.baseFilename, self.mode, encoding=self.encoding, opener=private)  # noqa: SIM115 - closed by the handler
        assert isinstance(stream, io.TextIOWrapper)
        return stream

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        pass
