"""A file before parsing: its format, its hash, and whether its bytes can be read as text at all.

This module reads bytes, a megabyte at a time, so a file that would fill the memory is refused in time.
"""

import codecs
import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, cast

from core.files import sha256_of
from core.plain_files import open_plain
from core.sealed_files import MAGIC, SEALED_SUFFIX
from core.settings.sealing import plain_content
from core.tables import limits
from core.tables.errors import NoRowsError, TableError

TableFormat = Literal["csv", "parquet", "jsonl"]

SUFFIXES: dict[str, TableFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
KNOWN = "Tables are read from .csv, .tsv, .parquet and .jsonl files; CSV and JSON lines may be gzipped (.csv.gz)."

# The first bytes of other kinds of files, whatever their names.
_FOREIGN = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "Save the sheet as CSV (UTF-8), or unpack the archive."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save the sheet as CSV (UTF-8)."),
    b"BZh": ("bzip2", "Unpack it first: bunzip2 FILE."),
    b"\xfd7zXZ": ("xz", "Unpack it first: unxz FILE."),
    b"\x28\xb5\x2f\xfd": ("zstd", "Unpack it first: unzstd FILE."),
    b"ARROW1": ("an Arrow file", "Write it as Parquet."),
    b"\x89HDF": ("an HDF5 file", "Write it as Parquet."),
    b"SQLite format 3": ("an SQLite database", "Export the table as CSV."),
}
LINE_END = b"\n"
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_RECODE = "Convert it: iconv -f {} -t UTF-8 FILE > NEW"


@dataclass(frozen=True, slots=True)
class FilePart:
    """A run of rows of a file that is read a part at a time.

    Attributes:
        start: Its first byte in a text file, its first row group in Parquet.
        end: What follows its last one.
        before: The lines of a text file between the header and the part; the rows of Parquet before it.
        head_bytes: How long the header of a text file is, with all that precedes it.
    """

    start: int
    end: int
    before: int
    head_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """A file whose content matches its name.

    Attributes:
        path: The file.
        format: Its format.
        is_packed: Whether it is gzipped.
        sha256: Of its bytes on disk; of a sealed file, of its content.
        n_bytes: The number of these bytes.
        n_quotes: How many double quotes its text has.
        identity: Changes when the file is written to.
        part: The rows that are read; None for all.
        content: The content of a sealed file, which is held in memory alone; None of a file that is not sealed.
    """

    path: Path
    format: TableFormat
    is_packed: bool
    sha256: str
    n_bytes: int
    n_quotes: int
    identity: tuple[int, ...]
    part: FilePart | None = None
    content: bytes | None = field(default=None, repr=False)

    @property
    def before(self) -> int:
        """The lines between the header and the first row, or the rows of Parquet before the first one."""
        return 0 if self.part is None else self.part.before

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the uncompressed bytes: of a part, those of the header and its own."""
        with _opened(self.path, self.content) as file:
            if self.part is None:
                yield _unpacked(file, is_packed=self.is_packed)
                return
            head = file.read(self.part.head_bytes)
            file.seek(self.part.start)
            yield io.BytesIO(head + file.read(self.part.end - self.part.start))

    def require_unchanged(self) -> None:
        """Make sure that the parsed bytes are the hashed bytes.

        Raises:
            TableError: The file was written to meanwhile.
        """
        if identity_of(self.path) != self.identity:
            raise TableError(
                self.path, "it changed while it was being read", "Try again when the file is no longer being written."
            )


def inspect(path: Path) -> Source:
    """Inspect a file's bytes before parsing.

    Raises:
        TableError: It is missing, not a regular file, empty, of another format than its name says, not UTF-8, has
            lines of more than a megabyte, or expands more than any table would.
        SealedFileError: It is sealed, and its key cannot be had, or it was changed.
    """
    identity = identity_of(path)
    wanted = format_of(path)
    n_quotes = 0
    try:
        content = plain_content(path, most=limits.MOST_SEALED_BYTES)
        with _opened(path, content) as file:
            head = file.read(16)
            check_head(path, head, wanted)
            is_packed, n_bytes = head.startswith(_GZIP), identity[-1] if content is None else len(content)
            if wanted != "parquet":  # before the hash, which reads the whole file: errors show immediately
                n_quotes = _scan_text(path, is_packed=is_packed, n_bytes=n_bytes, content=content)
            file.seek(0)
            sha256 = sha256_of(file)
    except OSError as error:
        raise unreadable(path, error) from error
    return Source(path, wanted, is_packed, sha256, n_bytes, n_quotes, identity, content=content)


def identity_of(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written to; its size comes last.

    Raises:
        TableError: It is missing, not a regular file, or empty.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise TableError(path, "there is no such file", "Check the path.") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        if not stat.S_ISDIR(found.st_mode):
            raise TableError(path, "it is not a regular file", "Copy what it holds to a file.")
        cure = "Name the single file that holds the table; with executor.kind: dask a training reads folders."
        raise TableError(path, "it is a folder", cure)
    if found.st_size == 0:
        raise NoRowsError(path, "it is empty", "Give a file with a header and rows.")
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def format_of(path: Path) -> TableFormat:
    """Return the format that the name of a file gives.

    Raises:
        TableError: It gives none.
    """
    name = path.name.lower().removesuffix(SEALED_SUFFIX).removesuffix(".gz")
    if (wanted := SUFFIXES.get(Path(name).suffix)) is None:
        raise TableError(path, "its name does not show its format", KNOWN)
    return wanted


def check_head(path: Path, head: bytes, wanted: TableFormat) -> None:
    """Check that a file begins as its format does.

    Raises:
        TableError: It is of another format than its name says, or UTF-16.
    """
    if head.startswith(MAGIC):
        cure = f"Unseal it first: bondx data unseal {path.name} --out NEW."
        raise TableError(path, "it is sealed, and read a part at a time", cure)
    for magic, (kind, cure) in _FOREIGN.items():
        if head.startswith(magic):
            raise TableError(path, f"it is {kind}, despite its name", cure)
    is_packed, is_parquet = head.startswith(_GZIP), head.startswith(_PARQUET)
    if wanted == "parquet" and is_packed:
        raise TableError(
            path, "Parquet is already compressed, and gzipped Parquet is not supported", "Unpack it first: gunzip FILE."
        )
    if is_parquet != (wanted == "parquet"):
        found = "is Parquet" if is_parquet else "is not Parquet"
        raise TableError(path, f"its content {found}, but its name says otherwise", "Rename it to match its content.")
    if head.startswith(_UTF16):
        raise TableError(path, "it is UTF-16", _RECODE.format("UTF-16"))


def _scan_text(path: Path, *, is_packed: bool, n_bytes: int, content: bytes | None) -> int:
    """Check size, lines and encoding of a text; return the number of double quotes."""
    chunks = scanned(path, is_packed=is_packed, n_bytes=n_bytes, most_bytes=limits.MOST_TEXT_BYTES, content=content)
    return sum(chunk.count(b'"') for chunk in chunks)


def scanned(
    path: Path, *, is_packed: bool, n_bytes: int, most_bytes: int | None, content: bytes | None = None
) -> Iterator[bytes]:
    """Read a text, a megabyte at a time, and check its size, lines and encoding.

    Args:
        path: The file.
        is_packed: Whether it is gzipped.
        n_bytes: The number of bytes on disk.
        most_bytes: The largest text, unpacked; None for any.
        content: The content of a sealed file.
    Raises:
        TableError: It is too large, has a line of more than a megabyte, a zero byte, or is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    n_read, line, since_newline = 0, 1, 0
    try:
        with _opened(path, content) as raw:
            text = _unpacked(raw, is_packed=is_packed)
            while chunk := text.read(limits.MOST_LINE_BYTES):
                n_read += len(chunk)
                _check_size(path, n_read, n_bytes if is_packed else n_read, most_bytes)
                first = chunk.find(LINE_END)
                if since_newline + (first if first >= 0 else len(chunk)) > limits.MOST_LINE_BYTES:
                    raise TableError(
                        path,
                        f"the line is longer than {limits.MOST_LINE_BYTES >> 20} MiB",
                        "Check that it has line breaks, and that every quote is closed.",
                        place=f"line {line}",
                    )
                _check_bytes(path, chunk, decoder, line)
                line += chunk.count(LINE_END)
                since_newline = since_newline + len(chunk) if first < 0 else len(chunk) - chunk.rfind(LINE_END) - 1
                yield chunk
            _decode(path, b"", decoder, line, final=True)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(
            path, f"its gzip compression is damaged ({error})", "Copy it again, or compress it again."
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _check_size(path: Path, n_read: int, n_stored: int, most_bytes: int | None) -> None:
    if most_bytes is not None and n_read > most_bytes:
        raise TableError(
            path,
            f"it holds more than {most_bytes >> 30} GiB of text",
            "Write it as Parquet, or take a sample of its rows.",
        )
    if n_read > max(limits.UNPACKED_BYTES_ALLOWED, limits.MOST_PACKING * n_stored):
        raise TableError(
            path,
            f"it unpacks to more than {limits.MOST_PACKING} times its size, which suggests a decompression bomb",
            "If the file is genuine, unpack it yourself: gunzip FILE.",
        )


def _check_bytes(path: Path, chunk: bytes, decoder: codecs.IncrementalDecoder, line: int) -> None:
    if (at := chunk.find(b"\0")) >= 0:
        place = f"line {line + chunk.count(LINE_END, 0, at)}"
        raise TableError(path, "a zero byte, which is not text", "Export it as UTF-8 text.", place=place)
    _decode(path, chunk, decoder, line)


def _decode(path: Path, chunk: bytes, decoder: codecs.IncrementalDecoder, line: int, *, final: bool = False) -> None:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        place = f"line {line + error.object.count(LINE_END, 0, error.start)}"
        byte = f"0x{error.object[error.start]:02X}"
        raise TableError(path, f"the byte {byte} is not UTF-8", _RECODE.format("WINDOWS-1252"), place=place) from None


def unreadable(path: Path, error: Exception) -> TableError:
    """Return the fault of a file that the system does not let read."""
    reason = getattr(error, "strerror", None) or str(error)
    return TableError(path, f"it cannot be read ({reason})", "Check the path and its permissions.")


def _opened(path: Path, content: bytes | None) -> BinaryIO:
    return open_plain(path) if content is None else io.BytesIO(content)


def _unpacked(file: BinaryIO, *, is_packed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_packed else file


@contextmanager
def text_lines(source: Source) -> Iterator[io.TextIOWrapper]:
    """Open a source as lines of text, without its byte order mark and with unchanged line endings."""
    with source.open() as file:
        yield io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
