"""The files of a source, oldest first, and how many rows they have."""

import glob
import gzip
import io
import os
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import NotFoundError, UsageError
from core.escape import escaped, shown, shown_path
from core.home_paths import at_home
from core.plain_files import open_plain
from core.sealed_files import SEALED_SUFFIX
from core.settings.sealing import plain_content
from core.tables.source import SUFFIXES

MOST_FILES = 10_000
_PIECE = 1 << 20


def source_files(pattern: str, *, root: Path) -> list[Path]:
    """Return the tables that a pattern names, sorted by name.

    Args:
        pattern: A file, a folder, or a pattern; relative to the workspace.
        root: The folder of the workspace.
    Raises:
        NotFoundError: There is none.
        UsageError: The place cannot be read.
    """
    try:
        place = at_home(pattern)
        place = place if place.is_absolute() else root / place
        if place.is_dir():
            found = [each for each in place.iterdir() if each.is_file()]
        elif place.is_file():
            found = [place]
        else:
            found = [Path(name) for name in glob.glob(str(place), recursive=True) if Path(name).is_file()]
    except (OSError, UsageError, ValueError) as error:  # no right to read it; no home of that name; a null byte
        raise UsageError(
            f"{shown(pattern)} cannot be read: {shown(str(error))} (policy, retraining.source.path)."
        ) from None
    tables = sorted(each for each in found if not each.name.startswith(".") and _is_table(each))
    if not tables:
        raise NotFoundError(
            f"No table is at {shown_path(place)} (policy, retraining.source.path): write .csv or .parquet files there."
        )
    return tables[-MOST_FILES:]


def n_rows_of(file: Path) -> int:
    """Count the rows of a table without reading its cells; lines of a text file, without its header.

    Raises:
        UsageError: It is damaged, cut off, or gone.
    """
    try:
        return _n_rows(file)
    except (OSError, EOFError, ValueError, zlib.error) as error:  # pyarrow's errors are of these kinds, too
        raise UsageError(f"The rows of {escaped(str(file))} cannot be counted: {shown(str(error))}.") from None


def _n_rows(file: Path) -> int:
    if ".parquet" in file.suffixes or ".pq" in file.suffixes:
        import pyarrow.parquet as pq

        return int(pq.read_metadata(_parquet_input(file)).num_rows)
    content = plain_content(file)
    with open_plain(file) if content is None else io.BytesIO(content) as plain:
        if not file.name.removesuffix(SEALED_SUFFIX).endswith(".gz"):
            return _n_lines(plain)
        with gzip.GzipFile(fileobj=plain) as packed:
            return _n_lines(packed)


def columns_of(file: Path) -> list[str]:
    """Return the names of the columns of a Parquet file, sealed or not."""
    import pyarrow.parquet as pq

    return list(pq.read_schema(_parquet_input(file)).names)


def _parquet_input(file: Path) -> Any:
    import pyarrow as pa

    content = plain_content(file)
    return file if content is None else pa.BufferReader(content)


def _n_lines(content: BinaryIO | gzip.GzipFile) -> int:
    return max(sum(piece.count(b"\n") for piece in iter(lambda: content.read(_PIECE), b"")) - 1, 0)


def is_newer(file: Path, since: datetime) -> bool:
    """Whether a file was written after an instant.

    Raises:
        UsageError: It is gone.
    """
    try:
        return file.stat().st_mtime > since.timestamp()
    except OSError as error:
        raise UsageError(f"{escaped(str(file))} cannot be read: {error.strerror}.") from None


def has_open_end(file: Path) -> bool:
    """Whether the last row of a CSV file may be cut off unnoticed, since no line break ends it; a gzip would show it.

    Raises:
        UsageError: It is gone.
    """
    if SUFFIXES.get(file.suffix.lower()) != "csv":
        return False
    try:
        with open_plain(file) as plain:
            plain.seek(-1, os.SEEK_END)
            return plain.read() not in (b"\n", b"\r")
    except OSError as error:
        raise UsageError(f"{escaped(str(file))} cannot be read: {error.strerror}.") from None


def _is_table(file: Path) -> bool:
    suffix = next((each for each in reversed(file.suffixes) if each not in (".gz", SEALED_SUFFIX)), "")
    return suffix.lower() in SUFFIXES
