"""What the training child prints and logs: records of the trainer's process, which writes them to its logs.

A child logs as lines of JSON on stderr. Any other line is what a library or a model of one's own prints.
"""

import logging
import threading
from typing import IO

from core.log_level import VARIABLE, level_in_force, level_name
from core.log_lines import JsonLines, record_of

log = logging.getLogger("core.training.child")

MAX_LINE_BYTES = 1 << 16
END_SECONDS = 1.0  # a process that the child left behind may hold its output open for longer


class ChildOutput:
    """The two streams of one child, read in threads of their own until they end."""

    def __init__(self, stdout: IO[bytes], stderr: IO[bytes], pid: int) -> None:
        """Begin to read.

        Args:
            stdout: What it prints.
            stderr: What it logs, and what goes wrong.
            pid: Its process id, for the records.
        """
        self._pid = pid
        self._threads = [
            threading.Thread(target=self._read, args=(stream, level), name="trainer-child-output", daemon=True)
            for stream, level in ((stdout, logging.INFO), (stderr, logging.WARNING))
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Wait until everything that the dead child wrote has been logged."""
        for thread in self._threads:
            thread.join(END_SECONDS)

    def _read(self, stream: IO[bytes], level: int) -> None:
        with stream:
            while line := stream.readline(MAX_LINE_BYTES):
                self._log(line.rstrip(b"\r\n"), level)

    def _log(self, line: bytes, level: int) -> None:
        if (record := record_of(line)) is not None:
            source = logging.getLogger(record.name)
            if source.isEnabledFor(record.levelno):
                source.handle(record)
        elif line.strip() and log.isEnabledFor(level):
            record = log.makeRecord(log.name, level, "", 0, line.decode(errors="replace"), (), None)
            record.process = self._pid
            log.handle(record)


def child_level() -> dict[str, str]:
    """Return the environment in which a child logs as much as this process does."""
    return {VARIABLE: level_name(logging.getLevelName(logging.getLogger("core").getEffectiveLevel())) or "info"}


def log_to_parent() -> None:
    """Send what this process, a child, logs to its parent."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    source = logging.getLogger("core")
    source.addHandler(handler)
    source.propagate = False
    source.setLevel(level_in_force("info"))
