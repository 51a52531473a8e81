"""A table beyond memory: its files cut into runs of rows, each of which is read as a whole file is.

Nothing but the bytes is looked at here, a megabyte at a time; a worker reads the parts.
"""

import glob
import hashlib
import io
import os
import re
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.escape import is_shown_as_is, spelled_out
from core.files import digest, sha256_of
from core.plain_files import open_plain
from core.tables import limits
from core.tables.csv_head import CsvHead, read_head
from core.tables.csv_rows import CsvRows, left_open
from core.tables.errors import NoRowsError, TableError
from core.tables.parquet_file import MOST_UNPACKED_BYTES, read_parquet
from core.tables.rules import ReadingRules
from core.tables.source import (
    LINE_END,
    SUFFIXES,
    FilePart,
    Source,
    TableFormat,
    check_head,
    format_of,
    identity_of,
    scanned,
    text_lines,
    unreadable,
)
from core.tables.table import Table

PART_BYTES = 32 << 20
_LINE_ENDS = b"\r\n"
_MOST_ROW_BYTES = 32 << 20  # a row that is longer is a quote that swallows what follows
_PATTERN = frozenset("*?[")
_MOST_NAMED = 5  # files that a note names


@dataclass(frozen=True, slots=True)
class PartedTable:
    """The files of a table, cut.

    Attributes:
        path: What a person named: a file, a folder or a pattern.
        parts: The parts in the order of the rows.
        sha256: Of the file; of several files a digest of their hashes.
        notes: Which files are left out, in a sentence.
    """

    path: Path
    parts: tuple[Source, ...]
    sha256: str
    notes: tuple[str, ...] = ()


def names_files(path: Path) -> bool:
    """Return whether a path names several files: a folder, or a pattern such as `prices/*.parquet`."""
    return os.path.isdir(path) or (bool(_PATTERN & set(str(path))) and not os.path.exists(path))


def files_of(path: Path) -> tuple[list[Path], list[str]]:
    """Return the files of a table, in the order of their names, and the names of what lies beside them.

    What has a name that begins with a dot or an underscore is no file of a table, and is not named either; nor is what
    lies in such a folder, unless the path names it.

    Raises:
        TableError: There are none, or one has a name that cannot be told.
    """
    if not names_files(path):
        return [path], []
    try:
        found = sorted(path.iterdir() if path.is_dir() else map(Path, glob.glob(str(path), recursive=True)))
    except OSError as error:
        raise unreadable(path, error) from error
    parts = path.parts
    n_named = len(parts) if path.is_dir() else next(k for k, part in enumerate(parts) if _PATTERN & set(part))
    found = [each for each in found if not any(part.startswith((".", "_")) for part in each.parts[n_named:])]
    # A link that leads nowhere, or a pipe, has the name of a file of the table: it is refused when it is read.
    files = [each for each in found if not each.is_dir() and (not path.is_dir() or _has_table_name(each))]
    if not files:
        raise TableError(path, "there is no file of a table", "Name a folder of CSV or Parquet files, or a pattern.")
    if strange := next((file.name for file in files if not is_shown_as_is(file.name)), None):
        problem = f"the name of its file {spelled_out(strange)} holds characters that no terminal shows"
        raise TableError(path, problem, "Rename the file.")
    read = set(files)
    return files, [spelled_out(each.name) for each in found if each not in read]


def _has_table_name(file: Path) -> bool:
    return Path(file.name.lower().removesuffix(".gz")).suffix in SUFFIXES


@dataclass(frozen=True, slots=True)
class FileSize:
    """How large a file is.

    Attributes:
        n_bytes: Of a text on disk, of Parquet unpacked.
        n_cells: Of Parquet; None for a text, whose cells nobody has counted.
    """

    n_bytes: int
    n_cells: int | None = None


def size_of(path: Path) -> FileSize | None:
    """Return how large a file is, without reading its rows; None if it cannot be cut.

    Raises:
        TableError: It is missing, or damaged.
    """
    identity = identity_of(path)
    if not _can_be_cut(path, wanted := format_of(path)):
        return None
    if wanted == "csv":
        return FileSize(identity[-1])
    found = _metadata(path)
    n_bytes = sum(found.row_group(at).total_byte_size for at in range(found.num_row_groups))
    return FileSize(n_bytes, found.num_rows * found.num_columns)


def parted(path: Path) -> PartedTable:
    """Cut the files of a table.

    Args:
        path: A file, a folder or a pattern; CSV or Parquet.
    Raises:
        TableError: A file cannot be cut: it is packed, of JSON lines, damaged or not text; or there are no rows.
    """
    files, beside = files_of(path)
    notes = _told_beside(beside)
    if len(files) == 1:
        found = tuple(_cut(files[0].absolute()))
        return PartedTable(path, found, found[0].sha256, notes)
    parts: list[Source] = []
    hashes, empty = [], []
    for file in files:
        try:
            found = tuple(_cut(file.absolute()))
        except NoRowsError:  # what writes a table in parts also writes those without a row
            empty.append(file.name)
            continue
        parts += found
        hashes.append((file.name, found[0].sha256))
    if not parts:
        raise TableError(path, f"none of its {len(files):,} files has a row", "Add rows.")
    sha256 = digest("\n".join(f"{name} {sha}" for name, sha in hashes).encode())
    return PartedTable(path, tuple(parts), sha256, (*_told_empty(empty, len(files)), *notes))


def _told_empty(names: list[str], n_files: int) -> tuple[str, ...]:
    if not names:
        return ()
    return (f"{len(names):,} of {n_files:,} files are left out, because they have no rows: {_some(names)}.",)


def _told_beside(names: list[str]) -> tuple[str, ...]:
    return (f"Beside the files of the table, these are not read: {_some(names)}.",) if names else ()


def _some(names: list[str]) -> str:
    return ", ".join([*names[:_MOST_NAMED], *(["…"] if len(names) > _MOST_NAMED else [])])


def as_plain(part: Source) -> dict[str, Any]:
    """Return a part as a worker is told of it."""
    assert part.part is not None
    *_, changed_ns, n_bytes = part.identity
    own = part.part
    return {
        "path": str(part.path),
        "format": part.format,
        "sha256": part.sha256,
        "changed_ns": changed_ns,
        "n_bytes": n_bytes,
        "part": (own.start, own.end, own.before, own.head_bytes),
    }


def from_plain(told: dict[str, Any]) -> Source:
    """Return the part that a worker is told of.

    Raises:
        TableError: The worker cannot read its file, or the file has been written to since it was cut.
    """
    path = Path(told["path"])
    try:
        identity = identity_of(path)
        open_plain(path).close()
    except (TableError, OSError) as error:
        cure = "Put the table where each worker finds it under this path, and may read it."
        raise TableError(path, "a worker of the cluster cannot read it", cure) from error
    if identity[-2:] != (told["changed_ns"], told["n_bytes"]):
        raise TableError(path, "it has changed since it was cut", "Train again when it is no longer being written.")
    part = FilePart(*told["part"])
    return Source(path, told["format"], False, told["sha256"], told["n_bytes"], 0, identity, part)


def read_part(part: Source, rules: ReadingRules) -> Table:
    """Read the rows of a part.

    Raises:
        TableError: A row or a cell cannot be used; its place in the file is named.
    """
    try:
        if part.format == "csv":
            from core.tables.csv_file import read_csv

            with part.open() as file:
                part = replace(part, n_quotes=file.read().count(b'"'))
            table = read_csv(part, rules)
        else:
            table = read_parquet(part, rules)
    except OSError as error:  # it was removed, or the disk fails
        raise unreadable(part.path, error) from error
    part.require_unchanged()
    return replace(table, missing_words=rules.missing)


def _cut(path: Path) -> list[Source]:
    identity, wanted = identity_of(path), format_of(path)
    if not _can_be_cut(path, wanted):
        what = "JSON lines are" if wanted == "jsonl" else "a gzipped file is"
        raise TableError(path, f"{what} read in memory alone, and not by a cluster", "Write the table as Parquet.")
    whole = Source(path, wanted, False, "", identity[-1], 0, identity)
    try:
        with open_plain(path) as file:
            check_head(path, file.read(16), wanted)
        found = _cut_text(whole) if wanted == "csv" else _cut_groups(whole)
    except OSError as error:
        raise unreadable(path, error) from error
    whole.require_unchanged()
    return found


def _cut_groups(whole: Source) -> list[Source]:
    with open_plain(whole.path) as file:
        whole = replace(whole, sha256=sha256_of(file))
    found = _metadata(whole.path)
    groups = [found.row_group(at) for at in range(found.num_row_groups)]
    sizes, rows = [group.total_byte_size for group in groups], [group.num_rows for group in groups]
    if not sum(rows):
        raise NoRowsError(whole.path, "it has columns, but no rows", "Add rows.")
    parts, start = [], 0
    for at in range(len(groups)):
        if rows[at] * found.num_columns > limits.MOST_CELLS or sizes[at] > MOST_UNPACKED_BYTES:
            problem = f"its row group {at} has {rows[at]:,} rows of {found.num_columns:,} columns, and is read at once"
            raise TableError(whole.path, problem, "Write it in smaller row groups.")
        if at + 1 == len(groups) or sum(sizes[start : at + 2]) > PART_BYTES:
            parts.append(replace(whole, part=FilePart(start, at + 1, sum(rows[:start]))))
            start = at + 1
    return [part for part in parts if part.part and sum(rows[part.part.start : part.part.end])]


def _metadata(path: Path) -> pq.FileMetaData:
    try:
        with pq.ParquetFile(path) as file:
            return file.metadata
    except (pa.ArrowException, OSError) as error:
        raise TableError(path, f"it is damaged ({error})", "Write or copy it again.") from error


def _can_be_cut(path: Path, wanted: TableFormat) -> bool:
    return wanted != "jsonl" and not path.name.lower().endswith(".gz")


def _cut_text(whole: Source) -> list[Source]:
    head = read_head(whole)
    before_rows = _before_rows(whole, head)
    head_bytes = len(before_rows)
    rows = _whole_rows(head.separator)
    sha, parts, rest = hashlib.sha256(), list[FilePart](), b""
    start = ends = head_bytes  # of the part, and of the rows that are whole
    before = lines = at = 0
    is_filled = blanks_are_rows = len(head.names) == 1  # blank lines between rows of several cells are none
    for chunk in scanned(whole.path, is_packed=False, n_bytes=whole.n_bytes, most_bytes=None):
        sha.update(chunk)
        rest += chunk[max(head_bytes - at, 0) :]
        at += len(chunk)
        end = _end_of(rows, rest) if b'"' in rest else rest.rfind(LINE_END) + 1
        is_filled = is_filled or bool(rest[:end].strip(_LINE_ENDS))
        ends, lines, rest = ends + end, lines + rest.count(LINE_END, 0, end), rest[end:]
        if len(rest) > _MOST_ROW_BYTES:
            raise left_open(whole, f"line {before_rows.count(LINE_END) + lines + 1}")
        if at - start >= PART_BYTES and ends > start:
            if is_filled:
                parts.append(FilePart(start, ends, before, head_bytes))
            start, before, is_filled = ends, lines, blanks_are_rows
    if start < at and (is_filled or rest.strip(_LINE_ENDS)):
        parts.append(FilePart(start, at, before, head_bytes))
    if not parts:
        raise NoRowsError(whole.path, "it has a header, but no rows", "Add rows.")
    return [replace(whole, sha256=sha.hexdigest(), part=part) for part in parts]


def _whole_rows(separator: str) -> re.Pattern[bytes]:
    """Match all rows that end. A quote opens a cell only where one begins: within 5" it is a mark like any other."""
    within = rb"(?<=[^\r\n" + re.escape(separator).encode() + rb"])"
    return re.compile(rb'(?:(?:[^"\n]++|' + within + rb'"|"(?:[^"]++|"")*+")*+\n)*+')


def _end_of(rows: re.Pattern[bytes], text: bytes) -> int:
    found = rows.match(text)
    return found.end() if found else 0


def _before_rows(whole: Source, head: CsvHead) -> bytes:
    """Return the header with all that precedes it; within quotes, a line may also end with a carriage return."""
    with text_lines(whole) as lines:
        rows = CsvRows(whole, lines, head.n_skipped, head.separator)
        next(rows)
        n_lines = head.n_skipped + rows.line_num
    with whole.open() as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as lines:  # with a byte order mark
        return "".join(islice(lines, n_lines)).encode()
