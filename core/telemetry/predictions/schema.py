"""The tables of predictions and outcomes.

They have a file of their own: it is written by every server process, several megabytes a second at full load, and
what it holds is perishable. The metrics of trainings, kept for months, share neither its locks nor its fate.
"""

import secrets
import sqlite3
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from core.telemetry.errors import translated
from core.telemetry.schema import open_to_write

VERSION = 2  # 2: `slices` of predictions
_WAL_KEPT_BYTES = 64 << 20
_CACHE_KILOBYTES = 16 << 10  # the index of a whole segment

# `route` is all that many predictions have in common. Times are microseconds since 1970.
#
# Predictions lie in segments, a table each, numbered on through all of them: an index by request is hit at random by
# every insertion, so it has to stay small enough for the cache, and forgetting the oldest is one DROP. Outcomes are
# fewer and have one table; AUTOINCREMENT keeps a number from being given twice after rows were deleted.
_TABLES = """
CREATE TABLE IF NOT EXISTS identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), store TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS route (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, rollout TEXT NOT NULL, arm TEXT NOT NULL,
    share REAL NOT NULL, UNIQUE (model, version, rollout, arm, share));
CREATE INDEX IF NOT EXISTS route_by_rollout ON route (rollout);
CREATE TABLE IF NOT EXISTS segment (id INTEGER PRIMARY KEY, first INTEGER NOT NULL, begun_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outcome (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL UNIQUE, at INTEGER NOT NULL, actual REAL,
    loss REAL);
"""
_SEGMENT = """
CREATE TABLE prediction_{id} (
    seq INTEGER PRIMARY KEY, route INTEGER NOT NULL, request INTEGER NOT NULL, at INTEGER NOT NULL, latency_ms REAL,
    error INTEGER NOT NULL, value REAL, unit INTEGER, slices INTEGER)"""
_INDEX = "CREATE INDEX prediction_{id}_by_request ON prediction_{id} (request)"


class Segment(NamedTuple):
    """One table of predictions, and the numbers of its rows."""

    id: int
    first: int
    last: int  # `first` - 1 while it is empty
    begun_us: int

    @property
    def table(self) -> str:
        """The name of the table."""
        return f"prediction_{self.id}"

    @property
    def n(self) -> int:
        """How many predictions it holds."""
        return self.last - self.first + 1


def segments_of(connection: sqlite3.Connection) -> list[Segment]:
    """List the segments of a store, oldest first."""
    found = connection.execute("SELECT id, first, begun_at FROM segment ORDER BY id").fetchall()
    segments = []
    for (number, first, begun_us), after in zip_longest(found, found[1:]):
        if after is None:
            (newest,) = connection.execute(f"SELECT max(seq) FROM prediction_{number}").fetchone()
            last = first - 1 if newest is None else newest
        else:
            last = after[1] - 1
        segments.append(Segment(number, first, last, begun_us))
    return segments


def add_segment(connection: sqlite3.Connection, before: Segment | None, begun_us: int) -> Segment:
    """Open the next segment."""
    segment = Segment(before.id + 1, before.last + 1, before.last, begun_us) if before else Segment(1, 1, 0, begun_us)
    connection.execute(_SEGMENT.format(id=segment.id))
    connection.execute(_INDEX.format(id=segment.id))
    connection.execute("INSERT INTO segment VALUES (?, ?, ?)", (segment.id, segment.first, begun_us))
    return segment


def drop_segment(connection: sqlite3.Connection, segment: Segment) -> None:
    """Forget a segment with all its predictions."""
    connection.execute(f"DROP TABLE {segment.table}")
    connection.execute("DELETE FROM segment WHERE id = ?", (segment.id,))


def has_slices(connection: sqlite3.Connection, segment: Segment) -> bool:
    """Return whether a segment has the column `slices`: a store of format 1 that no writer has opened yet lacks it."""
    columns = connection.execute("SELECT name FROM pragma_table_info(?)", (segment.table,))
    return any(name == "slices" for (name,) in columns)


def _add_missing_columns(connection: sqlite3.Connection) -> None:
    for segment in segments_of(connection):
        if not has_slices(connection, segment):
            connection.execute(f"ALTER TABLE {segment.table} ADD COLUMN slices INTEGER")


def open_store(file: Path) -> sqlite3.Connection:
    """Open a store for writing, and make it if there is none.

    Raises:
        TelemetryDamagedError: The file is not a sound database.
        TelemetryError: It cannot be opened, or was written by a newer version of the program.
    """
    connection = open_to_write(
        file, _TABLES, version=VERSION, wal_kept_bytes=_WAL_KEPT_BYTES, upgrade=_add_missing_columns
    )
    with translated(file):
        try:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KILOBYTES}")
            connection.execute("INSERT OR IGNORE INTO identity VALUES (1, ?)", (secrets.token_hex(8),))
        except BaseException:
            connection.close()
            raise
        return connection
