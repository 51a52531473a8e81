"""The reports of a session's epochs, a line each, in segments: few files, however long the session runs.

`epochs/epochs_000001.jsonl` holds the epochs 1 to 200. Once the next segment begins, it is packed into
`epochs_000001.jsonl.gz`. An epoch that is repeated after a crash replaces its line and every later line, so the same
session leaves the same bytes. Folders of earlier releases, with a file for each epoch, stay readable.
"""

import logging
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from core.confinement import link_on_the_way
from core.files import UNFINISHED, remove_file, replace_end, write_file
from core.json_documents import decode_json
from core.plain_files import open_plain, read_file

log = logging.getLogger(__name__)

SEGMENT_EPOCHS = 200
"""At 33 kB an epoch, a reader of a packed segment holds 7 MB. Of the newest segment, it holds the last line."""
_PACKED = ".gz"
_GZIP = 16 + zlib.MAX_WBITS
_TAIL_BYTES = 1 << 16


class _Numbered(msgspec.Struct):
    """What every report has."""

    epoch: int


class _Line(NamedTuple):
    epoch: int
    start: int
    end: int  # behind its line break


class _Segment(NamedTuple):
    """A segment as it was read."""

    file: Path
    mark: tuple[int, int, int]
    lines: dict[int, _Line]
    unpacked: bytes  # the content of a packed segment; a plain one is read line by line
    newest: bytes  # its last line


class EpochReports:
    """The reports in the folder of one session. Reading is cheap for epochs near the last one that was read."""

    def __init__(self, folder: Path) -> None:
        """Open the reports; nothing is read or written yet.

        Args:
            folder: `reports/<session>/epochs`.
        """
        self._folder = folder
        self._read: _Segment | None = None

    def write(self, epoch: int, report: bytes) -> None:
        """Write the report of an epoch; it survives a power cut once this returns.

        Args:
            epoch: From 1 on.
            report: JSON without a line break.
        Raises:
            CoreError: It could not be written.
        """
        segment = self._segment_of(epoch)
        packed = _packed(segment)
        if not segment.exists() and packed.exists():  # an epoch before a segment's end is repeated
            write_file(segment, _unpacked(packed))
        if packed.exists():
            remove_file(packed)
        replace_end(segment, _place_in(segment, epoch), report + b"\n")
        if epoch % SEGMENT_EPOCHS == 1:
            self._pack_all_but(segment)

    def read(self, epoch: int) -> bytes | None:
        """Return the report of an epoch, or None.

        Raises:
            OSError: It is there and cannot be read.
        """
        segment = self._segment_of(epoch)
        for file in (segment, _packed(segment)):
            try:
                report = self._report_in(file, epoch)
            except FileNotFoundError:
                continue
            if report is not None:
                return report
        try:
            return read_file(self._folder / f"epoch_{epoch:04d}.json")  # of an earlier release
        except FileNotFoundError:
            return None

    def _segment_of(self, epoch: int) -> Path:
        first = (epoch - 1) // SEGMENT_EPOCHS * SEGMENT_EPOCHS + 1
        return self._folder / f"epochs_{first:06d}.jsonl"

    def _pack_all_but(self, newest: Path) -> None:
        if link := link_on_the_way(self._folder, root=self._folder.parents[2]):
            log.warning("not packed: %s is reached through the link %s", self._folder, link)
            return
        for leftover in self._folder.glob(f".epochs_*{UNFINISHED}"):  # of a killed engine
            remove_file(leftover)
        for segment in sorted(self._folder.glob("epochs_*.jsonl"), key=_first_epoch_of):
            if _first_epoch_of(segment) < _first_epoch_of(newest):
                squeeze = zlib.compressobj(wbits=_GZIP)
                write_file(_packed(segment), squeeze.compress(read_file(segment)) + squeeze.flush())
                remove_file(segment)

    def _report_in(self, file: Path, epoch: int) -> bytes | None:
        while True:
            with open_plain(file) as stream:
                segment = self._read = self._look_at(file, stream)
                if (line := segment.lines.get(epoch)) is None:
                    return None
                if file.suffix == _PACKED:
                    return segment.unpacked[line.start : line.end - 1]
                stream.seek(line.start)
                report = stream.read(line.end - 1 - line.start)
                if _mark(stream) == segment.mark:  # else an epoch that is repeated was written meanwhile
                    return report

    def _look_at(self, file: Path, stream: BinaryIO) -> "_Segment":
        """Find the place of each epoch in a segment; what was read before is not read again."""
        known = self._read if self._read is not None and self._read.file == file else None
        mark = _mark(stream)
        if known is not None and known.mark == mark:
            return known
        if file.suffix == _PACKED:
            content = zlib.decompress(stream.read(), wbits=_GZIP)
            return _Segment(file, mark, {line.epoch: line for line in _lines_in(content)}, content, b"")
        lines: dict[int, _Line] = {}
        begin, rest = _unread(known, stream)
        if known is not None and begin:
            lines = dict(known.lines)
        newest = b""
        for line in _lines_in(rest):
            lines[line.epoch] = _Line(line.epoch, begin + line.start, begin + line.end)
            newest = rest[line.start : line.end]
        return _Segment(file, mark, lines, b"", newest)


def _mark(stream: BinaryIO) -> tuple[int, int, int]:
    status = os.fstat(stream.fileno())
    return status.st_ino, status.st_mtime_ns, status.st_size


def _unread(known: "_Segment | None", stream: BinaryIO) -> tuple[int, bytes]:
    """Read a segment from the last known line on, if that is still in its place; return where that is, too."""
    if known is not None and known.lines:
        last = known.lines[max(known.lines)]
        stream.seek(last.start)
        rest = stream.read()
        if rest.startswith(known.newest):
            return last.start, rest
    stream.seek(0)
    return 0, stream.read()


def _first_epoch_of(segment: Path) -> int:
    """Return the number in the name of a segment, which has more than six digits from a million on; 0 of another name.

    >>> sorted(map(Path, ("epochs_1000001.jsonl", "epochs_999801.jsonl")), key=_first_epoch_of)[-1].name
    'epochs_1000001.jsonl'
    """
    number = segment.name.removeprefix("epochs_").partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() else 0


def _packed(segment: Path) -> Path:
    return segment.with_name(segment.name + _PACKED)


def _unpacked(packed: Path) -> bytes:
    return zlib.decompress(read_file(packed), wbits=_GZIP)


def _place_in(segment: Path, epoch: int) -> int:
    """Return where the line of an epoch begins: behind the last line of an earlier epoch."""
    try:
        stream = open_plain(segment)
    except FileNotFoundError:
        return 0
    with stream:
        size, reach = stream.seek(0, 2), _TAIL_BYTES
        while True:
            start = max(0, size - reach)
            stream.seek(start)
            tail = stream.read()
            begin = 0 if start == 0 else tail.find(b"\n") + 1  # the first line may be cut
            earlier = [line for line in _lines_in(tail, begin) if line.epoch < epoch]
            if earlier and (begin or start == 0):
                return start + earlier[-1].end
            if start == 0:
                return 0
            reach *= 8


def _lines_in(content: bytes, start: int = 0) -> Iterator[_Line]:
    """Find the whole lines from a place on; a line that a crash cut short is none."""
    while (end := content.find(b"\n", start) + 1) > 0:
        yield _Line(decode_json(content[start:end], _Numbered).epoch, start, end)
        start = end
