"""The tables of the time series store, and how a connection to it is opened."""

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.confinement import LeadsOutError, require_inside
from core.files import create_private
from core.plain_files import require_plain
from core.telemetry import epoch_store
from core.telemetry.errors import TelemetryError, translated
from core.telemetry.writing import WriteConnection

log = logging.getLogger(__name__)

VERSION = 2
"""Of the format: 1 had no spans of epochs."""
BUSY_SECONDS = 5.0
_WAL_KEPT_BYTES = 16 << 20
_READ_CACHE_KIB = 256
"""Pages that a reader keeps: it reads what is new, which no cache has."""
_WRITE_CACHE_KIB = 512
"""Pages that a writer keeps: it appends, to the newest pages of each index. SQLite itself would keep 2 MiB a store."""

_STATEMENTS_KEPT = 16
"""Compiled statements that a connection keeps. Many name the routes of a model, and so are new with every version; the
128 that Python would keep of them take megabytes in each process."""

# Times are integers since 1970: microseconds in `sample` and `epoch`, seconds in `second` and `minute`.
_TABLES = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS sample (
    series INTEGER NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL, samples BLOB NOT NULL,
    PRIMARY KEY (series, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS second (
    series INTEGER NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL, total REAL NOT NULL, low REAL NOT NULL,
    high REAL NOT NULL, PRIMARY KEY (series, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minute (
    series INTEGER NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL, total REAL NOT NULL, low REAL NOT NULL,
    high REAL NOT NULL, histogram BLOB NOT NULL, PRIMARY KEY (series, at)) WITHOUT ROWID;
"""


def connect_to_write(file: Path) -> WriteConnection:
    """Open the time series for writing, and make them if there are none; raises as `open_to_write` does."""
    return open_to_write(
        file,
        _TABLES + epoch_store.TABLES,
        version=VERSION,
        wal_kept_bytes=_WAL_KEPT_BYTES,
        upgrade=lambda connection, _found: _add_spans(file, connection),
    )


def _add_spans(file: Path, connection: sqlite3.Connection) -> None:
    log.info("bringing %s to format %d: summarising the epochs of every run", file, VERSION)
    for statement in filter(str.strip, epoch_store.TABLES.split(";")):
        connection.execute(statement)
    epoch_store.build_spans(connection)


def open_to_write(
    file: Path,
    tables: str,
    *,
    version: int,
    wal_kept_bytes: int,
    upgrade: Callable[[sqlite3.Connection, int], None] | None = None,
) -> WriteConnection:
    """Open a store for writing, and make it if there is none.

    Args:
        file: The store.
        tables: The statements that make its tables.
        version: Of its format.
        wal_kept_bytes: How much of the write-ahead log stays for the next writes.
        upgrade: Brings the tables of an earlier format, which it is told, to this one; within a transaction.

    Raises:
        TelemetryDamagedError: The file is not a sound database.
        TelemetryError: It cannot be opened, or was written by a newer version of the program.
    """
    with translated(file):
        create_private(file)
        connection = connect_as_it_is(file)
        try:
            with connection.alone():
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; see `compaction`
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA journal_size_limit = {wal_kept_bytes}")
            connection.execute(f"PRAGMA cache_size = -{_WRITE_CACHE_KIB}")
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found > version:
                raise TelemetryError(
                    f"{file} was written by a newer version of the program (format {found}, this one knows {version}); "
                    f"use that version, or move the file aside."
                )
            if found < version:
                _bring_up(connection, tables, version, upgrade)
        except BaseException:
            connection.close()
            raise
        return connection


def connect_as_it_is(file: Path) -> WriteConnection:
    """Open an existing store for writing, in whatever format it is.

    Raises:
        sqlite3.Error: It cannot be opened.
        OSError: It leads out of the workspace.
    """
    require_inside(file)
    connection = sqlite3.connect(
        file,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_KEPT,
        factory=WriteConnection,
    )
    connection.file, connection.patience_seconds = file, BUSY_SECONDS
    return connection


def _bring_up(
    connection: WriteConnection,
    tables: str,
    version: int,
    upgrade: Callable[[sqlite3.Connection, int], None] | None,
) -> None:
    """Make the tables, or bring those of an earlier format to this one; all of it or nothing."""
    with connection.transaction():
        (found,) = connection.execute("PRAGMA user_version").fetchone()  # another process may have been faster
        if 0 < found < version and upgrade is not None:
            upgrade(connection, found)
        for statement in filter(str.strip, tables.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(found, version)}")


def place_of(file: Path) -> tuple[int, int] | None:
    """Return the identity of the file or folder at a path, which changes when it is replaced; None if there is none.

    A connection keeps writing to the file that it opened, even after that file is removed.
    """
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def connect_to_read(file: Path) -> sqlite3.Connection:
    """Open the store for reading; each statement is a transaction of its own, so that the WAL can be recycled.

    A store behind a link that leads out of the workspace is read as it lies there: nothing writes to it, and SQLite
    would make its `-wal` and `-shm` outside.

    Raises:
        TelemetryError: It cannot be opened, or is behind such a link and its newest rows are in a write-ahead log.
    """
    with translated(file):
        require_plain(file)  # SQLite itself would wait for whoever writes into a pipe
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if _lies_outside(file) else ''}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS_KEPT,
        )
        connection.execute(f"PRAGMA cache_size = -{_READ_CACHE_KIB}")
        return connection


def _lies_outside(file: Path) -> bool:
    """Say whether a store is behind a link that leads out of the workspace, all of it in the one file.

    Raises:
        LeadsOutError: It is, and a part of it is in its write-ahead log, which cannot be read without writing there.
    """
    try:
        require_inside(file)
    except LeadsOutError:
        for place in (os.path.realpath(file), file):  # the log stays beside the link if the database alone was moved
            with suppress(FileNotFoundError):
                if os.stat(f"{place}-wal").st_size > 0:
                    raise
        return True
    return False


def fetch(connection: sqlite3.Connection, statement: str, *parameters: object) -> list[Any]:
    """Return all rows that a statement finds; none while a writer has made the file and not the tables yet."""
    try:
        return connection.execute(statement, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
