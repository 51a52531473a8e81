"""Reading the logs of a workspace as one: from their newest lines back, and from there on as they grow.

A log is a file and its rotated predecessors: `engine.log`, `engine.log.1`, … Memory is bounded whatever the files hold:
they are read in blocks, a long line is cut, and the reader keeps no line.
"""

import contextlib
import heapq
import itertools
import logging
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from core.escape import escaped
from core.log_lines import text_of
from core.plain_files import open_plain

MAX_LINE_CHARACTERS = 4_000
_MAX_BLOCK_LINES = 500  # below one head: a traceback is shorter
_BLOCK_BYTES = 1 << 16
_MAX_POLL_BYTES = 1 << 20  # from one file at once: what is left comes with the next poll
_HEAD = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d+) +(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_JSON_HEAD = re.compile(
    rb'\{"ts":"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.(\d+)Z","level":"(DEBUG|INFO|WARNING|ERROR|CRITICAL)"'
)
_END_OF_TIME = b"~"  # behind every digit
_NO_HEAD = (b"", logging.INFO)


class LogLine(NamedTuple):
    """One line of a log, safe to show."""

    log: str  # the name of the log without its ending
    level: int  # of `logging`; a line without its own has that of the line above it
    text: str


class LogFilter(NamedTuple):
    """Which lines are wanted."""

    level: int = 0
    text: str = ""

    def accepts(self, line: LogLine) -> bool:
        """Whether a line is severe enough and has the text in it, ignoring case."""
        return line.level >= self.level and self.text.casefold() in line.text.casefold()


EVERY_LINE = LogFilter()


class _Entry(NamedTuple):
    """A line with a time and a severity, and the lines below it that have none."""

    time: bytes
    lines: list[LogLine]


class LogReader:
    """The logs of one folder. `newest` reads what is there, `poll` what has been written since."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._growing: dict[str, _GrowingFile] = {}

    def newest(self, n: int, wanted: LogFilter = EVERY_LINE, *, until: datetime | None = None) -> list[LogLine]:
        """Return the newest wanted lines of all logs in the order of time; `poll` continues behind them.

        Args:
            n: The maximum number of lines.
            wanted: Which lines count.
            until: Only lines written up to this moment count.
        """
        end = _END_OF_TIME if until is None else _spelled(until)
        self.close()
        logs = self._logs()
        self._growing = {name: _GrowingFile(name, path, at_end=True) for name, path in logs.items()}
        ends = {name: growing.size for name, growing in self._growing.items()}
        entries = heapq.merge(
            *(_entries_backwards(name, path, ends[name]) for name, path in logs.items()),
            key=lambda entry: entry.time,
            reverse=True,
        )
        lines = (
            line for entry in entries if entry.time <= end for line in reversed(entry.lines) if wanted.accepts(line)
        )
        return list(itertools.islice(lines, n))[::-1]

    def poll(self) -> list[LogLine]:
        """Return the lines written since the last call, in the order of time; rotated files continue."""
        for name, path in self._logs().items():
            if name not in self._growing:
                self._growing[name] = _GrowingFile(name, path)
        entries = [entry for growing in self._growing.values() for entry in growing.read()]
        return [line for entry in sorted(entries, key=lambda entry: entry.time) for line in entry.lines]

    def close(self) -> None:
        """Close the files."""
        for growing in self._growing.values():
            growing.close()
        self._growing = {}

    def _logs(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted(self._folder.glob("*.log"))}


class _GrowingFile:
    """One log that is read as it grows, across its rotations."""

    def __init__(self, name: str, path: Path, *, at_end: bool = False) -> None:
        self._name, self._path = name, path
        self._stream: BinaryIO | None = None
        self._rest = b""  # a line that is not whole yet
        self._head = _NO_HEAD
        self._open()
        self.size = 0
        if at_end and self._stream is not None:
            self.size = self._stream.seek(0, os.SEEK_END)

    def read(self) -> Iterator[_Entry]:
        """Yield what has been written; after a rotation the rest of the old file, then the new one."""
        if self._stream is None:
            self._open()
        if (stream := self._stream) is None:
            return
        status = os.fstat(stream.fileno())
        if status.st_size < stream.tell():  # it was emptied in place
            stream.seek(0)
        yield from self._split(stream.read(_MAX_POLL_BYTES))
        if stream.tell() < os.fstat(stream.fileno()).st_size:
            return
        with contextlib.suppress(OSError):
            if (found := self._path.stat()) and (found.st_dev, found.st_ino) != (status.st_dev, status.st_ino):
                yield from self._split(stream.read() + (b"\n" if self._rest else b""))
                self.close()
                self._open()
                yield from self.read()

    def close(self) -> None:
        """Close it."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open(self) -> None:
        with contextlib.suppress(OSError):  # removed meanwhile, or no log of ours: there is nothing to read
            self._stream = open_plain(self._path)

    def _split(self, content: bytes) -> Iterator[_Entry]:
        *whole, rest = (self._rest + content).split(b"\n")
        self._rest = rest if len(rest) < _BLOCK_BYTES else b""
        for line in whole:
            self._head = _head_of(line) or self._head
            yield _Entry(self._head[0], _lines(self._name, self._head[1], line))


def _entries_backwards(name: str, path: Path, end: int) -> Iterator[_Entry]:
    """Yield the entries of a log and of its rotated predecessors, the newest first."""
    below: list[bytes] = []
    for content in _lines_backwards(path, end):
        if (head := _head_of(content)) is None and len(below) < _MAX_BLOCK_LINES:
            below.append(content)
            continue
        time, level = head or _NO_HEAD
        yield _Entry(time, [each for line in (content, *reversed(below)) for each in _lines(name, level, line)])
        below = []
    if below:
        yield _Entry(b"", [_line(name, _NO_HEAD[1], line) for line in reversed(below)])


def _lines_backwards(path: Path, end: int) -> Iterator[bytes]:
    yield from lines_backwards(path, 0, end)
    for number in itertools.count(1):
        rotated = path.with_name(f"{path.name}.{number}")
        if not rotated.is_file():
            return
        yield from lines_backwards(rotated, 0, rotated.stat().st_size)


def lines_backwards(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines of a file between two offsets without their ends, the last first.

    Args:
        path: The file.
        start: The beginning of a line.
        end: The beginning of a line, or the end of the file.
    """
    if start >= end:
        return
    with open_plain(path) as file:
        rest, position = b"", end
        while position > start:
            step = min(_BLOCK_BYTES, position - start)
            position -= step
            file.seek(position)
            first, *lines = (file.read(step) + rest).split(b"\n")
            yield from (line for line in reversed(lines) if line)
            rest = first + (b"\n" if lines else b"")
        if line := rest.rstrip(b"\n"):
            yield line


def _spelled(moment: datetime) -> bytes:
    """Spell a moment as the lines of a log do."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d}".encode()


def _head_of(line: bytes) -> tuple[bytes, int] | None:
    levels = logging.getLevelNamesMapping()
    if found := _HEAD.match(line):
        return found[1], levels[found[2].decode()]
    if found := _JSON_HEAD.match(line):
        return b"%b %b,%b" % found.group(1, 2, 3), levels[found[4].decode()]
    return None


def _lines(name: str, level: int, content: bytes) -> list[LogLine]:
    """Return the lines to show for a line of a file: a JSON object becomes its message and its traceback."""
    if (text := text_of(content)) is None:
        return [_line(name, level, content)]
    return [_line(name, level, line.encode()) for line in text.split("\n")]


def _line(name: str, level: int, content: bytes) -> LogLine:
    text = content[: 4 * MAX_LINE_CHARACTERS].decode(errors="replace").expandtabs(4)
    cut = f"{text[:MAX_LINE_CHARACTERS]}…" if len(text) > MAX_LINE_CHARACTERS else text
    return LogLine(name, level, escaped(cut))
