"""Measures a program in a pseudo-terminal: bytes to the terminal, milliseconds and CPU seconds."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

# A terminal's answers to an application's queries; unanswered queries would cost time-outs.
ANSWERS = (
    (re.compile(rb"\x1b\[\?(\d+)\$p"), lambda match: b"\x1b[?%s;2$y" % match[1]),
    (re.compile(rb"\x1b\[c"), lambda _: b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[6n"), lambda _: b"\x1b[1;1R"),
)


@dataclass(frozen=True, slots=True)
class Burst:
    """The output of one key press: time to its first and last byte, and the number of bytes."""

    first_ms: float
    last_ms: float
    n_bytes: int


class Program:
    """A program running in a pty of a stated size."""

    def __init__(
        self, argv: Sequence[str], *, columns: int = 120, rows: int = 40, env: Mapping[str, str] | None = None
    ):
        self.started = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "COLORTERM": "", **(env or {})})
            os.execvp(argv[0], list(argv))
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.output = bytearray()
        self.last_byte = self.started

    def read(self, seconds: float) -> bytes:
        """Return the next output, or nothing after the given time."""
        ready, _, _ = select.select([self._fd], [], [], max(0.0, seconds))
        if not ready:
            return b""
        try:
            chunk = os.read(self._fd, 1 << 16)
        except OSError:
            return b""
        self.output += chunk
        self.last_byte = time.perf_counter()
        for question, answer in ANSWERS:
            for match in question.finditer(chunk):
                os.write(self._fd, answer(match))
        return chunk

    def wait_for(self, text: str, *, seconds: float = 60.0) -> float:
        """Return the seconds from the start until this text appears."""
        wanted, deadline = text.encode(), time.perf_counter() + seconds
        while wanted not in self.output:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{text!r} never appeared; the last bytes were {bytes(self.output[-400:])!r}")
            self.read(0.05)
        return time.perf_counter() - self.started

    def settle(self, *, quiet_seconds: float = 0.5, most_seconds: float = 20.0) -> None:
        """Read until there is no output for some time."""
        deadline = time.perf_counter() + most_seconds
        while self.read(quiet_seconds) and time.perf_counter() < deadline:
            pass

    def press(self, key: bytes, *, quiet_seconds: float = 0.06) -> Burst:
        """Send a key and measure its output."""
        pressed = time.perf_counter()
        os.write(self._fd, key)
        first = last = 0.0
        n_bytes = 0
        while chunk := self.read(quiet_seconds if n_bytes else 1.0):
            last = (time.perf_counter() - pressed) * 1000
            first = first or last
            n_bytes += len(chunk)
        return Burst(first, last, n_bytes)

    def type(self, keys: bytes) -> None:
        """Send keys without waiting for an answer."""
        os.write(self._fd, keys)

    def idle(self, seconds: float) -> tuple[float, float]:
        """Return bytes per second and CPU percent of one core during some seconds without a key."""
        before, cpu_before, start = len(self.output), self.cpu_seconds(), time.perf_counter()
        while (left := seconds - (time.perf_counter() - start)) > 0:
            self.read(left)
        elapsed = time.perf_counter() - start
        return (len(self.output) - before) / elapsed, 100 * (self.cpu_seconds() - cpu_before) / elapsed

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the process without its children."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    def rss_mib(self) -> float:
        """Return the resident memory of the process without its children."""
        return psutil.Process(self.pid).memory_info().rss / 2**20

    def end(self) -> int:
        """End the program and return its exit code, which is negative for an unhandled signal."""
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.perf_counter() + 10
        while time.perf_counter() < deadline:
            self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self._fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)
