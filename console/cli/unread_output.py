"""The output of an engine and of a server, which never depend on anybody reading it.

A thread of its own writes the lines of a stream, and drops the lines that nobody takes: after `| head`, on a full
disk, on a terminal that is gone. (A command whose output cannot be written fails instead, as `ls > /dev/full` does.)
"""

import contextlib
import io
import logging
import os
import queue
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from typing_extensions import override

from console.cli.escaped_text import for_terminal

log = logging.getLogger(__name__)

MAX_WAITING = 10_000  # texts in memory while a reader is slow; later ones are dropped
IGNORED = (signal.SIGHUP, signal.SIGTTOU)  # SIGTTOU: a terminal that stops background jobs as they write
DRAIN_SECONDS = 10.0  # how long the end of a process waits for a reader that takes nothing


@contextlib.contextmanager
def unread_output_is_harmless() -> Iterator[None]:
    """Within it, stdout and stderr never block, never raise, and survive their reader, their disk and their terminal.

    The terminal going away (SIGHUP) does not end the process either.
    """
    ignored = {number: signal.signal(number, signal.SIG_IGN) for number in IGNORED}
    before = sys.stdout, sys.stderr
    for stream in before:
        with contextlib.suppress(OSError):
            stream.flush()
    sys.stdout, sys.stderr = (UnblockedWriter(stream) if _has_descriptor(stream) else stream for stream in before)
    writers = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for writer in writers:
            if isinstance(writer, UnblockedWriter):
                writer.drain()
        for number, handler in ignored.items():
            signal.signal(number, handler)


def _has_descriptor(stream: TextIO) -> bool:
    """Tell whether a stream is a file of the system; one in memory has no reader to wait for."""
    try:
        stream.fileno()
    except OSError:
        return False
    return True


class UnblockedWriter(io.TextIOBase):
    """Takes text at once, and writes it to the descriptor of a stream in a thread of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._descriptor = stream.fileno()
        self._encoding = stream.encoding or "utf-8"
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()  # a signal handler may put, too
        self._has_failed = False
        self._is_cut = False  # the last line was written in part
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._thread.start()

    @property
    @override
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    @override
    def fileno(self) -> int:
        return self._descriptor

    @override
    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, text: str) -> int:
        """Take a text; if too many wait already, it is lost."""
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put(for_terminal(text).encode(self._encoding, "backslashreplace"))
        return len(text)

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until everything is written, or until the reader has taken nothing for these seconds."""
        self._waiting.put(None)
        n_before = -1
        while self._thread.is_alive() and self._waiting.qsize() != n_before:
            n_before = self._waiting.qsize()
            self._thread.join(seconds)

    def _write_all(self) -> None:
        while (content := self._waiting.get()) is not None:
            try:
                self._write(content)
            except OSError as error:  # no space may be free again, so the next line is tried as well
                if not self._has_failed:
                    self._has_failed = True
                    log.warning("lines of output are lost (%s); the work continues", error.strerror)

    def _write(self, content: bytes) -> None:
        """Write all of it, below a line that the last failure cut."""
        rest = memoryview(b"\n" + content if self._is_cut else content)
        while rest:
            try:
                n_written = os.write(self._descriptor, rest)
            except BlockingIOError:  # somebody who shares the terminal made it non-blocking
                select.select((), (self._descriptor,), ())
                continue
            self._is_cut = True
            rest = rest[n_written:]
        self._is_cut = False
