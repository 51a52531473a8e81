"""The tables of predictions and outcomes.

They have a file of their own: it is written by every server process, several megabytes a second at full load, and
what it holds is perishable. The metrics of trainings, kept for months, share neither its locks nor its fate.
"""

import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from core.telemetry.errors import translated
from core.telemetry.schema import open_to_write
from core.telemetry.writing import WriteConnection

VERSION = 3  # 2: slices of predictions; 3: kinds of answers, names of classes, chains of segments
_WAL_KEPT_BYTES = 64 << 20
_CACHE_KILOBYTES = 16 << 10  # the index of a whole segment

# `route` is all that many predictions have in common. Times are microseconds since 1970.
#
# Predictions lie in segments, a table each, numbered on through all of them: an index by request is hit at random by
# every insertion, so it has to stay small enough for the cache, and forgetting the oldest is one DROP. A model that is
# kept for its own time has its own chain of segments, so that no row of another is kept with it.
#
# Outcomes are fewer and have one table; AUTOINCREMENT keeps a number from being given twice after rows were deleted.
# An outcome whose prediction is not stored yet waits in `waiting` until it is.
_TABLES = """
CREATE TABLE IF NOT EXISTS identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), store TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS route (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, rollout TEXT NOT NULL, arm TEXT NOT NULL,
    share REAL NOT NULL, kind TEXT NOT NULL, classes TEXT NOT NULL,
    UNIQUE (model, version, rollout, arm, share, kind, classes));
CREATE INDEX IF NOT EXISTS route_by_rollout ON route (rollout);
CREATE TABLE IF NOT EXISTS segment (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, begun_at INTEGER NOT NULL, chain TEXT NOT NULL,
    last INTEGER NOT NULL, n INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outcome (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL UNIQUE, at INTEGER NOT NULL, actual REAL,
    loss REAL, name TEXT);
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL UNIQUE, at INTEGER NOT NULL, actual REAL,
    loss REAL, name TEXT);
"""
_SEGMENT = """
CREATE TABLE prediction_{id} (
    seq INTEGER PRIMARY KEY, route INTEGER NOT NULL, request INTEGER NOT NULL, at INTEGER NOT NULL, latency_ms REAL,
    error INTEGER NOT NULL, value REAL, unit INTEGER, slices INTEGER, detail BLOB)"""
_INDEX = "CREATE INDEX prediction_{id}_by_request ON prediction_{id} (request)"


class Segment(NamedTuple):
    """One table of predictions, and the numbers of its rows."""

    id: int
    first: int
    last: int  # `first` - 1 while it is empty
    begun_us: int
    chain: str = ""  # the model that is kept for its own time; empty for all others
    n: int = 0  # rows

    @property
    def table(self) -> str:
        """The name of the table."""
        return f"prediction_{self.id}"


def segments_of(connection: sqlite3.Connection) -> list[Segment]:
    """List the segments of a store, oldest first."""
    found = connection.execute("SELECT id, first, last, begun_at, chain, n FROM segment ORDER BY id")
    return [Segment(*row) for row in found]


def add_segment(connection: sqlite3.Connection, segments: Iterable[Segment], chain: str, begun_us: int) -> Segment:
    """Open the next segment of a chain."""
    known = list(segments)
    last = max((segment.last for segment in known), default=0)
    segment = Segment(max((segment.id for segment in known), default=0) + 1, last + 1, last, begun_us, chain)
    connection.execute(_SEGMENT.format(id=segment.id))
    connection.execute(_INDEX.format(id=segment.id))
    connection.execute(
        "INSERT INTO segment (id, first, begun_at, chain, last, n) VALUES (?, ?, ?, ?, ?, 0)",
        (segment.id, segment.first, begun_us, chain, segment.last),
    )
    return segment


def drop_segment(connection: sqlite3.Connection, segment: Segment) -> None:
    """Forget a segment with all its predictions."""
    connection.execute(f"DROP TABLE {segment.table}")
    connection.execute("DELETE FROM segment WHERE id = ?", (segment.id,))


def open_store(file: Path) -> WriteConnection:
    """Open a store for writing, make it if there is none, and bring one of an earlier format to this one.

    Raises:
        TelemetryDamagedError: The file is not a sound database.
        TelemetryError: It cannot be opened, or was written by a newer version of the program.
    """
    connection = open_to_write(
        file, _TABLES, version=VERSION, wal_kept_bytes=_WAL_KEPT_BYTES, upgrade=_from_earlier_format
    )
    with translated(file):
        try:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KILOBYTES}")
            with connection.transaction():
                connection.execute("INSERT OR IGNORE INTO identity VALUES (1, ?)", (secrets.token_hex(8),))
        except BaseException:
            connection.close()
            raise
        return connection


def _from_earlier_format(connection: sqlite3.Connection, found: int) -> None:
    """Add what the earlier formats lack: slices (1), kinds of answers, names of classes, and chains (2)."""
    connection.execute("ALTER TABLE route RENAME TO route_1")
    connection.execute("DROP INDEX route_by_rollout")
    for statement in (part for part in _TABLES.split(";") if " route " in part):
        connection.execute(statement)
    connection.execute("INSERT INTO route SELECT id, model, version, rollout, arm, share, '', '' FROM route_1")
    connection.execute("DROP TABLE route_1")
    connection.execute("ALTER TABLE outcome ADD COLUMN name TEXT")
    for column in ("chain TEXT NOT NULL DEFAULT ''", "last INTEGER NOT NULL DEFAULT 0", "n INTEGER NOT NULL DEFAULT 0"):
        connection.execute(f"ALTER TABLE segment ADD COLUMN {column}")
    for number, first in connection.execute("SELECT id, first FROM segment").fetchall():
        for column in ("slices INTEGER", "detail BLOB")[found - 1 :]:
            connection.execute(f"ALTER TABLE prediction_{number} ADD COLUMN {column}")
        (last,) = connection.execute(f"SELECT coalesce(max(seq), ?) FROM prediction_{number}", (first - 1,)).fetchone()
        n = last - first + 1  # earlier formats numbered the rows of a segment without gaps
        connection.execute("UPDATE segment SET last = ?, n = ? WHERE id = ?", (last, n, number))
